//! How is a weight written with a few bits?
//!
//! Affine quantisation by groups (Jacob et al. 2018, "Quantization and Training of Neural Networks for
//! Efficient Integer-Arithmetic-Only Inference"): a group of neighbouring weights of one output channel
//! shares a scale `s` and an offset, and a weight is a code `q` of 0 to 2^bits − 1. Its value is
//! `(q − z) · s` with an integer zero point `z`, so that 0 stays exactly 0, or `q · s + m` with a float
//! minimum `m`. Those are linear codes; of [quadratic](CodeType::Quadratic) ones, neighbours are the further from one another
//! the further they are from 0.

use std::{fmt, num::NonZeroU32, str::FromStr};

use half::{
    bf16, f16,
    slice::{HalfBitsSliceExt, HalfFloatSliceExt},
};
use safetensors::Dtype;

use crate::{QuantError, Result};

/// What an option cannot be.
fn refused(option: &'static str, value: &str, expected: &'static str) -> QuantError {
    QuantError::Option { option, value: value.to_owned(), expected }
}

/// What has this name.
fn named<T: Copy>(
    names: &[(T, &str)],
    name: &str,
    option: &'static str,
    expected: &'static str,
) -> Result<T> {
    let found = names.iter().find(|(_, own)| *own == name).map(|(found, _)| *found);
    found.ok_or_else(|| refused(option, &format!("`{name}`"), expected))
}

/// How many bits a code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Bits {
    /// Four values.
    Two = 2,
    /// Eight values.
    Three = 3,
    /// Sixteen values.
    Four = 4,
    /// 256 values.
    Eight = 8,
}

impl Bits {
    /// Each width, the least first.
    pub const ALL: [Bits; 4] = [Bits::Two, Bits::Three, Bits::Four, Bits::Eight];

    /// As a number: 2, 3, 4 or 8.
    pub const fn count(self) -> u32 {
        self as u32
    }

    /// The largest code, 2^bits − 1.
    pub const fn largest(self) -> u8 {
        u8::MAX >> (8 - self.count())
    }

    /// The code of 0 where nothing else says it: 2^(bits − 1), as in two's complement.
    pub const fn middle(self) -> u8 {
        1 << (self.count() - 1)
    }

    /// The next width, if this is not the largest.
    pub fn wider(self) -> Option<Self> {
        Self::ALL.into_iter().find(|bits| *bits > self)
    }

    /// How many bytes `codes` codes of a row take; the last one is filled up with zero bits.
    pub const fn bytes(self, codes: usize) -> usize {
        // Whole bytes of eight codes first, so that no length overflows.
        let (eights, rest) = (codes / 8, codes % 8);
        eights * self.count() as usize + (rest * self.count() as usize).div_ceil(8)
    }
}

impl TryFrom<u32> for Bits {
    type Error = QuantError;

    fn try_from(count: u32) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|bits| bits.count() == count)
            .ok_or_else(|| refused("bits", &count.to_string(), "2, 3, 4 or 8"))
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count())
    }
}

/// Which weights of a row share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// So many neighbours along the input channels: 16 to 256 and a multiple of 8. The last group of a row
    /// has what is left.
    Of(NonZeroU32),
    /// A whole output channel.
    Channel,
}

impl Group {
    const EXPECTED: &str = "a multiple of 8 from 16 to 256, or `channel`";

    /// Groups of `size` weights.
    ///
    /// # Errors
    /// [`QuantError::Option`] unless it is 16 to 256 and a multiple of 8.
    pub fn of(size: u32) -> Result<Self> {
        match NonZeroU32::new(size) {
            Some(some) if (16..=256).contains(&size) && size.is_multiple_of(8) => Ok(Self::Of(some)),
            _ => Err(refused("group_size", &size.to_string(), Self::EXPECTED)),
        }
    }

    /// How many weights of a row of `columns` share a scale: at least 1, so that rows can be cut by it.
    pub fn size(self, columns: usize) -> usize {
        match self {
            Self::Of(size) => size.get() as usize,
            Self::Channel => columns.max(1),
        }
    }

    /// The size, 0 for a whole channel.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Of(size) => size.get(),
            Self::Channel => 0,
        }
    }

    /// How many groups a row of `columns` has.
    pub fn count(self, columns: usize) -> usize {
        columns.div_ceil(self.size(columns))
    }
}

impl FromStr for Group {
    type Err = QuantError;

    /// A size, or `channel`.
    fn from_str(text: &str) -> Result<Self> {
        match text.parse() {
            Ok(size) => Self::of(size),
            Err(_) if text == "channel" => Ok(Self::Channel),
            Err(_) => Err(refused("group_size", &format!("`{text}`"), Self::EXPECTED)),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(size) => write!(f, "{size}"),
            Self::Channel => f.write_str("channel"),
        }
    }
}

/// Where the codes of a group begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offset {
    /// Code 2^(bits − 1) is 0: nothing but the scale is stored. The scale may be negative: the side of the
    /// group that reaches further gets the code more that one side has.
    Symmetric,
    /// An integer zero point for each group, packed like the codes: 0 stays exactly 0.
    ZeroPoint,
    /// A float minimum for each group, of the scales' type: the range fits best, 0 need not be exact.
    Minimum,
}

impl Offset {
    const NAMES: [(Offset, &'static str); 3] =
        [(Offset::Symmetric, "symmetric"), (Offset::ZeroPoint, "zero_point"), (Offset::Minimum, "minimum")];

    /// Its name in files and options.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(offset, _)| *offset == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for Offset {
    type Err = QuantError;

    /// `symmetric`, `zero_point` or `minimum`.
    fn from_str(text: &str) -> Result<Self> {
        named(&Self::NAMES, text, "offset", "`symmetric`, `zero_point` or `minimum`")
    }
}

/// Which values the codes of a group stand for, in scales from the code of 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CodeType {
    /// That of `d` codes is `d`.
    #[default]
    Linear,
    /// That of `d` codes is `d · (1 + |d| / 2^(bits − 1))`: three times as far from one another at the end as near 0,
    /// where most weights are. With [`Offset::Minimum`] the offset stands for the middle between all codes.
    Quadratic,
}

impl CodeType {
    const NAMES: [(CodeType, &'static str); 2] =
        [(CodeType::Linear, "linear"), (CodeType::Quadratic, "quadratic")];

    /// Its name in files and options.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

impl FromStr for CodeType {
    type Err = QuantError;

    /// `linear` or `quadratic`.
    fn from_str(text: &str) -> Result<Self> {
        named(&Self::NAMES, text, "code_type", "`linear` or `quadratic`")
    }
}

/// The type in which scales and minima are stored. Codes are chosen for what is stored, not for what was
/// computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleType {
    /// 32 bits.
    F32,
    /// 16 bits with 11 of mantissa; up to 65,504.
    F16,
    /// 16 bits with 8 of mantissa and the range of 32 bits.
    Bf16,
    /// 8 bits, for scales only: a whole number `u` of −127 to 127 for `u · |u|`, times a
    /// [unit](crate::Quantized::scale_unit) that the matrix has.
    F8,
}

impl ScaleType {
    const NAMES: [(ScaleType, &'static str); 4] =
        [(ScaleType::F32, "f32"), (ScaleType::F16, "f16"), (ScaleType::Bf16, "bf16"), (ScaleType::F8, "f8")];

    /// Its name in files and options.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// How many bytes one takes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F8 => 1,
        }
    }
}

impl FromStr for ScaleType {
    type Err = QuantError;

    /// `f32`, `f16`, `bf16` or `f8`.
    fn from_str(text: &str) -> Result<Self> {
        named(&Self::NAMES, text, "scale_type", "`f32`, `f16`, `bf16` or `f8`")
    }
}

/// Sixteen bits for a number that is not packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// With 11 bits of mantissa; up to 65,504.
    F16,
    /// With 8 bits of mantissa and the range of 32 bits.
    Bf16,
}

impl Half {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// The one of a name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::F16, Self::Bf16].into_iter().find(|half| half.name() == name)
    }

    /// The type in models.
    pub(crate) fn dtype(self) -> Dtype {
        match self {
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
        }
    }

    /// The little-endian bytes of the nearest numbers of this type, which may be infinite.
    pub fn bytes(self, numbers: &[f32]) -> Vec<u8> {
        let mut halves = vec![0; numbers.len()];
        self.write(numbers, &mut halves);
        halves.into_iter().flat_map(u16::to_le_bytes).collect()
    }

    /// Writes the bits of the nearest numbers of this type into `halves`, of which there are as many.
    pub(crate) fn write(self, numbers: &[f32], halves: &mut [u16]) {
        match self {
            Self::F16 => halves.reinterpret_cast_mut::<f16>().convert_from_f32_slice(numbers),
            Self::Bf16 => halves.reinterpret_cast_mut::<bf16>().convert_from_f32_slice(numbers),
        }
    }
}

/// How the weights of a tensor are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scheme {
    /// The width of a code.
    pub bits: Bits,
    /// Which weights share a scale.
    pub group: Group,
    /// Where the codes of a group begin.
    pub offset: Offset,
    /// The type of scales and minima.
    pub scale_type: ScaleType,
    /// Which values codes stand for.
    pub code_type: CodeType,
}

/// How many bytes of each part a row has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strides {
    pub(crate) codes: usize,
    pub(crate) scales: usize,
    pub(crate) offsets: usize,
}

impl Scheme {
    /// Whether there is such a scheme.
    ///
    /// # Errors
    /// [`QuantError::Option`] for minima beside scales of [`ScaleType::F8`], which has no room for both.
    pub fn check(&self) -> Result<()> {
        match (self.offset, self.scale_type) {
            (Offset::Minimum, ScaleType::F8) => {
                Err(refused("scale_type", "`f8` beside float minima", "`f32`, `f16` or `bf16` for them"))
            }
            _ => Ok(()),
        }
    }

    /// How many bytes `rows` rows of `columns` weights take: codes, scales, and zero points or minima. The
    /// largest number there is where that is beyond it.
    pub fn bytes(&self, rows: usize, columns: usize) -> usize {
        let Strides { codes, scales, offsets } = self.strides(columns);
        rows.saturating_mul(codes.saturating_add(scales).saturating_add(offsets))
    }

    pub(crate) fn strides(&self, columns: usize) -> Strides {
        let groups = self.group.count(columns);
        let scales = groups.saturating_mul(self.scale_type.bytes());
        let offsets = match self.offset {
            Offset::Symmetric => 0,
            Offset::ZeroPoint => self.bits.bytes(groups),
            Offset::Minimum => scales,
        };
        Strides { codes: self.bits.bytes(columns), scales, offsets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_arithmetic_of_bits_and_padding() {
        for bits in Bits::ALL {
            for codes in 0..=1000 {
                assert_eq!(
                    bits.bytes(codes),
                    (codes * bits.count() as usize).div_ceil(8),
                    "{bits} × {codes}"
                );
            }
        }
        let scheme = Scheme {
            bits: Bits::Four,
            group: Group::of(64).unwrap(),
            offset: Offset::Minimum,
            scale_type: ScaleType::F16,
            code_type: CodeType::Linear,
        };
        assert_eq!(scheme.bytes(10, 128), 10 * 128 * 9 / 16, "4.5 bits for each weight");
        let eight = Scheme { offset: Offset::Symmetric, scale_type: ScaleType::F8, ..scheme };
        assert_eq!(eight.bytes(10, 128), 10 * 128 * 33 / 64, "4.125 bits for each weight");
        assert!(eight.check().is_ok());
        let refused = Scheme { offset: Offset::Minimum, ..eight }.check().unwrap_err();
        assert_eq!(refused.to_string(), "`scale_type` cannot be `f8` beside float minima");
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (offset, name) in Offset::NAMES {
            assert_eq!((name.parse::<Offset>().unwrap(), offset.name()), (offset, name));
        }
        for (kind, name) in ScaleType::NAMES {
            assert_eq!((name.parse::<ScaleType>().unwrap(), kind.name()), (kind, name));
        }
        for (kind, name) in CodeType::NAMES {
            assert_eq!((name.parse::<CodeType>().unwrap(), kind.name()), (kind, name));
        }
        for group in [Group::Channel, Group::of(64).unwrap()] {
            assert_eq!(group.to_string().parse::<Group>().unwrap(), group);
        }
        for wrong in ["0", "15", "20", "264", "-16", "row"] {
            assert!(wrong.parse::<Group>().is_err(), "{wrong}");
        }
        assert!([0, 1, 5, 16].iter().all(|&count| Bits::try_from(count).is_err()));
    }

    #[test]
    fn halves_are_the_nearest_in_every_length() {
        let odd =
            [0.0, -0.0, 65_519.9, 65_520.0, -1e38, f32::MAX, f32::INFINITY, 5.9e-8, 2e-8, 1e-45, -0.1, 0.333];
        for length in 0..100 {
            let numbers: Vec<f32> = odd.into_iter().cycle().skip(length / 7).take(length).collect();
            let by_one = |of: fn(f32) -> u16| -> Vec<u8> {
                numbers.iter().flat_map(|&number| of(number).to_le_bytes()).collect()
            };
            assert_eq!(Half::F16.bytes(&numbers), by_one(|number| f16::from_f32_const(number).to_bits()));
            assert_eq!(Half::Bf16.bytes(&numbers), by_one(|number| bf16::from_f32_const(number).to_bits()));
        }
        let nan = Half::F16.bytes(&[f32::NAN]);
        assert!(f16::from_le_bytes([nan[0], nan[1]]).is_nan());
    }
}
