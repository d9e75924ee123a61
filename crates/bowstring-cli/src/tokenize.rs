//! `tokenize`: the ids of a column of text, of lines, or of one text.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Stdout, Write, stdin, stdout},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt32Type},
};
use bowstring::{
    Error,
    io::{Format, IoError, WriteOptions, Writer},
    query::{Frame, Table},
    tokenizer::Tokenization,
};

use crate::{
    Context,
    args::{TableFormat, TokenizeArgs},
    error::{CliError, Result},
    rows::RowWriter,
    source::open,
};

/// Lines are taken together until they are so many, or so many bytes.
const LINES: usize = 8192;
const BYTES: usize = 4 << 20;

/// Tokenises what the arguments name; how much it was goes to stderr.
pub(crate) fn tokenize(args: &TokenizeArgs, context: &Context<'_>) -> Result<()> {
    let engine = context.engine(&[])?;
    // What is wrong with it is said before any table is opened.
    engine.tokenizers().get(&args.tokenizer)?;
    let tokenization = Tokenization {
        tokenizer: args.tokenizer.clone(),
        column: args.column.clone(),
        output: args.name().to_owned(),
        count: args.count,
        add_special_tokens: !args.no_special_tokens,
        max_length: args.max_length.map(|length| length as usize),
    };
    let mut work = Work { args, context, tokenization, to: None, rows: 0, tokens: 0 };
    match (&args.input, args.lines) {
        (None, _) => {
            let session = engine.session();
            work.block(&args.text, |table| Ok(session.table(&table)?))?;
        }
        (Some(path), true) => {
            let mut lines = Lines::open(path)?;
            // The first block, empty as it may be, brings the header.
            let mut first = true;
            loop {
                let block = lines.block()?;
                if block.is_empty() && !first {
                    break;
                }
                first = false;
                work.block(&block, |table| Ok(engine.session().table(&table)?))?;
            }
        }
        (Some(path), false) => {
            let dataset = open(path, &args.reading).map_err(|error| match error {
                CliError::Engine(Error::Io(error @ IoError::UnknownFormat { .. })) => {
                    let hint = "`--lines` takes each line as a text; `--from` names the format of a table";
                    CliError::usage(error.to_string(), hint)
                }
                other => other,
            })?;
            let frame = engine.session().scan(Arc::new(dataset))?;
            work.table(&frame).map_err(|error| match error {
                CliError::Engine(error) => CliError::Engine(error.at(path)),
                other => other,
            })?;
        }
    }
    work.finish()
}

/// A command that runs: what it was asked for, where it writes, and what it has written.
struct Work<'a> {
    args: &'a TokenizeArgs,
    context: &'a Context<'a>,
    tokenization: Tokenization,
    to: Option<Target>,
    rows: u64,
    tokens: u64,
}

impl Work<'_> {
    /// Tokenises some texts.
    fn block(&mut self, texts: &[String], frame: impl FnOnce(Table) -> Result<Frame>) -> Result<()> {
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let schema = Arc::new(Schema::new(vec![Field::new(&self.args.column, DataType::Utf8, false)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column])
            .map_err(|error| CliError::Unprintable(error.to_string()))?;
        self.table(&frame(Table::new(schema, vec![batch])?)?)
    }

    /// Tokenises the rows of a plan.
    fn table(&mut self, frame: &Frame) -> Result<()> {
        let tokenized = self.tokenization.beside(frame, self.args.keep.as_deref())?;
        let mut rows = tokenized.stream(self.context.cancel)?;
        let schema = rows.schema();
        let index = schema.index_of(&self.tokenization.output).unwrap_or_default();
        if self.to.is_none() {
            self.to = Some(Target::of(self.args, &schema)?);
        }
        for batch in &mut rows {
            let batch = batch?;
            self.rows += batch.num_rows() as u64;
            self.tokens += tokens(batch.column(index));
            if let Some(to) = &mut self.to {
                to.write(&batch, index)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.context.cancel.check()?;
        if let Some(to) = self.to {
            to.finish()?;
        }
        let mut stderr = io::stderr().lock();
        // Nobody is left to tell when stderr is closed.
        let _unread = writeln!(stderr, "rows: {}\ntokens: {}", self.rows, self.tokens);
        Ok(())
    }
}

/// How many ids a column has: of lists, or of counts.
fn tokens(column: &ArrayRef) -> u64 {
    match column.as_list_opt::<i32>() {
        Some(lists) => {
            let offsets = lists.value_offsets();
            let ends = offsets.first().zip(offsets.last());
            ends.and_then(|(first, last)| u64::try_from(last - first).ok()).unwrap_or_default()
        }
        None => {
            let counts = column.as_primitive::<Int64Type>().iter().flatten();
            counts.filter_map(|count| u64::try_from(count).ok()).sum()
        }
    }
}

/// Where the rows go.
enum Target {
    File(Box<Writer>),
    Rows(RowWriter),
    /// One line for each text: its ids, or how many they are.
    Plain(BufWriter<Stdout>),
}

impl Target {
    fn of(args: &TokenizeArgs, schema: &SchemaRef) -> Result<Self> {
        let is_text = args.input.is_none() || args.lines;
        Ok(match (&args.output, args.format) {
            (Some(path), _) => {
                let options = WriteOptions { format: args.to.map(Format::from), ..WriteOptions::default() };
                Target::File(Box::new(Writer::create(path, schema, &options)?))
            }
            (None, None) if is_text => Target::Plain(BufWriter::new(stdout())),
            (None, format) => Target::Rows(RowWriter::new(schema, format.unwrap_or(TableFormat::Table))?),
        })
    }

    fn write(&mut self, batch: &RecordBatch, index: usize) -> Result<()> {
        match self {
            Target::File(writer) => Ok(writer.write(batch)?),
            Target::Rows(writer) => writer.write(batch),
            Target::Plain(out) => plain(out, batch.column(index)).map_err(CliError::Stdout),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Target::File(writer) => {
                writer.finish()?;
                Ok(())
            }
            Target::Rows(writer) => writer.finish(),
            Target::Plain(mut out) => out.flush().map_err(CliError::Stdout),
        }
    }
}

fn plain(out: &mut dyn Write, column: &ArrayRef) -> io::Result<()> {
    let Some(lists) = column.as_list_opt::<i32>() else {
        return column
            .as_primitive::<Int64Type>()
            .iter()
            .flatten()
            .try_for_each(|count| writeln!(out, "{count}"));
    };
    for list in lists.iter().flatten() {
        for (place, id) in list.as_primitive::<UInt32Type>().values().iter().enumerate() {
            if place > 0 {
                out.write_all(b" ")?;
            }
            write!(out, "{id}")?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The lines of a file or of stdin.
struct Lines {
    from: Box<dyn BufRead>,
    name: String,
    read: usize,
}

impl Lines {
    fn open(path: &Path) -> Result<Self> {
        let from: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(path).map_err(|error| CliError::file("open", path, error))?))
        };
        Ok(Self { from, name: path.display().to_string(), read: 0 })
    }

    /// The next lines, without their ends; none when there are no more.
    fn block(&mut self) -> Result<Vec<String>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < LINES && bytes < BYTES {
            let mut line = Vec::new();
            let read = self.from.read_until(b'\n', &mut line);
            if read.map_err(|error| CliError::file("read", self.name.as_ref(), error))? == 0 {
                break;
            }
            if line.ends_with(b"\n") {
                line.pop();
                if line.ends_with(b"\r") {
                    line.pop();
                }
            }
            bytes += line.len();
            self.read += 1;
            let line = String::from_utf8(line).map_err(|error| CliError::LineNotText {
                path: self.name.clone().into(),
                line: self.read,
                bytes: error.utf8_error().valid_up_to(),
            })?;
            lines.push(line);
        }
        Ok(lines)
    }
}
