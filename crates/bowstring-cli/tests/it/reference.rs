//! Pages that are made from definitions say what the definitions say.

use expect_test::expect_file;

use crate::support::{Folder, repository};

fn check(args: &[&str], page: &str) {
    let output = Folder(tempfile::tempdir().unwrap()).output(args);
    assert!(output.status.success());
    expect_file![repository(page)].assert_eq(&String::from_utf8(output.stdout).unwrap());
}

#[test]
fn the_pages_are_those_of_this_version() {
    check(&["reference"], "docs/reference/cli.md");
    check(&["reference", "--steps"], "docs/reference/steps.md");
    check(&["validate", "--json-schema"], "docs/reference/workflow.schema.json");
}

#[test]
fn the_man_page_names_every_command() {
    let output = Folder(tempfile::tempdir().unwrap()).output(&["man"]);
    let page = String::from_utf8(output.stdout).unwrap();
    for command in [
        "run",
        "plan",
        "validate",
        "graph\\-view",
        "sql",
        "schema",
        "meta",
        "head",
        "tokenize",
        "convert",
        "completions",
    ] {
        assert!(page.contains(&format!("bowstring {command}")), "{command}");
    }
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = Folder(tempfile::tempdir().unwrap()).output(&["completions", shell]);
        assert!(String::from_utf8(output.stdout).unwrap().contains("graph-view"), "{shell}");
    }
}
