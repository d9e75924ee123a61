//! How is a file opened as the flags say?

use std::path::Path;

use bowstring::io::{CsvOptions, Dataset, Format, ReadOptions};

use crate::{
    args::SourceArgs,
    error::{CliError, Result},
};

/// Opens what `path` stands for.
pub(crate) fn open(path: &Path, args: &SourceArgs) -> Result<Dataset> {
    let options = ReadOptions { format: args.from.map(Format::from), ..delimited(args.delimiter) };
    let dataset = Dataset::open(&[path.to_owned()], &options)?;
    match args.delimiter {
        Some(_) if dataset.format() != Format::Csv => {
            Err(not_csv(&format!("`{}` is {}", path.display(), dataset.format().name())))
        }
        _ => Ok(dataset),
    }
}

/// Options of the readers, with this character between the values of CSV.
pub(crate) fn delimited(delimiter: Option<u8>) -> ReadOptions {
    ReadOptions { csv: CsvOptions { delimiter, ..CsvOptions::default() }, ..ReadOptions::default() }
}

/// Refuses a delimiter where no CSV is read.
pub(crate) fn not_csv(what: &str) -> CliError {
    CliError::usage(format!("`--delimiter` is for CSV, and {what}"), "leave it out")
}
