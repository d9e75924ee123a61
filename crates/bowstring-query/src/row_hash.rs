//! Which number does a row draw in a sample?
//! Seeded XXH3 over the row's order-preserving encoding: uniform over 64 bits and the same on every
//! machine.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use twox_hash::XxHash3_64;

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowHash {
    seed: u64,
    signature: Signature,
}

/// A number from 0 to 2⁶⁴ − 1 for each row.
pub(crate) fn row_hash(seed: u64, columns: Vec<Expr>) -> Expr {
    let signature = Signature::variadic_any(Volatility::Immutable);
    ScalarUDF::from(RowHash { seed, signature }).call(columns)
}

/// The number below which a row is in the sample; `None` when all are.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a fraction below 1 of 2^64 fits, and its last bits do not matter"
)]
pub(crate) fn threshold(fraction: f64) -> Option<u64> {
    (fraction < 1.0).then_some((fraction * u64::MAX as f64) as u64)
}

impl ScalarUDFImpl for RowHash {
    fn name(&self) -> &'static str {
        "row_hash"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|value| value.clone().into_array(args.number_rows))
            .collect::<Result<_>>()?;
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
        let numbers: UInt64Array =
            rows.iter().map(|row| Some(XxHash3_64::oneshot_with_seed(self.seed, row.as_ref()))).collect();
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }
}
