//! Project chores: `cargo xtask tidy` holds the rules that no compiler knows, `cargo xtask deps`
//! writes the page that says which dependency holds which back.

mod deps;
mod metadata;
mod repository;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Project chores of Bowstring.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check layers, code map, links and house rules; fails when one is broken.
    Tidy,
    /// Write docs/reference/dependencies.md from Cargo.lock.
    Deps {
        /// Only check that the page is up to date.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<ExitCode> {
    let problems = match Arguments::parse().chore {
        Chore::Tidy => tidy::run()?,
        Chore::Deps { check } => deps::run(check)?,
    };
    for problem in &problems {
        report(problem);
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stderr, reason = "a chore reports on the terminal")]
fn report(problem: &str) {
    eprintln!("error: {problem}");
}
