//! Which weights have some rows of a tensor, of whatever type, without room for all of them?

use std::ops::Range;

use safetensors::Dtype;

use crate::{QuantError, Result, Tensor, dtype, matrix::block};

/// About how many weights are at hand at once where one thread reads what all of them work on; few in tests, so that
/// they meet tensors of several times as many.
const AT_ONCE: usize = if cfg!(test) { 1 << 14 } else { 1 << 20 };

/// The weights of a tensor as they stand: numbers, or the bytes of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weights<'a> {
    Numbers(&'a [f32]),
    Bytes { dtype: Dtype, bytes: &'a [u8] },
}

impl<'a> Weights<'a> {
    /// Those of a tensor.
    ///
    /// # Errors
    /// [`QuantError::Dtype`] for whole numbers and flags.
    pub(crate) fn of(tensor: &Tensor<'a>) -> Result<Self> {
        let Tensor { name, dtype, bytes, .. } = *tensor;
        match dtype::is_float(dtype) {
            true => Ok(Self::Bytes { dtype, bytes }),
            false => Err(QuantError::Dtype { tensor: name.to_owned(), dtype }),
        }
    }

    pub(crate) fn count(self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Bytes { dtype, bytes } => bytes.len() / bytes_of(dtype),
        }
    }

    /// Those of a range, which is within them.
    pub(crate) fn some(self, range: Range<usize>) -> Self {
        match self {
            Self::Numbers(numbers) => Self::Numbers(&numbers[range]),
            Self::Bytes { dtype, bytes } => {
                let size = bytes_of(dtype);
                Self::Bytes { dtype, bytes: &bytes[range.start * size..range.end * size] }
            }
        }
    }

    /// All of them as numbers, which `buffer` has where they are not at hand.
    pub(crate) fn numbers<'b>(self, buffer: &'b mut Vec<f32>) -> &'b [f32]
    where
        'a: 'b,
    {
        match self {
            Self::Numbers(numbers) => numbers,
            Self::Bytes { dtype, bytes } => {
                buffer.clear();
                dtype::append(dtype, bytes, buffer);
                buffer
            }
        }
    }

    /// So many at a time, in their order, the last ones fewer.
    pub(crate) fn chunks(self, size: usize) -> impl ExactSizeIterator<Item = Self> + Clone {
        let size = size.max(1);
        (0..self.count().div_ceil(size))
            .map(move |index| self.some(index * size..self.count().min((index + 1) * size)))
    }
}

/// How many bytes a number takes.
fn bytes_of(dtype: Dtype) -> usize {
    dtype.bitsize().div_ceil(8)
}

/// How many weights are at hand at once where one thread reads what all of them work on: whole [`block`]s of rows.
pub(crate) fn at_once(columns: usize) -> usize {
    let blocks = (AT_ONCE / block(columns).saturating_mul(columns).max(1)).max(1);
    (blocks * block(columns)).saturating_mul(columns).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_bytes_are_parts_of_the_numbers() {
        let numbers: Vec<f32> = (0..100).map(|number| (number as f32 - 50.0) * 0.25).collect();
        let bytes =
            |to: fn(f32) -> Vec<u8>| numbers.iter().flat_map(|&number| to(number)).collect::<Vec<u8>>();
        let all = [
            (Dtype::F64, bytes(|number| f64::from(number).to_le_bytes().to_vec())),
            (Dtype::F32, bytes(|number| number.to_le_bytes().to_vec())),
            (Dtype::F16, bytes(|number| half::f16::from_f32(number).to_le_bytes().to_vec())),
            (Dtype::BF16, bytes(|number| half::bf16::from_f32(number).to_le_bytes().to_vec())),
            (Dtype::F8_E5M2, bytes(|number| vec![half::f16::from_f32(number).to_le_bytes()[1]])),
        ];
        for (dtype, bytes) in &all {
            let weights = Weights::Bytes { dtype: *dtype, bytes };
            assert_eq!(weights.count(), 100);
            let mut whole = Vec::new();
            let whole = weights.numbers(&mut whole).to_vec();
            if *dtype != Dtype::F8_E5M2 {
                assert_eq!(whole, numbers);
            }
            for size in [1, 7, 50, 100, 101] {
                let (mut buffer, mut parts) = (vec![9.0; 3], Vec::new());
                for part in weights.chunks(size) {
                    assert!(part.count() <= size);
                    parts.extend_from_slice(part.numbers(&mut buffer));
                }
                assert_eq!(parts, whole, "{dtype}, {size} at a time");
                let parts: Vec<f32> = Weights::Numbers(&whole)
                    .chunks(size)
                    .flat_map(|part| part.numbers(&mut buffer).to_vec())
                    .collect();
                assert_eq!(parts, whole);
            }
        }
        assert_eq!(Weights::Numbers(&[]).chunks(4).len(), 0);
    }
}
