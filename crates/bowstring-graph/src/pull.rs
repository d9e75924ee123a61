//! What does each node receive from its neighbours? The step that PageRank, HITS, eigenvector and Katz
//! centrality repeat, and the sums they are judged by.
//!
//! A row is summed in one fixed order and sums over all nodes are taken over blocks of a fixed size, so
//! that no result depends on how many threads there are.

use std::ops::Range;

use arrow::datatypes::ArrowNativeType;
use rayon::prelude::*;

use crate::{Csr, Graph, GraphError, Offsets, Result, Run, Weights, weights::Weight, weights::with_weights};

/// Nodes that one task works through; a fraction of a millisecond.
pub(crate) const TASK: usize = 1 << 9;

/// A number that is gathered from neighbours.
pub(crate) trait Real: Copy + Default + Send + Sync {
    /// The nearest one.
    fn of(value: f64) -> Self;
    /// Its value.
    fn value(self) -> f64;
    /// The sum.
    fn plus(self, other: Self) -> Self;
}

impl Real for f32 {
    #[inline]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline]
    fn value(self) -> f64 {
        f64::from(self)
    }
    #[inline]
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

impl Real for f64 {
    #[inline]
    fn of(value: f64) -> Self {
        value
    }
    #[inline]
    fn value(self) -> f64 {
        self
    }
    #[inline]
    fn plus(self, other: Self) -> Self {
        self + other
    }
}

/// Sums over the neighbours of nodes, of values by node, each multiplied with the weight of its edge.
pub(crate) struct Pull<'a> {
    rows: &'a Csr,
    weights: Option<&'a Weights>,
    /// One by the greatest weight, which keeps sums of weights finite; 1 when they are taken as they are.
    scale: f64,
}

impl<'a> Pull<'a> {
    /// Every edge counts as 1, or as its weight.
    pub(crate) fn new(rows: &'a Csr, weighted: bool) -> Self {
        Self { rows, weights: rows.weights().filter(|_| weighted), scale: 1.0 }
    }

    /// The same with weights as parts of the greatest.
    pub(crate) fn relative(self) -> Self {
        let greatest = self.weights.and(self.rows.weight_range()).map_or(0.0, |(_, greatest)| greatest);
        Self { scale: if greatest > 0.0 { 1.0 / greatest } else { 1.0 }, ..self }
    }

    /// Calls `each` with every node of `nodes` and its sum, in their order.
    #[inline]
    pub(crate) fn sums<T: Real>(&self, nodes: Range<usize>, values: &[T], each: impl FnMut(usize, f64)) {
        match self.rows.indptr() {
            Offsets::Narrow(offsets) => {
                self.sums_of(nodes.start, &offsets[nodes.start..=nodes.end], values, each)
            }
            Offsets::Wide(offsets) => {
                self.sums_of(nodes.start, &offsets[nodes.start..=nodes.end], values, each)
            }
        }
    }

    #[inline]
    fn sums_of<O: ArrowNativeType, T: Real>(
        &self,
        first: usize,
        offsets: &[O],
        values: &[T],
        mut each: impl FnMut(usize, f64),
    ) {
        let rows = offsets.windows(2).map(|ends| ends[0].as_usize()..ends[1].as_usize());
        let indices: &[u32] = self.rows.indices();
        match self.weights {
            None => {
                for (node, row) in (first..).zip(rows) {
                    each(node, sum(&indices[row], values));
                }
            }
            Some(weights) => with_weights!(weights, weights => {
                for (node, row) in (first..).zip(rows) {
                    each(node, weighted_sum(&indices[row.clone()], &weights[row], self.scale, values));
                }
            }),
        }
    }

    /// The sum of the weights of one node's edges; their number without weights.
    pub(crate) fn total(&self, node: usize) -> f64 {
        let range = self.rows.range(node as u32);
        match self.weights {
            None => range.len() as f64,
            Some(weights) => with_weights!(weights, weights => {
                weights[range].iter().map(|weight| weight.to_f64() * self.scale).sum()
            }),
        }
    }

    /// How many nodes there are.
    pub(crate) fn num_nodes(&self) -> usize {
        self.rows.num_nodes()
    }

    /// How many entries the rows have.
    pub(crate) fn num_entries(&self) -> usize {
        self.rows.num_entries()
    }

    /// Whether the node has one edge, at whose other end there is no other.
    #[inline]
    pub(crate) fn is_in_pair(&self, node: usize) -> bool {
        matches!(self.rows.neighbors(node as u32), &[other] if self.rows.degree(other) == 1)
    }

    /// Gives each node of `out` the number that `each` makes of the node and its sum.
    ///
    /// # Errors
    /// When the work was asked to stop.
    pub(crate) fn each(
        &self,
        values: &[f64],
        out: &mut [f64],
        run: &Run,
        each: impl Fn(usize, f64) -> f64 + Sync,
    ) -> Result<()> {
        out.par_chunks_mut(TASK).enumerate().try_for_each(|(task, out)| {
            run.check()?;
            let nodes = task * TASK..task * TASK + out.len();
            let mut out = out.iter_mut();
            self.sums(nodes, values, |node, sum| {
                if let Some(out) = out.next() {
                    *out = each(node, sum);
                }
            });
            Ok(())
        })
    }
}

/// Four at a time, so that few sums of 64 bits wait for each other.
#[inline(always)]
fn sum<T: Real>(neighbors: &[u32], values: &[T]) -> f64 {
    let value = |other: u32| values[other as usize];
    let (parts, rest) = neighbors.as_chunks::<4>();
    let mut sum = 0.0;
    for part in parts {
        sum += value(part[0]).plus(value(part[1])).plus(value(part[2]).plus(value(part[3]))).value();
    }
    for &other in rest {
        sum += value(other).value();
    }
    sum
}

/// Four sums that do not wait for each other.
#[inline]
fn weighted_sum<W: Weight, T: Real>(neighbors: &[u32], weights: &[W], scale: f64, values: &[T]) -> f64 {
    let mut sums = [0.0; 4];
    let (parts, rest) = neighbors.as_chunks::<4>();
    let (part_weights, rest_weights) = weights.as_chunks::<4>();
    let product = |other: u32, weight: W| weight.to_f64() * scale * values[other as usize].value();
    for (part, weights) in parts.iter().zip(part_weights) {
        for ((sum, &other), &weight) in sums.iter_mut().zip(part).zip(weights) {
            *sum += product(other, weight);
        }
    }
    for ((sum, &other), &weight) in sums.iter_mut().zip(rest).zip(rest_weights) {
        *sum += product(other, weight);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// The sum of what `term` makes of each index below `length`, in blocks of a fixed size.
pub(crate) fn total(length: usize, term: impl Fn(usize) -> f64 + Sync) -> f64 {
    let blocks = length.div_ceil(TASK);
    let block = |block: usize| (block * TASK..length.min((block + 1) * TASK)).map(&term).sum::<f64>();
    let sums: Vec<f64> = (0..blocks).into_par_iter().with_min_len(8).map(block).collect();
    // An empty sum of floats is −0.
    sums.iter().sum::<f64>() + 0.0
}

/// The Euclidean length of a vector, without overflow: `inf` only when an element is.
pub(crate) fn norm(values: &[f64]) -> f64 {
    let greatest = values.iter().fold(0.0, |greatest: f64, value| greatest.max(value.abs()));
    if greatest == 0.0 || !greatest.is_finite() {
        return greatest;
    }
    greatest * total(values.len(), |node| (values[node] / greatest).powi(2)).sqrt()
}

/// # Errors
/// [`GraphError::NoWeights`] and [`GraphError::NegativeWeight`] for a kernel that is to use weights.
pub(crate) fn check_weights(graph: &Graph, kernel: &'static str, weighted: bool, run: &Run) -> Result<()> {
    if !weighted {
        return Ok(());
    }
    if !graph.is_weighted() {
        return Err(GraphError::NoWeights { kernel });
    }
    match graph.weight_range(run)? {
        Some((weight, _)) if weight < 0.0 => Err(GraphError::NegativeWeight { kernel, weight }),
        _ => Ok(()),
    }
}

/// # Errors
/// [`GraphError::Option`] for a tolerance or a number of iterations that makes no sense.
pub(crate) fn check_stop(tolerance: f64, max_iterations: u32) -> Result<()> {
    if !(0.0..f64::INFINITY).contains(&tolerance) {
        let (option, value) = ("tolerance", tolerance.to_string());
        return Err(GraphError::Option { option, value, expected: "at least 0 and finite" });
    }
    if max_iterations == 0 {
        let (option, value) = ("max_iterations", max_iterations.to_string());
        return Err(GraphError::Option { option, value, expected: "at least 1" });
    }
    Ok(())
}
