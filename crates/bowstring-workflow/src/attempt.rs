//! How is one attempt of a unit carried out? Whatever a step does, a panic included, comes back as a
//! result.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bowstring_core::{Cancel, ErrorKind};
use futures::{FutureExt, future::BoxFuture};

use crate::{
    step::{Inputs, Output, Progress, Role, Step, StepContext, StepError, StepResult, Work},
    value::Value,
};

/// One attempt of a unit, ready to be carried out.
pub(crate) struct Job {
    pub(crate) unit: usize,
    pub(crate) attempt: u32,
    pub(crate) cancel: Cancel,
    pub(crate) members: Vec<Member>,
}

/// A step of the unit.
pub(crate) struct Member {
    pub(crate) name: Arc<str>,
    pub(crate) step: Arc<dyn Step>,
    pub(crate) role: Role,
    pub(crate) inputs: Vec<(String, Source)>,
}

/// Where an input comes from.
pub(crate) enum Source {
    /// A unit that is done.
    Value(Value),
    /// A member before this one.
    Member(usize),
}

/// What an attempt came to: the boundary's output, or the error and the member in which it arose.
pub(crate) type Outcome = Result<Output, (usize, StepError)>;

pub(crate) enum Begun {
    Done(Outcome),
    Pending(BoxFuture<'static, Outcome>),
}

impl Job {
    /// Carries the attempt out, or begins it when it is a single step that awaits. In a chain whoever
    /// awaits is waited for with `block_on`.
    pub(crate) fn begin(
        self,
        progress: &dyn Fn(&Arc<str>) -> Arc<dyn Progress>,
        block_on: &dyn Fn(BoxFuture<'static, StepResult>) -> StepResult,
    ) -> Begun {
        let mut outputs: Vec<Output> = Vec::with_capacity(self.members.len());
        let alone = self.members.len() == 1;
        for (at, member) in self.members.into_iter().enumerate() {
            let value = |source| match source {
                Source::Value(value) => Some(value),
                Source::Member(at) => outputs.get(at).and_then(|output: &Output| output.value.clone()),
            };
            let inputs = member.inputs.into_iter().filter_map(|(name, source)| Some((name, value(source)?)));
            let inputs = Inputs(inputs.collect());
            let context = StepContext {
                progress: progress(&member.name),
                step: member.name,
                attempt: self.attempt,
                role: member.role,
                cancel: self.cancel.clone(),
            };
            let step = member.step;
            let result = match catch_unwind(AssertUnwindSafe(|| step.run(inputs, context))) {
                Err(payload) => Err(panicked(payload)),
                Ok(Work::Blocking(work)) => {
                    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(panicked(payload)))
                }
                Ok(Work::Async(future)) if alone => {
                    let guarded = guarded(future);
                    return Begun::Pending(guarded.map(|result| result.map_err(|error| (0, error))).boxed());
                }
                Ok(Work::Async(future)) => block_on(guarded(future)),
            };
            match result {
                Ok(output) => outputs.push(output),
                Err(error) => return Begun::Done(Err((at, error))),
            }
        }
        Begun::Done(Ok(outputs.pop().unwrap_or_default()))
    }
}

fn guarded(future: BoxFuture<'static, StepResult>) -> BoxFuture<'static, StepResult> {
    AssertUnwindSafe(future)
        .catch_unwind()
        .map(|result| result.unwrap_or_else(|payload| Err(panicked(payload))))
        .boxed()
}

fn panicked(payload: Box<dyn Any + Send>) -> StepError {
    let said = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it did not say why".to_owned());
    StepError::new(ErrorKind::Failed, format!("the step panicked: {said}"))
}
