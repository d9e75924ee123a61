//! `sql`: a query over files.

use std::{io::Read, path::PathBuf, sync::Arc};

use bowstring::{
    io::{Dataset, ReadOptions},
    query::{Frame, referenced_tables},
};

use crate::{
    Context,
    args::SqlArgs,
    error::{CliError, Result},
    rows::RowWriter,
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
    let tables: Vec<(String, Frame)> = referenced_tables(&query)?
        .into_iter()
        .map(|name| {
            let dataset = Dataset::open(&[PathBuf::from(&name)], &ReadOptions::default())?;
            let frame = engine.session().scan(Arc::new(dataset))?;
            Ok((name, frame))
        })
        .collect::<Result<_>>()?;
    let mut rows = engine.session().sql(&query, &tables)?.stream(context.cancel)?;
    let mut writer = RowWriter::new(&rows.schema(), args.format)?;
    for batch in &mut rows {
        writer.write(&batch?)?;
    }
    writer.finish()
}
