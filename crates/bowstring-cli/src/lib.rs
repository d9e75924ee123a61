//! The command line, as a library, so that the Python package ships the same command.
//! Data goes to stdout, everything else to stderr.

mod args;
mod error;
mod grid;
mod reference;
mod rows;
mod signals;
mod tables;

use std::{
    ffi::OsString,
    io::{BufWriter, IsTerminal, Write},
};

use bowstring::{Diagnostic, ErrorKind};
use clap::{CommandFactory, Parser};

use crate::{
    args::{Cli, Command},
    error::{CliError, Result},
    signals::Signals,
};

/// Runs the command that `args` (the program's name first) stand for, and returns the exit code.
/// SIGINT and SIGTERM are handled from here on: the first asks the work to stop, the second ends
/// the process at once.
pub fn main<I, T>(args: I) -> u8
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
    let signals = Signals::listen();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let result =
        dispatch(cli.command, &mut out, &signals).and_then(|()| out.flush().map_err(CliError::Stdout));
    match result {
        Ok(()) => 0,
        Err(error) if error.is_closed_pipe() => {
            // What is left in the buffer has no reader.
            let _unread = out.into_parts();
            0
        }
        Err(error) => {
            let _flushed = out.flush();
            complain(&error);
            match error.kind() {
                ErrorKind::Cancelled => signals.exit_code().unwrap_or(ErrorKind::Cancelled.exit_code()),
                kind => kind.exit_code(),
            }
        }
    }
}

fn dispatch(command: Command, out: &mut dyn Write, signals: &Signals) -> Result<()> {
    match command {
        Command::Schema(args) => tables::schema(&args, out),
        Command::Head(args) => tables::head(&args, out, signals.cancel()),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "bowstring", out);
            Ok(())
        }
        Command::Man => Ok(reference::man(out)?),
        Command::Reference => Ok(reference::markdown(out)?),
    }
}

/// Writes a message to stderr.
fn complain(error: &dyn Diagnostic) {
    let mut stderr = std::io::stderr().lock();
    let colour = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let label = if colour { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    // Nobody is left to tell when stderr is closed.
    let _unread = writeln!(stderr, "{label}: {}", bowstring::render(error));
}
