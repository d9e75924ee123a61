//! How does a conversation become one text? By the template that the model came with.
//!
//! Templates are Jinja's, rendered by `minijinja` as Hugging Face's `transformers` renders them with
//! Python's: blocks take the line that they stand on, strings have Python's methods, `tojson` writes what
//! Python's `json` writes, and `raise_exception` ends it all. A template is given the messages, the tools,
//! the documents, the special tokens by their parts, and what the caller adds; it can reach nothing else,
//! not even the time, and the steps that it may take have an end; the memory that they take has none but
//! the machine's. One thing is more lenient than in Python: none can be gone through, as if it were an
//! empty list.

use std::io::{self, Read as _};

use jiff::civil::DateTime;
use minijinja::{
    AutoEscape, Environment, Error as TemplateError, ErrorKind, syntax::SyntaxConfig, value::Kwargs,
};
use regex::Regex;
use serde::Serialize;
use serde_json::{Map, Value, ser::Formatter};

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

/// The most spaces by which JSON can be indented, so that a template cannot ask for all memory.
const WIDEST: usize = 64;
/// The steps that a template may take.
const FUEL: u64 = 10_000_000;

impl Tokenizer {
    /// The text of a conversation by the model's template, with its special tokens: it is to be encoded
    /// without adding them again. `messages` is a list of objects with a `role` and a `content`.
    ///
    /// # Errors
    /// [`TokenizerError::NoChatTemplate`] when there is none to use, [`TokenizerError::ChatTemplate`] when
    /// it fails or refuses, and [`TokenizerError::Option`] when both ends are asked for.
    pub fn apply_chat_template(&self, messages: &Value, options: &ChatOptions<'_>) -> Result<String> {
        if options.add_generation_prompt && options.continue_final_message {
            return Err(TokenizerError::Option {
                option: "continue_final_message",
                value: "true".to_owned(),
                expected: "the last message is continued, or an answer begun: leave `add_generation_prompt` out",
            });
        }
        let (name, template) = self.template(options)?;
        let text = render(template, messages, options, &self.config().special_tokens)
            .map_err(|error| refused(name, &error))?;
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
) -> Result<String, TemplateError> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("tojson", to_json);
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

    let template = without_generation_blocks(template)?;
    environment.render_str(&template, minijinja::value::Serde(&variables))
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

fn refused(name: &str, error: &TemplateError) -> TokenizerError {
    let mut reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    TokenizerError::ChatTemplate { name: name.to_owned(), line: error.line(), reason }
}

/// What Python's `json.dumps` writes.
fn to_json(value: &minijinja::Value, options: Kwargs) -> Result<String, TemplateError> {
    let invalid = |reason: String| TemplateError::new(ErrorKind::BadSerialization, reason);
    let indent: Option<usize> = options.get("indent")?;
    if indent.is_some_and(|indent| indent > WIDEST) {
        return Err(invalid(format!("`indent` is at most {WIDEST}")));
    }
    let separators: Option<Vec<String>> = options.get("separators")?;
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    if value.is_undefined() {
        return Err(invalid("what is undefined has no JSON".to_owned()));
    }
    let mut json = serde_json::to_value(value).map_err(|error| invalid(error.to_string()))?;
    if sorted == Some(true) {
        json.sort_all_objects();
    }
    let comma = if indent.is_some() { "," } else { ", " };
    let (item, key) = match separators.as_deref() {
        None => (comma.to_owned(), ": ".to_owned()),
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(invalid("`separators` are two".to_owned())),
    };
    let python = Python { indent, item, key, ascii: ascii == Some(true), depth: 0, filled: false };
    let mut out = Vec::new();
    json.serialize(&mut serde_json::Serializer::with_formatter(&mut out, python))
        .map_err(|error| invalid(error.to_string()))?;
    String::from_utf8(out).map_err(|error| invalid(error.to_string()))
}

/// JSON as Python writes it.
struct Python {
    indent: Option<usize>,
    item: String,
    key: String,
    ascii: bool,
    depth: usize,
    /// Whether the list or object that ends next has anything in it.
    filled: bool,
}

impl Python {
    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, mark: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(mark)
    }

    fn next<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(self.item.as_bytes())?;
        }
        self.line(writer)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, mark: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.line(writer)?;
        }
        self.filled = true;
        writer.write_all(mark)
    }

    fn line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        match self.indent {
            Some(indent) => {
                writer.write_all(b"\n")?;
                let spaces = indent.saturating_mul(self.depth) as u64;
                io::copy(&mut io::repeat(b' ').take(spaces), writer).map(drop)
            }
            None => Ok(()),
        }
    }
}

impl Formatter for Python {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        // The same digits and limits, but for how the exponent is written.
        let text = format!("{value:?}");
        match text.split_once('e') {
            Some((digits, exponent)) => match exponent.strip_prefix('-') {
                Some(exponent) => write!(writer, "{digits}e-{exponent:0>2}"),
                None => write!(writer, "{digits}e+{exponent:0>2}"),
            },
            None => writer.write_all(text.as_bytes()),
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        for c in text.chars() {
            if c.is_ascii() || !self.ascii {
                writer.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.key.as_bytes())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}
