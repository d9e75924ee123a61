//! What is the field of a struct that is null?

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::{is_null, nullif};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

/// Makes fields of null structs null. What a struct's child holds there means nothing, but
/// DataFusion's `get_field` hands it out.
#[derive(Debug)]
pub(crate) struct NullFields;

impl AnalyzerRule for NullFields {
    fn name(&self) -> &'static str {
        "null_fields"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(|expr| Ok(masked(expr)))?.update_data(|expr| name.restore(expr)))
            })
        })
        .data()
    }
}

fn masked(expr: Expr) -> Transformed<Expr> {
    let call = match expr {
        Expr::ScalarFunction(call) if call.name() == "get_field" => call,
        other => return Transformed::no(other),
    };
    let mut args = call.args.into_iter();
    let Some(base) = args.next() else { return Transformed::no(Expr::default()) };
    let signature = Signature::any(2, Volatility::Immutable);
    let function = Arc::new(ScalarUDF::new_from_impl(Field { inner: call.func, signature }));
    Transformed::yes(args.fold(base, |base, name| {
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&function), vec![base, name]))
    }))
}

/// One field of a struct, or one value of a map.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Field {
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for Field {
    fn name(&self) -> &'static str {
        "field"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let may_be_null = args.arg_fields.first().is_some_and(|base| base.is_nullable());
        let field = self.inner.return_field_from_args(args)?;
        let nullable = field.is_nullable() || may_be_null;
        Ok(Arc::new(field.as_ref().clone().with_nullable(nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(base) = args.args.first().cloned() else {
            return Err(DataFusionError::Internal("a field of nothing".to_owned()));
        };
        let child = self.inner.invoke_with_args(args)?;
        if !matches!(base.data_type(), DataType::Struct(_)) {
            return Ok(child);
        }
        let base = match &base {
            ColumnarValue::Array(array) => Arc::clone(array),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        if base.as_struct().null_count() == 0 {
            return Ok(child);
        }
        let absent = is_null(base.as_ref())?;
        match child {
            ColumnarValue::Array(child) if absent.len() == rows => {
                Ok(ColumnarValue::Array(nullif(child.as_ref(), &absent)?))
            }
            child => Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(&child.data_type())?)),
        }
    }
}
