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

    #[test]
    fn wider_floats_are_those_of_their_bytes() {
        assert_eq!(read(Dtype::F64, &1e300_f64.to_le_bytes()), [f32::INFINITY]);
        assert_eq!(read(Dtype::F32, &[0.1_f32.to_le_bytes(), 2_f32.to_le_bytes()].concat()), [0.1, 2.0]);
        assert_eq!(read(Dtype::F16, &f16::from_f32(0.1).to_le_bytes()), [0.099_975_586]);
        assert_eq!(read(Dtype::BF16, &bf16::from_f32(0.1).to_le_bytes()), [0.100_097_656]);
        assert!(!append(Dtype::I8, &[1], &mut Vec::new()));
    }
}
