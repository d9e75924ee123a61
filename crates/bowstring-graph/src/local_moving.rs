//! Which moves of single nodes to other communities improve modularity?
//!
//! The local moving of Louvain (Blondel, Guillaume, Lambiotte and Lefebvre 2008), in which only nodes
//! with a neighbour that moved are looked at again (Ozaki, Tezuka and Inaba 2016; Traag, Waltman and van
//! Eck 2019), and a node that fits nowhere is set apart. A node's best community is found with what stood
//! before its batch; whether the move still gains is checked against the communities as they are when it
//! is made.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rayon::prelude::*;

use crate::{
    NodeId, Result, Run,
    batches::{Batches, Random, propose},
    level::{Level, Objective, Strength, Values, row, with_values},
    tally::{Tallies, Tally},
};

/// Most sweeps over the nodes of a level.
const SWEEPS: usize = 64;

/// A community that has no node yet.
const NEW: u32 = u32::MAX;

/// The nodes of a level in communities with labels below the number of nodes.
pub(crate) struct Partition<S> {
    pub(crate) labels: Vec<u32>,
    totals: Vec<S>,
    sizes: Vec<u32>,
    /// Every label without nodes, and some that have been taken since.
    empty: Vec<u32>,
}

/// A node that wants into another community.
struct Move {
    node: NodeId,
    target: u32,
    /// The weight to its own community, and to the target.
    here: f64,
    there: f64,
}

impl<S: Strength> Partition<S> {
    pub(crate) fn new(level: &Level<S>, labels: Vec<u32>) -> Self {
        let nodes = level.num_nodes();
        let totals = level.totals(&labels, nodes);
        let mut sizes = vec![0; nodes];
        for &label in &labels {
            sizes[label as usize] += 1;
        }
        let empty = (0..nodes as u32).rev().filter(|&label| sizes[label as usize] == 0).collect();
        Self { labels, totals, sizes, empty }
    }

    /// Moves nodes until a sweep over all of them gains no more than `tolerance` in modularity; says what
    /// was gained.
    pub(crate) fn improve(
        &mut self,
        level: &Level<S>,
        objective: Objective,
        tolerance: f64,
        random: &mut Random,
        tallies: &Tallies,
        run: &Run,
    ) -> Result<f64> {
        let batches = Batches::new(level.num_nodes(), random);
        let active: Vec<AtomicBool> = (0..level.num_nodes()).map(|_| AtomicBool::new(true)).collect();
        let mut gained = 0.0;
        for _ in 0..SWEEPS {
            let mut sweep = 0.0;
            for batch in batches.iter() {
                let moves = with_values!(level.rows, values => {
                    propose(batch, tallies, run, |node, tally| {
                        let awake = &active[node as usize];
                        if !awake.load(Relaxed) {
                            return None;
                        }
                        awake.store(false, Relaxed);
                        self.best(level, values, objective, node, tally)
                    })
                })?;
                let mut moved = Vec::with_capacity(moves.len());
                for wish in moves {
                    match self.make(level, objective, &wish) {
                        Some(gain) => {
                            sweep += gain;
                            moved.push(wish.node);
                        }
                        None => active[wish.node as usize].store(true, Relaxed),
                    }
                }
                let labels = &self.labels;
                moved.par_iter().with_min_len(64).for_each(|&node| {
                    for &other in level.rows.neighbors(node) {
                        let awake = &active[other as usize];
                        if labels[other as usize] != labels[node as usize] && !awake.load(Relaxed) {
                            awake.store(true, Relaxed);
                        }
                    }
                });
            }
            let sweep = objective.modularity(sweep);
            gained += sweep;
            if sweep <= tolerance {
                break;
            }
        }
        Ok(gained)
    }

    /// The community that a node gains most by moving to; `None` when that is its own.
    #[inline]
    fn best<V: Values>(
        &self,
        level: &Level<S>,
        values: V,
        objective: Objective,
        node: NodeId,
        tally: &mut Tally,
    ) -> Option<Move> {
        for (other, weight) in row(&level.rows, values, node) {
            if other != node {
                tally.add(self.labels[other as usize], weight);
            }
        }
        let strength = level.strengths[node as usize];
        let own = self.labels[node as usize];
        let here = tally.get(own);
        let rest = self.totals[own as usize].minus(strength);
        let stay = here - objective.expected(strength, rest);
        let mut best = (stay, own, here);
        for (label, there) in tally.iter() {
            let gain = there - objective.expected(strength, self.totals[label as usize]);
            if gain > best.0 && label != own {
                best = (gain, label, there);
            }
        }
        if best.0 < 0.0 && self.sizes[own as usize] > 1 {
            best = (0.0, NEW, 0.0);
        }
        tally.clear();
        let (_, target, there) = best;
        (target != own).then_some(Move { node, target, here, there })
    }

    /// Makes a move if it still gains, and says how much.
    fn make(&mut self, level: &Level<S>, objective: Objective, wish: &Move) -> Option<f64> {
        let strength = level.strengths[wish.node as usize];
        let own = self.labels[wish.node as usize] as usize;
        let rest = self.totals[own].minus(strength);
        let target = if wish.target == NEW {
            while self.empty.pop_if(|label| self.sizes[*label as usize] > 0).is_some() {}
            *self.empty.last()? as usize
        } else if self.sizes[wish.target as usize] == 0 {
            // Whom the node wanted to join has just left.
            return None;
        } else {
            wish.target as usize
        };
        let gain = (wish.there - objective.expected(strength, self.totals[target]))
            - (wish.here - objective.expected(strength, rest));
        if gain <= 0.0 {
            return None;
        }
        self.labels[wish.node as usize] = target as u32;
        self.totals[own] = rest;
        self.totals[target] = self.totals[target].plus(strength);
        self.sizes[own] -= 1;
        self.sizes[target] += 1;
        if self.sizes[own] == 0 {
            // No rounding error of what was there stays behind.
            self.totals[own] = S::default();
            self.empty.push(own as u32);
        }
        Some(gain)
    }
}
