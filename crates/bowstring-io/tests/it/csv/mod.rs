mod bad;
mod options;
mod parts;
mod types;

use bowstring_io::{CsvOptions, ReadOptions};
use expect_test::Expect;

use crate::texts::shown;

fn check_with(text: impl AsRef<[u8]>, csv: CsvOptions, expected: Expect) {
    let options = ReadOptions { csv, ..ReadOptions::default() };
    expected.assert_eq(&shown("data.csv", text.as_ref(), &options));
}

fn check(text: impl AsRef<[u8]>, expected: Expect) {
    check_with(text, CsvOptions::default(), expected);
}
