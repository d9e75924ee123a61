//! How does a diffusion model go from one timestep to the next, and how far does an error of the model move it?
//!
//! The forward process makes `x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε` of a sample (Ho et al. 2020, "Denoising Diffusion
//! Probabilistic Models"), where `ᾱ_t` is the product of `1 − β` up to `t`. A step of the reverse process from `t` to
//! an earlier `p` draws from a Gaussian whose mean is `√ᾱ_p · x̂_0 + √(1 − ᾱ_p − σ²) · ε̂` and whose variance is
//! `σ² = η² · (1 − ᾱ_p) / (1 − ᾱ_t) · (1 − ᾱ_t / ᾱ_p)` (Song et al. 2021, "Denoising Diffusion Implicit Models",
//! equations 12 and 16): that of Ho et al. for η = 1, without noise for η = 0. `x̂_0` and `ε̂` are linear in `x_t` and
//! the model's output, so the mean is, too, and where the output is off by Δ the mean is off by `c · Δ`: the
//! divergence of the step is `c² ‖Δ‖² / (2σ²)`.
//!
//! Samplers that clip `x̂_0` are not linear where they do; that is left out of account. Numbers are of double
//! precision, those of diffusers of single precision. O(timesteps).

use serde::Deserialize;

use crate::{QuantError, Result, pack::has_length};

/// What a model says of a noisy sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prediction {
    /// The noise ε in it.
    Epsilon,
    /// The sample `x_0` without the noise.
    Sample,
    /// `√ᾱ · ε − √(1 − ᾱ) · x_0` (Salimans and Ho 2022, "Progressive Distillation for Fast Sampling").
    Velocity,
}

impl Prediction {
    /// Its name in diffusers: `epsilon`, `sample` or `v_prediction`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epsilon => "epsilon",
            Self::Sample => "sample",
            Self::Velocity => "v_prediction",
        }
    }

    /// The one of this [name](Self::name).
    ///
    /// # Errors
    /// [`QuantError::Option`] when there is none.
    pub fn parse(name: &str) -> Result<Self> {
        [Self::Epsilon, Self::Sample, Self::Velocity].into_iter().find(|own| own.name() == name).ok_or_else(
            || QuantError::Option {
                option: "prediction_type",
                value: format!("`{name}`"),
                expected: "`epsilon`, `sample` or `v_prediction`",
            },
        )
    }
}

/// How much noise there is at each timestep that a model was trained on, and what the model says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// `ᾱ`, the greatest first.
    alpha_bars: Vec<f64>,
    /// `ᾱ` of what the last step of the reverse process leads to.
    last: f64,
    prediction: Prediction,
}

/// A step of the reverse process: a Gaussian with the mean `sample · x_t + output · (what the model says)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReverseStep {
    /// The timestep that it begins at.
    pub timestep: usize,
    /// The factor of `x_t`.
    pub sample: f64,
    /// The factor of the model's output: how far an error of it moves the mean.
    pub output: f64,
    /// The variance of each number, 0 where no noise is added.
    pub variance: f64,
}

/// More timesteps than any model is trained on.
const MOST_TIMESTEPS: usize = 1_000_000;

/// No β of the cosine schedule is greater, in the paper as in diffusers.
const GREATEST_COSINE_BETA: f64 = 0.999;

impl Schedule {
    /// With so many β at equal distances from `start` to `end` (Ho et al. 2020).
    ///
    /// # Errors
    /// [`QuantError::Option`] unless there are 1 to 1,000,000; [`QuantError::Number`] unless each β is more than
    /// 0 and at most 1.
    pub fn linear(timesteps: usize, start: f64, end: f64) -> Result<Self> {
        Self::of_betas(&evenly(has_count(timesteps)?, start, end))
    }

    /// With so many `√β` at equal distances (Rombach et al. 2022, "High-Resolution Image Synthesis with Latent
    /// Diffusion Models").
    ///
    /// # Errors
    /// As [`linear`](Self::linear).
    pub fn scaled_linear(timesteps: usize, start: f64, end: f64) -> Result<Self> {
        let roots = evenly(has_count(timesteps)?, start.sqrt(), end.sqrt());
        Self::of_betas(&roots.iter().map(|root| root * root).collect::<Vec<_>>())
    }

    /// With `ᾱ` a squared cosine of the time, no β being more than 0.999 (Nichol and Dhariwal 2021, "Improved
    /// Denoising Diffusion Probabilistic Models", equation 17).
    ///
    /// # Errors
    /// [`QuantError::Option`] unless there are 1 to 1,000,000.
    pub fn cosine(timesteps: usize) -> Result<Self> {
        let count = has_count(timesteps)?;
        let alpha_bar = |timestep: usize| {
            let time = timestep as f64 / count as f64;
            ((time + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2)
        };
        let beta = |timestep| (1.0 - alpha_bar(timestep + 1) / alpha_bar(timestep)).min(GREATEST_COSINE_BETA);
        Self::of_betas(&(0..count).map(beta).collect::<Vec<_>>())
    }

    /// With these β, the first of them that of the timestep with the least noise.
    ///
    /// # Errors
    /// As [`linear`](Self::linear).
    pub fn of_betas(betas: &[f64]) -> Result<Self> {
        has_count(betas.len())?;
        if let Some(place) = betas.iter().position(|&beta| !(beta > 0.0 && beta <= 1.0)) {
            return Err(QuantError::Number {
                what: "β",
                place,
                value: betas[place],
                expected: "more than 0 and at most 1",
            });
        }
        let alpha_bars = betas.iter().scan(1.0, |product, beta| {
            *product *= 1.0 - beta;
            Some(*product)
        });
        Ok(Self { alpha_bars: alpha_bars.collect(), last: 1.0, prediction: Prediction::Epsilon })
    }

    /// That of the text of diffusers' `scheduler_config.json`. What it does not say is as in `DDPMScheduler`: 1,000
    /// timesteps, linear from 0.0001 to 0.02, predicting ε. `trained_betas` go before a `beta_schedule`.
    /// `rescale_betas_zero_snr` (Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps Are Flawed")
    /// and `set_alpha_to_one` are followed. Others are not read: a `variance_type` other than `fixed_small` makes a
    /// sampler's variance another than that of [`reverse`](Self::reverse).
    ///
    /// # Errors
    /// [`QuantError::Scheduler`] when it is no JSON of these keys or, as with flow matching, of a class without β;
    /// [`QuantError::Option`] for another schedule or prediction; [`QuantError::Length`] when `trained_betas` are not
    /// as many as `num_train_timesteps` says; and as [`linear`](Self::linear).
    pub fn from_json(text: &str) -> Result<Self> {
        let config: Config = serde_json::from_str(text)
            .map_err(|error| QuantError::Scheduler { reason: error.to_string() })?;
        let timesteps = config.num_train_timesteps.unwrap_or(1000);
        let (start, end) = (config.beta_start.unwrap_or(0.0001), config.beta_end.unwrap_or(0.02));
        let schedule = match (&config.trained_betas, config.beta_schedule.as_deref(), &config.class_name) {
            (Some(betas), ..) => {
                has_length("trained_betas", betas.len(), config.num_train_timesteps.unwrap_or(betas.len()))?;
                Self::of_betas(betas)
            }
            (None, None, Some(class)) if !["DDPMScheduler", "DDIMScheduler"].contains(&class.as_str()) => {
                return Err(QuantError::Scheduler {
                    reason: format!("`{class}` has neither `beta_schedule` nor `trained_betas`"),
                });
            }
            (None, None | Some("linear"), _) => Self::linear(timesteps, start, end),
            (None, Some("scaled_linear"), _) => Self::scaled_linear(timesteps, start, end),
            (None, Some("squaredcos_cap_v2"), _) => Self::cosine(timesteps),
            (None, Some(other), _) => Err(QuantError::Option {
                option: "beta_schedule",
                value: format!("`{other}`"),
                expected: "`linear`, `scaled_linear` or `squaredcos_cap_v2`, or `trained_betas` stand in its place",
            }),
        }?;
        let mut schedule = match config.prediction_type {
            Some(name) => schedule.with_prediction(Prediction::parse(&name)?),
            None => schedule,
        };
        if config.rescale_betas_zero_snr == Some(true) {
            schedule.rescale();
        }
        if config.set_alpha_to_one == Some(false) {
            schedule.last = schedule.alpha_bars.first().copied().unwrap_or(1.0);
        }
        Ok(schedule)
    }

    /// The same of a model that says something else; all constructors but [`from_json`](Self::from_json) have
    /// [`Prediction::Epsilon`].
    pub fn with_prediction(self, prediction: Prediction) -> Self {
        Self { prediction, ..self }
    }

    /// `ᾱ` of each timestep.
    pub fn alpha_bars(&self) -> &[f64] {
        &self.alpha_bars
    }

    /// What the model says.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// The steps of a sampler that visits `timesteps`, the noisiest first. `eta` is the share of the noise that
    /// Ho et al. add: 1 for DDPM, 0 for DDIM. The last step leads to a sample without noise, so its variance is 0,
    /// unless the configuration has `set_alpha_to_one` false, as that of Stable Diffusion does.
    ///
    /// # Errors
    /// [`QuantError::Option`] when `eta` is not 0 to 1, or when the timesteps do not fall or are not those that the
    /// model was trained on; also when one has nothing but noise, from which ε says nothing.
    pub fn reverse(&self, timesteps: &[usize], eta: f64) -> Result<Vec<ReverseStep>> {
        if !(0.0..=1.0).contains(&eta) {
            return Err(QuantError::Option {
                option: "eta",
                value: eta.to_string(),
                expected: "a number of 0 (DDIM) to 1 (DDPM)",
            });
        }
        let refused = |timestep: &usize, expected| QuantError::Option {
            option: "timesteps",
            value: timestep.to_string(),
            expected,
        };
        let falls = "less than the number of training timesteps and less than the one before";
        let mut steps = Vec::with_capacity(timesteps.len());
        for (index, timestep) in timesteps.iter().enumerate() {
            let earlier = timesteps.get(index + 1);
            let Some(&alpha_bar) = self.alpha_bars.get(*timestep) else {
                return Err(refused(timestep, falls));
            };
            if let Some(earlier) = earlier.filter(|earlier| *earlier >= timestep) {
                return Err(refused(earlier, falls));
            }
            let target = earlier.map_or(self.last, |&earlier| self.alpha_bars[earlier]);
            let step = self.step(*timestep, alpha_bar, target, eta);
            if ![step.sample, step.output, step.variance].iter().all(|number| number.is_finite()) {
                return Err(refused(timestep, "a timestep from which the model can tell the sample"));
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// From a timestep to another.
    fn step(&self, timestep: usize, alpha_bar: f64, target: f64, eta: f64) -> ReverseStep {
        let (signal, noise) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
        // The factors of x_t and of the output in x̂_0, and those in ε̂.
        let (clean, epsilon) = match self.prediction {
            Prediction::Epsilon => ((1.0 / signal, -noise / signal), (0.0, 1.0)),
            Prediction::Sample => ((0.0, 1.0), (1.0 / noise, -signal / noise)),
            Prediction::Velocity => ((signal, -noise), (noise, signal)),
        };
        let variance = eta * eta * (1.0 - target) / (1.0 - alpha_bar) * (1.0 - alpha_bar / target);
        let (to_clean, to_epsilon) = (target.sqrt(), (1.0 - target - variance).max(0.0).sqrt());
        ReverseStep {
            timestep,
            sample: to_clean * clean.0 + to_epsilon * epsilon.0,
            output: to_clean * clean.1 + to_epsilon * epsilon.1,
            variance,
        }
    }

    /// So that nothing but noise is left at the last timestep, and as much as before at the first.
    fn rescale(&mut self) {
        let (Some(first), Some(last)) = (self.alpha_bars.first(), self.alpha_bars.last()) else { return };
        let (first, last) = (first.sqrt(), last.sqrt());
        if first > last {
            for alpha_bar in &mut self.alpha_bars {
                *alpha_bar = ((alpha_bar.sqrt() - last) * first / (first - last)).powi(2);
            }
        }
    }
}

/// What the squared distance of two outputs counts in each step, `c² / (2σ²)`, so that it becomes the divergence.
///
/// The divergence of steps without noise is infinite, or 0. With a `least_variance` of 0 they count nothing; with
/// more, every step counts as if it had at least that variance, which is what to do with DDIM, where none has any.
///
/// # Errors
/// [`QuantError::Option`] when `least_variance` is not a finite number of at least 0, or when it is 0 and no step
/// counts.
pub fn divergence_weights(steps: &[ReverseStep], least_variance: f64) -> Result<Vec<f64>> {
    let refused = |expected| QuantError::Option {
        option: "least_variance",
        value: least_variance.to_string(),
        expected,
    };
    if !(0.0..f64::INFINITY).contains(&least_variance) {
        return Err(refused("a finite number of at least 0"));
    }
    let weight = |step: &ReverseStep| {
        let variance = step.variance.max(least_variance);
        if variance > 0.0 { step.output * step.output / (2.0 * variance) } else { 0.0 }
    };
    let weights: Vec<_> = steps.iter().map(weight).collect();
    if weights.iter().all(|&weight| weight == 0.0) {
        return Err(refused("more than 0 where no step adds noise"));
    }
    Ok(weights)
}

/// What is read of diffusers' description.
#[derive(Deserialize)]
struct Config {
    #[serde(rename = "_class_name")]
    class_name: Option<String>,
    num_train_timesteps: Option<usize>,
    beta_start: Option<f64>,
    beta_end: Option<f64>,
    beta_schedule: Option<String>,
    trained_betas: Option<Vec<f64>>,
    prediction_type: Option<String>,
    rescale_betas_zero_snr: Option<bool>,
    set_alpha_to_one: Option<bool>,
}

fn has_count(timesteps: usize) -> Result<usize> {
    if (1..=MOST_TIMESTEPS).contains(&timesteps) {
        return Ok(timesteps);
    }
    Err(QuantError::Option {
        option: "num_train_timesteps",
        value: timesteps.to_string(),
        expected: "a number of 1 to 1,000,000",
    })
}

/// So many numbers at equal distances; the start where it is one.
fn evenly(count: usize, start: f64, end: f64) -> Vec<f64> {
    let last = (count - 1).max(1) as f64;
    (0..count).map(|index| start + (end - start) * (index as f64 / last)).collect()
}

#[cfg(test)]
mod tests {
    use bowstring_core::Diagnostic as _;
    use proptest::prelude::*;

    use super::*;

    /// Figures of 50 decimal digits, rounded: the timesteps 0, 499 and 999 of 1,000.
    #[test]
    fn schedules_are_those_of_their_papers() {
        let check = |schedule: Schedule, expected: [f64; 3]| {
            assert_eq!(schedule.alpha_bars().len(), 1000);
            for (timestep, expected) in [0, 499, 999].into_iter().zip(expected) {
                let off = schedule.alpha_bars()[timestep] / expected - 1.0;
                assert!(off.abs() < 1e-9, "{timestep}: {off}");
            }
        };
        check(Schedule::linear(1000, 0.0001, 0.02).unwrap(), LINEAR);
        check(Schedule::scaled_linear(1000, 0.00085, 0.012).unwrap(), SCALED_LINEAR);
        check(Schedule::cosine(1000).unwrap(), COSINE);
        check(Schedule::from_json("{}").unwrap(), LINEAR);
        check(
            Schedule::from_json(
                r#"{"_class_name": "PNDMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085,
                    "beta_end": 0.012, "trained_betas": null, "steps_offset": 1}"#,
            )
            .unwrap(),
            SCALED_LINEAR,
        );
        check(Schedule::from_json(r#"{"beta_schedule": "squaredcos_cap_v2"}"#).unwrap(), COSINE);
    }

    const LINEAR: [f64; 3] = [0.9999, 0.078_587_242_881_778_24, 4.035_829_765_375_684e-5];
    const SCALED_LINEAR: [f64; 3] = [0.99915, 0.277_669_650_456_467_8, 4.660_098_513_077_24e-3];
    const COSINE: [f64; 3] = [0.999_958_715_775_178_1, 0.493_843_590_440_637_7, 2.428_766_907_034_851e-9];

    #[test]
    fn a_configuration_is_followed() {
        let of = |text| Schedule::from_json(text).unwrap();
        let betas =
            of(r#"{"trained_betas": [0.5, 0.25], "prediction_type": "v_prediction", "beta_schedule": "x"}"#);
        assert_eq!((betas.alpha_bars(), betas.prediction()), (&[0.5, 0.375][..], Prediction::Velocity));
        assert_eq!(of(r#"{"num_train_timesteps": 3}"#).alpha_bars().len(), 3);
        assert_eq!(of("{}").prediction(), Prediction::Epsilon);

        let rescaled = of(r#"{"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
            "rescale_betas_zero_snr": true, "prediction_type": "sample"}"#);
        let alpha_bars = rescaled.alpha_bars();
        assert!((alpha_bars[499] / RESCALED_MIDDLE - 1.0).abs() < 1e-9 && alpha_bars[999] == 0.0);
        assert!(rescaled.reverse(&[999, 499], 1.0).is_ok());
        assert!(rescaled.with_prediction(Prediction::Epsilon).reverse(&[999, 499], 1.0).is_err());

        let noisy_end = of(r#"{"trained_betas": [0.5, 0.25], "set_alpha_to_one": false}"#);
        assert!(noisy_end.reverse(&[1], 1.0).unwrap()[0].variance > 0.0);
        assert_eq!(betas.reverse(&[1], 1.0).unwrap()[0].variance, 0.0);
    }

    const RESCALED_MIDDLE: f64 = 0.242_359_166_556_145_4;

    #[test]
    fn what_cannot_be_is_named() {
        let check = |text: &str, message: &str, hint: &str| {
            let error = Schedule::from_json(text).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.hint().unwrap_or_default().as_str()),
                (message, hint)
            );
        };
        check(
            r#"{"beta_schedule": "sigmoid"}"#,
            "`beta_schedule` cannot be `sigmoid`",
            "it is `linear`, `scaled_linear` or `squaredcos_cap_v2`, or `trained_betas` stand in its place",
        );
        check(
            r#"{"prediction_type": "flow"}"#,
            "`prediction_type` cannot be `flow`",
            "it is `epsilon`, `sample` or `v_prediction`",
        );
        check(
            r#"{"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}"#,
            "the scheduler's configuration cannot be used: `FlowMatchEulerDiscreteScheduler` has neither \
             `beta_schedule` nor `trained_betas`",
            "",
        );
        check(
            r#"{"num_train_timesteps": 99999999999}"#,
            "`num_train_timesteps` cannot be 99999999999",
            "it is a number of 1 to 1,000,000",
        );
        check(
            r#"{"beta_end": 1.5}"#,
            "β 666 cannot be 1.0000333333333333",
            "it is more than 0 and at most 1",
        );
        check(
            r#"{"trained_betas": [0.1], "num_train_timesteps": 1000}"#,
            "trained_betas: 1 where 1000 are expected",
            "",
        );
        for text in ["", "[]", r#"{"beta_start": "0.1"}"#, r#"{"num_train_timesteps": -1}"#] {
            assert!(matches!(Schedule::from_json(text), Err(QuantError::Scheduler { .. })), "{text}");
        }
        assert!(Schedule::linear(0, 0.1, 0.2).is_err() && Schedule::of_betas(&[0.1, f64::NAN]).is_err());
    }

    #[test]
    fn timesteps_and_eta_are_checked() {
        let schedule = Schedule::linear(10, 0.1, 0.2).unwrap();
        for timesteps in [&[10, 5][..], &[5, 5], &[4, 5]] {
            assert!(schedule.reverse(timesteps, 1.0).is_err(), "{timesteps:?}");
        }
        for eta in [-0.1, 1.1, f64::NAN] {
            assert!(schedule.reverse(&[5], eta).is_err(), "{eta}");
        }
        assert_eq!(schedule.reverse(&[], 1.0).unwrap(), []);
    }

    #[test]
    fn steps_without_noise_are_left_out_or_have_the_least_variance() {
        let schedule = Schedule::linear(10, 0.1, 0.2).unwrap();
        let steps = schedule.reverse(&[9, 4, 0], 1.0).unwrap();
        let [first, second, last] = divergence_weights(&steps, 0.0).unwrap()[..] else { panic!("three") };
        assert!(first > 0.0 && second > 0.0 && last == 0.0, "the last step leads to a sample without noise");
        let floored = divergence_weights(&steps, 1e-6).unwrap();
        assert_eq!(floored[..2], [first, second]);
        assert_eq!(floored[2], steps[2].output.powi(2) / 2e-6);

        let still = schedule.reverse(&[9, 4, 0], 0.0).unwrap();
        let error = divergence_weights(&still, 0.0).unwrap_err();
        assert_eq!(error.hint().unwrap(), "it is more than 0 where no step adds noise");
        assert!(divergence_weights(&still, 0.5).unwrap().iter().all(|&weight| weight > 0.0));
        assert!(divergence_weights(&steps, f64::NAN).is_err() && divergence_weights(&steps, -1.0).is_err());
    }

    proptest! {
        /// Ho et al., equation 7: the mean and the variance of what was before, given `x_t` and `x_0`.
        #[test]
        fn with_all_noise_a_step_is_the_posterior(
            betas in prop::collection::vec(0.0001_f64..0.9, 2..20),
            x in -3.0_f64..3.0,
            clean in -3.0_f64..3.0,
        ) {
            let schedule = Schedule::of_betas(&betas).unwrap().with_prediction(Prediction::Sample);
            let timesteps: Vec<_> = (0..betas.len()).rev().collect();
            for step in schedule.reverse(&timesteps, 1.0).unwrap() {
                let t = step.timestep;
                let before = if t == 0 { 1.0 } else { schedule.alpha_bars()[t - 1] };
                let left = 1.0 - schedule.alpha_bars()[t];
                let mean = before.sqrt() * betas[t] / left * clean
                    + (1.0 - betas[t]).sqrt() * (1.0 - before) / left * x;
                prop_assert!((step.sample * x + step.output * clean - mean).abs() < 1e-9);
                prop_assert!((step.variance - (1.0 - before) / left * betas[t]).abs() < 1e-12);
            }
        }

        /// The three predictions are three ways to say the same.
        #[test]
        fn the_mean_does_not_depend_on_how_the_model_says_it(
            betas in prop::collection::vec(0.001_f64..0.3, 2..10),
            eta in prop_oneof![Just(0.0), 0.0_f64..=1.0],
            clean in -3.0_f64..3.0,
            epsilon in -3.0_f64..3.0,
        ) {
            let schedule = Schedule::of_betas(&betas).unwrap();
            let t = betas.len() - 1;
            let alpha_bar = schedule.alpha_bars()[t];
            let (signal, noise) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
            let x = signal * clean + noise * epsilon;
            let outputs = [
                (Prediction::Epsilon, epsilon),
                (Prediction::Sample, clean),
                (Prediction::Velocity, signal * epsilon - noise * clean),
            ];
            let means = outputs.map(|(prediction, output)| {
                let schedule = schedule.clone().with_prediction(prediction);
                let step = schedule.reverse(&[t, 0], eta).unwrap()[0];
                let all = schedule.reverse(&[t, 0], 1.0).unwrap()[0].variance;
                assert!((step.variance - eta * eta * all).abs() < 1e-12);
                if eta == 0.0 {
                    let target = schedule.alpha_bars()[0];
                    let still = target.sqrt() * clean + (1.0 - target).sqrt() * epsilon;
                    assert!((step.sample * x + step.output * output - still).abs() < 1e-9);
                }
                step.sample * x + step.output * output
            });
            prop_assert!((means[0] - means[1]).abs() < 1e-9 && (means[0] - means[2]).abs() < 1e-9, "{means:?}");
        }
    }
}
