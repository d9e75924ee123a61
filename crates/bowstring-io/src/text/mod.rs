//! What do CSV and NDJSON share? Bytes of a file in UTF-8, a window that moves over them, strict
//! readings of single values, and what can be wrong with a row.

pub(crate) mod column;
pub(crate) mod encode;
pub(crate) mod file;
pub(crate) mod problem;
pub(crate) mod search;
pub(crate) mod value;
pub(crate) mod window;
