//! What is a workflow document before it is checked?

use bowstring_core::quoted_list;
use serde_json::Value as Json;

use crate::{
    Registry, Workflow,
    fields::Fields,
    params::{self, Params},
    parse::parse,
    problem::{Location, Problem, Problems, Sink},
    tree::{Budget, Kind, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Spot},
    validate::{self, Limits},
};

/// A workflow document that has been read, with the place of every value, but not yet checked. Made
/// from YAML or JSON text, from a value (a Python dict), or by a [`Builder`](crate::Builder).
#[derive(Clone, Debug)]
pub struct Document {
    source: String,
    root: Node,
    /// What was wrong with the text, but did not keep it from being read.
    problems: Sink,
}

impl Document {
    /// Reads YAML 1.2, of which JSON is a part. `source` is the text's name in messages. Keys that
    /// stand twice and values that YAML does not know are told by [`validate`](Self::validate),
    /// together with all other problems.
    ///
    /// # Errors
    /// The one problem after which reading cannot go on: text that is not YAML, more than one
    /// document, nesting of more than 64 levels, or a size of more than 8 MiB or a million values
    /// once aliases are filled in.
    pub fn parse(source: &str, text: &str) -> Result<Self, Problems> {
        let mut problems = Sink::default();
        let root = parse(source, text, &mut problems)?;
        Ok(Self { source: source.to_owned(), root, problems })
    }

    /// Takes a value as a document. Problems are then placed by path, as `steps[1].config.query`.
    ///
    /// # Errors
    /// A problem when it is nested more than 64 levels deep, or has more than a million values or
    /// 8 MiB of text.
    pub fn from_value(value: &Json) -> Result<Self, Problems> {
        let refuse = |message: String| {
            let location = Location::default();
            Problems::from(Problem { location, message, hint: None })
        };
        let root = Node::from_json(value, MAX_DEPTH, &mut 0).ok_or_else(|| {
            refuse(format!("lists and mappings are nested more than {MAX_DEPTH} levels deep"))
        })?;
        if !Budget::default().take(&root) {
            return Err(refuse(format!(
                "the document has more than {MAX_NODES} values or {MAX_BYTES} bytes"
            )));
        }
        Ok(Self { source: String::new(), root, problems: Sink::default() })
    }

    /// The declared parameters, in the order of declaration; those whose declaration is wrong are
    /// left to [`validate`](Self::validate).
    pub fn params(&self) -> Vec<Parameter> {
        let Kind::Map(entries) = &self.root.kind else { return Vec::new() };
        let declarations = entries.iter().find(|entry| entry.key == "params");
        declarations.map_or_else(Vec::new, |entry| params::declared(&entry.value))
    }

    /// Checks the whole document and builds its steps.
    ///
    /// # Errors
    /// All problems at once: those of given parameters first, then in the order of the document.
    pub fn validate(
        &self,
        registry: &Registry,
        params: &Params,
        limits: &Limits,
    ) -> Result<Workflow, Problems> {
        let mut sink = self.problems.clone();
        let spot = Spot::root(&self.source, self.root.mark);
        let workflow = validate::workflow(&self.root, &spot, registry, params, limits, &mut sink);
        if workflow.is_none() && sink.len() == 0 {
            // A value that could not be read is told where it was read, so this is not reached; but
            // no result without a reason may ever be given.
            spot.report(&mut sink, "the document could not be read", None);
        }
        sink.finish(workflow)
    }
}

/// A parameter that a document declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as in `${name}`.
    pub name: String,
    /// `string`, `int`, `float`, `bool`, `path` or `list`.
    pub kind: &'static str,
    /// Its value when none is given; `None` when one must be given.
    pub default: Option<Json>,
    /// What it is for.
    pub description: Option<String>,
}

/// The keys of a document.
pub(crate) const KEYS: [&str; 5] = ["version", "name", "description", "params", "steps"];

/// The version that is read.
pub(crate) const VERSION: u64 = 1;

/// Reads `version`, `name` and `description`; gives name and description.
pub(crate) fn head<'a>(fields: &Fields<'a>, sink: &mut Sink) -> (Option<&'a str>, Option<&'a str>) {
    if let Some((node, spot)) = fields.get("version") {
        let is_known = matches!(&node.kind, Kind::Number(number) if number.as_u64() == Some(VERSION));
        if !is_known && !matches!(node.kind, Kind::Unresolved) {
            let message = format!("{} is not a version of workflow documents", node.describe());
            spot.report(sink, message, Some(format!("write `version: {VERSION}`, or leave it out")));
        }
    }
    let name = fields.text("name", sink);
    if let (Some(name), Some((_, spot))) = (name, fields.get("name")) {
        check_name(name, "workflow", &spot, sink);
    }
    (name, fields.text("description", sink))
}

/// Checks that a name can be shown in one line and typed on a command line.
pub(crate) fn check_name(name: &str, what: &str, spot: &Spot<'_>, sink: &mut Sink) {
    const LONGEST: usize = 200;
    let wrong = if name.is_empty() {
        "is empty".to_owned()
    } else if name.trim() != name {
        "begins or ends with a space".to_owned()
    } else if name.chars().any(char::is_control) {
        "has a line break or another control character".to_owned()
    } else if name.chars().count() > LONGEST {
        format!("is longer than {LONGEST} characters")
    } else {
        return;
    };
    spot.report(sink, format!("the name of the {what} {wrong}"), None);
}

/// Where a mapping lacks a key that it must have.
pub(crate) fn missing(what: &str, key: &str, spot: &Spot<'_>, sink: &mut Sink) {
    spot.report(sink, format!("{what} needs {}", quoted_list([key])), None);
}
