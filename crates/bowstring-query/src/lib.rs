//! Lazy frames and SQL.
