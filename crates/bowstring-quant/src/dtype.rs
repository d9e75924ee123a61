//! Which numbers do the bytes of a tensor stand for?

use half::{bf16, f16};
use safetensors::Dtype;

/// Whether a type has numbers that can be written with fewer bits.
pub(crate) fn is_float(dtype: Dtype) -> bool {
    use Dtype::{BF16, F8_E4M3, F8_E5M2, F16, F32, F64};
    matches!(dtype, F64 | F32 | F16 | BF16 | F8_E4M3 | F8_E5M2)
}

/// Whether a type is read at all: complex numbers, and floats that share scales, are not.
pub(crate) fn is_known(dtype: Dtype) -> bool {
    use Dtype::{BOOL, I8, I16, I32, I64, U8, U16, U32, U64};
    is_float(dtype) || matches!(dtype, BOOL | U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64)
}

/// Appends the numbers of little-endian `bytes` to `numbers`; of 64 bits, the nearest that 32 have, which may be
/// infinite. `false` for types that are not [floats](is_float).
pub(crate) fn append(dtype: Dtype, bytes: &[u8], numbers: &mut Vec<f32>) -> bool {
    match dtype {
        Dtype::F64 => {
            numbers.extend(bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32))
        }
        Dtype::F32 => numbers.extend(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))),
        Dtype::F16 => {
            numbers.extend(bytes.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()));
        }
        Dtype::BF16 => {
            numbers.extend(bytes.as_chunks().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()));
        }
        Dtype::F8_E4M3 => numbers.extend(bytes.iter().map(|&byte| e4m3(byte))),
        // The upper half of 16 bits.
        Dtype::F8_E5M2 => {
            numbers.extend(bytes.iter().map(|&byte| f16::from_bits(u16::from(byte) << 8).to_f32()));
        }
        _ => return false,
    }
    true
}

/// The numbers of little-endian `bytes`, exactly; `None` for types that are not [floats](is_float).
pub(crate) fn exactly(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f64>> {
    if dtype == Dtype::F64 {
        return Some(bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect());
    }
    let mut numbers = Vec::new();
    append(dtype, bytes, &mut numbers).then(|| numbers.into_iter().map(f64::from).collect())
}

/// A writer of single numbers into little-endian bytes of a type of floats.
pub(crate) struct Encoder {
    dtype: Dtype,
    /// Of eight bits, what each byte stands for.
    bytes: Vec<f64>,
}

impl Encoder {
    /// For a type of [floats](is_float).
    pub(crate) fn of(dtype: Dtype) -> Self {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let is_byte = matches!(dtype, Dtype::F8_E4M3 | Dtype::F8_E5M2);
        Self { dtype, bytes: if is_byte { exactly(dtype, &all).unwrap_or_default() } else { Vec::new() } }
    }

    /// Appends a finite number; `false`, and nothing, where the type does not have exactly this one.
    pub(crate) fn put(&self, number: f64, bytes: &mut Vec<u8>) -> bool {
        let is_same = |other: f64| other.to_bits() == number.to_bits();
        match self.dtype {
            Dtype::F64 => bytes.extend(number.to_le_bytes()),
            Dtype::F32 if is_same(f64::from(number as f32)) => bytes.extend((number as f32).to_le_bytes()),
            Dtype::F16 if is_same(f16::from_f64(number).to_f64()) => {
                bytes.extend(f16::from_f64(number).to_le_bytes());
            }
            Dtype::BF16 if is_same(bf16::from_f64(number).to_f64()) => {
                bytes.extend(bf16::from_f64(number).to_le_bytes());
            }
            _ => match self.bytes.iter().position(|&byte| is_same(byte)) {
                Some(byte) => bytes.push(byte as u8),
                None => return false,
            },
        }
        true
    }
}

/// The number of eight bits: a sign, four bits of exponent less 7, three of mantissa; no infinities, and all
/// ones are NaN (Micikevicius et al. 2022, "FP8 Formats for Deep Learning").
fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 0xF), f32::from(byte & 7));
    let size = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 512.0,
        _ => (1.0 + mantissa / 8.0) * 2_f32.powi(exponent - 7),
    };
    if byte & 0x80 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
        let mut numbers = Vec::new();
        assert!(append(dtype, bytes, &mut numbers));
        numbers
    }

    /// The table of the paper.
    #[test]
    fn floats_of_eight_bits_are_those_of_the_paper() {
        let e4m3 = [0x00, 0x01, 0x07, 0x08, 0x38, 0x7E, 0xFE, 0x80];
        assert_eq!(
            read(Dtype::F8_E4M3, &e4m3),
            [0.0, 0.001_953_125, 0.013_671_875, 0.015_625, 1.0, 448.0, -448.0, -0.0]
        );
        assert!(read(Dtype::F8_E4M3, &[0x7F, 0xFF]).iter().all(|number| number.is_nan()));
        let e5m2 = [0x01, 0x04, 0x3C, 0x7B, 0x7C, 0xFC];
        assert_eq!(
            read(Dtype::F8_E5M2, &e5m2),
            [1.525_878_9e-5, 6.103_515_6e-5, 1.0, 57344.0, f32::INFINITY, f32::NEG_INFINITY]
        );
        assert!(read(Dtype::F8_E5M2, &[0x7D, 0x7F]).iter().all(|number| number.is_nan()));
    }

    /// What a type has is written as it was read; what is between, beyond or below is not.
    #[test]
    fn numbers_are_written_exactly_or_not_at_all() {
        for dtype in [Dtype::F8_E4M3, Dtype::F8_E5M2, Dtype::F16, Dtype::BF16] {
            let wide = !matches!(dtype, Dtype::F8_E4M3 | Dtype::F8_E5M2);
            let all: Vec<u8> = match wide {
                true => (0..=u16::MAX).flat_map(u16::to_le_bytes).collect(),
                false => (0..=u8::MAX).collect(),
            };
            let (encoder, size) = (Encoder::of(dtype), if wide { 2 } else { 1 });
            for (number, expected) in exactly(dtype, &all).unwrap().into_iter().zip(all.chunks(size)) {
                let mut bytes = Vec::new();
                if number.is_finite() {
                    assert!(encoder.put(number, &mut bytes));
                    assert_eq!(bytes, expected, "{dtype} {number}");
                }
            }
            for other in [1.0 + 1e-9, 1e300, 1e-300] {
                assert!(!encoder.put(other, &mut Vec::new()), "{dtype} {other}");
            }
        }
        let mut bytes = Vec::new();
        assert!(Encoder::of(Dtype::F32).put(0.1_f32.into(), &mut bytes));
        assert!(!Encoder::of(Dtype::F32).put(0.1, &mut bytes));
        assert!(Encoder::of(Dtype::F64).put(0.1, &mut bytes));
        assert_eq!(bytes, [&0.1_f32.to_le_bytes()[..], &0.1_f64.to_le_bytes()].concat());
        assert_eq!(exactly(Dtype::F64, &1e300_f64.to_le_bytes()), Some(vec![1e300]));
        assert_eq!(exactly(Dtype::I8, &[1]), None);
    }

    #[test]
    fn wider_floats_are_those_of_their_bytes() {
        assert_eq!(read(Dtype::F64, &1e300_f64.to_le_bytes()), [f32::INFINITY]);
        assert_eq!(read(Dtype::F32, &[0.1_f32.to_le_bytes(), 2_f32.to_le_bytes()].concat()), [0.1, 2.0]);
        assert_eq!(read(Dtype::F16, &f16::from_f32(0.1).to_le_bytes()), [0.099_975_586]);
        assert_eq!(read(Dtype::BF16, &bf16::from_f32(0.1).to_le_bytes()), [0.100_097_656]);
        assert!(!append(Dtype::I8, &[1], &mut Vec::new()));
    }
}
