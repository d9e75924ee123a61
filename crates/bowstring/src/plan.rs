//! What would a workflow do? Its units in the order of declaration, each with the plan that its
//! fused steps would run as.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::SchemaRef;
use bowstring_query::Table;
use bowstring_workflow::{
    Inputs, PlanUnit, Progress, Role, RunOptions, StepContext, StepError, StepResult, Value, Work, Workflow,
    units,
};

use crate::{Engine, Relation, Result};

/// Steps that take a slot together: one, or a chain of fused ones.
#[derive(Clone, Debug)]
pub struct PlannedUnit {
    /// The steps, in an order in which each comes after its inputs.
    pub steps: Vec<PlannedStep>,
    /// The physical plan, one operator a line; `None` where a step is no relational one, where the
    /// columns that come in are not known before the run, and for a scan that each of its consumers has
    /// in its own plan.
    pub physical_plan: Option<String>,
}

/// A step of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub type_name: String,
    /// The steps that it waits for.
    pub depends_on: Vec<Arc<str>>,
}

struct Silent;

impl Progress for Silent {
    fn report(&self, _done: u64, _total: Option<u64>, _unit: &'static str) {}
}

impl Engine {
    /// What [`run`](Engine::run) would do, without running a step: files are opened for their
    /// schemas, and no row is read. Plans over the output of another unit show it as an empty table.
    ///
    /// # Errors
    /// When the run could not begin, and when a step's plan is wrong: an unknown column, a type that
    /// does not fit, a missing file.
    pub fn plan(&self, workflow: &Workflow, options: RunOptions<'_>) -> Result<Vec<PlannedUnit>, StepError> {
        let options = self.options(options);
        let units = units(workflow, &options)?;
        // What each unit's last step hands on: a plan to go on with, or rows, of which only the
        // columns are known.
        let mut known: HashMap<usize, Relation> = HashMap::new();
        let mut plans: Vec<Option<String>> = vec![None; units.len()];
        // Units come in the order of declaration, which need not be that of their inputs.
        let mut waiting: Vec<usize> = (0..units.len()).collect();
        loop {
            let (ready, later): (Vec<usize>, Vec<usize>) = waiting.iter().partition(|unit| {
                let members = &units[**unit].steps;
                members
                    .iter()
                    .flat_map(|step| &workflow.steps[*step].inputs)
                    .all(|(_, input)| known.contains_key(input) || members.contains(input))
            });
            if ready.is_empty() {
                break;
            }
            waiting = later;
            for unit in ready {
                let PlanUnit { steps, lazy } = &units[unit];
                let Some(boundary) = steps.last() else { continue };
                let spec = &workflow.steps[*boundary];
                if let (true, [(_, input)]) = (spec.step.passes_on(), spec.inputs.as_slice()) {
                    known.extend(known.get(input).cloned().map(|relation| (*boundary, relation)));
                    continue;
                }
                let Some(relation) = self.plan_unit(workflow, steps, &known)? else { continue };
                if *lazy {
                    known.insert(*boundary, relation);
                } else {
                    let explained = relation.frame.explain(false, &options.cancel);
                    plans[unit] = Some(explained.map_err(|error| in_step(error.into(), &spec.name))?);
                    known.insert(*boundary, self.empty(&relation.frame.schema())?);
                }
            }
        }
        let named = |unit: PlanUnit| unit.steps.iter().map(|step| planned(workflow, *step)).collect();
        let planned = units.into_iter().zip(plans);
        Ok(planned.map(|(unit, physical_plan)| PlannedUnit { steps: named(unit), physical_plan }).collect())
    }

    fn empty(&self, schema: &SchemaRef) -> bowstring_query::Result<Relation> {
        Relation::of_table(&self.session().clone(), Table::new(Arc::clone(schema), Vec::new())?)
    }

    /// The plan of a unit; `None` when one of its steps adds to no plan.
    fn plan_unit(
        &self,
        workflow: &Workflow,
        members: &[usize],
        known: &HashMap<usize, Relation>,
    ) -> Result<Option<Relation>, StepError> {
        let mut made: HashMap<usize, Relation> = HashMap::new();
        let mut last = None;
        for step in members {
            let spec = &workflow.steps[*step];
            if spec.step.fusion() == bowstring_workflow::Fusion::None {
                return Ok(None);
            }
            if spec.step.fusion() == bowstring_workflow::Fusion::Sink {
                // What a sink does is to run the plan that comes in.
                return Ok(last);
            }
            let inputs = spec.inputs.iter().filter_map(|(name, input)| {
                let relation = made.get(input).or_else(|| known.get(input))?.clone();
                Some((name.clone(), relation.into_value()))
            });
            let context = StepContext {
                step: Arc::clone(&spec.name),
                attempt: 1,
                role: Role::Fused,
                cancel: bowstring_core::Cancel::new(),
                progress: Arc::new(Silent),
            };
            let work = Arc::clone(&spec.step).run(Inputs(inputs.collect()), context);
            let output: StepResult = match work {
                Work::Blocking(work) => work(),
                Work::Async(future) => self.session().runtime().block_on(future),
            };
            let output = output.map_err(|error| in_step(error, &spec.name))?;
            let relation = output.value.as_ref().and_then(Value::downcast::<Relation>);
            let Some(relation) = relation else { return Ok(None) };
            made.insert(*step, (*relation).clone());
            last = Some((*relation).clone());
        }
        Ok(last)
    }
}

fn in_step(error: StepError, step: &str) -> StepError {
    StepError { step: Some(step.to_owned()), ..error }
}

fn planned(workflow: &Workflow, step: usize) -> PlannedStep {
    let spec = &workflow.steps[step];
    PlannedStep {
        name: Arc::clone(&spec.name),
        type_name: spec.type_name.clone(),
        depends_on: spec.depends_on.iter().map(|other| Arc::clone(&workflow.steps[*other].name)).collect(),
    }
}
