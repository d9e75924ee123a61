//! Where is a tokenizer found? In a file, in the folder of a model, or in the local cache of models;
//! never on the network.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{Result, Tokenizer, TokenizerError};

/// What the folder of a model says of its tokenizer beside the `tokenizer.json`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The template that turns a conversation into a text, by its name; the one without a name is
    /// `default`.
    pub chat_templates: BTreeMap<String, String>,
    /// The tokens with a part to play, like `pad_token` and `eos_token`, by it.
    pub special_tokens: BTreeMap<String, String>,
    /// The most tokens that the model takes.
    pub model_max_length: Option<usize>,
}

impl Tokenizer {
    /// The tokenizer in the folder of a model: its `tokenizer.json`, with what `tokenizer_config.json`,
    /// `special_tokens_map.json` and `chat_template.jinja` say, where they are there.
    ///
    /// # Errors
    /// [`TokenizerError::NoTokenizer`] when there is none; [`TokenizerError::System`] when a file cannot be
    /// read; [`TokenizerError::Malformed`] with the file and the field.
    pub fn from_directory(path: impl AsRef<Path>) -> Result<Self> {
        let folder = path.as_ref();
        let file = folder.join("tokenizer.json");
        if !file.is_file() {
            if !folder.is_dir() {
                let source = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(TokenizerError::System { path: folder.to_owned(), source });
            }
            return Err(TokenizerError::NoTokenizer { path: folder.to_owned() });
        }
        let tokenizer = Self::from_file(file)?;
        Ok(tokenizer.with_config(read_config(folder)?))
    }

    /// The tokenizer of a file (SentencePiece's if its name ends in `.model`), of the folder of a model, or of a model in the `cache`, which is laid out
    /// like the hub's: `models--ORGANISATION--NAME/snapshots/REVISION/`. Nothing is ever downloaded.
    ///
    /// # Errors
    /// [`TokenizerError::NotHere`] when it is none of these, and those of [`Self::from_file`] and
    /// [`Self::from_directory`].
    pub fn from_pretrained(path_or_name: &str, cache: Option<&Path>) -> Result<Self> {
        let path = Path::new(path_or_name);
        if path.is_dir() {
            return Self::from_directory(path);
        }
        if path.is_file() {
            let is_model = path.extension().is_some_and(|ending| ending == "model");
            return if is_model { Self::from_sentencepiece(path) } else { Self::from_file(path) };
        }
        match cache.and_then(|cache| snapshot(cache, path_or_name)) {
            Some(folder) => Self::from_directory(folder),
            None => Err(TokenizerError::NotHere { name: path_or_name.to_owned() }),
        }
    }
}

/// The folder of the newest revision of a model in the cache: the one that `refs/main` names, else the
/// only one with a tokenizer.
fn snapshot(cache: &Path, name: &str) -> Option<PathBuf> {
    let names_a_model = name.split('/').count() <= 2
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains('\\'));
    if !names_a_model {
        return None;
    }
    let model = cache.join(format!("models--{}", name.replace('/', "--")));
    let snapshots = model.join("snapshots");
    if let Ok(revision) = fs::read_to_string(model.join("refs").join("main")) {
        let folder = snapshots.join(revision.trim());
        if folder.join("tokenizer.json").is_file() {
            return Some(folder);
        }
    }
    let mut folders: Vec<PathBuf> = (fs::read_dir(snapshots).ok()?)
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|folder| folder.join("tokenizer.json").is_file())
        .collect();
    folders.sort();
    if folders.len() == 1 { folders.pop() } else { None }
}

fn read_config(folder: &Path) -> Result<Config> {
    let mut config = Config::default();
    for what in ["special_tokens_map.json", "tokenizer_config.json"] {
        let path = folder.join(what);
        let Some(text) = read(&path)? else { continue };
        let malformed = |field: Option<&str>, reason: String| TokenizerError::Malformed {
            what,
            path: Some(path.clone()),
            field: field.map(str::to_owned),
            reason,
        };
        let value: Value =
            serde_json::from_slice(&text).map_err(|error| malformed(None, error.to_string()))?;
        let Value::Object(fields) = value else {
            return Err(malformed(None, "an object is needed".to_owned()));
        };
        for (name, value) in &fields {
            match (name.as_str(), value) {
                ("chat_template", Value::String(template)) => {
                    config.chat_templates.insert("default".to_owned(), template.clone());
                }
                ("chat_template", Value::Array(templates)) => {
                    for template in templates {
                        let text = |key: &str| template.get(key).and_then(Value::as_str).map(str::to_owned);
                        let (Some(name), Some(text)) = (text("name"), text("template")) else {
                            let reason = "each of a list has a `name` and a `template`".to_owned();
                            return Err(malformed(Some("chat_template"), reason));
                        };
                        config.chat_templates.insert(name, text);
                    }
                }
                ("model_max_length", Value::Number(number)) => {
                    // Models without a limit say 10³⁰.
                    config.model_max_length = number.as_u64().and_then(|length| usize::try_from(length).ok());
                }
                (name, value) if name.ends_with("_token") => {
                    let content = value.as_str().or_else(|| value.get("content").and_then(Value::as_str));
                    if let Some(content) = content {
                        config.special_tokens.insert(name.to_owned(), content.to_owned());
                    }
                }
                _ => {}
            }
        }
    }
    if let Some(template) = read(&folder.join("chat_template.jinja"))? {
        let path = || folder.join("chat_template.jinja");
        let text = String::from_utf8(template).map_err(|error| TokenizerError::Malformed {
            what: "chat_template.jinja",
            path: Some(path()),
            field: None,
            reason: error.to_string(),
        })?;
        config.chat_templates.insert("default".to_owned(), text);
    }
    Ok(config)
}

/// The bytes of a file; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TokenizerError::System { path: path.to_owned(), source }),
    }
}
