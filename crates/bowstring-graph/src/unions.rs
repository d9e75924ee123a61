//! Which of many things belong together, when many threads find out at once that two of them do?
//!
//! A union-find without locks: trees of parents in which a parent is never greater than its child, so
//! that the root of a finished tree is the smallest of its things, whoever linked them and in which
//! order (the linking of Sutton, Ben-Nun and Barak 2018).

use std::{
    hint::select_unpredictable,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use rayon::prelude::*;

use crate::{Components, Result, Run};

/// Things of one task.
const BLOCK: usize = 1 << 13;

/// Things that are looked at to guess the largest group.
const SAMPLES: usize = 1024;

/// Marks the number of a group, where parents have stood. Things are fewer than this.
const NUMBER: u32 = 1 << 31;

/// A forest over `0..len`.
pub(crate) struct Unions {
    parents: Vec<AtomicU32>,
}

impl Unions {
    /// Each thing alone.
    pub(crate) fn new(len: usize) -> Self {
        Self::hung((0..len as u32).collect())
    }

    /// Each thing below another one of its group, which must not be greater than itself.
    pub(crate) fn hung(parents: Vec<u32>) -> Self {
        Self { parents: parents.into_iter().map(AtomicU32::new).collect() }
    }

    /// What stands above `thing`: itself at a root, and the root right after [`Self::compress`].
    #[inline]
    pub(crate) fn parent(&self, thing: u32) -> u32 {
        self.parents[thing as usize].load(Relaxed)
    }

    /// Puts two things into one group, while others do the same.
    #[inline]
    pub(crate) fn link(&self, a: u32, b: u32) {
        let (mut a, mut b) = (self.parent(a), self.parent(b));
        while a != b {
            let (high, low) = (a.max(b), a.min(b));
            let above = self.parent(high);
            if above == low {
                return;
            }
            // Only roots are hooked, so no link is ever lost.
            if above == high
                && self.parents[high as usize].compare_exchange(high, low, Relaxed, Relaxed).is_ok()
            {
                return;
            }
            a = self.parent(above);
            b = self.parent(low);
        }
    }

    /// Puts two things into one group and says whether they were in two. For one thread at a time.
    pub(crate) fn join(&self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.parents[a.max(b) as usize].store(a.min(b), Relaxed);
        a != b
    }

    /// Whether two things are in different groups, right after [`Self::compress`].
    #[inline]
    pub(crate) fn apart(&self, a: u32, b: u32) -> bool {
        self.parent(a) != self.parent(b)
    }

    /// The root above `thing`; halves the path to it.
    fn find(&self, mut thing: u32) -> u32 {
        loop {
            let parent = self.parent(thing);
            let above = self.parent(parent);
            if parent == above {
                return parent;
            }
            self.parents[thing as usize].store(above, Relaxed);
            thing = above;
        }
    }

    /// Hangs everything right below its root.
    pub(crate) fn compress(&self, run: &Run) -> Result<()> {
        run.blocks(self.parents.len(), BLOCK, |things| {
            for slot in &self.parents[things] {
                // Most roots are one or two steps away: nobody could guess which.
                let mut root = self.parent(slot.load(Relaxed));
                let mut above = self.parent(root);
                while root != above {
                    root = above;
                    above = self.parent(root);
                }
                slot.store(root, Relaxed);
            }
        })
    }

    /// The root that most of a few things spread over all have, after [`Self::compress`]. None when
    /// there is nothing.
    pub(crate) fn largest(&self) -> Option<u32> {
        let len = self.parents.len();
        let place = |sample: usize| (sample as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as u128;
        let mut roots: Vec<u32> = (1..=SAMPLES.min(len))
            .map(|sample| self.parent(((place(sample) * len as u128) >> 64) as u32))
            .collect();
        roots.sort_unstable();
        roots.chunk_by(|a, b| a == b).max_by_key(|run| run.len()).map(|run| run[0])
    }

    /// The groups, numbered in the order of their roots.
    pub(crate) fn into_components(self, run: &Run) -> Result<Components> {
        run.check()?;
        let is_root = |(thing, slot): (u32, &AtomicU32)| slot.load(Relaxed) == thing;
        let of_block = |block: usize, slots| ((block * BLOCK) as u32..).zip::<&[AtomicU32]>(slots);
        let slots = || self.parents.par_chunks(BLOCK).enumerate();
        let roots =
            slots().map(|(block, slots)| of_block(block, slots).map(|one| u32::from(is_root(one))).sum());
        let roots: Vec<u32> = roots.collect();
        let starts = roots.iter().scan(0, |sum, &roots| {
            *sum += roots;
            Some(*sum - roots)
        });
        let starts: Vec<u32> = starts.collect();
        slots().for_each(|(block, slots)| {
            let mut number = starts[block];
            for (thing, slot) in of_block(block, slots) {
                let is_root = is_root((thing, slot));
                slot.store(select_unpredictable(is_root, NUMBER | number, slot.load(Relaxed)), Relaxed);
                number += u32::from(is_root);
            }
        });
        // Whoever comes across the number of another thing on the way up need not go on to the root. The
        // first step is taken without a branch, since nobody could guess it.
        run.blocks(self.parents.len(), BLOCK, |things| {
            for (thing, slot) in (things.start as u32..).zip(&self.parents[things]) {
                let above = slot.load(Relaxed);
                let mut above = self.parent(select_unpredictable(above & NUMBER == 0, above, thing));
                while above & NUMBER == 0 {
                    above = self.parent(above);
                }
                slot.store(above, Relaxed);
            }
        })?;
        let labels = self.parents.into_iter().map(|label| label.into_inner() & !NUMBER).collect();
        Ok(Components { labels, count: roots.iter().sum() })
    }
}
