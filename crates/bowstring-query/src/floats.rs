//! How do floats compare?
//!
//! As SQL has it: `-0.0` equals `0.0`, and NaN equals NaN and is above every other number. The kernels
//! below DataFusion tell NaN from NaN by its sign, and least and greatest values start from the largest
//! and the smallest finite number, which infinities do not pass. So wherever floats are compared,
//! grouped, joined or sorted, this rule makes equal ones the same bits first, and it takes the least
//! and the greatest of whole numbers that order as the floats do.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::{ScalarFunction, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::{Aggregate, Distinct};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::optimizer::AnalyzerRule;

use crate::semantics::is_comparison;

/// Goes after coercion, when both sides of a comparison have one type.
#[derive(Debug)]
pub(crate) struct FloatOrder;

impl AnalyzerRule for FloatOrder {
    fn name(&self) -> &'static str {
        "float_order"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            let node = node.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| Ok(Transformed::yes(compared(expr, &schema))))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })?;
            Ok(Transformed::yes(keys(node.data)?))
        })
        .data()
    }
}

/// The expression, with the floats that it compares made canonical.
fn compared(mut expr: Expr, schema: &DFSchema) -> Expr {
    let fix = |part: &mut Expr| canonical(part, schema);
    match &mut expr {
        Expr::BinaryExpr(binary) if is_comparison(binary.op) => {
            fix(&mut binary.left);
            fix(&mut binary.right);
        }
        Expr::Between(between) => {
            fix(&mut between.expr);
            fix(&mut between.low);
            fix(&mut between.high);
        }
        Expr::InList(list) => {
            fix(&mut list.expr);
            list.list.iter_mut().for_each(fix);
        }
        Expr::InSubquery(query) => fix(&mut query.expr),
        Expr::AggregateFunction(call) => {
            if call.params.distinct {
                call.params.args.iter_mut().for_each(fix);
            }
            call.params.order_by.iter_mut().for_each(|sort| fix(&mut sort.expr));
        }
        Expr::WindowFunction(call) => {
            call.params.partition_by.iter_mut().for_each(fix);
            call.params.order_by.iter_mut().for_each(|sort| fix(&mut sort.expr));
        }
        _ => {}
    }
    expr
}

/// The node, with floats that it groups, joins or sorts by made canonical, and its least and greatest
/// floats taken by rank.
fn keys(node: LogicalPlan) -> Result<LogicalPlan> {
    Ok(match node {
        LogicalPlan::Join(mut join) => {
            for (left, right) in &mut join.on {
                canonical(left, join.left.schema());
                canonical(right, join.right.schema());
            }
            LogicalPlan::Join(join)
        }
        LogicalPlan::Sort(mut sort) => {
            for key in &mut sort.expr {
                canonical(&mut key.expr, sort.input.schema());
            }
            LogicalPlan::Sort(sort)
        }
        LogicalPlan::Distinct(Distinct::All(input)) if has_floats(input.schema()) => {
            let columns = input.schema().iter().map(|(qualifier, field)| {
                let mut column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
                canonical(&mut column, input.schema());
                column.alias_qualified(qualifier.cloned(), field.name())
            });
            let columns: Vec<Expr> = columns.collect();
            LogicalPlanBuilder::from(Arc::unwrap_or_clone(input)).project(columns)?.distinct()?.build()?
        }
        LogicalPlan::Aggregate(aggregate) => extremes(groups(aggregate)?)?,
        node @ LogicalPlan::Window(_) => extremes(node)?,
        other => other,
    })
}

fn has_floats(schema: &DFSchema) -> bool {
    schema.fields().iter().any(|field| field.data_type().is_floating())
}

fn groups(mut aggregate: Aggregate) -> Result<LogicalPlan> {
    let names = NamePreserver::new_for_projection();
    for group in &mut aggregate.group_expr {
        let name = names.save(group);
        let inner = std::mem::take(group);
        *group = match inner {
            // The columns of a rollup are named by themselves and stay as they are.
            set @ Expr::GroupingSet(_) => set,
            mut key => {
                canonical(&mut key, aggregate.input.schema());
                name.restore(key)
            }
        };
    }
    Ok(LogicalPlan::Aggregate(aggregate))
}

/// Puts the least and greatest floats of an aggregation or a window through their ranks and back.
fn extremes(node: LogicalPlan) -> Result<LogicalPlan> {
    crate::overflow::around(node, |call, schema| {
        let (name, args) = match call {
            Expr::AggregateFunction(call) => (call.func.name().to_owned(), &mut call.params.args),
            Expr::WindowFunction(call) => {
                let WindowFunction { fun, params } = call.as_mut();
                (fun.name().to_owned(), &mut params.args)
            }
            _ => return Ok(None),
        };
        let [arg] = args.as_mut_slice() else { return Ok(None) };
        let data_type = arg.get_type(schema)?;
        if !matches!(name.as_str(), "min" | "max") || !data_type.is_floating() {
            return Ok(None);
        }
        *arg = call_on(Function::Rank, cast(std::mem::take(arg), DataType::Float64));
        Ok(Some(Box::new(move |rank| cast(call_on(Function::Unrank, rank), data_type.clone()))))
    })
}

/// Makes a float's zeros one and its NaNs one; leaves anything else as it is.
fn canonical(expr: &mut Expr, schema: &DFSchema) {
    let is_done = match &expr {
        Expr::ScalarFunction(call) => call.name() == CANONICAL,
        Expr::Alias(alias) => {
            matches!(alias.expr.as_ref(), Expr::ScalarFunction(call) if call.name() == CANONICAL)
        }
        _ => false,
    };
    if is_done || !expr.get_type(schema).is_ok_and(|data_type| data_type.is_floating()) {
        return;
    }
    *expr = match std::mem::take(expr) {
        Expr::Literal(ScalarValue::Float64(Some(value)), metadata) => {
            Expr::Literal(ScalarValue::Float64(Some(one(value))), metadata)
        }
        literal @ Expr::Literal(..) => literal,
        other => call_on(Function::Canonical, other),
    };
}

/// The column behind a canonical float: readers compare floats canonically themselves.
pub(crate) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::ScalarFunction(call) if call.name() == CANONICAL => call.args.first().unwrap_or(expr),
        _ => expr,
    }
}

const CANONICAL: &str = "canonical";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Canonical,
    Rank,
    Unrank,
}

fn call_on(function: Function, arg: Expr) -> Expr {
    let function = OfFloat { function, signature: Signature::any(1, Volatility::Immutable) };
    let function = Arc::new(ScalarUDF::new_from_impl(function));
    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![arg]))
}

/// A function of one float, or of the rank of one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfFloat {
    function: Function,
    signature: Signature,
}

impl ScalarUDFImpl for OfFloat {
    fn name(&self) -> &'static str {
        match self.function {
            Function::Canonical => CANONICAL,
            Function::Rank => "float_rank",
            Function::Unrank => "float_of_rank",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match self.function {
            Function::Canonical => types.first().cloned().ok_or_else(misused),
            Function::Rank => Ok(DataType::Int64),
            Function::Unrank => Ok(DataType::Float64),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [arg] = args.args.as_slice() else { return Err(misused()) };
        let array =
            arg.to_array(if matches!(arg, ColumnarValue::Scalar(_)) { 1 } else { args.number_rows })?;
        let result: ArrayRef = match (self.function, array.data_type()) {
            (Function::Canonical, DataType::Float64) => {
                Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
            }
            (Function::Canonical, DataType::Float32) => {
                let of_one = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
                Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(of_one))
            }
            (Function::Canonical, DataType::Float16) => {
                let wide = |value| one(f64::from(value));
                let wide: Float64Array = array.as_primitive::<Float16Type>().unary(wide);
                arrow::compute::cast(&wide, &DataType::Float16)?
            }
            (Function::Rank, DataType::Float64) => {
                let ranks: Int64Array = array.as_primitive::<Float64Type>().unary(rank);
                Arc::new(ranks)
            }
            (Function::Unrank, DataType::Int64) => {
                let floats: Float64Array = array.as_primitive::<Int64Type>().unary(of_rank);
                Arc::new(floats)
            }
            _ => return Err(misused()),
        };
        match arg {
            ColumnarValue::Scalar(_) => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(result)),
        }
    }
}

fn misused() -> DataFusionError {
    DataFusionError::Internal("a function of floats was given something else".to_owned())
}

/// The one zero and the one NaN of a float.
fn one(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

/// A whole number that is less than another one exactly when the floats are.
fn rank(value: f64) -> i64 {
    let bits = one(value).to_bits().cast_signed();
    // Of negative floats, those with larger bits are smaller.
    if bits < 0 { !bits ^ i64::MIN } else { bits }
}

fn of_rank(rank: i64) -> f64 {
    let bits = if rank < 0 { !(rank ^ i64::MIN) } else { rank };
    f64::from_bits(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_order_as_floats_do(a in any::<f64>(), b in any::<f64>()) {
            prop_assert_eq!(rank(a).cmp(&rank(b)), one(a).total_cmp(&one(b)));
            prop_assert_eq!(of_rank(rank(a)).to_bits(), one(a).to_bits());
        }
    }

    #[test]
    fn zeros_are_one_and_nans_are_one_and_last() {
        assert_eq!(rank(-0.0), rank(0.0));
        assert_eq!(rank(-f64::NAN), rank(f64::NAN));
        assert!(rank(f64::INFINITY) < rank(-f64::NAN) && rank(f64::NEG_INFINITY) < rank(f64::MIN));
    }
}
