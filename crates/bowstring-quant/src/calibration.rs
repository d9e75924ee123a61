//! What did the inputs of a model's layers look like while it ran?
//!
//! For each layer and timestep: how many inputs there were, a [histogram](Histogram) of their numbers, and the sum of
//! squares of each channel; for each layer all second moments too, where they are asked for. Memory does not grow with
//! the number of inputs: 24 KiB at the most for a layer and timestep, 8 bytes for each of its channels, and `8 ·
//! channels²` bytes for a layer's second moments. A file of it is Parquet; `docs/reference/calibration.md` says what stands
//! in each column.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use indexmap::{IndexMap, map::Entry};

use crate::{
    Hessian, Histogram, Model, QuantError, Result,
    hessian::{are_finite, is_weight},
    pack::has_length,
};

mod file;

/// Which second moments of a layer's inputs are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moments {
    /// Those of each channel with itself.
    #[default]
    Diagonal,
    /// Those of each channel with each other one, too, over all timesteps together: what
    /// [`Gptq`](crate::Gptq) needs.
    Full,
}

impl Moments {
    /// Its name in files and options: `diagonal` or `full`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diagonal => "diagonal",
            Self::Full => "full",
        }
    }
}

/// What was seen of a model's layers.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    moments: Moments,
    layers: IndexMap<String, LayerInputs>,
}

/// What was seen of the inputs of a layer.
#[derive(Clone, Debug)]
pub struct LayerInputs {
    channels: usize,
    steps: BTreeMap<Option<u32>, StepInputs>,
    hessian: Option<Arc<Hessian>>,
}

/// What was seen of the inputs of a layer in one timestep.
#[derive(Clone, Debug, PartialEq)]
pub struct StepInputs {
    /// How many inputs there were, of as many numbers as there are channels.
    pub count: u64,
    /// How their numbers are distributed.
    pub histogram: Histogram,
    /// The sum of the squares of each channel.
    pub squares: Vec<f64>,
}

impl Calibration {
    /// Of nothing yet.
    pub fn new(moments: Moments) -> Self {
        Self { moments, layers: IndexMap::new() }
    }

    /// Which second moments are kept.
    pub fn moments(&self) -> Moments {
        self.moments
    }

    /// Adds inputs of a layer, `channels` numbers each, on the threads of the current rayon pool: those of a
    /// linear layer as they are, those of a convolution as patches, each as long as a row of the layer's weights. The
    /// layer's name is that of its weights. `weight` says how much these inputs count among
    /// [all second moments](Moments::Full), 1 where all do the same; a diffusion model's can be
    /// [`divergence_weights`](crate::divergence_weights).
    ///
    /// # Errors
    /// [`QuantError::Length`] when inputs are not whole, or the layer had another number of channels before;
    /// [`QuantError::Number`] when one is NaN or infinite; [`QuantError::Option`] without channels, with more than
    /// [`Hessian::MOST_CHANNELS`] where all second moments are kept, and for a weight below 0. Then nothing is added.
    pub fn observe(
        &mut self,
        layer: &str,
        timestep: Option<u32>,
        inputs: &[f32],
        channels: usize,
        weight: f64,
    ) -> Result<()> {
        if channels == 0 {
            return Err(QuantError::Option {
                option: "channels",
                value: "0".to_owned(),
                expected: "at least 1",
            });
        }
        has_length("numbers of whole inputs", inputs.len(), inputs.len() / channels * channels)?;
        is_weight(weight)?;
        are_finite(inputs)?;
        if let Some(known) = self.layers.get(layer) {
            has_length("channels of inputs", channels, known.channels)?;
        }
        let known = match self.layers.entry(layer.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let hessian = (self.moments == Moments::Full).then(|| Hessian::new(channels)).transpose()?;
                new.insert(LayerInputs { channels, steps: BTreeMap::new(), hessian: hessian.map(Arc::new) })
            }
        };
        if let Some(hessian) = &mut known.hessian {
            Arc::make_mut(hessian).add(inputs, weight)?;
        }
        let step = known.steps.entry(timestep).or_insert_with(|| StepInputs::none(channels));
        step.histogram.add(inputs)?;
        step.count += (inputs.len() / channels) as u64;
        for input in inputs.chunks_exact(channels) {
            for (sum, &number) in step.squares.iter_mut().zip(input) {
                *sum += f64::from(number) * f64::from(number);
            }
        }
        Ok(())
    }

    /// The layers by their names, in the order in which they were seen.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = (&str, &LayerInputs)> {
        self.layers.iter().map(|(name, layer)| (name.as_str(), layer))
    }

    /// What was seen of a layer, if anything was.
    pub fn layer(&self, name: &str) -> Option<&LayerInputs> {
        self.layers.get(name)
    }

    /// That what was seen is of this model: of tensors that it has, with as many channels.
    ///
    /// # Errors
    /// [`QuantError::NoTensor`], and [`QuantError::Tensor`] for one with another number of channels.
    pub fn check(&self, model: &Model) -> Result<()> {
        for (name, layer) in self.layers() {
            let tensor = model.tensor(name)?;
            has_length("channels of inputs", layer.channels, tensor.columns())
                .map_err(|error| error.of(&tensor))?;
        }
        Ok(())
    }

    /// Adds what another one has seen.
    ///
    /// # Errors
    /// [`QuantError::Length`] when a layer had another number of channels there; [`QuantError::Option`] when the other one
    /// keeps other moments. Then nothing is added.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.moments != other.moments {
            let (value, expected) = (format!("`{}`", other.moments.name()), "the same in both calibrations");
            return Err(QuantError::Option { option: "moments", value, expected });
        }
        for (name, layer) in &other.layers {
            if let Some(known) = self.layers.get(name) {
                has_length("channels of inputs", layer.channels, known.channels)?;
            }
        }
        for (name, layer) in &other.layers {
            match self.layers.get_mut(name) {
                Some(known) => known.merge(layer)?,
                None => {
                    self.layers.insert(name.clone(), layer.clone());
                }
            }
        }
        Ok(())
    }

    /// A row for each layer and timestep: `layer`, `timestep`, `channels`; `count` of inputs, and `least`, `greatest`
    /// and `mean_square` of all their numbers, null without any.
    ///
    /// # Errors
    /// [`QuantError::Io`] when there are more names than a column can have.
    pub fn table(&self) -> Result<RecordBatch> {
        let steps = || {
            self.layers.iter().flat_map(|(name, layer)| {
                layer.steps().map(move |(timestep, step)| (name, layer.channels, timestep, step))
            })
        };
        let seen = |step: &StepInputs| step.histogram.count() > 0;
        let extremes = |of: fn(&Histogram) -> f32| -> ArrayRef {
            let numbers = steps().map(|(.., step)| seen(step).then(|| of(&step.histogram)));
            Arc::new(numbers.collect::<Float32Array>())
        };
        let mean = |step: &StepInputs| step.histogram.sum_of_squares() / step.histogram.count() as f64;
        let columns: [(&str, ArrayRef, bool); 7] = [
            ("layer", Arc::new(steps().map(|(name, ..)| Some(name)).collect::<StringArray>()), false),
            (
                "timestep",
                Arc::new(steps().map(|(_, _, timestep, _)| timestep).collect::<UInt32Array>()),
                true,
            ),
            (
                "channels",
                Arc::new(UInt64Array::from_iter_values(steps().map(|(_, channels, ..)| channels as u64))),
                false,
            ),
            ("count", Arc::new(UInt64Array::from_iter_values(steps().map(|(.., step)| step.count))), false),
            ("least", extremes(Histogram::least), true),
            ("greatest", extremes(Histogram::greatest), true),
            (
                "mean_square",
                Arc::new(steps().map(|(.., step)| seen(step).then(|| mean(step))).collect::<Float64Array>()),
                true,
            ),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).map_err(QuantError::arrow)
    }

    /// Writes all of it into a file, which appears as a whole or not at all.
    ///
    /// # Errors
    /// [`QuantError::Io`] when it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        file::write(self, path)
    }

    /// Reads a file that [`save`](Self::save) has written.
    ///
    /// # Errors
    /// [`QuantError::Io`] when it cannot be read or is no Parquet; [`QuantError::Calibration`] when it is no
    /// calibration of this version, or says what cannot be.
    pub fn open(path: &Path) -> Result<Self> {
        file::read(path)
    }
}

impl LayerInputs {
    /// How many numbers an input has.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// What was seen in each timestep; `None` stands for a model without them.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = (Option<u32>, &StepInputs)> {
        self.steps.iter().map(|(timestep, step)| (*timestep, step))
    }

    /// What was seen in a timestep, if anything was.
    pub fn step(&self, timestep: Option<u32>) -> Option<&StepInputs> {
        self.steps.get(&timestep)
    }

    /// All second moments, where they are kept.
    pub fn hessian(&self) -> Option<&Arc<Hessian>> {
        self.hessian.as_ref()
    }

    /// The mean square of each channel over all inputs, each weighted as it was when it was
    /// [added](Calibration::observe) where all second moments are kept. 0 where there are no inputs.
    pub fn mean_squares(&self) -> Vec<f64> {
        let (sums, weight) = match &self.hessian {
            Some(hessian) => (hessian.diagonal(), hessian.weight()),
            None => {
                let mut sums = vec![0.0; self.channels];
                for step in self.steps.values() {
                    add(&mut sums, &step.squares);
                }
                (sums, self.steps.values().map(|step| step.count as f64).sum())
            }
        };
        if weight == 0.0 {
            return vec![0.0; self.channels];
        }
        sums.into_iter().map(|sum| sum / weight).collect()
    }

    /// Adds those of a layer with as many channels and the same moments.
    fn merge(&mut self, other: &Self) -> Result<()> {
        if let (Some(hessian), Some(other)) = (&mut self.hessian, &other.hessian) {
            Arc::make_mut(hessian).merge(other)?;
        }
        for (timestep, other) in &other.steps {
            let step = self.steps.entry(*timestep).or_insert_with(|| StepInputs::none(self.channels));
            step.count += other.count;
            step.histogram.merge(&other.histogram);
            add(&mut step.squares, &other.squares);
        }
        Ok(())
    }
}

impl StepInputs {
    fn none(channels: usize) -> Self {
        Self { count: 0, histogram: Histogram::default(), squares: vec![0.0; channels] }
    }
}

fn add(sums: &mut [f64], others: &[f64]) {
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum += other;
    }
}

#[cfg(test)]
mod tests;
