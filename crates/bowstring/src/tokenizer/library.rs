//! Which tokenizer does a query mean? One that was registered under a name, or that of a file or a folder,
//! which is loaded once and again when it has changed.

use std::{
    collections::HashMap,
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bowstring_core::nearest;
use bowstring_tokenizer::{Result, Tokenizer, TokenizerError};

/// The tokenizers that queries and steps of an engine share. Clones are one library.
#[derive(Clone, Debug, Default)]
pub struct Library(Arc<Mutex<Shelves>>);

#[derive(Debug, Default)]
struct Shelves {
    registered: HashMap<String, Tokenizer>,
    cache: Option<PathBuf>,
    loaded: HashMap<PathBuf, Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// Of the file, or of the folder's `tokenizer.json`; `None` where there is neither.
    state: Option<State>,
    tokenizer: Tokenizer,
}

/// What changes when somebody writes to a file.
type State = (u64, Option<SystemTime>);

impl Library {
    /// Gives a tokenizer a name; who had it before, if anybody, is handed back.
    pub fn register(&self, name: impl Into<String>, tokenizer: Tokenizer) -> Option<Tokenizer> {
        self.shelves().registered.insert(name.into(), tokenizer)
    }

    /// Takes a name away; whoever works with its tokenizer keeps it.
    pub fn forget(&self, name: &str) -> Option<Tokenizer> {
        self.shelves().registered.remove(name)
    }

    /// Looks for models in this folder too, which is laid out like the hub's cache.
    pub fn look_in(&self, cache: PathBuf) {
        self.shelves().cache = Some(cache);
    }

    /// The tokenizer of this name as it was registered; else that of the file or folder at this path, or of the
    /// model of this name in the cache, which gives all ids of a text, whatever truncation and padding the
    /// file asks for.
    ///
    /// # Errors
    /// [`TokenizerError::NotRegistered`] or [`TokenizerError::NotHere`] when it is none of these, and what
    /// loading says.
    pub fn get(&self, name_or_path: &str) -> Result<Tokenizer> {
        let mut shelves = self.shelves();
        if let Some(tokenizer) = shelves.registered.get(name_or_path) {
            return Ok(tokenizer.clone());
        }
        let path = Path::new(name_or_path);
        let state = state(path);
        if let Some(loaded) = shelves.loaded.get(path).filter(|loaded| loaded.state == state) {
            return Ok(loaded.tokenizer.clone());
        }
        // Whoever else wants it waits here: a tokenizer is loaded once.
        let tokenizer = match Tokenizer::from_pretrained(name_or_path, shelves.cache.as_deref()) {
            Err(TokenizerError::NotHere { name }) => {
                let near = nearest(&name, shelves.registered.keys().map(String::as_str)).map(str::to_owned);
                return Err(match near {
                    Some(nearest) => TokenizerError::NotRegistered { name, nearest },
                    None => TokenizerError::NotHere { name },
                });
            }
            loaded => loaded?,
        };
        let tokenizer = tokenizer.with_truncation(None)?.with_padding(None);
        shelves.loaded.insert(path.to_owned(), Loaded { state, tokenizer: tokenizer.clone() });
        Ok(tokenizer)
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn state(path: &Path) -> Option<State> {
    let inside = path.join("tokenizer.json");
    let metadata: Metadata = inside.metadata().or_else(|_| path.metadata()).ok()?;
    Some((metadata.len(), metadata.modified().ok()))
}
