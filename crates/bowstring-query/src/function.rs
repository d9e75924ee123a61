//! How does a function of another crate come into SQL?
//!
//! A [`Function`] is bound to the arguments of each call: while the query is planned, which is when a
//! wrong argument is an error, and again for each batch, so binding has to be cheap after the first time.

use std::fmt::{Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::{QueryError, Result};

/// A function that SQL can call by its name: the same arguments give the same value, row by row.
pub trait Function: Debug + Send + Sync {
    /// Its name, in lower case.
    fn name(&self) -> &str;

    /// What a call with such arguments computes.
    ///
    /// # Errors
    /// When there are too few or too many, or when one does not fit.
    fn bind(&self, arguments: &[Argument]) -> Result<Call>;
}

/// An argument of a call, as far as it is known before there are rows.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The column, or the expression as it would be named as one; known when the query is planned.
    pub name: Option<String>,
    /// The type of its values.
    pub data_type: DataType,
    /// Its value, as an array of one row, when the query says it.
    pub literal: Option<ArrayRef>,
}

/// A call whose arguments fit.
pub struct Call {
    /// The type of what it computes.
    pub data_type: DataType,
    /// Computes a value for each row from the arguments, of which those that are literals have one row
    /// only.
    pub compute: Compute,
}

/// How a call gets from arguments to values.
pub type Compute = Box<dyn Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync>;

impl Debug for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("data_type", &self.data_type).finish_non_exhaustive()
    }
}

/// The function as DataFusion calls it.
pub(crate) fn adapted(function: &Arc<dyn Function>) -> Arc<ScalarUDF> {
    let signature = Signature::variadic_any(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Adapter { function: Arc::clone(function), signature }))
}

/// Whether DataFusion calls a function of another crate here.
pub(crate) fn is_adapted(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Adapter>().is_some()
}

#[derive(Debug)]
struct Adapter {
    function: Arc<dyn Function>,
    signature: Signature,
}

impl PartialEq for Adapter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Eq for Adapter {}

impl Hash for Adapter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name().hash(state);
    }
}

fn foreign(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl Adapter {
    fn bind(&self, arguments: &[Argument]) -> DfResult<Call> {
        self.function.bind(arguments).map_err(foreign)
    }
}

impl ScalarUDFImpl for Adapter {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        let arguments: Vec<Argument> =
            types.iter().map(|of| Argument { name: None, data_type: of.clone(), literal: None }).collect();
        Ok(self.bind(&arguments)?.data_type)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        let arguments = args
            .arg_fields
            .iter()
            .zip(args.scalar_arguments)
            .map(|(field, literal)| {
                let literal = literal.map(ScalarValue::to_array).transpose()?;
                let name = Some(field.name().clone());
                Ok(Argument { name, data_type: field.data_type().clone(), literal })
            })
            .collect::<DfResult<Vec<_>>>()?;
        Ok(Arc::new(Field::new(self.name(), self.bind(&arguments)?.data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let mut arguments = Vec::with_capacity(args.args.len());
        let mut values = Vec::with_capacity(args.args.len());
        for value in &args.args {
            let (array, literal) = match value {
                ColumnarValue::Array(array) => (Arc::clone(array), None),
                ColumnarValue::Scalar(scalar) => {
                    let array = scalar.to_array()?;
                    (Arc::clone(&array), Some(array))
                }
            };
            arguments.push(Argument { name: None, data_type: array.data_type().clone(), literal });
            values.push(array);
        }
        let computed = (self.bind(&arguments)?.compute)(&values).map_err(foreign)?;
        if arguments.iter().all(|argument| argument.literal.is_some()) {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&computed, 0)?));
        }
        Ok(ColumnarValue::Array(computed))
    }
}
