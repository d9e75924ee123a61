//! As which numbers are scales and minima stored?

use half::{bf16, f16};

use crate::ScaleType;

/// The largest code of a scale of [`ScaleType::F8`], whose square is its value.
const LARGEST: f32 = 127.0;

/// A [`ScaleType`], and what its numbers count in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scales {
    kind: ScaleType,
    /// That of [`ScaleType::F8`].
    unit: f32,
}

impl Scales {
    pub(crate) fn of(kind: ScaleType, unit: f32) -> Self {
        Self { kind, unit }
    }

    /// As they are.
    pub(crate) const WIDE: Self = Self { kind: ScaleType::F32, unit: 1.0 };

    /// What scales of a type count in that are at most `largest`; 1 for types that have their own range.
    pub(crate) fn unit(kind: ScaleType, largest: f32) -> f32 {
        match kind {
            ScaleType::F32 | ScaleType::F16 | ScaleType::Bf16 => 1.0,
            ScaleType::F8 if largest == 0.0 => 1.0,
            ScaleType::F8 => (largest / (LARGEST * LARGEST)).max(f32::MIN_POSITIVE),
        }
    }

    /// A scale as it is stored. One that is too small for its type becomes the smallest there is, which puts
    /// weights no further off than half of it; that of a group of zeros becomes 1, or the smallest of 8 bits. Of 8
    /// bits it is the nearest that is not nearer to 0, so that what it reached over stays within reach.
    #[inline(always)]
    pub(crate) fn reaching(self, scale: f32) -> f32 {
        let (inner, outer) = self.around(scale);
        outer.unwrap_or(inner)
    }

    /// Both neighbours of a scale as they are stored, where neither is the only choice.
    #[inline(always)]
    pub(crate) fn around(self, scale: f32) -> (f32, Option<f32>) {
        let smallest = match self.kind {
            ScaleType::F32 | ScaleType::Bf16 => f32::MIN_POSITIVE,
            ScaleType::F16 => 5.960_464_5e-8,
            ScaleType::F8 => {
                let code = (scale.abs() / self.unit).sqrt();
                // What is a scale already stays that one, though roots are rounded.
                let [inner, outer] = [(code + 1e-4).floor(), (code - 1e-4).ceil()]
                    .map(|code| self.squared(code.clamp(1.0, LARGEST)).copysign(scale));
                return (inner, (inner != outer).then_some(outer));
            }
        };
        let stored = if scale == 0.0 {
            1.0
        } else if scale.abs() < smallest {
            smallest.copysign(scale)
        } else {
            self.minimum(scale)
        };
        (stored, None)
    }

    /// The scale of 8 bits of a code.
    #[inline(always)]
    fn squared(self, code: f32) -> f32 {
        self.unit * (code * code.abs())
    }

    /// A minimum as it is stored; there are none beside scales of 8 bits.
    #[inline(always)]
    pub(crate) fn minimum(self, minimum: f32) -> f32 {
        match self.kind {
            ScaleType::F32 | ScaleType::F8 => minimum,
            ScaleType::F16 => f16::from_f32(minimum).to_f32(),
            ScaleType::Bf16 => bf16::from_f32(minimum).to_f32(),
        }
    }

    /// Stores the number `index` of a row.
    #[inline(always)]
    pub(crate) fn write(self, number: f32, row: &mut [u8], index: usize) {
        match self.kind {
            ScaleType::F32 => row[index * 4..][..4].copy_from_slice(&number.to_le_bytes()),
            ScaleType::F16 => row[index * 2..][..2].copy_from_slice(&f16::from_f32(number).to_le_bytes()),
            ScaleType::Bf16 => row[index * 2..][..2].copy_from_slice(&bf16::from_f32(number).to_le_bytes()),
            ScaleType::F8 => {
                let code = (number.abs() / self.unit).sqrt().round().copysign(number);
                row[index] = (code as i8).to_le_bytes()[0];
            }
        }
    }

    /// The number `index` of a row.
    #[inline(always)]
    pub(crate) fn read(self, row: &[u8], index: usize) -> f32 {
        match self.kind {
            ScaleType::F32 => {
                row.as_chunks::<4>().0.get(index).map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
            }
            ScaleType::F16 => {
                row.as_chunks::<2>().0.get(index).map_or(0.0, |bytes| f16::from_le_bytes(*bytes).to_f32())
            }
            ScaleType::Bf16 => {
                row.as_chunks::<2>().0.get(index).map_or(0.0, |bytes| bf16::from_le_bytes(*bytes).to_f32())
            }
            ScaleType::F8 => {
                row.get(index).map_or(0.0, |&byte| self.squared(f32::from(i8::from_le_bytes([byte]))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_of_eight_bits_are_squares() {
        for largest in [1e-45, 1e-38, 1e-30, 1e-4, 1.0, 3e38] {
            let unit = Scales::unit(ScaleType::F8, largest);
            assert!(unit.is_normal() && unit > 0.0, "{unit}");
            let scales = Scales::of(ScaleType::F8, unit);
            for code in (-127..=127_i8).filter(|&code| code != 0) {
                let byte = code.to_le_bytes();
                let scale = scales.read(&byte, 0);
                assert_eq!(scale, unit * (f32::from(code) * f32::from(code.abs())));
                let mut row = [0xAA; 3];
                scales.write(scale, &mut row, 1);
                assert_eq!(row, [0xAA, byte[0], 0xAA]);
                assert_eq!(scales.around(scale), (scale, None), "what is stored stays what it is");
            }
            let reached = scales.reaching(largest);
            assert!(reached >= largest * (1.0 - 1e-6), "{reached} of {largest}");
        }
    }

    #[test]
    fn a_scale_between_two_reaches_as_far_as_it_did() {
        let scales = Scales::of(ScaleType::F8, 1.0);
        assert_eq!(scales.around(50.0), (49.0, Some(64.0)));
        assert_eq!(scales.around(-50.0), (-49.0, Some(-64.0)));
        assert_eq!((scales.reaching(-50.0), scales.reaching(49.0)), (-64.0, 49.0));
        assert_eq!((scales.reaching(0.0), scales.reaching(1e-9)), (1.0, 1.0));
        assert_eq!(scales.reaching(1e9), 127.0 * 127.0);
        assert_eq!(Scales::unit(ScaleType::F8, 0.0), 1.0);
        assert_eq!(Scales::unit(ScaleType::F16, 9.0), 1.0);
    }
}
