//! How do the man page and the reference pages come from the definitions of commands and steps?

use std::io::{self, Write};

use bowstring::{graph::algorithm, workflow::Registry};
use clap::{Arg, Command, CommandFactory};
use serde_json::Value as Json;

use crate::args::Cli;

/// Writes the man page: the command's own, then one for each subcommand.
pub(crate) fn man(out: &mut dyn Write) -> io::Result<()> {
    let mut root = Cli::command();
    root.build();
    clap_mangen::Man::new(root.clone()).render(out)?;
    for command in visible(&root) {
        let title = format!("bowstring-{}", command.get_name());
        clap_mangen::Man::new(command.clone()).title(&title).render(out)?;
        for below in visible(command) {
            let title = format!("{title}-{}", below.get_name());
            clap_mangen::Man::new(below.clone()).title(title).render(out)?;
        }
    }
    Ok(())
}

/// Writes the reference page of the commands in Markdown.
pub(crate) fn commands(out: &mut dyn Write) -> io::Result<()> {
    let mut root = Cli::command();
    root.build();
    writeln!(out, "# Command line\n")?;
    writeln!(out, "<!-- Made by `bowstring reference`, which a test compares. -->\n")?;
    if let Some(about) = root.get_about() {
        writeln!(out, "{about}.\n")?;
    }
    for command in visible(&root) {
        writeln!(out, "## `bowstring {}`\n", command.get_name())?;
        heading(out, command)?;
        let shared = shared(command);
        for argument in arguments(command).chain(shared.iter().copied()) {
            argument_line(out, argument)?;
        }
        writeln!(out)?;
        for below in visible(command) {
            writeln!(out, "### `bowstring {} {}`\n", command.get_name(), below.get_name())?;
            heading(out, below)?;
            let own = arguments(below)
                .filter(|argument| !shared.iter().any(|other| other.get_id() == argument.get_id()));
            for argument in own {
                argument_line(out, argument)?;
            }
            writeln!(out)?;
            if let Some(more) = below.get_after_long_help() {
                writeln!(out, "{more}\n")?;
            }
        }
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

/// What a command does, and how it is called.
fn heading(out: &mut dyn Write, command: &Command) -> io::Result<()> {
    if let Some(about) = command.get_about() {
        let about = about.to_string();
        let end = if about.ends_with('?') { "" } else { "." };
        writeln!(out, "{about}{end}\n")?;
    }
    let mut usage = command.clone();
    let usage = usage.render_usage().to_string();
    writeln!(out, "```text\n{}\n```\n", usage.trim_start_matches("Usage: "))
}

fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !argument.is_hide_set())
}

/// The arguments that all commands below this one have, and itself has not.
fn shared(command: &Command) -> Vec<&Arg> {
    let Some(first) = visible(command).next() else { return Vec::new() };
    let has = |command: &Command, argument: &Arg| {
        arguments(command).any(|other| other.get_id() == argument.get_id())
    };
    arguments(first)
        .filter(|argument| !has(command, argument))
        .filter(|argument| visible(command).all(|below| has(below, argument)))
        .collect()
}

/// Writes the reference page of the step types in Markdown.
pub(crate) fn steps(registry: &Registry, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Step types\n")?;
    writeln!(out, "<!-- Made by `bowstring reference --steps`, which a test compares. -->\n")?;
    writeln!(
        out,
        "What stands under `config` of a step of each type. A key without `required` may be absent."
    )?;
    for kind in registry.iter() {
        writeln!(out, "\n## `{}`\n\n{}\n", kind.name(), kind.description())?;
        let schema = kind.config_schema();
        let none = serde_json::Map::new();
        let keys = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        if keys.is_empty() {
            writeln!(out, "It takes no config.")?;
        }
        let required = schema.get("required").and_then(Json::as_array);
        for (key, value) in keys {
            let needed = required.is_some_and(|names| names.iter().any(|name| name == key));
            let needed = if needed { ", required" } else { "" };
            write!(out, "- `{key}` ({}{needed})", shape(value, &schema))?;
            match value.get("description").and_then(Json::as_str) {
                Some(text) => writeln!(out, ": {}", text.replace('\n', " "))?,
                None => writeln!(out)?,
            }
        }
        if let Some(algorithm) = kind.name().strip_prefix("graph.").and_then(algorithm) {
            writeln!(out, "\nMethod: {}\n\nCost: {}", algorithm.method, algorithm.cost)?;
        }
    }
    Ok(())
}

/// What a value of a config is, in a few words.
fn shape(value: &Json, root: &schemars::Schema) -> String {
    if let Some(target) = value.get("$ref").and_then(Json::as_str) {
        let target = target.trim_start_matches('#');
        return root.pointer(target).map_or_else(|| "any".to_owned(), |value| shape(value, root));
    }
    if let Some(constant) = value.get("const") {
        return format!("`{}`", constant.as_str().map_or_else(|| constant.to_string(), str::to_owned));
    }
    let several = |values: &[Json], show: &dyn Fn(&Json) -> String| {
        let mut shapes: Vec<String> = values.iter().map(show).filter(|shape| shape != "null").collect();
        shapes.dedup();
        shapes.join(" or ")
    };
    if let Some(Json::Array(words)) = value.get("enum") {
        return several(words, &|word| format!("`{}`", word.as_str().unwrap_or_default()));
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(Json::Array(values)) = value.get(key) {
            return several(values, &|value| shape(value, root));
        }
    }
    let kind = match value.get("type") {
        Some(Json::String(kind)) => kind.as_str(),
        Some(Json::Array(kinds)) => {
            kinds.iter().filter_map(Json::as_str).find(|kind| *kind != "null").unwrap_or("any")
        }
        _ => return "any".to_owned(),
    };
    let of = |key: &str| value.get(key).filter(|inner| inner.is_object()).map(|inner| shape(inner, root));
    match kind {
        "array" => of("items").map_or_else(|| "list".to_owned(), |items| format!("list of {items}")),
        "object" => match (of("additionalProperties"), value.get("properties").and_then(Json::as_object)) {
            (_, Some(keys)) => {
                let keys: Vec<String> = keys.keys().map(|key| format!("`{key}`")).collect();
                format!("mapping with {}", keys.join(", "))
            }
            (Some(values), None) => format!("mapping of names to {values}"),
            (None, None) => "mapping".to_owned(),
        },
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        other => other.to_owned(),
    }
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
