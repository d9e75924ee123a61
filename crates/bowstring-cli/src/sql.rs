//! `sql`: a query over files.

use std::{io::Read, path::PathBuf, sync::Arc};

use bowstring::{
    io::{Dataset, Format},
    query::{Frame, referenced_tables},
};

use crate::{
    Context,
    args::SqlArgs,
    error::{CliError, Result},
    rows::RowWriter,
    source::{delimited, not_csv},
};

/// Runs a query, whose tables are paths, and writes its rows.
pub(crate) fn sql(args: &SqlArgs, context: &Context<'_>) -> Result<()> {
    let query = match args.query.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| CliError::file("read", "-".as_ref(), error))?;
            text
        }
        query => query.to_owned(),
    };
    let engine = context.engine(&[])?;
    let options = delimited(args.delimiter);
    let (mut tables, mut has_csv): (Vec<(String, Frame)>, _) = (Vec::new(), false);
    for name in referenced_tables(&query)? {
        let dataset = Dataset::open(&[PathBuf::from(&name)], &options)?;
        has_csv |= dataset.format() == Format::Csv;
        tables.push((name, engine.session().scan(Arc::new(dataset))?));
    }
    if args.delimiter.is_some() && !has_csv {
        return Err(not_csv("the query reads none"));
    }
    let mut rows = engine.session().sql(&query, &tables)?.stream(context.cancel)?;
    let mut writer = RowWriter::new(&rows.schema(), args.format)?;
    for batch in &mut rows {
        writer.write(&batch?)?;
    }
    writer.finish()
}
