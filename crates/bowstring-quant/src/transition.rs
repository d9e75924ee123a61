//! Which quantisation harms a diffusion model's paths the least?
//!
//! An error Δ of the model's output in step `t` makes the path diverge by `w_t · ‖Δ‖²` with the
//! [weight](crate::divergence_weights) `w_t = c_t² / (2σ_t²)`. To first order the squared error of a layer's input or
//! weights reaches the output by a factor that is the layer's own, its sensitivity. So the loss of activation ranges is
//! `Σ_layers s · Σ_t w_t · E_t[(x − q(x))²]`, and the cost of weights that are off by ΔW is
//! `s · Σ_t w_t · tr(ΔW H_t ΔWᵀ)` with the second moments `H_t` of the layer's inputs in step `t`, of which only the
//! diagonal is used (as in Frantar et al. 2022, "GPTQ", without the rest). Both are estimates: the layers' errors are
//! taken to be small and independent.
//!
//! The ranges of a layer and group meet no other ones in the loss, so they are refined one by one, by
//! [golden-section searches](crate::ActivationRange) that keep nothing worse. O(bins) for each of some hundred ranges
//! of each layer and group, on the threads of the current rayon pool; the result does not depend on how many there are.

use rayon::prelude::*;

use crate::{
    ActivationRange, Bits, Histogram, QuantError, Result, TimeGroups,
    activation::{Mixture, descend},
    pack::has_length,
    time_groups,
};

/// How long [`TransitionOptimizer::optimize_params`] searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptimizerConfig {
    /// How often both ends of each range are searched at the most.
    pub rounds: usize,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { rounds: 8 }
    }
}

/// What activation ranges cost: how far the paths of the model diverge, as estimated from the layers' errors.
#[derive(Clone, Debug, PartialEq)]
pub struct ThermodynamicLoss {
    /// The width of an activation's code.
    pub bits: Bits,
    /// What a squared error counts in each sampling step: [`divergence_weights`](crate::divergence_weights), or 1.
    pub weights: Vec<f64>,
    /// By how much the squared error of each layer's input is multiplied on its way to the output; 1 where nothing is
    /// known.
    pub sensitivities: Vec<f64>,
}

/// Refines the ranges of time groups. It holds what it was told and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionOptimizer {
    /// How long it searches.
    pub config: OptimizerConfig,
    /// What it makes less.
    pub loss: ThermodynamicLoss,
}

/// What an optimiser found.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimized {
    /// For each layer, the range of each group.
    pub params: Vec<Vec<ActivationRange>>,
    /// The loss at the start and after each round; it never grows.
    pub history: Vec<f64>,
}

impl TransitionOptimizer {
    /// Refines ranges from those of `start`, one for each layer and group. `histograms` are those of each layer, one
    /// for each sampling step. No range of the result costs more than it did at the start.
    ///
    /// # Errors
    /// [`QuantError::Length`] when something is not there for each layer, group or step; [`QuantError::Number`] when a
    /// weight or a sensitivity is not a finite number of at least 0; [`QuantError::NoActivations`] when a histogram is
    /// empty.
    pub fn optimize_params(
        &self,
        histograms: &[Vec<Histogram>],
        groups: &TimeGroups,
        start: &[Vec<ActivationRange>],
    ) -> Result<Optimized> {
        let found: Vec<_> = self
            .loss
            .parts(histograms, groups, start)?
            .into_par_iter()
            .map(|part| {
                let loss = |range| part.mixture.error(range, self.loss.bits);
                descend(loss, part.range, part.all, self.config.rounds)
            })
            .collect();
        let rounds = found.iter().map(|(_, history)| history.len()).max().unwrap_or(1);
        // What was done sooner stays as it was; sums are in the order of layers and groups.
        let after = |round: usize| {
            found.iter().map(|(_, history)| history[round.min(history.len() - 1)]).sum::<f64>()
        };
        let ranges: Vec<_> = found.iter().map(|(range, _)| *range).collect();
        Ok(Optimized {
            params: ranges.chunks(groups.count()).map(<[_]>::to_vec).collect(),
            history: (0..rounds).map(after).collect(),
        })
    }
}

/// A layer in a group of steps.
struct Part {
    /// All values, weighted.
    mixture: Mixture,
    /// Where all of them are.
    all: ActivationRange,
    range: ActivationRange,
}

impl ThermodynamicLoss {
    /// What `params` cost, the range of each group for each layer.
    ///
    /// # Errors
    /// As [`TransitionOptimizer::optimize_params`].
    pub fn of(
        &self,
        histograms: &[Vec<Histogram>],
        groups: &TimeGroups,
        params: &[Vec<ActivationRange>],
    ) -> Result<f64> {
        let parts = self.parts(histograms, groups, params)?;
        Ok(parts.iter().map(|part| part.mixture.error(part.range, self.bits)).sum())
    }

    /// Each group of each layer.
    fn parts(
        &self,
        histograms: &[Vec<Histogram>],
        groups: &TimeGroups,
        params: &[Vec<ActivationRange>],
    ) -> Result<Vec<Part>> {
        has_length("weights of sampling steps", self.weights.len(), groups.steps())?;
        has_length("sensitivities of layers", self.sensitivities.len(), histograms.len())?;
        has_length("layers with ranges", params.len(), histograms.len())?;
        not_negative("the weight of step", &self.weights)?;
        not_negative("the sensitivity of layer", &self.sensitivities)?;
        time_groups::check(histograms, groups.steps())?;
        let mut parts = Vec::with_capacity(histograms.len() * groups.count());
        for (layer, (histograms, params)) in histograms.iter().zip(params).enumerate() {
            has_length("ranges of a layer", params.len(), groups.count())?;
            for (group, &range) in groups.iter().zip(params) {
                let weighted: Vec<_> = group
                    .clone()
                    .map(|step| (&histograms[step], self.weights[step] * self.sensitivities[layer]))
                    .collect();
                let mut merged = Histogram::default();
                histograms[group.clone()].iter().for_each(|step| merged.merge(step));
                let all = ActivationRange::of(&merged)
                    .ok_or(QuantError::NoActivations { layer, timestep: group.start })?;
                parts.push(Part { mixture: Mixture::of(&weighted), all, range });
            }
        }
        Ok(parts)
    }
}

/// How far ranges jump from each group to the next: by how much both ends move, as a share of the wider of the two
/// ranges, on average over the layers; 0 where nothing moves, up to 2. A sign of groups that are too few, no measure
/// of harm.
///
/// # Errors
/// [`QuantError::Length`] when the layers do not have as many ranges as the first one.
pub fn jumps(params: &[Vec<ActivationRange>]) -> Result<Vec<f64>> {
    let groups = params.first().map_or(0, Vec::len);
    let mut jumps = vec![0.0; groups.saturating_sub(1)];
    for layer in params {
        has_length("ranges of a layer", layer.len(), groups)?;
        for (jump, pair) in jumps.iter_mut().zip(layer.windows(2)) {
            let ends = |range: ActivationRange| [f64::from(range.least()), f64::from(range.greatest())];
            let ([least, greatest], [next_least, next_greatest]) = (ends(pair[0]), ends(pair[1]));
            let widest = (greatest - least).max(next_greatest - next_least);
            if widest > 0.0 {
                let moved = (next_least - least).abs() + (next_greatest - greatest).abs();
                *jump += moved / widest / params.len() as f64;
            }
        }
    }
    Ok(jumps)
}

/// What an error of a weight counts in each input channel: the sum over sampling steps of its
/// [weight](crate::divergence_weights) times the second moment of the channel's activations in it.
///
/// # Errors
/// [`QuantError::Length`] when there are not as many weights as steps with moments, or steps differ in their channels;
/// [`QuantError::Number`] when one of them is not a finite number of at least 0.
pub fn path_importance(weights: &[f64], moments: &[Vec<f64>]) -> Result<Vec<f64>> {
    has_length("weights of sampling steps", weights.len(), moments.len())?;
    not_negative("the weight of step", weights)?;
    let mut importance = vec![0.0; moments.first().map_or(0, Vec::len)];
    for (weight, moments) in weights.iter().zip(moments) {
        has_length("moments of input channels", moments.len(), importance.len())?;
        not_negative("the moment of channel", moments)?;
        for (sum, moment) in importance.iter_mut().zip(moments) {
            *sum += weight * moment;
        }
    }
    Ok(importance)
}

/// An estimate of what a tensor costs, rows of as many `weights` as there are [importances](path_importance), when it
/// becomes `others`: each squared error times the importance of its input channel, times the sensitivity of the layer.
///
/// # Errors
/// [`QuantError::Length`] when there are not as many of both, or rows are not whole; [`QuantError::Number`] when an
/// importance or the sensitivity is not a finite number of at least 0, or a weight is not finite.
pub fn path_cost(weights: &[f32], others: &[f32], importance: &[f64], sensitivity: f64) -> Result<f64> {
    let rows = weights.len().checked_div(importance.len()).unwrap_or(0);
    has_length("weights of whole rows", weights.len(), rows * importance.len())?;
    has_length("weights to compare with", others.len(), weights.len())?;
    not_negative("the importance of channel", importance)?;
    not_negative("sensitivity", &[sensitivity])?;
    let mut cost = 0.0;
    for (place, (&weight, &other)) in weights.iter().zip(others).enumerate() {
        let off = f64::from(weight) - f64::from(other);
        if !off.is_finite() {
            return Err(QuantError::Number {
                what: "the error of weight",
                place,
                value: off,
                expected: "finite",
            });
        }
        cost += importance[place % importance.len()] * off * off;
    }
    Ok(sensitivity * cost)
}

fn not_negative(what: &'static str, numbers: &[f64]) -> Result<()> {
    match numbers.iter().position(|number| !(0.0..f64::INFINITY).contains(number)) {
        None => Ok(()),
        Some(place) => Err(QuantError::Number {
            what,
            place,
            value: numbers[place],
            expected: "a finite number of at least 0",
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::histogram::tests::of;

    fn range((least, greatest): (f32, f32)) -> ActivationRange {
        ActivationRange::new(-least, greatest).unwrap()
    }

    fn optimizer(weights: &[f64], sensitivities: &[f64]) -> TransitionOptimizer {
        TransitionOptimizer {
            config: OptimizerConfig::default(),
            loss: ThermodynamicLoss {
                bits: Bits::Four,
                weights: weights.to_vec(),
                sensitivities: sensitivities.to_vec(),
            },
        }
    }

    /// The loss of its definition, from the values themselves: they are whole numbers, of which each has a bin.
    #[test]
    fn the_loss_is_weighted_by_steps_and_layers() {
        let values = [[-1.0_f32, 0.0, 2.0, 9.0], [-3.0, 1.0, 4.0, 5.0], [0.0, 7.0, 7.0, 8.0]];
        let layers = [[0, 1, 2], [2, 0, 1]].map(|steps| steps.map(|step| values[step]));
        let histograms = layers.map(|steps| steps.map(|values| of(&values)).to_vec());
        let groups = TimeGroups::uniform(3, 2).unwrap();
        let params = [vec![range((3.0, 4.0)), range((0.0, 3.0))], vec![range((1.0, 6.0)), range((2.0, 2.0))]];
        let optimizer = optimizer(&[0.5, 2.0, 3.0], &[1.0, 10.0]);
        let mut expected = 0.0;
        for (layer, sensitivity) in [1.0, 10.0].into_iter().enumerate() {
            for (step, weight) in [0.5, 2.0, 3.0].into_iter().enumerate() {
                let mut quantized = layers[layer][step];
                params[layer][groups.of(step).unwrap()].quantize(Bits::Four, &mut quantized);
                for (value, quantized) in layers[layer][step].into_iter().zip(quantized) {
                    expected += sensitivity * weight * f64::from(value - quantized).powi(2) / 4.0;
                }
            }
        }
        let loss = optimizer.loss.of(&histograms, &groups, &params).unwrap();
        assert!((loss / expected - 1.0).abs() < 0.02, "{loss} {expected}");
        let found = optimizer.optimize_params(&histograms, &groups, &params).unwrap();
        assert_eq!(found.history[0], loss);
        assert_eq!(
            found.history.last(),
            Some(&optimizer.loss.of(&histograms, &groups, &found.params).unwrap())
        );
        assert!(found.history[found.history.len() - 1] < 0.5 * loss);
    }

    #[test]
    fn a_step_that_counts_more_gets_what_fits_it() {
        let narrow: Vec<_> = (0..1000).map(|index| index as f32 / 1000.0).collect();
        let wide: Vec<_> = narrow.iter().map(|value| 10.0 * value).collect();
        let histograms = [vec![of(&narrow), of(&wide)]];
        let groups = TimeGroups::uniform(2, 1).unwrap();
        let start = [vec![range((0.0, 10.0))]];
        let greatest = |weights: &[f64]| {
            let found = optimizer(weights, &[1.0]).optimize_params(&histograms, &groups, &start).unwrap();
            found.params[0][0].greatest()
        };
        let (first, second) = (greatest(&[1e6, 1.0]), greatest(&[1.0, 1.0]));
        assert!(first < 1.5 && second > 8.0, "{first} {second}");
    }

    #[test]
    fn jumps_are_shares_of_the_wider_range() {
        let params = [
            vec![range((1.0, 1.0)), range((1.0, 3.0)), range((1.0, 3.0))],
            vec![range((0.0, 0.0)), range((0.0, 0.0)), range((0.0, 5.0))],
        ];
        assert_eq!(jumps(&params).unwrap(), [0.25, 0.5]);
        assert!(jumps(&[]).unwrap().is_empty());
        assert!(jumps(&[vec![range((0.0, 1.0))], vec![]]).is_err());
    }

    #[test]
    fn a_cost_is_the_weighted_trace() {
        let importance = path_importance(&[0.5, 2.0], &[vec![1.0, 4.0], vec![3.0, 0.0]]).unwrap();
        assert_eq!(importance, [6.5, 2.0]);
        let cost = path_cost(&[1.0, 2.0, 3.0, 4.0], &[0.0, 2.5, 3.0, 2.0], &importance, 10.0);
        assert_eq!(cost.unwrap(), 10.0 * (6.5 + 2.0 * 0.25 + 2.0 * 4.0));
        assert_eq!(path_cost(&[], &[], &[], 1.0).unwrap(), 0.0);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let histograms = [vec![of(&[1.0]), of(&[2.0])]];
        let groups = TimeGroups::uniform(2, 1).unwrap();
        let start = [vec![range((0.0, 1.0))]];
        let error = |weights: &[f64], sensitivities: &[f64], start: &[Vec<ActivationRange>]| {
            optimizer(weights, sensitivities)
                .optimize_params(&histograms, &groups, start)
                .unwrap_err()
                .to_string()
        };
        let (short, nan) =
            ("weights of sampling steps: 1 where 2 are expected", "the weight of step 1 cannot be NaN");
        assert_eq!(error(&[1.0], &[1.0], &start), short);
        assert_eq!(error(&[1.0, f64::NAN], &[1.0], &start), nan);
        assert_eq!(error(&[1.0, 1.0], &[-1.0], &start), "the sensitivity of layer 0 cannot be -1");
        assert_eq!(error(&[1.0, 1.0], &[], &start), "sensitivities of layers: 0 where 1 are expected");
        assert_eq!(error(&[1.0, 1.0], &[1.0], &[]), "layers with ranges: 0 where 1 are expected");
        assert_eq!(error(&[1.0, 1.0], &[1.0], &[vec![]]), "ranges of a layer: 0 where 1 are expected");
        let empty = [vec![of(&[1.0]), Histogram::default()]];
        let error = optimizer(&[1.0, 1.0], &[1.0]).optimize_params(&empty, &groups, &start).unwrap_err();
        assert!(matches!(error, QuantError::NoActivations { layer: 0, timestep: 1 }));
        assert!(path_importance(&[1.0], &[]).is_err() && path_importance(&[1.0], &[vec![-1.0]]).is_err());
        for (weights, importance, sensitivity) in [
            (&[1.0_f32, 1.0][..], &[1.0, 1.0, 1.0][..], 1.0),
            (&[f32::NAN], &[1.0], 1.0),
            (&[1.0], &[1.0], -1.0),
        ] {
            assert!(path_cost(weights, weights, importance, sensitivity).is_err(), "{weights:?}");
        }
    }

    fn layer(steps: usize) -> impl Strategy<Value = Vec<Histogram>> {
        let value = prop_oneof![9 => -1.0_f32..1.0, 1 => -30.0_f32..30.0];
        prop::collection::vec(prop::collection::vec(value, 1..40).prop_map(|values| of(&values)), steps)
    }

    fn end() -> impl Strategy<Value = f32> {
        prop_oneof![4 => 0.0_f32..2.0, 1 => 0.0_f32..100.0, 1 => Just(0.0)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_is_worse_than_its_start(
            histograms in prop::collection::vec(layer(5), 1..4),
            ends in prop::collection::vec((end(), end()), 6),
            weights in prop::collection::vec(0.0_f64..10.0, 5),
        ) {
            let groups = TimeGroups::uniform(5, 2).unwrap();
            let optimizer = optimizer(&weights, &vec![1.5; histograms.len()]);
            let start: Vec<_> = ends.chunks(2).take(histograms.len())
                .map(|ends| ends.iter().map(|&ends| range(ends)).collect::<Vec<_>>()).collect();
            let loss = |params: &[Vec<ActivationRange>]| optimizer.loss.of(&histograms, &groups, params).unwrap();
            let found = optimizer.optimize_params(&histograms, &groups, &start).unwrap();
            prop_assert!(found.history.is_sorted_by(|one, other| one >= other));
            prop_assert_eq!(found.history[0], loss(&start));
            prop_assert_eq!(*found.history.last().unwrap(), loss(&found.params));

            // From its own result, too, and from ranges that are the best already.
            let again = optimizer.optimize_params(&histograms, &groups, &found.params).unwrap();
            prop_assert!(loss(&again.params) <= loss(&found.params));

            let serial = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let alone = serial.install(|| optimizer.optimize_params(&histograms, &groups, &start).unwrap());
            prop_assert_eq!(alone, found);
        }
    }

    #[test]
    fn a_start_that_is_the_best_stays() {
        let histograms = [vec![of(&[0.0, 15.0]), of(&[1.0, 7.0])]];
        let groups = TimeGroups::uniform(2, 1).unwrap();
        let start = [vec![range((0.0, 15.0))]];
        let mut optimizer = optimizer(&[1.0, 1.0], &[1.0]);
        optimizer.config.rounds = 3;
        let found = optimizer.optimize_params(&histograms, &groups, &start).unwrap();
        // Each value has a code; what is left is the width of bins.
        assert!(found.history[0] < 1e-3 && found.history[found.history.len() - 1] <= found.history[0]);
        assert!((found.params[0][0].greatest() - 15.0).abs() < 0.1);
    }
}
