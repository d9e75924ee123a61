//! Newline-delimited JSON to Arrow and back.

mod write;

pub(crate) use write::JsonEncoder;
