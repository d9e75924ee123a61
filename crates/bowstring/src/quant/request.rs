//! What is asked for when a model is to be quantised? The same everywhere: on the command line, in documents
//! and from Python.

use std::{
    collections::BTreeMap,
    num::NonZero,
    path::{Path, PathBuf},
    slice,
    str::FromStr,
    sync::Arc,
};

use bowstring_core::{Cancel, units::ByteSize};
use bowstring_quant::{
    Bits, Calibration, CodeType, Gates, Group, Measure, Model, NonFinite, Offset, Order, Policy, QuantError,
    Report, Result, Rounding, ScaleType, Scheme, Settings, Treatment, quantize,
};

use super::{Allocated, Allotment, budget::Task};

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

/// How the scales of a model's tensors are chosen: a [`Rounding`] without what it goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoundingMethod {
    /// [`Rounding::Nearest`].
    Nearest,
    /// [`Rounding::Mse`].
    #[default]
    Mse,
    /// [`Rounding::Weighted`].
    Weighted,
    /// [`Rounding::Gptq`].
    Gptq,
}

impl FromStr for RoundingMethod {
    type Err = QuantError;

    /// `nearest`, `mse`, `weighted` or `gptq`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "nearest" => Ok(Self::Nearest),
            "mse" => Ok(Self::Mse),
            "weighted" => Ok(Self::Weighted),
            "gptq" => Ok(Self::Gptq),
            _ => Err(QuantError::Option {
                option: "method",
                value: format!("`{text}`"),
                expected: "`nearest`, `mse`, `weighted` or `gptq`",
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
    /// How many bytes all tensors may take, in place of `bits`, and which of them get how many.
    pub allotment: Allotment,
    /// How scales are stored.
    pub scale_type: Option<ScaleType>,
    /// Which values codes stand for; [`CodeType::Linear`] when `None`.
    pub code_type: Option<CodeType>,
    /// How scales are chosen.
    pub method: RoundingMethod,
    /// The file of what was seen of the layers' inputs, for the methods and allocations that go by it.
    pub calibration: Option<PathBuf>,
    /// For [`RoundingMethod::Gptq`], as [`Gptq`](bowstring_quant::Gptq) has it; .01 when `None`.
    pub damping: Option<f64>,
    /// Likewise; [`Order::Largest`] when `None`.
    pub order: Option<Order>,
    /// What becomes of tensors that fit patterns, as [`Policy::with_rule`] and [`Treatment::parse`] read it.
    pub policy: Vec<(String, String)>,
    /// Tensors with numbers that are NaN or infinite stay as they are.
    pub keep_non_finite: bool,
    /// How far off tensors may be; where one is further, no file is written.
    pub gates: Gates,
    /// Packed tensors that are further off get more bits, as [`Settings::promote`] says.
    pub promote: bool,
    /// Work that was stopped goes on where it was, as [`Settings::resume`] says.
    pub resume: bool,
    /// How many bytes of tensors each of several files may have; all are in one when `None`.
    pub shard_size: Option<ShardSize>,
    /// How many threads work; all cores when `None`.
    pub threads: Option<NonZero<usize>>,
}

/// How many bytes of tensors a shard may have, as `2GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardSize(pub NonZero<u64>);

impl FromStr for ShardSize {
    type Err = QuantError;

    /// Bytes, or a text as [`ByteSize`] has it.
    fn from_str(text: &str) -> Result<Self> {
        let bytes = text.parse().ok().and_then(|size: ByteSize| NonZero::new(size.bytes()));
        bytes.map(Self).ok_or_else(|| QuantError::Option {
            option: "shard_size",
            value: format!("`{text}`"),
            expected: "a number of bytes above 0, as `512MiB` or `2GB`",
        })
    }
}

/// What is told while a model is quantised.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The tensor that is done.
    pub tensor: &'a str,
    /// Its number, from 1 on. With a budget, each tensor is told of twice: when it is planned, and when it is done.
    pub done: usize,
    /// How many there are.
    pub count: usize,
}

/// What became of a model.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Of each tensor, and of all of them.
    pub report: Report,
    /// Of the budget, where there was one.
    pub allocated: Option<Allocated>,
}

impl Quantization {
    /// Whether this can be done, as far as can be told before a file is opened.
    ///
    /// # Errors
    /// [`QuantError::Option`] and [`QuantError::Pattern`] for what cannot be.
    pub fn check(&self) -> Result<()> {
        self.check_with(false)
    }

    /// The same, where `is_measured` says whether costs of a budget are measured.
    ///
    /// # Errors
    /// Likewise, and [`QuantError::Option`] for a measure without a budget, or beside an allocation other than
    /// [`AllocationMethod::PathKl`](super::AllocationMethod::PathKl).
    pub fn check_with(&self, is_measured: bool) -> Result<()> {
        let refused = |option, value: &str, expected| {
            Err(QuantError::Option { option, value: value.to_owned(), expected })
        };
        if self.allotment.budget.is_some() && (self.bits.is_some() || self.profile.is_some()) {
            let option = if self.bits.is_some() { "bits" } else { "profile" };
            return refused(option, "given beside a budget", "absent where a `budget` decides");
        }
        if self.promote {
            if self.gates == Gates::default() {
                return refused("promote", "given alone", "beside `min_sqnr` or `max_rel_error`");
            }
            if self.allotment.budget.is_some() {
                return refused("promote", "given beside a budget", "absent where a `budget` decides");
            }
        }
        self.allotment.check(self.calibration.as_deref(), is_measured)?;
        let needs = matches!(self.method, RoundingMethod::Weighted | RoundingMethod::Gptq)
            || self.allotment.needs_calibration();
        match &self.calibration {
            Some(_) if !needs => {
                let expected = "for `weighted` and `gptq`, and for the allocation `path_kl`";
                return refused("calibration", "given for this method", expected);
            }
            None if needs => {
                return refused("calibration", "absent for this method", "a file of calibration");
            }
            _ => {}
        }
        if self.method != RoundingMethod::Gptq {
            if self.damping.is_some() {
                return refused("damping", "given for this method", "for `gptq`");
            }
            if self.order.is_some() {
                return refused("order", "given for this method", "for `gptq`");
            }
        }
        self.gates.check()?;
        self.settings(Rounding::Nearest).map(drop)
    }

    /// What the method goes by.
    fn rounding(&self, calibration: Option<Arc<Calibration>>) -> Rounding {
        match (self.method, calibration) {
            (RoundingMethod::Nearest, _) => Rounding::Nearest,
            (RoundingMethod::Weighted, Some(calibration)) => Rounding::Weighted(calibration),
            (RoundingMethod::Gptq, Some(calibration)) => Rounding::Gptq {
                calibration,
                damping: self.damping.unwrap_or(0.01),
                order: self.order.unwrap_or_default(),
            },
            (RoundingMethod::Mse | RoundingMethod::Weighted | RoundingMethod::Gptq, _) => Rounding::Mse,
        }
    }

    /// How tensors are written of which the policy says nothing else.
    ///
    /// # Errors
    /// [`QuantError::Option`] for what cannot be.
    pub fn scheme(&self) -> Result<Scheme> {
        let (bits, group) = self.profile.map_or((4, 64), Profile::bits_and_group);
        let scheme = Scheme {
            bits: Bits::try_from(self.bits.unwrap_or(bits))?,
            group: match self.group {
                Some(group) => group,
                None => Group::of(group)?,
            },
            offset: self.offset()?,
            scale_type: self.scale_type.unwrap_or(ScaleType::F16),
            code_type: self.code_type.unwrap_or_default(),
        };
        scheme.check()?;
        Ok(scheme)
    }

    /// What this comes to.
    fn settings(&self, rounding: Rounding) -> Result<Settings> {
        let scheme = self.scheme()?;
        let mut policy = Policy::default();
        for (pattern, treatment) in &self.policy {
            policy = policy.with_rule(pattern, Treatment::parse(treatment, scheme)?)?;
        }
        Ok(Settings {
            scheme,
            rounding,
            policy,
            non_finite: if self.keep_non_finite { NonFinite::Keep } else { NonFinite::Refuse },
            promote: self.promote.then_some(self.gates),
            threads: self.threads,
            resume: self.resume,
            shard_size: self.shard_size.map(|ShardSize(most)| most),
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

    /// Whether `out` can be the name of a file of packed weights, or of the folder that shards are in.
    ///
    /// # Errors
    /// [`QuantError::Option`] when a file's ends neither in `.parquet` nor in `.safetensors`, or a folder's does.
    pub fn check_name(&self, out: &Path) -> Result<()> {
        let is_file = out.extension().is_some_and(|ending| ending == "parquet" || ending == "safetensors");
        let expected = match (self.shard_size, is_file) {
            (None, true) | (Some(_), false) => return Ok(()),
            (None, false) => "a name that ends in `.parquet` or `.safetensors`",
            (Some(_), true) => "a name for a folder of shards, without such an ending",
        };
        Err(QuantError::Option { option: "out", value: format!("`{}`", out.display()), expected })
    }

    /// Quantises the model at a path into a file, whose name ends in `.parquet` or `.safetensors`, or where it is to
    /// have shards, into a folder; `on_progress` hears of each tensor.
    ///
    /// # Errors
    /// Those of [`check`](Self::check), of [`Calibration::open`], [`Model::open`], [`plan`](bowstring_quant::plan()) and
    /// of [`quantize()`]; [`QuantError::TooFar`] when tensors do not pass the gates.
    pub fn run(
        &self,
        model: &Path,
        out: &Path,
        cancel: &Cancel,
        on_progress: impl FnMut(Progress<'_>) + Send,
    ) -> Result<Packed> {
        self.run_measured(model, out, None, cancel, on_progress)
    }

    /// The same with a measure of what it costs that a tensor is written by a scheme, by which the budget is spent.
    ///
    /// # Errors
    /// Likewise, and those of the measure; [`QuantError::Option`] for a measure without a budget.
    pub fn run_measured(
        &self,
        path: &Path,
        out: &Path,
        measure: Option<&mut Measure<'_>>,
        cancel: &Cancel,
        mut on_progress: impl FnMut(Progress<'_>) + Send,
    ) -> Result<Packed> {
        self.check_with(measure.is_some())?;
        self.check_name(out)?;
        let calibration = self.calibration.as_deref().map(Calibration::open).transpose()?.map(Arc::new);
        let mut settings = self.settings(self.rounding(calibration.clone()))?;
        let model = Model::open(path)?;
        let count = model.tensors().len();
        let (mut done, mut tensors) = (0, count);
        if self.allotment.budget.is_some() {
            tensors *= 2;
        }
        let mut tell = |tensor: &str| {
            done += 1;
            on_progress(Progress { tensor, done, count: tensors });
        };
        let task = Task {
            path,
            model: &model,
            settings: &settings,
            group: self.group,
            calibration: calibration.as_ref(),
            cancel,
        };
        let allocated = self.allotment.plan(&task, measure, &mut tell)?;
        let mut metadata = BTreeMap::from([
            (
                "bowstring.model".to_owned(),
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            ),
            ("bowstring.method".to_owned(), settings.rounding.name().to_owned()),
            ("bowstring.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        if let Some(Allocated { budget, plan }) = &allocated {
            metadata.insert("bowstring.allocation".to_owned(), plan.by.to_owned());
            metadata.insert("bowstring.budget".to_owned(), budget.to_string());
            settings.policy = settings.policy.with_plan(plan);
        }
        let mut too_far = Vec::new();
        let mut left = count;
        // Stopped once all failing tensors are known, and before the file is there.
        let stop = cancel.child();
        let result = quantize(&model, out, &settings, metadata, &stop, |report| {
            left -= 1;
            tell(&report.name);
            let failing = self.gates.failing(slice::from_ref(report)).into_iter();
            too_far.extend(failing.map(|(tensor, quality)| (tensor.to_owned(), quality)));
            if left == 0 && !too_far.is_empty() {
                stop.cancel();
            }
        });
        match result {
            Ok(report) => Ok(Packed { report, allocated }),
            Err(QuantError::Cancelled(_)) if !cancel.is_cancelled() => {
                too_far.sort_by(|(_, left), (_, right)| left.sqnr.total_cmp(&right.sqnr));
                Err(QuantError::TooFar { tensors: too_far })
            }
            Err(error) => Err(error),
        }
    }
}
