//! Which steps run together, and in which order may they start?
//!
//! A unit is what takes a slot: one step, or a chain of lazy steps that ends in its boundary. A lazy
//! step is fused into its only dependant when that continues the plan and the step asks for nothing
//! of its own (retry, timeout, resources, a word on failure, being kept).

use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};

use crate::{
    run::{Keep, RunError},
    step::Fusion,
    workflow::{OnFailure, Retry, StepSpec, Workflow},
};

pub(crate) struct Plan {
    pub(crate) units: Vec<Unit>,
    /// The unit of each step.
    pub(crate) unit_of: Vec<usize>,
    /// Whether each step's output outlives the run.
    pub(crate) kept: Vec<bool>,
    /// How many units read each step's output.
    pub(crate) consumers: Vec<usize>,
    /// Distinct needs of units; a unit's `queue` is an index into it.
    pub(crate) needs: Vec<Vec<(usize, u64)>>,
    /// The totals of the resources that needs refer to.
    pub(crate) totals: Vec<u64>,
}

pub(crate) struct Unit {
    /// Steps in an order in which each comes after its inputs; the last is the boundary.
    pub(crate) members: Vec<usize>,
    /// A scan on its own, which several plans share: it hands on a plan and reads nothing.
    pub(crate) lazy: bool,
    pub(crate) waits_for: usize,
    pub(crate) dependants: Vec<usize>,
    /// Steps of other units whose outputs this one reads, each once.
    pub(crate) reads: Vec<usize>,
    /// Units on the longest path from here to an end, this one included.
    pub(crate) priority: u32,
    pub(crate) queue: usize,
    pub(crate) retry: Retry,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_failure: OnFailure,
}

impl Unit {
    pub(crate) fn boundary(&self) -> usize {
        self.members.last().copied().unwrap_or_default()
    }
}

impl Plan {
    pub(crate) fn new(
        workflow: &Workflow,
        keep: &Keep,
        totals: &BTreeMap<String, u64>,
    ) -> Result<Self, RunError> {
        let steps = &workflow.steps;
        let before: Vec<BTreeSet<usize>> = steps
            .iter()
            .map(|step| {
                step.depends_on.iter().chain(step.inputs.iter().map(|(_, input)| input)).copied().collect()
            })
            .collect();
        let after = reversed(&before);
        let order = topological(&before, &after).ok_or(RunError::Cycle)?;
        let kept = kept(steps, &after, keep)?;

        let fused: Vec<Option<usize>> = (0..steps.len())
            .map(|step| fused_into(steps, step, &after, kept.get(step) == Some(&true)))
            .collect();
        let mut root: Vec<usize> = (0..steps.len()).collect();
        for &step in order.iter().rev() {
            if let Some(consumer) = fused[step] {
                root[step] = root[consumer];
            }
        }
        let mut index = BTreeMap::new();
        for (step, _) in root.iter().enumerate().filter(|(step, root)| step == *root) {
            let next = index.len();
            index.insert(step, next);
        }
        let unit_of: Vec<usize> = root.iter().filter_map(|step| index.get(step).copied()).collect();
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); index.len()];
        for &step in &order {
            members[unit_of[step]].push(step);
        }

        let mut plan = Plan {
            units: Vec::with_capacity(members.len()),
            unit_of,
            kept,
            consumers: vec![0; steps.len()],
            needs: Vec::new(),
            totals: totals.values().copied().collect(),
        };
        let mut unit_dependants: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); members.len()];
        for (unit, members) in members.into_iter().enumerate() {
            let outside = |step: &usize| plan.unit_of[*step] != unit;
            let waits: BTreeSet<usize> = members
                .iter()
                .flat_map(|step| before[*step].iter())
                .filter(|step| outside(step))
                .map(|step| plan.unit_of[*step])
                .collect();
            let reads: BTreeSet<usize> = members
                .iter()
                .flat_map(|step| steps[*step].inputs.iter().map(|(_, input)| *input))
                .filter(outside)
                .collect();
            waits.iter().for_each(|other| {
                unit_dependants[*other].insert(unit);
            });
            reads.iter().for_each(|step| plan.consumers[*step] += 1);
            let boundary = members.last().copied().unwrap_or_default();
            let spec = &steps[boundary];
            let queue = plan.queue_for(spec, totals)?;
            plan.units.push(Unit {
                lazy: members.len() == 1
                    && spec.step.fusion() == Fusion::Scan
                    && !plan.kept[boundary]
                    && shares_scan(steps, boundary, &after),
                members,
                waits_for: waits.len(),
                dependants: Vec::new(),
                reads: reads.into_iter().collect(),
                priority: 1,
                queue,
                retry: spec.retry.clone().unwrap_or_default(),
                timeout: spec.timeout,
                on_failure: spec.on_failure.unwrap_or_default(),
            });
        }
        for (unit, dependants) in plan.units.iter_mut().zip(unit_dependants) {
            unit.dependants = dependants.into_iter().collect();
        }
        for &step in order.iter().rev() {
            let unit = plan.unit_of[step];
            if plan.units[unit].boundary() == step {
                let longest = plan.units[unit].dependants.iter().map(|next| plan.units[*next].priority).max();
                plan.units[unit].priority = longest.unwrap_or(0) + 1;
            }
        }
        Ok(plan)
    }

    fn queue_for(&mut self, spec: &StepSpec, totals: &BTreeMap<String, u64>) -> Result<usize, RunError> {
        let mut needs = Vec::new();
        for (name, requested) in &spec.resources {
            let total = totals.get(name).copied().unwrap_or(0);
            if *requested > total {
                return Err(RunError::ResourceAboveTotal {
                    step: spec.name.to_string(),
                    resource: name.clone(),
                    requested: *requested,
                    total,
                });
            }
            if let Some(at) = totals.keys().position(|key| key == name)
                && *requested > 0
            {
                needs.push((at, *requested));
            }
        }
        Ok(self.needs.iter().position(|known| *known == needs).unwrap_or_else(|| {
            self.needs.push(needs);
            self.needs.len() - 1
        }))
    }
}

/// Who waits for each step.
fn reversed(before: &[BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    let mut after = vec![BTreeSet::new(); before.len()];
    for (step, inputs) in before.iter().enumerate() {
        for &input in inputs {
            after[input].insert(step);
        }
    }
    after
}

/// An order in which each step comes after those that it waits for (Kahn 1962), by declaration where
/// that leaves a choice; `None` when there is a cycle.
fn topological(before: &[BTreeSet<usize>], after: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    let mut missing: Vec<usize> = before.iter().map(BTreeSet::len).collect();
    let mut free: BTreeSet<usize> = (0..before.len()).filter(|step| missing[*step] == 0).collect();
    let mut order = Vec::with_capacity(before.len());
    while let Some(step) = free.pop_first() {
        order.push(step);
        for &next in &after[step] {
            missing[next] -= 1;
            if missing[next] == 0 {
                free.insert(next);
            }
        }
    }
    (order.len() == before.len()).then_some(order)
}

fn kept(steps: &[StepSpec], after: &[BTreeSet<usize>], keep: &Keep) -> Result<Vec<bool>, RunError> {
    if let Keep::Steps(names) = keep {
        for name in names {
            if !steps.iter().any(|step| *step.name == **name) {
                let known = steps.iter().map(|step| &*step.name);
                let nearest = bowstring_core::nearest(name, known).map(str::to_owned);
                return Err(RunError::UnknownKeep { step: name.clone(), nearest });
            }
        }
    }
    Ok(steps
        .iter()
        .zip(after)
        .map(|(step, after)| match keep {
            Keep::Nothing => false,
            Keep::Leaves => after.is_empty(),
            Keep::All => true,
            Keep::Steps(names) => names.iter().any(|name| **name == *step.name),
        })
        .collect())
}

/// The dependant into whose chain `step` is fused.
fn fused_into(steps: &[StepSpec], step: usize, after: &[BTreeSet<usize>], kept: bool) -> Option<usize> {
    let spec = &steps[step];
    let own_terms = spec.retry.is_some()
        || spec.timeout.is_some()
        || spec.on_failure.is_some()
        || !spec.resources.is_empty();
    if kept || own_terms || !matches!(spec.step.fusion(), Fusion::Scan | Fusion::Lazy) {
        return None;
    }
    let mut dependants = after[step].iter();
    let (consumer, None) = (*dependants.next()?, dependants.next()) else { return None };
    let reads = steps[consumer].inputs.iter().any(|(_, input)| *input == step);
    (reads && matches!(steps[consumer].step.fusion(), Fusion::Lazy | Fusion::Sink)).then_some(consumer)
}

/// Whether a scan that is not fused is read by several steps, all of which can take its plan.
fn shares_scan(steps: &[StepSpec], scan: usize, after: &[BTreeSet<usize>]) -> bool {
    let spec = &steps[scan];
    let plain = spec.retry.is_none() && spec.timeout.is_none() && spec.on_failure.is_none();
    let lazy = |consumer: &usize| {
        matches!(steps[*consumer].step.fusion(), Fusion::Lazy | Fusion::Sink)
            && steps[*consumer].inputs.iter().any(|(_, input)| *input == scan)
    };
    plain && spec.resources.is_empty() && after[scan].len() > 1 && after[scan].iter().all(lazy)
}
