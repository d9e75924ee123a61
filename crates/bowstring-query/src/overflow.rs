//! How does a whole number that does not fit become an error?
//!
//! DataFusion's arithmetic on integers goes on past the largest value at the smallest one. This rule
//! puts checked arithmetic in its place: `+`, `-`, `*` and the sign on integers, and sums of 64-bit
//! integers, which are taken as decimals and must fit at the end. Sizes of texts and lists to make
//! are bounded too.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::kernels::numeric;
use arrow::compute::{CastOptions, cast_with_options, max};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type, Int64Type,
};
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

/// Goes after coercion, when both sides of an operator have one type.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            let node = node.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_down(|expr| check(expr, &schema))?;
                let expr = expr.transform_data(|expr| expr.transform_up(|expr| fits(expr, &schema)))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })?;
            node.transform_data(check_sums)
        })
        .data()
    }
}

fn check(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_integer = |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| data_type.is_integer());
    Ok(match expr {
        Expr::BinaryExpr(binary)
            if Arithmetic::of(binary.op).is_some()
                && is_integer(&binary.left)
                && is_integer(&binary.right) =>
        {
            match Arithmetic::of(binary.op) {
                Some(op) => Transformed::yes(op.call(*binary.left, *binary.right)),
                None => Transformed::no(Expr::BinaryExpr(binary)),
            }
        }
        Expr::ScalarFunction(mut call) if SIZED.contains(&call.name()) => {
            let unbounded = call.args.get_mut(1).filter(|size| !is_small(size));
            match unbounded {
                Some(size) => {
                    let inner = std::mem::take(size);
                    *size = Expr::ScalarFunction(ScalarFunction::new_udf(Bounded::function(), vec![inner]));
                    Transformed::yes(Expr::ScalarFunction(call))
                }
                None => Transformed::no(Expr::ScalarFunction(call)),
            }
        }
        Expr::Negative(inner) if is_integer(&inner) => {
            let zero = ScalarValue::new_zero(&inner.get_type(schema)?)?;
            Transformed::yes(Arithmetic::Minus.call(Expr::Literal(zero, None), *inner))
        }
        other => Transformed::no(other),
    })
}

/// Puts a check around arithmetic whose result has the most digits that a decimal can have: there may
/// have been more.
fn fits(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    use Operator::{Divide, Minus, Multiply, Plus};
    Ok(match expr {
        Expr::BinaryExpr(binary) if matches!(binary.op, Plus | Minus | Multiply | Divide) => {
            let expr = Expr::BinaryExpr(binary);
            let is_full = matches!(
                expr.get_type(schema),
                Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, _)
                    | DataType::Decimal256(DECIMAL256_MAX_PRECISION, _))
            );
            if is_full { Transformed::yes(Fits::call(expr)) } else { Transformed::no(expr) }
        }
        // A plan is checked again when a step is put upon it.
        Expr::ScalarFunction(mut call) if call.name() == Fits::NAME => match call.args.pop() {
            Some(Expr::ScalarFunction(inner)) if inner.name() == Fits::NAME => {
                Transformed::yes(Expr::ScalarFunction(inner))
            }
            Some(inner) => {
                call.args.push(inner);
                Transformed::no(Expr::ScalarFunction(call))
            }
            None => return Err(no_operands()),
        },
        other => Transformed::no(other),
    })
}

/// A decimal, or an error when it has more digits than its type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fits {
    signature: Signature,
}

impl Fits {
    const NAME: &str = "fits";

    fn call(arg: Expr) -> Expr {
        let function = Fits { signature: Signature::any(1, Volatility::Immutable) };
        let function = Arc::new(ScalarUDF::new_from_impl(function));
        Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![arg]))
    }
}

impl ScalarUDFImpl for Fits {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(no_operands)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else { return Err(no_operands()) };
        let array = match value {
            ColumnarValue::Array(array) => Arc::clone(array),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        match array.data_type() {
            DataType::Decimal128(digits, _) => {
                array.as_primitive::<Decimal128Type>().validate_decimal_precision(*digits)?;
            }
            DataType::Decimal256(digits, _) => {
                array.as_primitive::<Decimal256Type>().validate_decimal_precision(*digits)?;
            }
            _ => {}
        }
        Ok(value.clone())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Arithmetic {
    Plus,
    Minus,
    Times,
}

impl Arithmetic {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Arithmetic::Plus),
            Operator::Minus => Some(Arithmetic::Minus),
            Operator::Multiply => Some(Arithmetic::Times),
            _ => None,
        }
    }

    fn call(self, left: Expr, right: Expr) -> Expr {
        let function = Checked { op: self, signature: Signature::any(2, Volatility::Immutable) };
        let function = Arc::new(ScalarUDF::new_from_impl(function));
        Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![left, right]))
    }
}

/// Arithmetic on two integers of one type; an error when the result does not fit it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Arithmetic,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.op {
            Arithmetic::Plus => "checked_add",
            Arithmetic::Minus => "checked_subtract",
            Arithmetic::Times => "checked_multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(no_operands)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kernel = match self.op {
            Arithmetic::Plus => numeric::add,
            Arithmetic::Minus => numeric::sub,
            Arithmetic::Times => numeric::mul,
        };
        let [left, right] = args.args.as_slice() else { return Err(no_operands()) };
        apply(left, right, |left, right| kernel(left, right).map_err(plain))
    }
}

fn plain(error: ArrowError) -> ArrowError {
    match error {
        ArrowError::ArithmeticOverflow(reason) => {
            let reason = reason.replace("Overflow happened on: ", "");
            ArrowError::ArithmeticOverflow(format!("{reason} does not fit its type"))
        }
        other => other,
    }
}

fn no_operands() -> DataFusionError {
    DataFusionError::Internal("checked arithmetic misses an operand".to_owned())
}

/// Functions whose second argument says how long the result is. They ask for the memory at once, and
/// the process ends when there is none.
const SIZED: [&str; 5] = ["lpad", "rpad", "repeat", "array_repeat", "array_resize"];

/// The longest text or list that they may make.
const LONGEST: i64 = 1 << 24;

/// Whether a size needs no check when the query runs.
fn is_small(size: &Expr) -> bool {
    match size {
        Expr::Literal(value, _) => {
            matches!(value.cast_to(&DataType::Int64), Ok(ScalarValue::Int64(Some(size))) if size <= LONGEST)
        }
        Expr::ScalarFunction(call) => call.name() == Bounded::NAME,
        _ => false,
    }
}

/// A size, or an error when it is absurd.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    signature: Signature,
}

impl Bounded {
    const NAME: &str = "bounded";

    fn function() -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Bounded { signature: Signature::any(1, Volatility::Immutable) }))
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(no_operands)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [size] = args.args.as_slice() else { return Err(no_operands()) };
        let sizes = cast_with_options(&size.to_array(1)?, &DataType::Int64, &CastOptions::default())?;
        match max(sizes.as_primitive::<Int64Type>()) {
            Some(most) if most > LONGEST => Err(DataFusionError::Execution(format!(
                "a text or list of {most} is longer than the {LONGEST} that one function may make"
            ))),
            _ => Ok(size.clone()),
        }
    }
}

/// Takes the sums of an aggregation or a window over 64-bit integers as decimals, and over long decimals
/// as longer ones, which no number of rows fills, and turns them back above it.
fn check_sums(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let changed = around(node, |call, schema| {
        let (name, args) = match call {
            Expr::AggregateFunction(call) => (call.func.name().to_owned(), &mut call.params.args),
            Expr::WindowFunction(call) => (call.fun.name().to_owned(), &mut call.params.args),
            _ => return Ok(None),
        };
        let [arg] = args.as_mut_slice() else { return Ok(None) };
        let data_type = arg.get_type(schema)?;
        let (wide, result) = match data_type {
            DataType::Int64 | DataType::UInt64 => (DataType::Decimal128(20, 0), data_type),
            // Others have ten digits to spare.
            DataType::Decimal128(digits @ 29.., scale) => {
                (DataType::Decimal256(digits, scale), DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale))
            }
            _ => return Ok(None),
        };
        if name != "sum" {
            return Ok(None);
        }
        *arg = cast(std::mem::take(arg), wide);
        Ok(Some(Box::new(move |sum| cast(sum, result.clone()))))
    });
    changed.map(Transformed::yes)
}

/// What turns the result of a changed call into that of the call before.
pub(crate) type Back = Box<dyn Fn(Expr) -> Expr>;

/// Lets `change` change the calls of an aggregation or a window, and puts a projection above the node
/// that turns their results back. Names and types stay.
pub(crate) fn around(
    node: LogicalPlan,
    change: impl Fn(&mut Expr, &DFSchema) -> Result<Option<Back>>,
) -> Result<LogicalPlan> {
    let (exprs, input) = match &node {
        LogicalPlan::Aggregate(aggregate) => (&aggregate.aggr_expr, &aggregate.input),
        LogicalPlan::Window(window) => (&window.window_expr, &window.input),
        _ => return Ok(node),
    };
    let names = NamePreserver::new_for_projection();
    let (mut calls, mut backs) = (Vec::with_capacity(exprs.len()), Vec::with_capacity(exprs.len()));
    for expr in exprs {
        let name = names.save(expr);
        let mut back = None;
        let call = expr.clone().transform_down(|mut expr| {
            let changed = change(&mut expr, input.schema())?;
            let found = changed.is_some();
            back = back.take().or(changed);
            Ok(Transformed::new_transformed(expr, found))
        })?;
        calls.push(name.restore(call.data));
        backs.push(back);
    }
    if backs.iter().all(Option::is_none) {
        return Ok(node);
    }
    let before = Arc::clone(node.schema());
    let unchanged = before.fields().len() - backs.len();
    let builder = match node {
        LogicalPlan::Aggregate(aggregate) => LogicalPlanBuilder::from(Arc::unwrap_or_clone(aggregate.input))
            .aggregate(aggregate.group_expr, calls)?,
        LogicalPlan::Window(window) => {
            LogicalPlanBuilder::from(Arc::unwrap_or_clone(window.input)).window(calls)?
        }
        other => LogicalPlanBuilder::from(other),
    };
    let columns = before.iter().enumerate().map(|(index, (qualifier, field))| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        match index.checked_sub(unchanged).and_then(|index| backs.get(index)) {
            Some(Some(back)) => back(column).alias_qualified(qualifier.cloned(), field.name()),
            _ => column,
        }
    });
    let columns: Vec<Expr> = columns.collect();
    builder.project(columns)?.build()
}
