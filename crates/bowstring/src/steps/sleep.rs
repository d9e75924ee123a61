//! `sleep`: waits, and makes nothing.

use std::{sync::Arc, time::Duration};

use bowstring_core::units::parse_duration;
use bowstring_workflow::{
    ConfigProblem, InputSpec, Inputs, Output, Registry, Step, StepContext, ValueType, Work,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SleepConfig {
    /// How long, as `500ms` or `1m 30s`.
    duration: String,
}

struct Sleep(Duration);

pub(super) fn register(registry: &mut Registry) {
    registry.register_typed("sleep", "Waits, and makes nothing.", build);
}

fn build(config: SleepConfig) -> Result<Arc<dyn Step>, Vec<ConfigProblem>> {
    match parse_duration(&config.duration) {
        Ok(duration) => Ok(Arc::new(Sleep(duration))),
        Err(error) => {
            let hint = bowstring_core::Diagnostic::hint(&error);
            Err(vec![problem(&["duration"], error.to_string(), hint)])
        }
    }
}

impl Step for Sleep {
    fn inputs(&self) -> InputSpec {
        InputSpec::None
    }

    fn output(&self) -> Option<ValueType> {
        None
    }

    /// On a thread of its own: the timers of the asynchronous runtime are coarser than a millisecond.
    fn run(self: Arc<Self>, _inputs: Inputs, context: StepContext) -> Work {
        Work::blocking(move || {
            context.cancel.sleep(self.0)?;
            Ok(Output::default())
        })
    }
}
