//! How do many threads follow what spreads from node to node, in any order?

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rayon::{Scope, prelude::*};

use crate::{NodeId, Result, Run};

/// Waiting nodes beyond which a task hands half of them to another one.
const MANY: usize = 1 << 10;

/// Nodes after which a task looks whether it was asked to stop.
const STEPS: usize = 1 << 8;

/// Takes `step` to each of `seeds` and to each node that a step adds to the list which it is given,
/// until none is left. Steps run in parallel and in any order.
pub(crate) fn spread(
    seeds: Vec<NodeId>,
    run: &Run,
    step: impl Fn(NodeId, &mut Vec<NodeId>) + Sync,
) -> Result<()> {
    let stopped = AtomicBool::new(false);
    if seeds.len() <= MANY {
        rayon::scope(|scope| follow(scope, seeds, run, &stopped, &step));
    } else {
        seeds.par_chunks(MANY).for_each(|seeds| {
            rayon::scope(|scope| follow(scope, seeds.to_vec(), run, &stopped, &step));
        });
    }
    run.check()
}

fn follow<'a>(
    scope: &Scope<'a>,
    mut waiting: Vec<NodeId>,
    run: &'a Run,
    stopped: &'a AtomicBool,
    step: &'a (impl Fn(NodeId, &mut Vec<NodeId>) + Sync),
) {
    let mut steps = 0;
    while let Some(node) = waiting.pop() {
        step(node, &mut waiting);
        steps += 1;
        if steps % STEPS == 0 && run.check().is_err() {
            stopped.store(true, Relaxed);
        }
        if steps % STEPS == 0 && stopped.load(Relaxed) {
            return;
        }
        while waiting.len() > MANY {
            let half = waiting.split_off(waiting.len() / 2);
            scope.spawn(move |scope| follow(scope, half, run, stopped, step));
        }
    }
}
