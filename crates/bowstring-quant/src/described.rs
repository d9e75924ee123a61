//! What does a file say of a tensor, beside its bytes?
//!
//! The same in both formats: columns of a row in Parquet, a member of a list of JSON in safetensors.

use safetensors::Dtype;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    Bits, CodeType, Group, Half, Quality, Result, ScaleType, Scheme, Stored, Tensor,
    file::{FIRST, KEPT},
    quantized_model::is_row,
};

/// What a file says of a tensor, which may not be true.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) scheme: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bits: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_axis: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_size: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scale_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scale_unit: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sqnr: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) relative_error: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cosine: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) largest_error: Option<Figure>,
}

/// A number as text that reads back as the same number, which those of JSON need not, and may be infinite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure(pub(crate) f64);

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom(format_args!("`{text}` is no number")))
    }
}

/// What a tensor is, and how it is stored.
pub(crate) struct Known {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// How many numbers it has.
    pub(crate) count: usize,
    pub(crate) stored: Stored,
}

impl Described {
    pub(crate) fn of(tensor: &Tensor<'_>, stored: &Stored) -> Self {
        let (scheme, quality) = (stored.scheme(), stored.quality());
        let figure = |of: fn(&Quality) -> f64| quality.as_ref().map(of).map(Figure);
        Self {
            name: tensor.name.to_owned(),
            dtype: tensor.dtype.to_string(),
            shape: tensor.shape.iter().map(|&size| size as u64).collect(),
            scheme: stored.name().to_owned(),
            bits: scheme.map(|scheme| scheme.bits.count()),
            columns: stored.columns().map(|columns| columns as u64),
            group_axis: stored.group_axis(tensor.shape),
            group_size: scheme.map(|scheme| scheme.group.number()),
            scale_type: scheme.map(|scheme| scheme.scale_type.name().to_owned()),
            scale_unit: stored.scale_unit().map(f64::from).map(Figure),
            code_type: scheme.map(|scheme| scheme.code_type.name().to_owned()),
            sqnr: figure(|quality| quality.sqnr),
            relative_error: figure(|quality| quality.relative_error),
            cosine: figure(|quality| quality.cosine),
            largest_error: figure(|quality| quality.largest_error),
        }
    }

    /// What a file of a version means by it: all codes of the first are linear, which it does not say.
    pub(crate) fn of_version(self, version: &str) -> Self {
        match version {
            FIRST => Self { code_type: Some(CodeType::Linear.name().to_owned()), ..self },
            _ => self,
        }
    }

    /// What that comes to; otherwise why it cannot be.
    pub(crate) fn known(&self) -> std::result::Result<Known, String> {
        let name = &self.name;
        let dtype = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(&self.dtype);
        let dtype = Dtype::deserialize(dtype).map_err(|error| format!("the type of `{name}`: {error}"))?;
        let shape: Option<Vec<usize>> = self.shape.iter().map(|&size| size.try_into().ok()).collect();
        let count = shape
            .as_ref()
            .and_then(|shape| shape.iter().try_fold(1, |all: usize, &size| all.checked_mul(size)));
        let (Some(shape), Some(count)) = (shape, count) else {
            return Err(format!("the size of `{name}` is beyond all memory"));
        };
        let stored = match self.scheme.as_str() {
            KEPT => Stored::Kept,
            scheme => match Half::of_name(scheme) {
                Some(kind) => Stored::Half { kind, quality: self.quality()? },
                None => {
                    let scheme = self.scheme().map_err(|error| format!("`{name}`: {error}"))?;
                    let columns = self.columns.and_then(|columns| columns.try_into().ok());
                    let columns = columns.ok_or_else(|| format!("`{name}` has no columns"))?;
                    if let Some(axis) = self.group_axis.filter(|&axis| !is_row(&shape, axis.into(), columns))
                    {
                        let reason = format!("groups of `{name}` cannot run along axis {axis} of {shape:?}");
                        return Err(format!("{reason} in rows of {columns}"));
                    }
                    let scale_unit = self.unit(scheme.scale_type)?;
                    Stored::Packed { scheme, columns, scale_unit, quality: self.quality()? }
                }
            },
        };
        Ok(Known { dtype, shape, count, stored })
    }

    fn scheme(&self) -> Result<Scheme> {
        let scheme = Scheme {
            bits: Bits::try_from(self.bits.unwrap_or(0))?,
            group: match self.group_size {
                Some(0) => Group::Channel,
                size => Group::of(size.unwrap_or(0))?,
            },
            offset: self.scheme.parse()?,
            scale_type: self.scale_type.as_deref().unwrap_or_default().parse()?,
            code_type: self.code_type.as_deref().unwrap_or_default().parse()?,
        };
        scheme.check()?;
        Ok(scheme)
    }

    /// What scales of a type count in.
    fn unit(&self, scale_type: ScaleType) -> std::result::Result<f32, String> {
        let name = &self.name;
        match (scale_type, self.scale_unit) {
            (ScaleType::F8, None) => Err(format!("`{name}` has no unit of scales")),
            (ScaleType::F8, Some(Figure(unit))) => {
                let narrow = unit as f32;
                let is_one = f64::from(narrow) == unit && narrow > 0.0 && narrow.is_finite();
                is_one.then_some(narrow).ok_or_else(|| format!("`{name}` has {unit} for the unit of scales"))
            }
            (ScaleType::F32 | ScaleType::F16 | ScaleType::Bf16, None) => Ok(1.0),
            (kind, Some(_)) => Err(format!("`{name}` has a unit of scales, which are {}", kind.name())),
        }
    }

    fn quality(&self) -> std::result::Result<Quality, String> {
        match (self.sqnr, self.relative_error, self.cosine, self.largest_error) {
            (Some(sqnr), Some(relative_error), Some(cosine), Some(largest_error)) => Ok(Quality {
                sqnr: sqnr.0,
                relative_error: relative_error.0,
                cosine: cosine.0,
                largest_error: largest_error.0,
            }),
            _ => Err(format!("`{}` has no figures", self.name)),
        }
    }
}
