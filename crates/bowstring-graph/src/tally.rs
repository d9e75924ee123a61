//! How much weight goes to each label among the neighbours of a node?

use std::sync::{Mutex, PoisonError};

/// Sums by label, in an array as long as there are labels, so that adding is one access.
pub(crate) struct Tally {
    /// Below 0 where nothing was added.
    sums: Vec<f64>,
    /// The labels that have a sum, in the order of their first addition.
    seen: Vec<u32>,
}

impl Tally {
    fn new(labels: usize) -> Self {
        Self { sums: vec![-1.0; labels], seen: Vec::new() }
    }

    /// Adds a weight of at least 0.
    #[inline]
    pub(crate) fn add(&mut self, label: u32, weight: f64) {
        let sum = &mut self.sums[label as usize];
        if *sum < 0.0 {
            self.seen.push(label);
            *sum = 0.0;
        }
        *sum += weight;
    }

    /// What was added for a label.
    #[inline]
    pub(crate) fn get(&self, label: u32) -> f64 {
        self.sums[label as usize].max(0.0)
    }

    /// The labels with their sums.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, f64)> {
        self.seen.iter().map(|&label| (label, self.sums[label as usize]))
    }

    /// Puts the labels into ascending order.
    pub(crate) fn sort(&mut self) {
        self.seen.sort_unstable();
    }

    /// The labels with their sums, which are forgotten.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (u32, f64)> {
        self.seen.drain(..).map(|label| {
            let sum = &mut self.sums[label as usize];
            (label, std::mem::replace(sum, -1.0))
        })
    }

    /// Forgets all sums.
    #[inline]
    pub(crate) fn clear(&mut self) {
        for label in self.seen.drain(..) {
            self.sums[label as usize] = -1.0;
        }
    }
}

/// Tallies for the tasks of a parallel loop: as many as run at a time.
pub(crate) struct Tallies {
    labels: usize,
    free: Mutex<Vec<Tally>>,
}

impl Tallies {
    /// Tallies of labels below `labels`.
    pub(crate) fn new(labels: usize) -> Self {
        Self { labels, free: Mutex::default() }
    }

    /// Bytes that all of them may take.
    pub(crate) fn bytes(labels: usize, threads: usize) -> usize {
        threads * labels * (size_of::<f64>() + size_of::<u32>())
    }

    /// Works with a tally that is empty, and shall be so in the end.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Tally) -> T) -> T {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = free().pop();
        let mut tally = taken.unwrap_or_else(|| Tally::new(self.labels));
        let answer = work(&mut tally);
        tally.clear();
        free().push(tally);
        answer
    }
}
