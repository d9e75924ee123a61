//! Which part of the shortest paths from one node leads through each other node?
//!
//! Brandes 2001: count the paths level by level away from the source, then pass what depends on each
//! node back level by level. Both steps gather: a node sums over its neighbours a value that only those
//! of the level before it have (others have 0), which asks for no level at each edge. Going out, levels
//! with more edges than all nodes still ahead are gathered from the other side (Beamer, Asanović,
//! Patterson 2012).

use crate::{Csr, Result, Run, distances_to::Dijkstra, path_count::PathCount};

/// Nodes between two looks whether to stop.
const LOOK: usize = 1 << 10;

/// The working arrays for one source at a time.
pub(crate) struct Brandes<C> {
    /// The nodes that were reached, nearest first.
    order: Vec<u32>,
    /// Where each level begins in the order.
    levels: Vec<usize>,
    /// A bit for each node: whether it was reached.
    reached: Vec<u64>,
    /// Shortest paths to each node.
    paths: Vec<C>,
    /// What neighbours gather: 0 except for the nodes of one level.
    offered: Vec<C>,
    /// What depends on each node: for all targets, the part of the paths to them that leads through it.
    dependency: Vec<f64>,
}

/// Bytes that a [`Brandes`] over 64-bit floats takes for each node, and one more for its bits.
pub(crate) const BYTES: usize = 4 + 8 + 8 + 8 + 1;

impl<C: PathCount> Brandes<C> {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            order: Vec::with_capacity(nodes),
            levels: Vec::new(),
            reached: vec![0; nodes.div_ceil(64)],
            paths: vec![C::default(); nodes],
            offered: vec![C::default(); nodes],
            dependency: vec![0.0; nodes],
        }
    }

    /// The nodes that the source reaches, itself first.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// What depends on each node; 0 for the source and for those it does not reach.
    pub(crate) fn dependency(&self) -> &[f64] {
        &self.dependency
    }

    /// Whether some number of paths was too large, and the dependencies are worth nothing.
    pub(crate) fn is_too_large(&self) -> bool {
        self.order.iter().any(|&node| self.paths[node as usize].is_too_large())
    }

    /// Finds what depends on each node for paths of fewest edges. `incoming` are the transposed rows of
    /// `out`; neither has parallel edges.
    pub(crate) fn by_edges(&mut self, source: u32, out: &Csr, incoming: &Csr, run: &Run) -> Result<()> {
        self.begin(source);
        let mut ahead = out.num_entries();
        let mut level = 0..1;
        while !level.is_empty() {
            self.levels.push(level.start);
            let edges: usize = self.order[level.clone()].iter().map(|&node| out.degree(node)).sum();
            ahead -= edges.min(ahead);
            if edges > ahead {
                self.gather(level.clone(), incoming, run)?
            } else {
                self.push(level.clone(), out, run)?
            }
            for &node in &self.order[level.end..] {
                self.reached[node as usize / 64] |= 1 << (node % 64);
            }
            level = level.end..self.order.len();
        }
        if self.is_too_large() {
            return Ok(());
        }
        self.back(out, run)
    }

    fn begin(&mut self, source: u32) {
        if self.order.len() > self.paths.len() / 8 {
            self.reached.fill(0);
            self.paths.fill(C::default());
            self.offered.fill(C::default());
            self.dependency.fill(0.0);
        } else {
            for &node in &self.order {
                let node = node as usize;
                self.reached[node / 64] = 0;
                self.paths[node] = C::default();
                self.offered[node] = C::default();
                self.dependency[node] = 0.0;
            }
        }
        self.order.clear();
        self.levels.clear();
        self.order.push(source);
        self.reached[source as usize / 64] |= 1 << (source % 64);
        self.paths[source as usize] = C::ONE;
    }

    /// Reaches the next level along the edges of this one.
    fn push(&mut self, level: std::ops::Range<usize>, out: &Csr, run: &Run) -> Result<()> {
        for at in level {
            if at % LOOK == 0 {
                run.check()?;
            }
            let node = self.order[at];
            let paths = self.paths[node as usize];
            for &other in out.neighbors(node) {
                let index = other as usize;
                if self.reached[index / 64] >> (index % 64) & 1 == 1 {
                    continue;
                }
                let before = self.paths[index];
                if before == C::default() {
                    self.order.push(other);
                }
                self.paths[index] = before.plus(paths);
            }
        }
        Ok(())
    }

    /// Reaches the next level along the edges of all nodes that are yet to be reached.
    fn gather(&mut self, level: std::ops::Range<usize>, incoming: &Csr, run: &Run) -> Result<()> {
        for &node in &self.order[level.clone()] {
            self.offered[node as usize] = self.paths[node as usize];
        }
        for word in 0..self.reached.len() {
            if word % (LOOK / 64) == 0 {
                run.check()?;
            }
            let mut ahead = !self.reached[word];
            while ahead != 0 {
                let node = word * 64 + ahead.trailing_zeros() as usize;
                ahead &= ahead - 1;
                if node >= self.paths.len() {
                    break;
                }
                let paths = sum(incoming.neighbors(node as u32), &self.offered);
                if paths != C::default() {
                    self.paths[node] = paths;
                    self.order.push(node as u32);
                }
            }
        }
        for &node in &self.order[level] {
            self.offered[node as usize] = C::default();
        }
        Ok(())
    }

    /// Passes dependencies back from the farthest level to the source.
    fn back(&mut self, out: &Csr, run: &Run) -> Result<()> {
        let mut end = self.order.len();
        let mut farther = end..end;
        for &start in self.levels.iter().skip(1).rev() {
            for at in start..end {
                if at % LOOK == 0 {
                    run.check()?;
                }
                let node = self.order[at];
                if !farther.is_empty() {
                    let offered = sum(out.neighbors(node), &self.offered);
                    self.dependency[node as usize] = self.paths[node as usize].times(offered);
                }
            }
            for &node in &self.order[farther] {
                self.offered[node as usize] = C::default();
            }
            for &node in &self.order[start..end] {
                let node = node as usize;
                self.offered[node] = self.paths[node].divide(1.0 + self.dependency[node]);
            }
            farther = start..end;
            end = start;
        }
        Ok(())
    }

    /// Finds what depends on each node for paths of least weight, all weights being greater than 0.
    /// Parallel edges count as the lightest of them.
    pub(crate) fn by_weight(
        &mut self,
        source: u32,
        out: &Csr,
        dijkstra: &mut Dijkstra,
        run: &Run,
    ) -> Result<()> {
        self.begin(source);
        self.order.clear();
        dijkstra.from(source, out, run)?;
        self.order.extend_from_slice(dijkstra.order());
        for (at, &node) in self.order.iter().enumerate() {
            if at % LOOK == 0 {
                run.check()?;
            }
            let paths = self.paths[node as usize];
            dijkstra.next_on_paths(node, out, |other| {
                self.paths[other as usize] = self.paths[other as usize].plus(paths);
            });
        }
        if self.is_too_large() {
            return Ok(());
        }
        for (at, &node) in self.order.iter().enumerate().skip(1).rev() {
            if at % LOOK == 0 {
                run.check()?;
            }
            let mut offered = C::default();
            dijkstra.next_on_paths(node, out, |other| offered = offered.plus(self.offered[other as usize]));
            let paths = self.paths[node as usize];
            let dependency = paths.times(offered);
            self.dependency[node as usize] = dependency;
            self.offered[node as usize] = paths.divide(1.0 + dependency);
        }
        Ok(())
    }
}

#[inline]
fn sum<C: PathCount>(neighbors: &[u32], values: &[C]) -> C {
    let mut sums = [C::default(); 4];
    let (parts, rest) = neighbors.as_chunks::<4>();
    for part in parts {
        for (sum, &other) in sums.iter_mut().zip(part) {
            *sum = sum.plus(values[other as usize]);
        }
    }
    for (sum, &other) in sums.iter_mut().zip(rest) {
        *sum = sum.plus(values[other as usize]);
    }
    sums[0].plus(sums[1]).plus(sums[2].plus(sums[3]))
}
