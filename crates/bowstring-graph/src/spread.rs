//! How do many threads follow what spreads from node to node, in any order?

use rayon::{Scope, prelude::*};

use crate::{Csr, NodeId, Result, Run};

/// Waiting nodes beyond which a task hands half of them to another one.
const MANY: usize = 1 << 10;

/// Nodes after which a task looks whether it was asked to stop.
const STEPS: usize = 1 << 8;

/// Nodes whose rows are brought from memory at a time.
const BATCH: usize = 16;

/// Takes `step` to each of `seeds` and to each node that a step adds to the list which it is given,
/// until none is left. Steps run in parallel and in any order; they are expected to read `rows`.
pub(crate) fn spread(
    rows: &Csr,
    seeds: Vec<NodeId>,
    run: &Run,
    step: impl Fn(NodeId, &mut Vec<NodeId>) + Sync,
) -> Result<()> {
    if seeds.len() <= MANY {
        rayon::scope(|scope| follow(scope, rows, seeds, run, &step));
    } else {
        seeds.par_chunks(MANY).for_each(|seeds| {
            rayon::scope(|scope| follow(scope, rows, seeds.to_vec(), run, &step));
        });
    }
    run.check()
}

fn follow<'a>(
    scope: &Scope<'a>,
    rows: &'a Csr,
    mut waiting: Vec<NodeId>,
    run: &'a Run,
    step: &'a (impl Fn(NodeId, &mut Vec<NodeId>) + Sync),
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut steps = 0;
    while !waiting.is_empty() {
        if steps >= STEPS {
            steps = 0;
            if run.check().is_err() {
                // Whoever waits for all tasks looks again, and says so.
                return;
            }
        }
        batch.extend(waiting.drain(waiting.len().saturating_sub(BATCH)..));
        steps += batch.len();
        let near = batch.iter().fold(0, |near, &node| near ^ rows.touch(node));
        std::hint::black_box(near);
        batch.drain(..).for_each(|node| step(node, &mut waiting));
        while waiting.len() > MANY {
            let half = waiting.split_off(waiting.len() / 2);
            scope.spawn(move |scope| follow(scope, rows, half, run, step));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::{STEPS, spread};
    use crate::{Csr, GraphError, Offsets, Run};

    /// Follows a path of many nodes, and stops the work at one of them. How many steps were taken?
    fn steps(stop_at: u32) -> usize {
        let run = Run::default();
        let taken = AtomicUsize::new(0);
        let rows = Csr::made(Offsets::of(vec![0; 100_002], 0), Vec::new(), None);
        let result = spread(&rows, vec![0], &run, |node, next| {
            taken.fetch_add(1, Relaxed);
            if node == stop_at {
                run.cancel.cancel();
            }
            next.extend((node < 100_000).then_some(node + 1));
        });
        assert_eq!(matches!(result, Err(GraphError::Cancelled(_))), stop_at <= 100_000);
        taken.into_inner()
    }

    #[test]
    fn work_that_is_asked_to_stop_ends_within_a_few_steps() {
        assert_eq!(steps(u32::MAX), 100_001);
        assert!(steps(1000) <= 1001 + STEPS);
    }
}
