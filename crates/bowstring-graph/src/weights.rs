//! How are the weights of edges kept?

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float32Array, Float64Array, Int32Array, Int64Array},
    buffer::ScalarBuffer,
    datatypes::DataType,
};
use rayon::prelude::*;

/// The weights of the entries of a [`Csr`](crate::Csr), in their order. Narrower integers are kept as
/// `I32`, wider ones as `I64`; floats as they came. All are finite.
#[derive(Clone, Debug)]
pub enum Weights {
    /// 32-bit integers.
    I32(ScalarBuffer<i32>),
    /// 64-bit integers.
    I64(ScalarBuffer<i64>),
    /// 32-bit floats.
    F32(ScalarBuffer<f32>),
    /// 64-bit floats.
    F64(ScalarBuffer<f64>),
}

/// Runs `$body` with `$values` bound to the slice of whichever type the weights have.
macro_rules! with_weights {
    ($weights:expr, $values:ident => $body:expr) => {
        match $weights {
            $crate::Weights::I32($values) => $body,
            $crate::Weights::I64($values) => $body,
            $crate::Weights::F32($values) => $body,
            $crate::Weights::F64($values) => $body,
        }
    };
}
pub(crate) use with_weights;

/// A type that weights can have.
pub(crate) trait Weight: arrow::datatypes::ArrowNativeType + PartialOrd + Default {
    /// Its value, rounded for integers beyond 2⁵³.
    fn to_f64(self) -> f64;
    /// The sum, `None` when it does not fit.
    fn add(self, other: Self) -> Option<Self>;
    /// These values as weights.
    fn weights(values: Vec<Self>) -> Weights;
}

macro_rules! weight {
    ($kind:ty, $variant:ident, $add:expr) => {
        impl Weight for $kind {
            #[inline]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline]
            fn add(self, other: Self) -> Option<Self> {
                $add(self, other)
            }
            fn weights(values: Vec<Self>) -> Weights {
                Weights::$variant(values.into())
            }
        }
    };
}

weight!(i32, I32, i32::checked_add);
weight!(i64, I64, i64::checked_add);
weight!(f32, F32, finite_f32);
weight!(f64, F64, finite_f64);

fn finite_f32(a: f32, b: f32) -> Option<f32> {
    Some(a + b).filter(|sum| sum.is_finite())
}

fn finite_f64(a: f64, b: f64) -> Option<f64> {
    Some(a + b).filter(|sum| sum.is_finite())
}

impl Weights {
    /// How many there are.
    pub fn len(&self) -> usize {
        with_weights!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their Arrow type.
    pub fn data_type(&self) -> DataType {
        match self {
            Weights::I32(_) => DataType::Int32,
            Weights::I64(_) => DataType::Int64,
            Weights::F32(_) => DataType::Float32,
            Weights::F64(_) => DataType::Float64,
        }
    }

    /// The same as an array of their Arrow type, which shares their memory.
    pub fn to_array(&self) -> ArrayRef {
        match self {
            Weights::I32(values) => Arc::new(Int32Array::new(values.clone(), None)),
            Weights::I64(values) => Arc::new(Int64Array::new(values.clone(), None)),
            Weights::F32(values) => Arc::new(Float32Array::new(values.clone(), None)),
            Weights::F64(values) => Arc::new(Float64Array::new(values.clone(), None)),
        }
    }

    /// Whether they are integers.
    pub fn is_integer(&self) -> bool {
        matches!(self, Weights::I32(_) | Weights::I64(_))
    }

    /// The weight of one entry, rounded for integers beyond 2⁵³.
    #[inline]
    pub fn get(&self, entry: usize) -> f64 {
        with_weights!(self, values => values[entry].to_f64())
    }

    /// The least and the greatest of them; `None` when there are none.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        with_weights!(self, values => {
            let ends = values.par_chunks(1 << 16).map(|block| {
                let mut ends = (block[0], block[0]);
                for &value in block {
                    if value < ends.0 { ends.0 = value }
                    if value > ends.1 { ends.1 = value }
                }
                (ends.0.to_f64(), ends.1.to_f64())
            });
            ends.reduce_with(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        })
    }

    /// The row of the first that is not finite.
    pub(crate) fn not_finite(&self) -> Option<(usize, f64)> {
        match self {
            Weights::I32(_) | Weights::I64(_) => None,
            Weights::F32(values) => {
                let row = values.par_iter().position_first(|value| !value.is_finite());
                row.map(|row| (row, f64::from(values[row])))
            }
            Weights::F64(values) => {
                let row = values.par_iter().position_first(|value| !value.is_finite());
                row.map(|row| (row, values[row]))
            }
        }
    }
}
