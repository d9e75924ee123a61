//! How does a conversation become one text? By the template that the model came with.
//!
//! Templates are Jinja's, rendered by `minijinja` as Hugging Face's `transformers` renders them with
//! Python's: blocks take the line that they stand on, strings have Python's methods, `tojson` writes what
//! Python's `json` writes, and `raise_exception` ends it all. A template is given the messages, the tools,
//! the documents, the special tokens by their parts, and what the caller adds; it can reach nothing else,
//! not even the time. Its steps, its bytes and the depth of its values have limits ([`limits`]). One thing
//! is more lenient than in Python: none can be gone through, as if it were an empty list.

mod json;
mod limits;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::civil::DateTime;
use minijinja::{
    AutoEscape, Environment, Error as TemplateError, ErrorKind,
    machinery::{eval, make_string_output},
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use regex::Regex;
use serde_json::{Map, Value};

use self::limits::{Limit, Spent};

use crate::{Result, Tokenizer, TokenizerError};

/// What a template is given beside the messages.
#[derive(Clone, Debug, Default)]
pub struct ChatOptions<'a> {
    /// The name of one of the tokenizer's templates, or the text of a template. Without, it is the one
    /// named `tool_use` if there is one and there are tools, else the one named `default`.
    pub template: Option<&'a str>,
    /// Whether the text ends with what comes before an answer.
    pub add_generation_prompt: bool,
    /// Whether the text ends with the last message, for the model to go on with it.
    pub continue_final_message: bool,
    /// Descriptions of the tools that the model may call: a list.
    pub tools: Option<&'a Value>,
    /// Documents for retrieval: a list.
    pub documents: Option<&'a Value>,
    /// Further variables of the template, like `enable_thinking`.
    pub variables: Map<String, Value>,
    /// What `strftime_now` says; templates that ask for it fail without.
    pub now: Option<DateTime>,
}

impl Tokenizer {
    /// The text of a conversation by the model's template, with its special tokens: it is to be encoded
    /// without adding them again. `messages` is a list of objects with a `role` and a `content`.
    ///
    /// # Errors
    /// [`TokenizerError::NoChatTemplate`] when there is none to use, [`TokenizerError::ChatTemplate`] when
    /// it fails or refuses, [`TokenizerError::ChatTemplateLimit`] when it takes too many steps or makes too
    /// large values, and [`TokenizerError::Option`] when both ends are asked for.
    pub fn apply_chat_template(&self, messages: &Value, options: &ChatOptions<'_>) -> Result<String> {
        if options.add_generation_prompt && options.continue_final_message {
            return Err(TokenizerError::Option {
                option: "continue_final_message",
                value: "true".to_owned(),
                expected: "the last message is continued, or an answer begun: leave `add_generation_prompt` out",
            });
        }
        let (name, template) = self.template(options)?;
        let spent = Spent::default();
        let tokens = &self.config().special_tokens;
        // A few calls of methods without arguments make `minijinja` panic.
        let rendered = catch_unwind(AssertUnwindSafe(|| render(template, messages, options, tokens, &spent)));
        let rendered = rendered.unwrap_or_else(|_| {
            Err(TemplateError::new(ErrorKind::InvalidOperation, "it makes the template engine panic"))
        });
        let text = rendered.map_err(|error| refused(name, &error, spent.exceeded()))?;
        if options.continue_final_message { without_end(name, text, messages) } else { Ok(text) }
    }

    /// The template to use, and its name.
    fn template<'a>(&'a self, options: &ChatOptions<'a>) -> Result<(&'a str, &'a str)> {
        let templates = &self.config().chat_templates;
        let get = |name: &'a str| templates.get(name).map(|text| (name, text.as_str()));
        match options.template {
            Some(wanted) => Ok(get(wanted).unwrap_or(("template", wanted))),
            None => {
                options.tools.and_then(|_| get("tool_use")).or_else(|| get("default")).ok_or_else(|| {
                    TokenizerError::NoChatTemplate { names: templates.keys().cloned().collect() }
                })
            }
        }
    }
}

fn render(
    template: &str,
    messages: &Value,
    options: &ChatOptions<'_>,
    special_tokens: &std::collections::BTreeMap<String, String>,
    spent: &Spent,
) -> Result<String, TemplateError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    limits::impose(&mut environment, spent);
    let own = spent.clone();
    environment.add_filter("tojson", move |value: &minijinja::Value, options: Kwargs| {
        json::to_json(&own, value, options)
    });
    environment.add_test("iterable", |value: &minijinja::Value| !value.is_none() && value.try_iter().is_ok());
    environment.add_function("raise_exception", |message: String| -> Result<String, TemplateError> {
        Err(TemplateError::new(ErrorKind::InvalidOperation, message))
    });
    let now = options.now;
    environment.add_function("strftime_now", move |format: &str| -> Result<String, TemplateError> {
        let invalid = |reason: String| TemplateError::new(ErrorKind::InvalidOperation, reason);
        let now = now.ok_or_else(|| invalid("it asks for the time, which was not given".to_owned()))?;
        jiff::fmt::strtime::format(format, now).map_err(|error| invalid(error.to_string()))
    });

    let mut variables = Map::new();
    variables.insert("tools".to_owned(), options.tools.cloned().unwrap_or_default());
    variables.insert("documents".to_owned(), options.documents.cloned().unwrap_or_default());
    variables.insert("add_generation_prompt".to_owned(), options.add_generation_prompt.into());
    variables.insert("messages".to_owned(), messages.clone());
    variables.extend(special_tokens.iter().map(|(name, token)| (name.clone(), token.as_str().into())));
    variables.extend(options.variables.clone());

    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    let template = steps::unfolded(&without_generation_blocks(template)?, syntax.clone())?;
    let (main, blocks) = steps::compiled(&template, syntax)?;
    let mut text = String::new();
    let variables = minijinja::Value::from(Serde(&variables));
    eval(&environment, &main, variables, &blocks, &mut make_string_output(&mut text), AutoEscape::None)?;
    Ok(text)
}

/// Templates mark what the model itself says with a block of its own kind, which only matters for
/// training and changes nothing of the text.
fn without_generation_blocks(template: &str) -> Result<String, TemplateError> {
    if !template.contains("generation") {
        return Ok(template.to_owned());
    }
    let block = Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}")
        .map_err(|error| TemplateError::new(ErrorKind::SyntaxError, error.to_string()))?;
    let same = |found: &regex::Captures<'_>| {
        let kind = if found.get(2).is_some() { "endif" } else { "if true" };
        format!("{{%{} {kind} {}%}}", &found[1], &found[3])
    };
    Ok(block.replace_all(template, same).into_owned())
}

/// Cuts `text` off behind the last message.
fn without_end(name: &str, mut text: String, messages: &Value) -> Result<String> {
    let failed = |reason: &str| TokenizerError::ChatTemplate {
        name: name.to_owned(),
        line: None,
        reason: reason.to_owned(),
    };
    let last = messages.as_array().and_then(|messages| messages.last());
    let content = match last.and_then(|message| message.get("content")) {
        Some(Value::Array(parts)) => parts.iter().rev().find_map(|part| part.get("text")),
        content => content,
    };
    let content = content.and_then(Value::as_str).ok_or_else(|| failed("the last message has no text"))?;
    let start = text.rfind(content.trim()).ok_or_else(|| failed("the last message is not in its text"))?;
    // The white space at its end stays if the template left all of it.
    let kept = if text[start..].starts_with(content) { content } else { content.trim() };
    text.truncate(start + kept.len());
    Ok(text)
}

fn refused(name: &str, error: &TemplateError, exceeded: Option<Limit>) -> TokenizerError {
    let name = name.to_owned();
    let line = error.line();
    let limit = exceeded.or_else(|| (error.kind() == ErrorKind::OutOfFuel).then_some(Limit::STEPS));
    if let Some(Limit { most, what }) = limit {
        return TokenizerError::ChatTemplateLimit { name, line, most, what };
    }
    let mut reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    TokenizerError::ChatTemplate { name, line, reason }
}
