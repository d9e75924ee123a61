//! What is asked for when a model is to be quantised? The same everywhere: on the command line, in documents
//! and from Python.

use std::{collections::BTreeMap, num::NonZero, path::Path, slice, str::FromStr};

use bowstring_core::Cancel;
use bowstring_quant::{
    Bits, Group, Method, Model, NonFinite, Offset, Policy, QuantError, Report, Result, ScaleType, Scheme,
    Settings, TensorReport, Treatment, quantize,
};

use super::Gates;

/// Bits and groups for a place where a model shall run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// 2 bits in groups of 256.
    Edge,
    /// 4 bits in groups of 128.
    Local,
    /// 8 bits in groups of 64.
    Cloud,
}

impl Profile {
    fn bits_and_group(self) -> (u32, u32) {
        match self {
            Self::Edge => (2, 256),
            Self::Local => (4, 128),
            Self::Cloud => (8, 64),
        }
    }
}

impl FromStr for Profile {
    type Err = QuantError;

    /// `edge`, `local` or `cloud`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "edge" => Ok(Self::Edge),
            "local" => Ok(Self::Local),
            "cloud" => Ok(Self::Cloud),
            _ => Err(QuantError::Option {
                option: "profile",
                value: format!("`{text}`"),
                expected: "`edge`, `local` or `cloud`",
            }),
        }
    }
}

/// How a model is quantised. What is absent follows from the profile, and without one is the default: 4 bits in
/// groups of 64 with exact zeros and scales of 16 bits, by the search for the least squared error.
#[derive(Clone, Debug, Default)]
pub struct Quantization {
    /// Bits and groups, where they are absent.
    pub profile: Option<Profile>,
    /// Bits of a code.
    pub bits: Option<u32>,
    /// Which weights share a scale.
    pub group: Option<Group>,
    /// Codes begin as [`Offset::Symmetric`] says.
    pub symmetric: bool,
    /// Codes begin as [`Offset::Minimum`] says. Where neither is asked for, as [`Offset::ZeroPoint`] does.
    pub float_minimum: bool,
    /// How scales are stored.
    pub scale_type: Option<ScaleType>,
    /// How scales are chosen; importances belong to one layer, so that none are taken.
    pub method: Option<Method>,
    /// What becomes of tensors whose names fit patterns, as [`Policy::with_rule`] and [`Treatment::parse`] read it.
    pub policy: Vec<(String, String)>,
    /// Tensors with numbers that are NaN or infinite stay as they are.
    pub keep_non_finite: bool,
    /// How far off tensors may be; where one is further, no file is written.
    pub gates: Gates,
    /// How many threads work; all cores when `None`.
    pub threads: Option<NonZero<usize>>,
}

impl Quantization {
    /// What this comes to.
    ///
    /// # Errors
    /// [`QuantError::Option`] and [`QuantError::Pattern`] for what cannot be.
    pub fn settings(&self) -> Result<Settings> {
        self.gates.check()?;
        let (bits, group) = self.profile.map_or((4, 64), Profile::bits_and_group);
        let scheme = Scheme {
            bits: Bits::try_from(self.bits.unwrap_or(bits))?,
            group: match self.group {
                Some(group) => group,
                None => Group::of(group)?,
            },
            offset: self.offset()?,
            scale_type: self.scale_type.unwrap_or(ScaleType::F16),
        };
        if let Some(Method::Search { importance: Some(importance) }) = &self.method {
            return Err(QuantError::Option {
                option: "importance",
                value: format!("{} numbers for all layers of a model", importance.len()),
                expected: "for one layer, which is quantised by itself",
            });
        }
        let mut policy = Policy::default();
        for (pattern, treatment) in &self.policy {
            policy = policy.with_rule(pattern, Treatment::parse(treatment, scheme)?)?;
        }
        Ok(Settings {
            scheme,
            method: self.method.clone().unwrap_or(Method::Search { importance: None }),
            policy,
            non_finite: if self.keep_non_finite { NonFinite::Keep } else { NonFinite::Refuse },
            threads: self.threads,
            resume: false,
        })
    }

    /// Where codes begin.
    fn offset(&self) -> Result<Offset> {
        match (self.symmetric, self.float_minimum) {
            (false, false) => Ok(Offset::ZeroPoint),
            (true, false) => Ok(Offset::Symmetric),
            (false, true) => Ok(Offset::Minimum),
            (true, true) => Err(QuantError::Option {
                option: "float_minimum",
                value: "asked for beside `symmetric`".to_owned(),
                expected: "for schemes that are not symmetric",
            }),
        }
    }

    /// Whether `out` can be the name of a file of packed weights.
    ///
    /// # Errors
    /// [`QuantError::Option`] when it does not end in `.parquet`.
    pub fn check_name(out: &Path) -> Result<()> {
        if out.extension().is_some_and(|ending| ending == "parquet") {
            return Ok(());
        }
        Err(QuantError::Option {
            option: "out",
            value: format!("`{}`", out.display()),
            expected: "a name that ends in `.parquet`",
        })
    }

    /// Quantises the model at a path into a file, whose name ends in `.parquet`; `on_tensor` hears of each tensor
    /// with its number, from 1 on, and how many there are.
    ///
    /// # Errors
    /// Those of [`settings`](Self::settings), of [`Model::open`] and of [`quantize()`]; [`QuantError::TooFar`] when
    /// tensors do not pass the gates.
    pub fn run(
        &self,
        model: &Path,
        out: &Path,
        cancel: &Cancel,
        mut on_tensor: impl FnMut(&TensorReport, usize, usize) + Send,
    ) -> Result<Report> {
        let settings = self.settings()?;
        Self::check_name(out)?;
        let name = model.file_name().map(|name| name.to_string_lossy().into_owned());
        let model = Model::open(model)?;
        let metadata = BTreeMap::from([
            ("bowstring.model".to_owned(), name.unwrap_or_default()),
            ("bowstring.method".to_owned(), settings.method.name().to_owned()),
            ("bowstring.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        let count = model.tensors().len();
        let mut done = 0;
        let mut too_far = Vec::new();
        // Stopped once all failing tensors are known, and before the file is there.
        let stop = cancel.child();
        let result = quantize(&model, out, &settings, metadata, &stop, |report| {
            done += 1;
            on_tensor(report, done, count);
            let failing = self.gates.failing(slice::from_ref(report)).into_iter();
            too_far.extend(failing.map(|(tensor, quality)| (tensor.to_owned(), quality)));
            if done == count && !too_far.is_empty() {
                stop.cancel();
            }
        });
        match result {
            Err(QuantError::Cancelled(_)) if !cancel.is_cancelled() => {
                too_far.sort_by(|(_, left), (_, right)| left.sqnr.total_cmp(&right.sqnr));
                Err(QuantError::TooFar { tensors: too_far })
            }
            result => result,
        }
    }
}
