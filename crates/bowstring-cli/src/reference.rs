//! How do the man page and the reference page come from the definitions of the commands?

use std::io::{self, Write};

use clap::{Arg, Command, CommandFactory};

use crate::args::Cli;

/// Writes the man page: the command's own, then one for each subcommand.
pub(crate) fn man(out: &mut dyn Write) -> io::Result<()> {
    let mut root = Cli::command();
    root.build();
    clap_mangen::Man::new(root.clone()).render(out)?;
    for command in visible(&root) {
        let title = format!("bowstring-{}", command.get_name());
        clap_mangen::Man::new(command.clone()).title(title).render(out)?;
    }
    Ok(())
}

/// Writes the reference page in Markdown.
pub(crate) fn markdown(out: &mut dyn Write) -> io::Result<()> {
    let mut root = Cli::command();
    root.build();
    writeln!(out, "# Command line\n")?;
    writeln!(out, "<!-- Made by `bowstring reference`; a test compares it. -->\n")?;
    if let Some(about) = root.get_about() {
        writeln!(out, "{about}.\n")?;
    }
    for command in visible(&root) {
        writeln!(out, "## `bowstring {}`\n", command.get_name())?;
        if let Some(about) = command.get_about() {
            writeln!(out, "{about}.\n")?;
        }
        let mut usage = command.clone();
        let usage = usage.render_usage().to_string();
        writeln!(out, "```text\n{}\n```\n", usage.trim_start_matches("Usage: "))?;
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            argument_line(out, argument)?;
        }
        writeln!(out)?;
    }
    if let Some(codes) = root.get_after_help() {
        writeln!(out, "## Exit codes\n\n| code | meaning |\n| --- | --- |")?;
        for line in codes.to_string().lines().skip(1) {
            if let Some((code, meaning)) = line.trim().split_once(' ') {
                writeln!(out, "| {code} | {} |", meaning.trim())?;
            }
        }
    }
    Ok(())
}

fn visible(root: &Command) -> impl Iterator<Item = &Command> {
    root.get_subcommands().filter(|command| !command.is_hide_set())
}

fn argument_line(out: &mut dyn Write, argument: &Arg) -> io::Result<()> {
    let mut spelling: Vec<String> = Vec::new();
    spelling.extend(argument.get_short().map(|short| format!("-{short}")));
    spelling.extend(argument.get_long().map(|long| format!("--{long}")));
    let mut name = spelling.join(", ");
    if argument.is_positional() || argument.get_action().takes_values() {
        let values = argument.get_value_names().unwrap_or_default().iter();
        let value = values.map(|value| format!("<{value}>")).collect::<Vec<_>>().join(" ");
        name = format!("{name} {value}").trim().to_owned();
    }
    write!(out, "- `{name}`")?;
    if let Some(help) = argument.get_help() {
        write!(out, ": {help}")?;
    }
    let choices = argument.get_possible_values();
    if !choices.is_empty() && argument.get_action().takes_values() {
        let names: Vec<String> = choices.iter().map(|choice| format!("`{}`", choice.get_name())).collect();
        write!(out, " (one of {})", names.join(", "))?;
    }
    let defaults = argument.get_default_values();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        let names: Vec<_> = defaults.iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        write!(out, "; default {}", names.join(", "))?;
    }
    writeln!(out)
}
