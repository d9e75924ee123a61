//! What do the algorithms for communities see of a graph, and how is it made coarser?
//!
//! A level is the graph without directions: the rows of each node hold the weights of the edges between
//! it and others (loops left out), and its strength says what the null model of modularity expects of it.
//! In undirected graphs the strength is the weighted degree k, in directed ones the pair of outgoing and
//! incoming weights; moving node u to community c then gains
//!
//! - `w(u, c) − γ · k_u · k_c / 2m` (Newman and Girvan 2004), or
//! - `w(u, c) − γ · (out_u · in_c + in_u · out_c) / m` (Leicht and Newman 2008),
//!
//! in the units of the weights. A coarser level has one node for each community of the finer one.

use std::ops::Range;

use rayon::prelude::*;

use crate::{Csr, Graph, GraphError, NodeId, Offsets, Result, Run, Weights, tally::Tallies, weights::Weight};

/// Nodes that one task sums up; fixed, so that sums of floats do not depend on the number of threads.
const BLOCK: usize = 1 << 10;

/// The weights of entries, an entry without weight counting 1.
pub(crate) trait Values: Copy + Sync + Send {
    fn at(self, entry: usize) -> f64;
}

/// The weights of a graph without.
#[derive(Clone, Copy)]
pub(crate) struct Ones;

impl Values for Ones {
    #[inline]
    fn at(self, _: usize) -> f64 {
        1.0
    }
}

impl<T: Weight> Values for &[T] {
    #[inline]
    fn at(self, entry: usize) -> f64 {
        self[entry].to_f64()
    }
}

/// Runs `$body` with `$values` bound to the weights of the rows, or to ones.
macro_rules! with_values {
    ($rows:expr, $values:ident => $body:expr) => {
        match $rows.weights() {
            None => {
                let $values = $crate::level::Ones;
                $body
            }
            Some(weights) => $crate::weights::with_weights!(weights, values => {
                let $values = &values[..];
                $body
            }),
        }
    };
}
pub(crate) use with_values;

/// The neighbours of a node with the weights of the edges to them.
#[inline]
pub(crate) fn row<V: Values>(rows: &Csr, values: V, node: NodeId) -> impl Iterator<Item = (NodeId, f64)> {
    let range = rows.range(node);
    rows.indices()[range.clone()].iter().zip(range).map(move |(&other, entry)| (other, values.at(entry)))
}

/// What the null model expects of a node or a community.
pub(crate) trait Strength: Copy + Default + Send + Sync {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    /// The weight that is expected between both, before it is divided by that of the graph.
    fn pair(self, other: Self) -> f64;
    /// What adds up to the total that [`Objective`] divides by.
    fn weight(self) -> f64;
    /// How often an edge counts in that total.
    const SIDES: f64;
}

impl Strength for f64 {
    #[inline]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline]
    fn minus(self, other: Self) -> Self {
        self - other
    }
    #[inline]
    fn pair(self, other: Self) -> f64 {
        self * other
    }
    #[inline]
    fn weight(self) -> f64 {
        self
    }
    const SIDES: f64 = 2.0;
}

/// Outgoing and incoming weights.
impl Strength for [f64; 2] {
    #[inline]
    fn plus(self, other: Self) -> Self {
        [self[0] + other[0], self[1] + other[1]]
    }
    #[inline]
    fn minus(self, other: Self) -> Self {
        [self[0] - other[0], self[1] - other[1]]
    }
    #[inline]
    fn pair(self, other: Self) -> f64 {
        self[0] * other[1] + self[1] * other[0]
    }
    #[inline]
    fn weight(self) -> f64 {
        self[0]
    }
    const SIDES: f64 = 1.0;
}

/// What a move gains.
#[derive(Clone, Copy)]
pub(crate) struct Objective {
    /// The resolution divided by the total of the strengths.
    factor: f64,
    /// What a gain of 1 in weight is in modularity.
    scale: f64,
}

impl Objective {
    /// # Errors
    /// [`GraphError::WeightSum`].
    pub(crate) fn new<S: Strength>(kernel: &'static str, resolution: f64, strengths: &[S]) -> Result<Self> {
        let total = total(kernel, strengths.iter().map(|strength| strength.weight()))?;
        // Without any weight nothing can be gained.
        let share = if total > 0.0 { 1.0 / total } else { 0.0 };
        Ok(Self { factor: resolution * share, scale: S::SIDES * share })
    }

    /// The weight that is expected between a node and a community, or two communities.
    #[inline]
    pub(crate) fn expected<S: Strength>(self, a: S, b: S) -> f64 {
        self.factor * a.pair(b)
    }

    /// A gain in modularity.
    pub(crate) fn modularity(self, gain: f64) -> f64 {
        gain * self.scale
    }
}

/// A graph whose nodes can be put into communities.
pub(crate) struct Level<S> {
    /// The edges between each node and others, without direction.
    pub(crate) rows: Csr,
    /// What the null model expects of each node.
    pub(crate) strengths: Vec<S>,
}

/// The sum of the strengths of an undirected graph, which is twice its weight, or the weight of a
/// directed one.
pub(crate) fn total(kernel: &'static str, strengths: impl Iterator<Item = f64>) -> Result<f64> {
    let total: f64 = strengths.sum();
    if total.is_finite() { Ok(total) } else { Err(GraphError::WeightSum { kernel }) }
}

/// The weighted degree of each node, a loop counting twice.
pub(crate) fn degrees(rows: &Csr) -> Vec<f64> {
    sums(rows, |node, other| if node == other { 2.0 } else { 1.0 })
}

/// The sum of the weights in each row.
pub(crate) fn row_sums(rows: &Csr) -> Vec<f64> {
    sums(rows, |_, _| 1.0)
}

fn sums(rows: &Csr, factor: impl Fn(NodeId, NodeId) -> f64 + Sync) -> Vec<f64> {
    with_values!(rows, values => {
        let nodes = (0..rows.num_nodes() as u32).into_par_iter().with_min_len(BLOCK);
        nodes
            .map(|node| row(rows, values, node).map(|(other, weight)| weight * factor(node, other)).sum())
            .collect()
    })
}

impl Level<f64> {
    /// The first level of an undirected graph, whose rows are read where they lie.
    pub(crate) fn undirected(graph: &Graph) -> Self {
        Self { rows: graph.csr().clone(), strengths: degrees(graph.csr()) }
    }
}

impl Level<[f64; 2]> {
    /// The first level of a directed graph. The edges there and back are added up.
    pub(crate) fn directed(graph: &Graph, tallies: &Tallies, run: &Run) -> Result<Self> {
        let (out, into) = (graph.csr(), graph.csc(run)?);
        let strengths = row_sums(out).into_iter().zip(row_sums(into)).map(|(out, into)| [out, into]);
        let rows = assemble(graph.num_nodes(), tallies, run, |node, tally| {
            with_values!(out, values => row(out, values, node).for_each(|(other, w)| tally.add(other, w)));
            with_values!(into, values => row(into, values, node).for_each(|(other, w)| tally.add(other, w)));
            Ok(())
        })?;
        Ok(Self { rows, strengths: strengths.collect() })
    }
}

impl<S: Strength> Level<S> {
    pub(crate) fn num_nodes(&self) -> usize {
        self.strengths.len()
    }

    /// The strength of each of `count` communities.
    pub(crate) fn totals(&self, labels: &[u32], count: usize) -> Vec<S> {
        let mut totals = vec![S::default(); count];
        for (&label, &strength) in labels.iter().zip(&self.strengths) {
            let total = &mut totals[label as usize];
            *total = total.plus(strength);
        }
        totals
    }

    /// The level with one node for each of `count` communities.
    pub(crate) fn coarser(&self, labels: &[u32], count: usize, tallies: &Tallies, run: &Run) -> Result<Self> {
        let (starts, members) = members(labels, count);
        let rows = &self.rows;
        let rows = with_values!(rows, values => assemble(count, tallies, run, |community, tally| {
            let community = community as usize;
            for &node in &members[starts[community]..starts[community + 1]] {
                for (other, weight) in row(rows, values, node) {
                    tally.add(labels[other as usize], weight);
                }
            }
            run.check()
        }))?;
        Ok(Self { rows, strengths: self.totals(labels, count) })
    }
}

/// The nodes of each community, ascending, and where those of each begin.
pub(crate) fn members(labels: &[u32], count: usize) -> (Vec<usize>, Vec<u32>) {
    let mut starts = vec![0; count + 1];
    for &label in labels {
        starts[label as usize + 1] += 1;
    }
    for community in 0..count {
        starts[community + 1] += starts[community];
    }
    let mut next = starts.clone();
    let mut members = vec![0; labels.len()];
    for (node, &label) in (0..).zip(labels) {
        let place = &mut next[label as usize];
        members[*place] = node;
        *place += 1;
    }
    (starts, members)
}

/// Rows of `nodes` nodes, each filled into a tally; loops are left out.
fn assemble(
    nodes: usize,
    tallies: &Tallies,
    run: &Run,
    fill: impl Fn(NodeId, &mut crate::tally::Tally) -> Result<()> + Sync,
) -> Result<Csr> {
    let size = (nodes / 256).clamp(1, BLOCK);
    let blocks: Vec<Range<usize>> =
        (0..nodes).step_by(size).map(|start| start..nodes.min(start + size)).collect();
    let parts = blocks.into_par_iter().map(|block| {
        run.check()?;
        tallies.with(|tally| {
            let (mut lengths, mut indices, mut weights) = (Vec::new(), Vec::new(), Vec::new());
            for node in block {
                fill(node as u32, tally)?;
                let before = indices.len();
                tally.sort();
                for (other, weight) in tally.drain() {
                    if other as usize != node {
                        indices.push(other);
                        weights.push(weight);
                    }
                }
                lengths.push(indices.len() - before);
            }
            Ok((lengths, indices, weights))
        })
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let entries = parts.iter().map(|(_, indices, _)| indices.len()).sum();
    let mut offsets = Vec::with_capacity(nodes + 1);
    let mut indices = Vec::with_capacity(entries);
    let mut weights: Vec<f64> = Vec::with_capacity(entries);
    offsets.push(0);
    let mut end = 0;
    for (lengths, more, values) in parts {
        offsets.extend(lengths.into_iter().map(|length| {
            end += length;
            end
        }));
        indices.extend(more);
        weights.extend(values);
    }
    Ok(Csr::made(Offsets::of(offsets, entries), indices, Some(Weights::F64(weights.into()))))
}
