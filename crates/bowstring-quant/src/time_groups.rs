//! Which timesteps share the ranges of activations?
//!
//! Activations of a diffusion model drift over its timesteps, so one range for all of them is too wide for most (So
//! et al. 2023, "Temporal Dynamic Quantization for Diffusion Models"). Sampling steps are cut into groups of
//! neighbours, each of which has a range of its own for every layer. The cuts are at equal distances, or where the
//! squared distances of the steps' statistics from the mean of their group are the least in sum, which dynamic
//! programming finds (Fisher 1958, "On Grouping for Maximum Homogeneity"). That takes O(steps² · (statistics + groups))
//! time and O(steps²) memory.

use std::ops::Range;

use rayon::prelude::*;

use crate::{ActivationRange, Bits, Histogram, QuantError, Result, pack::has_length};

/// A partition of sampling steps, in the order of sampling, into groups of neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeGroups {
    /// Where each group begins and the last one ends.
    cuts: Vec<usize>,
}

impl TimeGroups {
    /// So many groups whose sizes differ by one at the most.
    ///
    /// # Errors
    /// [`QuantError::Option`] unless there are 1 to as many groups as steps.
    pub fn uniform(steps: usize, groups: usize) -> Result<Self> {
        has_groups(steps, groups)?;
        // Without the product of both, which may be too large.
        let (size, larger) = (steps / groups, steps % groups);
        Ok(Self { cuts: (0..=groups).map(|group| group * size + group.min(larger)).collect() })
    }

    /// So many groups within which the `statistics` of the steps differ the least. All of them count the same as
    /// they are: bring them to one scale first.
    ///
    /// # Errors
    /// [`QuantError::Option`] unless there are 1 to as many groups as steps; [`QuantError::Length`] when steps do not
    /// have as many statistics as the first one; [`QuantError::Number`] when one is NaN or infinite.
    pub fn of_statistics(statistics: &[Vec<f64>], groups: usize) -> Result<Self> {
        let steps = statistics.len();
        has_groups(steps, groups)?;
        for (place, step) in statistics.iter().enumerate() {
            has_length("statistics of a step", step.len(), statistics[0].len())?;
            if let Some(&value) = step.iter().find(|value| !value.is_finite()) {
                let what = "a statistic of step";
                return Err(QuantError::Number { what, place, value, expected: "finite" });
            }
        }
        let spreads: Vec<_> = (0..steps).map(|start| spreads(&statistics[start..])).collect();
        // The least spread of the steps before each in so many groups, and where the last of them begins.
        let mut least: Vec<_> = (0..=steps).map(|end| if end == 0 { 0.0 } else { f64::INFINITY }).collect();
        let mut begins = Vec::with_capacity(groups);
        for group in 0..groups {
            let (mut next, mut begin) = (vec![f64::INFINITY; steps + 1], vec![0; steps + 1]);
            for end in group + 1..=steps {
                for start in group..end {
                    let spread = least[start] + spreads[start][end - start - 1];
                    if spread < next[end] {
                        (next[end], begin[end]) = (spread, start);
                    }
                }
            }
            least = next;
            begins.push(begin);
        }
        let mut cuts = vec![steps];
        for begin in begins.iter().rev() {
            cuts.push(begin[cuts[cuts.len() - 1]]);
        }
        cuts.reverse();
        Ok(Self { cuts })
    }

    /// So many groups within which the least and the greatest activation of each layer differ the least, as a share
    /// of the layer's largest. `histograms` are those of each layer, one for each step.
    ///
    /// # Errors
    /// As [`of_statistics`](Self::of_statistics), and [`QuantError::NoActivations`] when a histogram is empty.
    pub fn of_histograms(histograms: &[Vec<Histogram>], groups: usize) -> Result<Self> {
        let steps = histograms.first().map_or(0, Vec::len);
        check(histograms, steps)?;
        let mut statistics = vec![Vec::with_capacity(2 * histograms.len()); steps];
        for layer in histograms {
            let extremes = || layer.iter().map(|step| [f64::from(step.least()), f64::from(step.greatest())]);
            let largest = extremes().flatten().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            for (step, extremes) in statistics.iter_mut().zip(extremes()) {
                step.extend(extremes.map(|value| if largest > 0.0 { value / largest } else { 0.0 }));
            }
        }
        Self::of_statistics(&statistics, groups)
    }

    /// Groups of these sizes.
    ///
    /// # Errors
    /// [`QuantError::Option`] when there are none, when one of them is 0, and for more steps than a number can count.
    pub fn of_sizes(sizes: &[usize]) -> Result<Self> {
        let refused = |value: String| QuantError::Option {
            option: "sizes of groups",
            value,
            expected: "numbers of at least 1, one for each group",
        };
        let mut cuts = vec![0_usize];
        for &size in sizes {
            let cut = cuts[cuts.len() - 1].checked_add(size).filter(|_| size > 0);
            cuts.push(cut.ok_or_else(|| refused(size.to_string()))?);
        }
        if sizes.is_empty() { Err(refused("none".to_owned())) } else { Ok(Self { cuts }) }
    }

    /// How many groups there are.
    pub fn count(&self) -> usize {
        self.cuts.len() - 1
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.cuts[self.count()]
    }

    /// The steps of each group.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        self.cuts.windows(2).map(|cut| cut[0]..cut[1])
    }

    /// The group that a step is in; `None` of one that there is not.
    pub fn of(&self, step: usize) -> Option<usize> {
        self.iter().position(|group| group.contains(&step))
    }

    /// For each layer, the [best](ActivationRange::best) range of each group, found on the threads of the current rayon
    /// pool; the result does not depend on how many there are.
    ///
    /// # Errors
    /// [`QuantError::Length`] when a layer has not one histogram for each step; [`QuantError::NoActivations`] when one
    /// is empty, so that no range is made up.
    pub fn ranges(&self, histograms: &[Vec<Histogram>], bits: Bits) -> Result<Vec<Vec<ActivationRange>>> {
        self.each(histograms, |merged| ActivationRange::best(merged, bits))
    }

    /// The same with the range of [all values](ActivationRange::of), which clips none.
    ///
    /// # Errors
    /// As [`ranges`](Self::ranges).
    pub fn full_ranges(&self, histograms: &[Vec<Histogram>]) -> Result<Vec<Vec<ActivationRange>>> {
        self.each(histograms, ActivationRange::of)
    }

    fn each(
        &self,
        histograms: &[Vec<Histogram>],
        range: impl Fn(&Histogram) -> Option<ActivationRange> + Sync,
    ) -> Result<Vec<Vec<ActivationRange>>> {
        check(histograms, self.steps())?;
        let range = |(layer, group): (usize, Range<usize>)| {
            let timestep = group.start;
            let mut merged = Histogram::default();
            histograms[layer][group].iter().for_each(|step| merged.merge(step));
            range(&merged).ok_or(QuantError::NoActivations { layer, timestep })
        };
        let ranges = |layer| self.iter().map(|group| range((layer, group))).collect();
        (0..histograms.len()).into_par_iter().map(ranges).collect()
    }
}

/// That each layer has a histogram with values for each step.
pub(crate) fn check(histograms: &[Vec<Histogram>], steps: usize) -> Result<()> {
    for (layer, histograms) in histograms.iter().enumerate() {
        has_length("histograms of a layer", histograms.len(), steps)?;
        if let Some(timestep) = histograms.iter().position(|histogram| histogram.count() == 0) {
            return Err(QuantError::NoActivations { layer, timestep });
        }
    }
    Ok(())
}

fn has_groups(steps: usize, groups: usize) -> Result<()> {
    if (1..=steps).contains(&groups) {
        return Ok(());
    }
    Err(QuantError::Option {
        option: "num_time_groups",
        value: groups.to_string(),
        expected: "a number of 1 to that of the sampling steps",
    })
}

/// The squared distances from their mean of the first step, the first two, and so on, by Welford's update (1962).
fn spreads(statistics: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; statistics.first().map_or(0, Vec::len)];
    let mut spread = 0.0;
    let with = |(count, step): (usize, &Vec<f64>)| {
        for (mean, value) in mean.iter_mut().zip(step) {
            let off = value - *mean;
            *mean += off / (count + 1) as f64;
            spread += off * (value - *mean);
        }
        spread
    };
    statistics.iter().enumerate().map(with).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cuts(groups: &TimeGroups) -> Vec<Range<usize>> {
        groups.iter().collect()
    }

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.add(values).unwrap();
        histogram
    }

    #[test]
    fn groups_of_equal_size() {
        assert_eq!(cuts(&TimeGroups::uniform(10, 3).unwrap()), [0..4, 4..7, 7..10]);
        assert_eq!(cuts(&TimeGroups::uniform(2, 2).unwrap()), [0..1, 1..2]);
        let groups = TimeGroups::uniform(10, 3).unwrap();
        assert_eq!((groups.count(), groups.steps()), (3, 10));
        assert_eq!([0, 3, 4, 9, 10].map(|step| groups.of(step)), [Some(0), Some(0), Some(1), Some(2), None]);
        for (steps, groups) in [(3, 0), (3, 4), (0, 0), (0, 1)] {
            assert!(TimeGroups::uniform(steps, groups).is_err(), "{steps} {groups}");
        }
    }

    #[test]
    fn groups_of_sizes_that_are_given() {
        assert_eq!(cuts(&TimeGroups::of_sizes(&[1, 4, 2]).unwrap()), [0..1, 1..5, 5..7]);
        for wrong in [&[][..], &[2, 0], &[usize::MAX, 1]] {
            let error = TimeGroups::of_sizes(wrong).unwrap_err();
            assert!(matches!(error, QuantError::Option { option: "sizes of groups", .. }), "{wrong:?}");
        }
    }

    #[test]
    fn cuts_are_where_the_statistics_change() {
        let steps = [1.0, 1.1, 0.9, 5.0, 5.1, 5.2, 5.1, 9.0].map(|value| vec![value, -value]);
        let groups = TimeGroups::of_statistics(&steps, 3).unwrap();
        assert_eq!(cuts(&groups), [0..3, 3..7, 7..8]);
        // Two layers, the smaller of which changes the most by its own measure.
        let layer = |sizes: [f32; 6]| sizes.map(|size| of(&[size, -size / 2.0])).to_vec();
        let histograms = [layer([1e3, 1e3, 1e3, 1e3, 1e3, 1.1e3]), layer([1.0, 1.0, 9.0, 9.0, 9.0, 9.0])];
        assert_eq!(cuts(&TimeGroups::of_histograms(&histograms, 2).unwrap()), [0..2, 2..6]);
    }

    #[test]
    fn each_group_has_a_range_of_its_own() {
        let layer = [1.0, 2.0, 40.0, 30.0].map(|size| of(&[size, -size / 4.0, 0.0])).to_vec();
        let ranges = TimeGroups::uniform(4, 2).unwrap().ranges(&[layer], Bits::Eight).unwrap();
        let near = |found: f32, expected: f32| (found / expected - 1.0).abs() < 0.02;
        assert!(near(ranges[0][0].greatest(), 2.0) && near(ranges[0][0].least(), -0.5), "{ranges:?}");
        assert!(near(ranges[0][1].greatest(), 40.0) && near(ranges[0][1].least(), -10.0), "{ranges:?}");
        let layer = [1.0, 2.0, 40.0, 30.0].map(|size| of(&[size, -size / 4.0, 0.0])).to_vec();
        let full = TimeGroups::uniform(4, 2).unwrap().full_ranges(&[layer]).unwrap();
        let range = |least, greatest| ActivationRange::new(least, greatest).unwrap();
        assert_eq!(full, [[range(-0.5, 2.0), range(-10.0, 40.0)]]);

        let layers: Vec<_> = (1..40).map(|size| vec![of(&[size as f32, -1.0, 0.3]); 4]).collect();
        let of_all = || TimeGroups::uniform(4, 3).unwrap().ranges(&layers, Bits::Four).unwrap();
        let serial = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(serial.install(of_all), of_all());
    }

    #[test]
    fn an_empty_timestep_is_named() {
        let histograms = [vec![of(&[1.0]), of(&[2.0])], vec![of(&[1.0]), Histogram::default()]];
        let groups = TimeGroups::uniform(2, 1).unwrap();
        for error in [
            groups.ranges(&histograms, Bits::Four).unwrap_err(),
            TimeGroups::of_histograms(&histograms, 1).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "layer 1 has no activations at timestep 1");
        }
        assert!(matches!(groups.ranges(&[vec![]], Bits::Four), Err(QuantError::Length { .. })));
        let statistics = |steps: &[Vec<f64>]| TimeGroups::of_statistics(steps, 1).unwrap_err();
        assert!(matches!(statistics(&[vec![0.0], vec![]]), QuantError::Length { .. }));
        assert!(matches!(statistics(&[vec![0.0], vec![f64::NAN]]), QuantError::Number { place: 1, .. }));
    }

    fn spread(steps: &[Vec<f64>]) -> f64 {
        let mean = |place: usize| steps.iter().map(|step| step[place]).sum::<f64>() / steps.len() as f64;
        let squared = |step: &Vec<f64>| {
            step.iter().enumerate().map(|(place, value)| (value - mean(place)).powi(2)).sum::<f64>()
        };
        steps.iter().map(squared).sum()
    }

    /// The least spread of all ways to cut.
    fn by_force(steps: &[Vec<f64>], groups: usize) -> f64 {
        if groups == 1 {
            return spread(steps);
        }
        let cuts = 1..=steps.len() - groups + 1;
        let spreads = cuts.map(|cut| spread(&steps[..cut]) + by_force(&steps[cut..], groups - 1));
        spreads.fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn no_other_cuts_are_better(
            steps in prop::collection::vec(prop::collection::vec(-5.0_f64..5.0, 2), 1..11),
            groups in 1_usize..11,
        ) {
            let groups = groups.min(steps.len());
            let found = TimeGroups::of_statistics(&steps, groups).unwrap();
            prop_assert_eq!((found.count(), found.steps()), (groups, steps.len()));
            prop_assert!(found.iter().all(|group| !group.is_empty()));
            let total: f64 = found.iter().map(|group| spread(&steps[group])).sum();
            prop_assert!((total - by_force(&steps, groups)).abs() < 1e-9);
        }

        #[test]
        fn uniform_groups_are_a_partition(steps in 1_usize..200, groups in 1_usize..200) {
            let groups = groups.min(steps);
            let found = TimeGroups::uniform(steps, groups).unwrap();
            let sizes: Vec<_> = found.iter().map(|group| group.len()).collect();
            prop_assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (groups, steps));
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }
    }
}
