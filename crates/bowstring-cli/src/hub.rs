//! Where does Hugging Face's library keep the models that it has downloaded?

use std::{env, path::PathBuf};

/// The folder of the cache, by the variables that `huggingface_hub` reads; `None` where there is no home.
pub fn hub_cache() -> Option<PathBuf> {
    let folder = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || {
        let cache = folder("XDG_CACHE_HOME").or_else(|| Some(env::home_dir()?.join(".cache")))?;
        Some(cache.join("huggingface"))
    };
    folder("HF_HUB_CACHE").or_else(|| Some(folder("HF_HOME").or_else(home)?.join("hub")))
}
