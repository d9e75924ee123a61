//! How many bytes may a model take, and what are they spent by?

use std::{collections::HashMap, fs, path::Path, path::PathBuf, str::FromStr, sync::Arc};

use bowstring_core::{Cancel, units::ByteSize};
use bowstring_quant::{
    Bits, Calibration, Group, Harm, Measure, Model, PathCosts, Plan, QuantError, Result, Schedule, Scheme,
    Settings, plan,
};

/// The bytes that all tensors of a model may take together as they are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// So many.
    Bytes(u64),
    /// A share of those that they take in the model, from 0 to 1.
    Share(f64),
}

impl Budget {
    const EXPECTED: &str = "a size such as `12MB`, or a share of the model's bytes such as `25%`";

    /// How many bytes that is of a model.
    fn of(self, model: &Model) -> usize {
        match self {
            Self::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            Self::Share(share) => {
                let before: usize = model.tensors().map(|tensor| tensor.bytes.len()).sum();
                (before as f64 * share) as usize
            }
        }
    }
}

impl FromStr for Budget {
    type Err = QuantError;

    /// A size in bytes or with a unit, or a percentage of more than 0 and at most 100.
    fn from_str(text: &str) -> Result<Self> {
        let found = match text.strip_suffix('%') {
            Some(share) => {
                let share = share.trim().parse().ok().filter(|share| *share > 0.0 && *share <= 100.0);
                share.map(|share: f64| Self::Share(share / 100.0))
            }
            None => text.parse::<ByteSize>().ok().map(|size| Self::Bytes(size.0)),
        };
        found.ok_or_else(|| QuantError::Option {
            option: "budget",
            value: format!("`{text}`"),
            expected: Self::EXPECTED,
        })
    }
}

/// What a budget is spent by: a [`Harm`] without what it goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocationMethod {
    /// [`Harm::Uniform`].
    Uniform,
    /// [`Harm::SquaredError`].
    SquaredError,
    /// [`Harm::Entropy`].
    Entropy,
    /// [`Harm::PathKl`].
    PathKl,
}

impl FromStr for AllocationMethod {
    type Err = QuantError;

    /// `uniform`, `squared_error`, `entropy` or `path_kl`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "uniform" => Ok(Self::Uniform),
            "squared_error" => Ok(Self::SquaredError),
            "entropy" => Ok(Self::Entropy),
            "path_kl" => Ok(Self::PathKl),
            _ => Err(QuantError::Option {
                option: "allocation",
                value: format!("`{text}`"),
                expected: "`uniform`, `squared_error`, `entropy` or `path_kl`",
            }),
        }
    }
}

/// How the tensors of a model get their bits and groups.
#[derive(Clone, Debug, Default)]
pub struct Allotment {
    /// What all of them may take; without it, all get the same bits and groups.
    pub budget: Option<Budget>,
    /// What it is spent by; when `None`, [`AllocationMethod::PathKl`] where there is a `schedule`, otherwise
    /// [`Harm::Automatic`].
    pub method: Option<AllocationMethod>,
    /// The bits that a tensor may get; 2, 3, 4 and 8 when there are none.
    pub widths: Vec<u32>,
    /// For [`AllocationMethod::PathKl`]: diffusers' `scheduler_config.json` of the model; when `None`, that of its
    /// pipeline.
    pub schedule: Option<PathBuf>,
    /// For [`AllocationMethod::PathKl`]: by how much the squared error of a layer's output is multiplied on its way to
    /// the model's output, by the names of weights; 1 where nothing is said.
    pub sensitivities: HashMap<String, f64>,
}

/// What a budget became.
#[derive(Clone, Debug)]
pub struct Allocated {
    /// How many bytes all tensors might have taken.
    pub budget: usize,
    /// What they were given.
    pub plan: Plan,
}

/// The model that a budget is for, and how it is quantised.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) path: &'a Path,
    pub(super) model: &'a Model,
    pub(super) settings: &'a Settings,
    /// The size of groups that was asked for.
    pub(super) group: Option<Group>,
    pub(super) calibration: Option<&'a Arc<Calibration>>,
    pub(super) cancel: &'a Cancel,
}

/// The groups that a tensor may get where no size is asked for.
const GROUPS: [u32; 4] = [16, 32, 64, 128];

impl Allotment {
    /// Whether this can be done, as far as can be told before a file is opened; `is_measured` says that there is a
    /// measure of the user's own.
    pub(super) fn check(&self, calibration: Option<&Path>, is_measured: bool) -> Result<()> {
        let refused = |option, value: &str, expected| {
            Err(QuantError::Option { option, value: value.to_owned(), expected })
        };
        let by_path = self.needs_calibration();
        if self.budget.is_none() {
            let given = [
                ("allocation", self.method.is_some()),
                ("schedule", self.schedule.is_some()),
                ("widths", !self.widths.is_empty()),
                ("measure", is_measured),
            ];
            if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
                return refused(option, "given without a budget", "for a `budget`");
            }
        }
        if is_measured && self.method.is_some() && !by_path {
            return refused(
                "allocation",
                "given beside a measure",
                "`path_kl`, or absent where costs are measured",
            );
        }
        if !by_path && self.schedule.is_some() {
            return refused("schedule", "given for this allocation", "for `path_kl`");
        }
        if !by_path && !self.sensitivities.is_empty() {
            return refused("sensitivities", "given for this allocation", "for `path_kl`");
        }
        if by_path && calibration.is_none() {
            return refused("calibration", "absent for `path_kl`", "a file of calibration with timesteps");
        }
        self.bits().map(drop)
    }

    /// Whether what was seen of the layers' inputs is needed.
    pub(super) fn needs_calibration(&self) -> bool {
        self.method() == Some(AllocationMethod::PathKl)
    }

    fn method(&self) -> Option<AllocationMethod> {
        self.method.or(self.schedule.as_ref().map(|_| AllocationMethod::PathKl))
    }

    fn bits(&self) -> Result<Vec<Bits>> {
        match self.widths.as_slice() {
            [] => Ok(Bits::ALL.to_vec()),
            widths => widths.iter().map(|&width| Bits::try_from(width)).collect(),
        }
    }

    /// The schemes that a tensor may get: like `scheme`, in groups of one size where that was asked for.
    fn schemes(&self, scheme: Scheme, group: Option<Group>) -> Result<Vec<Scheme>> {
        let groups = match group {
            Some(group) => vec![group],
            None => GROUPS.into_iter().map(Group::of).collect::<Result<_>>()?,
        };
        let of_group = |group| {
            let bits = self.bits()?.into_iter();
            Ok(bits.map(move |bits| Scheme { bits, group, ..scheme }).collect::<Vec<_>>())
        };
        Ok(groups.into_iter().map(of_group).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Chooses the scheme of each tensor; without a budget, there is nothing to choose.
    pub(super) fn plan(
        &self,
        task: &Task<'_>,
        measure: Option<&mut Measure<'_>>,
        on_tensor: impl FnMut(&str) + Send,
    ) -> Result<Option<Allocated>> {
        let Some(budget) = self.budget else { return Ok(None) };
        let Task { path, model, settings, group, calibration, cancel } = *task;
        let mut harm = match (measure, self.method(), calibration) {
            (measure, Some(AllocationMethod::PathKl), Some(calibration)) => {
                let schedule = self.schedule(path)?;
                let sensitivities = self.sensitivities.clone();
                let costs = PathCosts::of(Arc::clone(calibration), &schedule, 1.0, sensitivities)?;
                // Made shorter-lived one by one, as a whole option cannot be.
                Harm::PathKl(costs, measure.map(|measure| measure as &mut Measure<'_>))
            }
            (Some(measure), ..) => Harm::Measured(measure),
            (None, Some(AllocationMethod::Uniform), _) => Harm::Uniform,
            (None, Some(AllocationMethod::Entropy), _) => Harm::Entropy,
            (None, Some(AllocationMethod::SquaredError | AllocationMethod::PathKl), _) => Harm::SquaredError,
            (None, None, _) => Harm::Automatic,
        };
        let schemes = self.schemes(settings.scheme, group)?;
        let budget = budget.of(model);
        let plan = plan(model, settings, budget, &schemes, &mut harm, cancel, on_tensor)?;
        Ok(Some(Allocated { budget, plan }))
    }

    /// The schedule of a model.
    fn schedule(&self, model: &Path) -> Result<Schedule> {
        let path = match &self.schedule {
            Some(path) => path.clone(),
            None => {
                let path = model.join("scheduler").join("scheduler_config.json");
                if !path.is_file() {
                    return Err(QuantError::Option {
                        option: "schedule",
                        value: "absent where the model is no pipeline with one".to_owned(),
                        expected: "a `scheduler_config.json`",
                    });
                }
                path
            }
        };
        let read = |source| QuantError::System { action: "read", path: path.clone(), source };
        Schedule::from_json(&fs::read_to_string(&path).map_err(read)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_size_or_a_share() {
        assert_eq!("25%".parse::<Budget>().unwrap(), Budget::Share(0.25));
        assert_eq!("12MB".parse::<Budget>().unwrap(), Budget::Bytes(12_000_000));
        assert_eq!("1000".parse::<Budget>().unwrap(), Budget::Bytes(1000));
        for wrong in ["", "0%", "101%", "-3%", "NaN%", "12 parsecs", "%"] {
            let error = wrong.parse::<Budget>().unwrap_err();
            assert_eq!(error.to_string(), format!("`budget` cannot be `{wrong}`"));
        }
    }
}
