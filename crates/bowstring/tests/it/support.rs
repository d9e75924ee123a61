//! Folders with tables, documents over them, and results printed as text.

use std::path::PathBuf;

use arrow::{array::RecordBatch, util::pretty::pretty_format_batches};
use bowstring::{
    Cancel, Engine, EngineOptions, Relation,
    io::{WriteOptions, Writer},
    render,
    workflow::{Document, Finished, Keep, Params, Report, RunOptions},
};
pub(crate) use bowstring_testing::{ints, names, people, table, text};
use tempfile::TempDir;

/// A folder, an engine of two threads, and documents in which `${dir}` is the folder.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) engine: Engine,
}

impl Bench {
    /// With `people.parquet` and `pets.parquet`.
    pub(crate) fn new() -> Self {
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
            engine: Engine::new(&EngineOptions { threads: 2, memory: None }).unwrap(),
        };
        let pets = table(&[
            ("pet", text(&[Some("rex"), Some("tom"), Some("flo")])),
            ("owner", text(&[Some("bob"), Some("ann"), Some("zoe")])),
        ]);
        bench.parquet("people.parquet", &people());
        bench.parquet("pets.parquet", &pets);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn parquet(&self, name: &str, batch: &RecordBatch) {
        let mut writer = Writer::create(&self.path(name), &batch.schema(), &WriteOptions::default()).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    }

    /// The document of these steps, and its parameter `dir`.
    pub(crate) fn document(&self, steps: &str) -> (Document, Params) {
        let head = "name: test\nparams: {dir: {type: path, default: \".\"}}\nsteps:\n";
        let document = Document::parse("test.yaml", &format!("{head}{steps}")).unwrap();
        let params = Params::new().value("dir", self.dir.path().display().to_string().into());
        (document, params)
    }

    pub(crate) fn run(&self, steps: &str) -> Finished {
        self.run_keeping(steps, Keep::Leaves)
    }

    pub(crate) fn run_keeping(&self, steps: &str, keep: Keep) -> Finished {
        let (document, params) = self.document(steps);
        let workflow = self.engine.validate(&document, &params).unwrap();
        self.engine.run(&workflow, RunOptions { keep, ..RunOptions::default() }).unwrap()
    }

    /// What a step puts out, or how the run ended, or what is wrong with the document.
    pub(crate) fn shown(&self, steps: &str, step: &str) -> String {
        let (document, params) = self.document(steps);
        let text = match self.engine.validate(&document, &params) {
            Err(problems) => render(&problems),
            Ok(workflow) => {
                let finished = self.engine.run(&workflow, RunOptions::default()).unwrap();
                match &finished.report.error {
                    None => rows(&finished, step),
                    Some(_) => ending(&finished.report),
                }
            }
        };
        self.masked(&text)
    }

    /// The text without the folder's name, which is another one in each run.
    pub(crate) fn masked(&self, text: &str) -> String {
        text.replace(&self.dir.path().display().to_string(), "DIR")
    }
}

/// The rows of a kept step.
pub(crate) fn rows(finished: &Finished, step: &str) -> String {
    let relation = finished.output(step).unwrap().downcast::<Relation>().unwrap();
    let table = relation.frame.collect(&Cancel::new()).unwrap().table;
    pretty_format_batches(table.batches()).unwrap().to_string()
}

/// How a run ended that did not complete.
pub(crate) fn ending(report: &Report) -> String {
    let Some(failure) = &report.error else { return "completed".into() };
    let hint = failure.error.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!(
        "exit {}: step `{}` ({}): {}{hint}",
        report.exit_code(),
        failure.step,
        failure.error.kind,
        failure.error.message
    )
}
