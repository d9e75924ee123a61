//! The command line, as a library, so that the Python package ships the same command.
//! Data goes to stdout, everything else to stderr.

mod args;
mod convert;
mod error;
mod events;
mod graph;
mod grid;
mod host;
mod hub;
mod meta;
mod progress;
mod quant;
mod reference;
mod report;
mod rows;
mod signals;
mod source;
mod sql;
mod tables;
mod tokenize;
mod workflows;

use std::{
    ffi::OsString,
    io::{self, BufWriter, IsTerminal, Write},
    ops::Deref,
    time::Duration,
};

use bowstring::{Cancel, Diagnostic, Engine, EngineOptions, ErrorKind};
use clap::{CommandFactory, Parser};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    args::{Cli, Command},
    error::Result,
    signals::Signals,
};

pub use crate::{
    error::CliError,
    host::{Host, Native},
    hub::hub_cache,
};

/// Runs the command that `args` (the program's name first) stand for, and returns the exit code.
/// SIGINT and SIGTERM are handled from here on: the first asks the work to stop, the second ends
/// the process at once.
pub fn main<I, T>(args: I, host: &dyn Host) -> u8
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed to stdout, which may have been closed: nothing is lost.
            let _reader_left = error.print();
            return if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 };
        }
    };
    log_to_stderr();
    let signals = Signals::listen();
    match dispatch(cli, host, &signals.cancel) {
        Ok(()) => 0,
        Err(error) if error.is_closed_pipe() => 0,
        Err(error) => {
            complain(&error);
            match error.kind() {
                ErrorKind::Cancelled => signals.exit_code().unwrap_or(ErrorKind::Cancelled.exit_code()),
                kind => kind.exit_code(),
            }
        }
    }
}

/// What every command has at hand.
struct Context<'a> {
    options: EngineOptions,
    host: &'a dyn Host,
    cancel: &'a Cancel,
}

impl Context<'_> {
    /// An engine that has the step types of these modules too.
    fn engine(&self, modules: &[String]) -> Result<ClosedAtLast> {
        let mut engine = ClosedAtLast(Engine::new(&self.options)?);
        if let Some(cache) = hub_cache() {
            engine.tokenizers().look_in(cache);
        }
        if !modules.is_empty() {
            self.host.import(modules, &mut engine.0)?;
        }
        Ok(engine)
    }
}

/// The longest wait for queries that were stopped: they notice at their next batch.
const STOP: Duration = Duration::from_secs(2);

/// An engine whose queries have ended when the command does, so that the process leaves no spilled data
/// behind.
struct ClosedAtLast(Engine);

impl Deref for ClosedAtLast {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl Drop for ClosedAtLast {
    fn drop(&mut self) {
        self.0.session().close(STOP);
    }
}

fn dispatch(cli: Cli, host: &dyn Host, cancel: &Cancel) -> Result<()> {
    let context = Context {
        options: EngineOptions {
            threads: cli.threads.map_or(0, usize::from),
            memory: cli.memory.map(bowstring::ByteSize::bytes),
        },
        host,
        cancel,
    };
    match cli.command {
        Command::Run(args) => workflows::run(&args, &context),
        Command::Plan(args) => workflows::plan(&args, &context),
        Command::Validate(args) => workflows::validate(&args, &context),
        Command::GraphView(args) => workflows::graph_view(&args, &context),
        Command::Sql(args) => sql::sql(&args, &context),
        Command::Schema(args) => tables::schema(&args),
        Command::Meta(args) => meta::meta(&args),
        Command::Graph { command } => graph::graph(&command, &context),
        Command::Head(args) => tables::head(&args, cancel),
        Command::Tokenize(args) => tokenize::tokenize(&args, &context),
        Command::Quantize(args) => quant::quantize(&args, &context),
        Command::Inspect(args) => quant::inspect(&args, &context),
        Command::Convert(args) => convert::convert(&args, &context),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "bowstring", &mut script);
            to_stdout(|out| out.write_all(&script))
        }
        Command::Man => to_stdout(reference::man),
        Command::Reference { steps: false } => to_stdout(reference::commands),
        Command::Reference { steps: true } => {
            let engine = context.engine(&[])?;
            to_stdout(|out| reference::steps(engine.registry(), out))
        }
    }
}

/// Writes to stdout, to its end.
fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).map_err(CliError::Stdout)
}

/// What happens inside goes to stderr: warnings, or what `BOWSTRING_LOG` asks for, as in `debug` or
/// `bowstring_io=trace`.
fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .with_env_var("BOWSTRING_LOG")
        .from_env_lossy();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours())
        .without_time()
        .finish();
    // In a process that logs already, that goes on.
    let _already = tracing::subscriber::set_global_default(subscriber);
}

fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes a message to stderr.
fn complain(error: &dyn Diagnostic) {
    let label = if colours() { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    // Nobody is left to tell when stderr is closed.
    let _unread = writeln!(io::stderr().lock(), "{label}: {}", bowstring::render(error));
}
