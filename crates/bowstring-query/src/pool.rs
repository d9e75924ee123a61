//! Who may have how much of a query's limit of memory?
//!
//! Operators that spill when they are refused share three eighths alike; a sort has half a share, because
//! it takes up to four times as much again when it merges what it holds in order to spill it, and has to
//! find it. Operators that cannot spill, those merges among them, take what they need, first come first
//! served, but leave a quarter to those that can. Exchanges and partial aggregations hand on what they hold
//! when they are refused, and get more than some batches only while most of the memory is free.

use std::fmt::{Display, Formatter};
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

/// What every operator that can spill may have, unless the limit is small: some batches.
const BATCHES: usize = 4 << 20;

/// The least share of an aggregation, unless the limit is small: it takes some mebibytes for each column
/// of text before its first group.
const GROUPS: usize = 8 << 20;

/// A pool of `limit` bytes.
#[derive(Debug)]
pub(crate) struct Pool {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many operators have a share.
    sharers: usize,
    /// What those that can spill hold, exchanges and partial aggregations with them.
    spillable: usize,
    /// What the others hold.
    unspillable: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Hands on what it holds when it is refused.
    Passing,
    /// Spills when it is refused, and needs more in order to do so.
    Sorting,
    /// Spills when it is refused.
    Grouping,
    /// Fails, or makes do with less, when it is refused.
    Fixed,
}

impl Kind {
    fn of(consumer: &MemoryConsumer) -> Self {
        let name = consumer.name();
        if !consumer.can_spill() {
            Kind::Fixed
        } else if name.starts_with("RepartitionExec") || name.starts_with("Partial") {
            Kind::Passing
        } else if name.starts_with("ExternalSorter") {
            Kind::Sorting
        } else {
            Kind::Grouping
        }
    }

    fn has_share(self) -> bool {
        matches!(self, Kind::Sorting | Kind::Grouping)
    }
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How much a reservation may grow.
    fn room(&self, limit: usize, reservation: &MemoryReservation) -> usize {
        let held = self.spillable.saturating_add(self.unspillable);
        let below = |most: usize| most.saturating_sub(held);
        let up_to = |most: usize| below(limit).min(most.saturating_sub(reservation.size()));
        let share = limit / 8 * 3 / self.sharers.max(1);
        let some = BATCHES.min(limit / 8);
        match Kind::of(reservation.consumer()) {
            Kind::Passing => below(limit / 4).max(up_to(some)),
            Kind::Sorting => up_to((share / 2).max(some / 2)),
            Kind::Grouping => up_to(share.max(GROUPS.min(limit / 4))),
            Kind::Fixed if self.sharers == 0 => below(limit),
            Kind::Fixed => below(limit).min((limit - limit / 4).saturating_sub(self.unspillable)),
        }
    }

    fn held(&mut self, reservation: &MemoryReservation) -> &mut usize {
        match Kind::of(reservation.consumer()) {
            Kind::Passing | Kind::Sorting | Kind::Grouping => &mut self.spillable,
            Kind::Fixed => &mut self.unspillable,
        }
    }
}

impl MemoryPool for Pool {
    fn name(&self) -> &str {
        "shares"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.state().sharers += usize::from(Kind::of(consumer).has_share());
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut state = self.state();
        state.sharers = state.sharers.saturating_sub(usize::from(Kind::of(consumer).has_share()));
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state();
        let held = state.held(reservation);
        *held = held.saturating_add(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, less: usize) {
        let mut state = self.state();
        let held = state.held(reservation);
        *held = held.saturating_sub(less);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state();
        let room = state.room(self.limit, reservation);
        if additional > room {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "Failed to allocate additional {} for {} with {} already allocated: {} are left for it",
                human_readable_size(additional),
                reservation.consumer().name(),
                human_readable_size(reservation.size()),
                human_readable_size(room),
            )));
        }
        *state.held(reservation) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        let state = self.state();
        state.spillable.saturating_add(state.unspillable)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

impl Display for Pool {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}(limit: {})", self.name(), self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The most that a consumer gets of a pool of 800 bytes.
    fn most(reservation: &MemoryReservation) -> usize {
        let before = reservation.size();
        while reservation.try_grow(1).is_ok() {}
        let most = reservation.size();
        reservation.resize(before);
        most
    }

    fn register(pool: &Arc<dyn MemoryPool>, name: &str, spills: bool) -> MemoryReservation {
        MemoryConsumer::new(name).with_can_spill(spills).register(pool)
    }

    #[test]
    fn no_kind_of_operator_starves_another() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(800));
        let table = register(&pool, "HashJoinInput", false);
        assert_eq!(most(&table), 800, "alone it may have all");
        let sorts = [1, 2].map(|_| register(&pool, "ExternalSorter[0]", true));
        assert_eq!(most(&table), 600, "a quarter is kept for those that share");
        assert_eq!(sorts.each_ref().map(most), [75, 75], "they share alike");
        let aggregation = register(&pool, "FinalHashAggregateStream[0]", true);
        assert_eq!(most(&aggregation), 200, "a quarter at least is for an aggregation");
        assert_eq!(sorts.each_ref().map(most), [50, 50], "a third has come");
        drop(aggregation);
        let exchange = register(&pool, "RepartitionExec[0]", true);
        assert_eq!(sorts.each_ref().map(most), [75, 75], "exchanges take no share");
        assert_eq!(most(&exchange), 200);
        for sort in &sorts {
            sort.try_grow(75).expect("a share");
        }
        assert_eq!(most(&exchange), 100, "an exchange has to pass on most of what it gets");
        assert_eq!(most(&table), 600, "what is held is not to be had twice");
        assert_eq!(sorts.each_ref().map(MemoryReservation::free), [75, 75]);
        table.try_grow(600).expect("what is left");
        assert_eq!(sorts.each_ref().map(most), [75, 75]);
        let [first, second] = sorts;
        drop((second, table));
        assert_eq!(most(&first), 150, "those that are done leave their share");
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn a_refusal_says_who_asked_for_how_much() {
        let pool: Arc<dyn MemoryPool> = Arc::new(Pool::new(800));
        let error = register(&pool, "Table[3]", false).try_grow(900).expect_err("too much");
        let said = "Failed to allocate additional 900.0 B for Table[3] with 0.0 B already allocated: 800.0 B are left for it";
        assert_eq!(error.strip_backtrace(), format!("Resources exhausted: {said}"));
    }
}
