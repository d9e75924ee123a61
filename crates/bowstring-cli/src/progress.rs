//! A bar on the terminal while a workflow runs, or something is done many times.

use std::{collections::BTreeMap, io::IsTerminal, sync::Arc, time::Duration};

use bowstring::workflow::{Event, EventKind, Observer};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::grid::printable;

/// How many steps are done, and which are running.
pub(crate) struct Bar {
    bar: ProgressBar,
    running: BTreeMap<Arc<str>, Option<String>>,
}

impl Bar {
    /// `None` where stderr is no terminal.
    pub(crate) fn on_terminal() -> Option<Self> {
        Some(Self { bar: bar()?, running: BTreeMap::new() })
    }

    fn running(&self) -> String {
        let steps = self.running.iter().map(|(step, progress)| match progress {
            Some(progress) => format!("{step} ({progress})"),
            None => step.to_string(),
        });
        steps.collect::<Vec<_>>().join(", ")
    }
}

/// A bar; `None` where stderr is no terminal.
fn bar() -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{elapsed:>4} {bar:24} {pos}/{len} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    Some(bar)
}

/// How many of some things are done, and which was the last.
pub(crate) struct Count(ProgressBar);

impl Count {
    /// `None` where stderr is no terminal.
    pub(crate) fn on_terminal() -> Option<Self> {
        bar().map(Self)
    }

    /// Shows that `done` of `count` things are done.
    pub(crate) fn show(&mut self, done: usize, count: usize, last: &str) {
        self.0.set_length(count as u64);
        self.0.set_position(done as u64);
        self.0.set_message(printable(last));
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.finish_and_clear();
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
