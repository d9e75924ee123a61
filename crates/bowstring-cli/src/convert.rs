//! `convert`: the same table in another format.

use std::{path::Path, sync::Arc};

use bowstring::io::{Format, WriteOptions, Writer};

use crate::{
    Context,
    args::ConvertArgs,
    error::{CliError, Result},
    rows::RowWriter,
    source::open,
};

/// Copies a table. A file appears as a whole or not at all.
pub(crate) fn convert(args: &ConvertArgs, context: &Context<'_>) -> Result<()> {
    let engine = context.engine(&[])?;
    let dataset = open(&args.source, &args.read)?;
    let mut rows = engine.session().scan(Arc::new(dataset))?.stream(context.cancel)?;
    let format = args.to.map(Format::from);
    if args.target == Path::new("-") {
        let Some(format) = format else {
            return Err(CliError::usage("stdout has no name that tells a format", "say it with `--to`"));
        };
        let mut writer = RowWriter::encoded(&rows.schema(), format)?;
        for batch in &mut rows {
            writer.write(&batch?)?;
        }
        return writer.finish();
    }
    let options = WriteOptions { format, ..WriteOptions::default() };
    let mut writer = Writer::create(&args.target, &rows.schema(), &options)?;
    for batch in &mut rows {
        writer.write(&batch?)?;
    }
    context.cancel.check()?;
    writer.finish()?;
    Ok(())
}
