//! How is a document made in code?

use serde_json::{Map, Value as Json, json};

use crate::{document::Document, problem::Problems};

/// Makes a [`Document`] step by step. Nothing is checked before the document is validated, which is
/// done as for one that was read.
///
/// ```
/// use bowstring_workflow::{Builder, StepBuilder};
/// use serde_json::json;
///
/// let document = Builder::new("pipeline")
///     .param("threshold", json!({"type": "int", "default": 100}))
///     .step(StepBuilder::new("data", "read").config(json!({"path": "data.parquet"})))
///     .step(
///         StepBuilder::new("large", "filter")
///             .config(json!({"query": "value > ${threshold}"}))
///             .input("data"),
///     )
///     .document()?;
/// # Ok::<(), bowstring_workflow::Problems>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    fields: Map<String, Json>,
    params: Map<String, Json>,
    steps: Vec<Json>,
}

impl Builder {
    /// A workflow without steps.
    pub fn new(name: impl Into<String>) -> Self {
        let fields = Map::from_iter([("name".to_owned(), Json::String(name.into()))]);
        Self { fields, params: Map::new(), steps: Vec::new() }
    }

    /// Says what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.fields.insert("description".to_owned(), Json::String(description.into()));
        self
    }

    /// Declares a parameter: `{type, default, description}`. One of the same name is replaced.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, declaration: Json) -> Self {
        self.params.insert(name.into(), declaration);
        self
    }

    /// Adds a step after the others.
    #[must_use]
    pub fn step(mut self, step: StepBuilder) -> Self {
        self.steps.push(Json::Object(step.0));
        self
    }

    /// The document.
    ///
    /// # Errors
    /// As [`Document::from_value`].
    pub fn document(self) -> Result<Document, Problems> {
        let mut fields = self.fields;
        if !self.params.is_empty() {
            fields.insert("params".to_owned(), Json::Object(self.params));
        }
        fields.insert("steps".to_owned(), Json::Array(self.steps));
        Document::from_value(&Json::Object(fields))
    }
}

/// One step for a [`Builder`]. Of two values for one field the later one counts.
#[derive(Clone, Debug)]
pub struct StepBuilder(Map<String, Json>);

impl StepBuilder {
    /// A step of this name and type.
    pub fn new(name: impl Into<String>, step_type: impl Into<String>) -> Self {
        Self(Map::new()).field("name", name.into()).field("type", step_type.into())
    }

    /// Its config: a mapping.
    #[must_use]
    pub fn config(self, config: Json) -> Self {
        self.field("config", config)
    }

    /// The steps that it waits for.
    #[must_use]
    pub fn depends_on<S: Into<String>>(self, steps: impl IntoIterator<Item = S>) -> Self {
        let steps: Vec<String> = steps.into_iter().map(Into::into).collect();
        self.field("depends_on", json!(steps))
    }

    /// The step from which its one input comes.
    #[must_use]
    pub fn input(self, step: impl Into<String>) -> Self {
        self.field("input", step.into())
    }

    /// The steps from which its inputs come, by input name: `json!({"left": "a", "right": "b"})`.
    #[must_use]
    pub fn inputs(self, inputs: Json) -> Self {
        self.field("inputs", inputs)
    }

    /// Any field by its name in the document, as `timeout` or `retry`.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }
}
