//! How many nodes are there at each distance, from 64 sources at once?
//!
//! A bit for each source tells who has reached a node (Then et al. 2014, "The More the Merrier"), so that
//! one look at an edge serves all 64. Levels with most of the edges are gathered from the other side.
//! Nodes reached are counted by adding the words bit by bit in vertical counters.
//! Cost: at most that of 64 searches, O(64 · (nodes + edges)), and in graphs of small diameter nearer to
//! that of a few; nothing for nodes that no source reaches. Memory: 36 bytes for each node.

use crate::{Csr, Result, Run};

/// Sources of one search.
pub(crate) const SOURCES: usize = 64;

/// Bytes that a search takes for each node.
pub(crate) const BYTES: usize = 3 * 8 + 3 * 4;

/// Nodes between two looks whether to stop.
const LOOK: usize = 1 << 10;

/// The working arrays of searches, one after another.
pub(crate) struct ManyBfs {
    seen: Vec<u64>,
    here: Vec<u64>,
    next: Vec<u64>,
    level: Vec<u32>,
    reached: Vec<u32>,
    /// The nodes that the last search has seen.
    touched: Vec<u32>,
}

impl ManyBfs {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            seen: vec![0; nodes],
            here: vec![0; nodes],
            next: vec![0; nodes],
            level: Vec::new(),
            reached: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// Calls `at_level` with each distance from 1, and for each source how many nodes are that far from
    /// it along `rows`. `back` are the rows transposed; there are at most 64 sources.
    pub(crate) fn search(
        &mut self,
        sources: &[u32],
        rows: &Csr,
        back: &Csr,
        run: &Run,
        mut at_level: impl FnMut(u64, &[u64; SOURCES]),
    ) -> Result<()> {
        for node in self.touched.drain(..) {
            self.seen[node as usize] = 0;
        }
        self.level.clear();
        let all = u64::MAX >> (SOURCES - sources.len().clamp(1, SOURCES));
        for (bit, &source) in sources.iter().enumerate() {
            self.here[source as usize] |= 1 << bit;
        }
        for &source in sources {
            if self.seen[source as usize] == 0 {
                self.seen[source as usize] = self.here[source as usize];
                self.level.push(source);
            }
        }
        self.touched.extend_from_slice(&self.level);
        for distance in 1.. {
            let edges: usize = self.level.iter().map(|&node| rows.degree(node)).sum();
            if edges > rows.num_entries() / 2 {
                self.gather(back, all, run)?
            } else {
                self.push(rows, run)?
            }
            for &node in &self.level {
                self.here[node as usize] = 0;
            }
            let mut tally = Tally::default();
            for &node in &self.reached {
                let new = self.next[node as usize];
                let seen = &mut self.seen[node as usize];
                if *seen == 0 {
                    self.touched.push(node);
                }
                *seen |= new;
                tally.add(new);
            }
            std::mem::swap(&mut self.here, &mut self.next);
            std::mem::swap(&mut self.level, &mut self.reached);
            if self.level.is_empty() {
                break;
            }
            at_level(distance, tally.counts());
        }
        Ok(())
    }

    /// Reaches the next level along the edges of this one.
    fn push(&mut self, rows: &Csr, run: &Run) -> Result<()> {
        self.reached.clear();
        for (at, &node) in self.level.iter().enumerate() {
            if at % LOOK == 0 {
                run.check()?;
            }
            let here = self.here[node as usize];
            for &other in rows.neighbors(node) {
                let index = other as usize;
                let new = here & !self.seen[index];
                if new != 0 {
                    if self.next[index] == 0 {
                        self.reached.push(other);
                    }
                    self.next[index] |= new;
                }
            }
        }
        Ok(())
    }

    /// Reaches the next level along the edges of all nodes that some source is yet to reach.
    fn gather(&mut self, back: &Csr, all: u64, run: &Run) -> Result<()> {
        self.reached.clear();
        for node in 0..self.seen.len() {
            if node % LOOK == 0 {
                run.check()?;
            }
            let ahead = all & !self.seen[node];
            if ahead == 0 {
                continue;
            }
            let mut new = 0;
            for &other in back.neighbors(node as u32) {
                new |= self.here[other as usize];
                if new & ahead == ahead {
                    break;
                }
            }
            if new & ahead != 0 {
                self.next[node] = new & ahead;
                self.reached.push(node as u32);
            }
        }
        Ok(())
    }
}

/// Planes of a vertical counter: it counts to 255.
const PLANES: usize = 8;

/// Counts for each of 64 bits how often it was set.
struct Tally {
    planes: [u64; PLANES],
    added: u32,
    counts: [u64; SOURCES],
}

impl Default for Tally {
    fn default() -> Self {
        Self { planes: [0; PLANES], added: 0, counts: [0; SOURCES] }
    }
}

impl Tally {
    #[inline]
    fn add(&mut self, word: u64) {
        let mut carry = word;
        for plane in &mut self.planes {
            let both = *plane & carry;
            *plane ^= carry;
            carry = both;
            if carry == 0 {
                break;
            }
        }
        self.added += 1;
        if self.added == (1 << PLANES) - 1 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        for (power, plane) in self.planes.iter_mut().enumerate() {
            for (bit, count) in self.counts.iter_mut().enumerate() {
                *count += (*plane >> bit & 1) << power;
            }
            *plane = 0;
        }
        self.added = 0;
    }

    fn counts(&mut self) -> &[u64; SOURCES] {
        self.flush();
        &self.counts
    }
}
