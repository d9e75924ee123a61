//! Where is our SQL stricter than DataFusion's?

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, cast, expr::InSubquery};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::{
    resolve_grouping_function::ResolveGroupingFunction, type_coercion::TypeCoercion,
};

use crate::QueryError;
use crate::fields::NullFields;
use crate::floats::FloatOrder;
use crate::overflow::CheckedArithmetic;

/// The rules that check and complete a plan, in order. Comparisons are checked with the types that
/// the user wrote, before coercion changes them.
pub(crate) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![
        Arc::new(ResolveGroupingFunction::new()),
        Arc::new(NoMixedComparison),
        Arc::new(FloatsStayFloats),
        Arc::new(TypeCoercion::new()),
        Arc::new(FoldLiteralCasts),
        Arc::new(NullFields),
        Arc::new(CheckedArithmetic),
        Arc::new(FloatOrder),
    ]
}

/// Refuses to compare text with numbers, instead of turning one into the other.
#[derive(Debug)]
struct NoMixedComparison;

impl AnalyzerRule for NoMixedComparison {
    fn name(&self) -> &'static str {
        "no_mixed_comparison"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|node| {
            check_node(node)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(plan)
    }
}

/// Makes decimals that stand beside floats floats. Coercion would make decimals of the floats in lists
/// and choices, which loses digits and has no place for NaN.
#[derive(Debug)]
struct FloatsStayFloats;

impl AnalyzerRule for FloatsStayFloats {
    fn name(&self) -> &'static str {
        "floats_stay_floats"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let changed = plan.transform_up_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|mut expr| {
                    let changed = widen_decimals(&mut choices(&mut expr), &schema);
                    Ok(Transformed::new_transformed(expr, changed))
                })?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(changed.data)
    }
}

/// The parts of an expression that must have one type.
fn choices(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::BinaryExpr(binary) if is_comparison(binary.op) => vec![&mut binary.left, &mut binary.right],
        Expr::Between(between) => vec![&mut between.expr, &mut between.low, &mut between.high],
        Expr::InList(list) => std::iter::once(list.expr.as_mut()).chain(&mut list.list).collect(),
        Expr::Case(case) => {
            let results = case.when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            results.chain(case.else_expr.as_deref_mut()).collect()
        }
        Expr::ScalarFunction(call)
            if matches!(call.name(), "coalesce" | "nullif" | "greatest" | "least" | "nvl" | "nvl2") =>
        {
            call.args.iter_mut().collect()
        }
        _ => Vec::new(),
    }
}

fn widen_decimals(parts: &mut [&mut Expr], schema: &DFSchema) -> bool {
    let types: Vec<Option<DataType>> = parts.iter().map(|part| part.get_type(schema).ok()).collect();
    if !types.iter().flatten().any(DataType::is_floating) {
        return false;
    }
    let mut changed = false;
    for (part, _) in
        parts.iter_mut().zip(types).filter(|(_, of)| of.as_ref().is_some_and(DataType::is_decimal))
    {
        **part = cast(std::mem::take(*part), DataType::Float64);
        changed = true;
    }
    changed
}

/// Turns the literals that coercion has put a cast around into literals of that type. Types that
/// depend on a literal argument, as that of `round(price, 2)`, are then the same before the
/// optimiser as after it.
#[derive(Debug)]
struct FoldLiteralCasts;

impl AnalyzerRule for FoldLiteralCasts {
    fn name(&self) -> &'static str {
        "fold_literal_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let folded = plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(fold)?.update_data(|expr| name.restore(expr)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        })?;
        Ok(folded.data)
    }
}

fn fold(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::Cast(cast) = &expr else { return Ok(Transformed::no(expr)) };
    let Expr::Literal(value, metadata) = cast.expr.as_ref() else { return Ok(Transformed::no(expr)) };
    // A literal that cannot be cast is an error of the run, in which it may not be reached.
    match value.cast_to(cast.field.data_type()) {
        Ok(value) => Ok(Transformed::yes(Expr::Literal(value, metadata.clone()))),
        Err(_) => Ok(Transformed::no(expr)),
    }
}

fn check_node(node: &LogicalPlan) -> Result<()> {
    match node {
        LogicalPlan::Join(join) => {
            for (left, right) in &join.on {
                check_types(left, join.left.schema(), right, join.right.schema())?;
            }
        }
        LogicalPlan::Union(union) => {
            if let Some((first, others)) = union.inputs.split_first() {
                others.iter().try_for_each(|other| check_union(first.schema(), other.schema()))?;
            }
        }
        _ => {}
    }
    let schema = merge_schema(&node.inputs());
    for expr in node.expressions() {
        expr.apply(|expr| {
            check_expr(expr, &schema)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(())
}

fn check_union(first: &DFSchema, other: &DFSchema) -> Result<()> {
    let mixed =
        first.fields().iter().zip(other.fields()).find(|(a, b)| is_mixed(a.data_type(), b.data_type()));
    match mixed {
        None => Ok(()),
        Some((a, b)) => Err(DataFusionError::External(Box::new(QueryError::MixedUnion {
            column: a.name().clone(),
            first: a.data_type().clone(),
            other: b.data_type().clone(),
        }))),
    }
}

fn check_expr(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let check = |left: &Expr, right: &Expr| check_types(left, schema, right, schema);
    match expr {
        Expr::BinaryExpr(binary) if is_comparison(binary.op) => check(&binary.left, &binary.right),
        Expr::Between(between) => {
            check(&between.expr, &between.low)?;
            check(&between.expr, &between.high)
        }
        Expr::InList(list) => list.list.iter().try_for_each(|value| check(&list.expr, value)),
        Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
            match subquery.subquery.schema().columns().into_iter().next() {
                Some(column) => check_types(expr, schema, &Expr::Column(column), subquery.subquery.schema()),
                None => Ok(()),
            }
        }
        Expr::Case(case) => match &case.expr {
            Some(value) => case.when_then_expr.iter().try_for_each(|(when, _)| check(value, when)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

pub(crate) fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn check_types(left: &Expr, left_schema: &DFSchema, right: &Expr, right_schema: &DFSchema) -> Result<()> {
    // A type that cannot be told is an error that coercion reports in its own words.
    let (Ok(left_type), Ok(right_type)) = (left.get_type(left_schema), right.get_type(right_schema)) else {
        return Ok(());
    };
    if !is_mixed(&left_type, &right_type) {
        return Ok(());
    }
    Err(DataFusionError::External(Box::new(QueryError::MixedComparison {
        left: left.human_display().to_string(),
        left_type,
        right: right.human_display().to_string(),
        right_type,
    })))
}

fn is_mixed(a: &DataType, b: &DataType) -> bool {
    (is_text(a) && is_number(b)) || (is_number(a) && is_text(b))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        _ => data_type.is_string(),
    }
}

fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_number(values),
        _ => data_type.is_numeric(),
    }
}
