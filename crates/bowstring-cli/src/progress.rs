//! A bar on the terminal while a workflow runs.

use std::{collections::BTreeMap, io::IsTerminal, sync::Arc, time::Duration};

use bowstring::workflow::{Event, EventKind, Observer};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How many steps are done, and which are running.
pub(crate) struct Bar {
    bar: ProgressBar,
    running: BTreeMap<Arc<str>, Option<String>>,
}

impl Bar {
    /// `None` where stderr is no terminal.
    pub(crate) fn on_terminal() -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {pos}/{len} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Some(Self { bar, running: BTreeMap::new() })
    }

    fn running(&self) -> String {
        let steps = self.running.iter().map(|(step, progress)| match progress {
            Some(progress) => format!("{step} ({progress})"),
            None => step.to_string(),
        });
        steps.collect::<Vec<_>>().join(", ")
    }
}

impl Observer for Bar {
    fn observe(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunStarted { total_steps, .. } => self.bar.set_length(*total_steps as u64),
            EventKind::StepStarted { step, .. } => {
                self.running.insert(Arc::clone(step), None);
            }
            EventKind::StepProgress { step, done, unit, .. } => {
                self.running.insert(Arc::clone(step), Some(format!("{} {unit}", HumanCount(*done))));
            }
            EventKind::StepRetried { step, attempt, .. } => {
                self.running.insert(Arc::clone(step), Some(format!("attempt {attempt} failed")));
            }
            EventKind::StepFinished { step, .. } => {
                self.running.remove(step);
                self.bar.inc(1);
            }
            EventKind::RunFinished { .. } => self.bar.finish_and_clear(),
            _ => {}
        }
        self.bar.set_message(self.running());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
