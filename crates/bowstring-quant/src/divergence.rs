//! How far is what a quantised model samples from what the original samples?
//!
//! A sampler's path is a chain of steps that each draw from a distribution, so by the chain rule the divergence of
//! whole paths is the sum of the steps' divergences, each expected over the paths of the original (Cover and Thomas
//! 2006, theorem 2.5.3). Both models therefore see the *same* inputs, those of the original's paths. By the
//! data-processing inequality the samples at the end diverge no more than the paths.
//!
//! A diffusion model's step is a Gaussian, of which quantisation moves the mean: `‖μ_q − μ‖² / (2σ²)`. That of an
//! autoregressive or masked model is a choice of one token: `Σ p · ln(p / q)`. All are in nats, summed in double
//! precision in the order of the numbers. O(numbers).

use crate::{QuantError, Result, pack::has_length};

/// The divergence of paths.
#[derive(Clone, Debug, PartialEq)]
pub struct PathKl {
    /// Of each step, on average over the paths.
    pub steps: Vec<f64>,
    /// Of whole paths: the sum.
    pub total: f64,
}

/// The divergence of two Gaussians with these means and the same `variance` of every number.
///
/// # Errors
/// [`QuantError::Length`] when the means differ in length; [`QuantError::Number`] when a number is NaN or infinite;
/// [`QuantError::Option`] when the variance is not more than 0 and finite.
pub fn gaussian_kl(mean: &[f32], other: &[f32], variance: f64) -> Result<f64> {
    if !(variance > 0.0 && variance.is_finite()) {
        return Err(QuantError::Option {
            option: "variance",
            value: variance.to_string(),
            expected: "more than 0 and finite",
        });
    }
    Ok(squared_distance(mean, other)? / (2.0 * variance))
}

/// The divergence of a diffusion model's paths, where `original[i]` and `other[i]` are what both models say in step
/// `i` of so many `paths`, one path after the other, and [`weights`](crate::divergence_weights) what a squared
/// distance counts in it.
///
/// # Errors
/// [`QuantError::Length`] when there are not as many of one as of the other, or when paths are not whole;
/// [`QuantError::Option`] when there are no paths; [`QuantError::Number`] when a number is NaN or infinite, or a weight
/// less than 0.
pub fn path_kl(weights: &[f64], original: &[&[f32]], other: &[&[f32]], paths: usize) -> Result<PathKl> {
    has_length("steps of the original", original.len(), weights.len())?;
    has_length("steps of the other", other.len(), weights.len())?;
    if paths == 0 {
        return Err(QuantError::Option { option: "paths", value: paths.to_string(), expected: "at least 1" });
    }
    let mut steps = Vec::with_capacity(weights.len());
    for (index, ((&weight, original), other)) in weights.iter().zip(original).zip(other).enumerate() {
        if !(0.0..f64::INFINITY).contains(&weight) {
            return Err(QuantError::Number {
                what: "weight",
                place: index,
                value: weight,
                expected: "a finite number of at least 0",
            });
        }
        has_length("numbers of whole paths", original.len(), original.len() / paths * paths)?;
        steps.push(weight * squared_distance(original, other)? / paths as f64);
    }
    let total = steps.iter().sum();
    Ok(PathKl { steps, total })
}

/// The divergence of each choice of one of `classes` tokens, where `original` and `other` are the logits of both
/// models, one choice after the other. A logit of −∞ is a token that cannot be chosen; the divergence is infinite
/// where only the original can choose it.
///
/// # Errors
/// [`QuantError::Length`] when there are not as many of both, or choices are not whole; [`QuantError::Number`] when a
/// logit is NaN or +∞, or when all of a choice are −∞.
pub fn categorical_kl(original: &[f32], other: &[f32], classes: usize) -> Result<Vec<f64>> {
    let choices = original.len().checked_div(classes).unwrap_or(0);
    has_length("logits of whole choices", original.len(), choices * classes)?;
    has_length("logits of the other", other.len(), original.len())?;
    if classes == 0 {
        return Ok(Vec::new());
    }
    let pairs = original.chunks_exact(classes).zip(other.chunks_exact(classes));
    pairs
        .enumerate()
        .map(|(choice, (original, other))| one_choice(original, other, choice * classes))
        .collect()
}

/// The divergence of one choice, whose first logit is the number `first` of all.
fn one_choice(original: &[f32], other: &[f32], first: usize) -> Result<f64> {
    let (normal, other_normal) = (log_sum(original, first)?, log_sum(other, first)?);
    let parts = original.iter().zip(other).map(|(&logit, &other)| {
        let (log, other) = (f64::from(logit) - normal, f64::from(other) - other_normal);
        // What is never chosen adds nothing, whatever the other does.
        if log == f64::NEG_INFINITY { 0.0 } else { log.exp() * (log - other) }
    });
    // The sum is never less than 0 but for rounding.
    Ok(parts.sum::<f64>().max(0.0))
}

/// `ln Σ exp`, without numbers that overflow.
fn log_sum(logits: &[f32], first: usize) -> Result<f64> {
    let refused = |place: usize| QuantError::Number {
        what: "logit",
        place: first + place,
        value: f64::from(logits[place]),
        expected: "a finite number, or −∞ for some of a choice",
    };
    if let Some(place) = logits.iter().position(|&logit| logit.is_nan() || logit == f32::INFINITY) {
        return Err(refused(place));
    }
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if greatest == f32::NEG_INFINITY {
        return Err(refused(0));
    }
    let greatest = f64::from(greatest);
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - greatest).exp()).sum();
    Ok(greatest + sum.ln())
}

fn squared_distance(one: &[f32], other: &[f32]) -> Result<f64> {
    has_length("numbers to compare with", other.len(), one.len())?;
    let mut sum = 0.0;
    for (&one, &other) in one.iter().zip(other) {
        let off = f64::from(one) - f64::from(other);
        sum += off * off;
    }
    if sum.is_finite() {
        return Ok(sum);
    }
    let wrong = one.iter().zip(other).position(|(one, other)| !(one.is_finite() && other.is_finite()));
    let place = wrong.unwrap_or(0);
    let value = if one[place].is_finite() { other[place] } else { one[place] };
    Err(QuantError::Number { what: "number", place, value: f64::from(value), expected: "finite" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Schedule, divergence_weights};

    #[test]
    fn of_gaussians_it_is_the_integral() {
        let (mean, other, variance) = (0.3_f32, -0.5_f32, 0.7);
        let density = |x: f64, mean: f32| {
            (-(x - f64::from(mean)).powi(2) / (2.0 * variance)).exp()
                / (2.0 * std::f64::consts::PI * variance).sqrt()
        };
        let places = (-10_000..10_000).map(|index| f64::from(index) * 1e-3);
        let integral: f64 =
            places.map(|x| 1e-3 * density(x, mean) * (density(x, mean) / density(x, other)).ln()).sum();
        let kl = gaussian_kl(&[mean], &[other], variance).unwrap();
        assert!((kl - integral).abs() < 1e-9, "{kl} {integral}");
        assert_eq!(gaussian_kl(&[1.0, 2.0], &[1.0, 4.0], 0.5).unwrap(), 4.0);
    }

    /// Means computed from the steps' kernels, beside outputs that are weighted.
    #[test]
    fn of_paths_it_is_the_sum_of_the_steps_on_average() {
        let schedule = Schedule::scaled_linear(100, 0.001, 0.02).unwrap();
        let steps = schedule.reverse(&[99, 60, 20], 0.7).unwrap();
        let weights = divergence_weights(&steps, 1e-4).unwrap();
        let original = [[0.5_f32, -1.0, 2.0, 0.25], [1.0, 1.5, -0.5, 3.0], [0.0, 0.125, -0.25, 0.75]];
        let other = [[0.75_f32, -1.5, 2.0, 0.5], [1.25, 1.0, -1.0, 3.0], [0.5, 0.25, -0.5, 0.0]];
        let parts =
            path_kl(&weights, &original.each_ref().map(|x| &x[..]), &other.each_ref().map(|x| &x[..]), 2);
        let parts = parts.unwrap();
        let mut total = 0.0;
        for ((step, (original, other)), part) in
            steps.iter().zip(original.iter().zip(&other)).zip(&parts.steps)
        {
            let mean = |output: &[f32]| {
                output.iter().map(|&output| (step.output * f64::from(output)) as f32).collect::<Vec<_>>()
            };
            let (variance, mut expected) = (step.variance.max(1e-4), 0.0);
            for path in [0..2, 2..4] {
                expected +=
                    gaussian_kl(&mean(&original[path.clone()]), &mean(&other[path]), variance).unwrap() / 2.0;
            }
            assert!((part / expected - 1.0).abs() < 1e-5, "{part} {expected}");
            total += part;
        }
        assert_eq!(parts.total, total);
    }

    #[test]
    fn of_choices_it_is_that_of_their_probabilities() {
        let close = |kl: f64, expected: f64| assert!((kl - expected).abs() < 1e-12, "{kl} {expected}");
        // Probabilities ½ and ½ beside ¼ and ¾.
        let expected = 0.5 * 2.0_f64.ln() + 0.5 * (2.0_f64 / 3.0).ln();
        for shift in [0.0_f32, 1e4, -1e4] {
            let kl = categorical_kl(&[shift, shift], &[0.0, 3.0_f32.ln()], 2).unwrap();
            assert!((kl[0] - expected).abs() < 1e-7, "{kl:?}");
        }
        let kl = categorical_kl(&[0.0, 0.0, 88.0, -88.0], &[0.0, 0.0, -88.0, 88.0], 2).unwrap();
        close(kl[0], 0.0);
        close(kl[1], 176.0);
        const NEVER: f32 = f32::NEG_INFINITY;
        let masked = categorical_kl(&[0.0, NEVER, 0.0, 0.0], &[0.0, 0.0, 0.0, NEVER], 2).unwrap();
        close(masked[0], 2.0_f64.ln());
        assert_eq!(masked[1], f64::INFINITY);
        assert_eq!(categorical_kl(&[1.0, NEVER], &[5.0, NEVER], 2).unwrap(), [0.0]);
        assert!(categorical_kl(&[], &[], 0).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let message = |error: Result<f64>| error.unwrap_err().to_string();
        assert_eq!(message(gaussian_kl(&[0.0], &[], 1.0)), "numbers to compare with: 0 where 1 are expected");
        assert_eq!(message(gaussian_kl(&[0.0, f32::NAN], &[0.0, 1.0], 1.0)), "number 1 cannot be NaN");
        assert_eq!(message(gaussian_kl(&[0.0], &[f32::INFINITY], 1.0)), "number 0 cannot be inf");
        for variance in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(gaussian_kl(&[0.0], &[0.0], variance).is_err(), "{variance}");
        }
        let path = |weights: &[f64], paths| path_kl(weights, &[&[0.0; 3]], &[&[0.0; 3]], paths);
        assert!(path(&[1.0], 3).is_ok() && path(&[1.0], 2).is_err() && path(&[1.0], 0).is_err());
        assert!(path(&[1.0, 1.0], 1).is_err() && path(&[-1.0], 1).is_err() && path(&[f64::NAN], 1).is_err());
        let logits = |one: &[f32], classes| categorical_kl(one, &[0.0; 2], classes).unwrap_err().to_string();
        assert_eq!(logits(&[0.0, f32::NAN], 1), "logit 1 cannot be NaN");
        assert_eq!(logits(&[0.0, f32::NEG_INFINITY], 1), "logit 1 cannot be -inf");
        assert_eq!(logits(&[f32::INFINITY, 0.0], 2), "logit 0 cannot be inf");
        assert_eq!(logits(&[0.0, 0.0], 3), "logits of whole choices: 2 where 0 are expected");
        assert_eq!(logits(&[0.0], 1), "logits of the other: 2 where 1 are expected");
        assert_eq!(logits(&[0.0], 0), "logits of whole choices: 1 where 0 are expected");
    }

    proptest! {
        #[test]
        fn it_is_0_of_the_same_and_more_of_others(
            pairs in prop::collection::vec((-50.0_f32..50.0, -50.0_f32..50.0), 1..30),
            shift in -100.0_f32..100.0,
        ) {
            let (one, other): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let kl = |one: &[f32], other: &[f32]| categorical_kl(one, other, one.len()).unwrap()[0];
            let shifted: Vec<_> = one.iter().map(|logit| logit + shift).collect();
            prop_assert!(kl(&one, &one) == 0.0 && kl(&one, &shifted) < 1e-4);
            prop_assert!(kl(&one, &other) >= 0.0 && kl(&one, &other).is_finite());
        }
    }
}
