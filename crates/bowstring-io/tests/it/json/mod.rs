//! Reading newline-delimited JSON.

mod bad;
mod options;
mod parts;
mod types;
mod values;

use bowstring_io::{JsonOptions, ReadOptions};
use expect_test::Expect;

use crate::texts::shown;

fn check_with(text: impl AsRef<[u8]>, json: JsonOptions, expected: Expect) {
    let options = ReadOptions { json, ..ReadOptions::default() };
    expected.assert_eq(&shown("data.ndjson", text.as_ref(), &options));
}

fn check(text: impl AsRef<[u8]>, expected: Expect) {
    check_with(text, JsonOptions::default(), expected);
}
