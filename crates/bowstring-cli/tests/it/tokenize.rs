//! The command `tokenize`.

use bowstring_testing::TOKENIZER;
use expect_test::{Expect, expect};

use crate::support::Folder;

const NOTES: &str = "id,text,by\n1,Ann met Bob.,cy\n2,,ann\n3,the unknown,bob\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("notes.csv", NOTES);
    folder.file("lines.txt", "Ann met Bob.\r\n\nthe unknown");
    folder.file("tokenizer.json", TOKENIZER);
    folder
}

fn check(args: &[&str], expected: &Expect) {
    let args: Vec<&str> = ["tokenize"].iter().chain(args).copied().collect();
    expected.assert_eq(&folder().run(&args));
}

#[test]
fn a_column_becomes_a_column_of_ids() {
    check(
        &["notes.csv", "-t", "tokenizer.json"],
        &expect![[r#"
        exit 0
        id  by   ids
        ──  ───  ───────────────────
         1  cy   [2, 4, 9, 5, 10, 3]
         2  ann  null
         3  bob  [2, 11, 12, 13, 3]
        rows: 3
        tokens: 11
    "#]],
    );
    check(
        &[
            "notes.csv",
            "-t",
            ".",
            "--count",
            "--no-special-tokens",
            "--keep",
            "by,text",
            "--as",
            "n",
            "--format",
            "csv",
        ],
        &expect![[r#"
            exit 0
            text,by,n
            Ann met Bob.,cy,4
            ,ann,
            the unknown,bob,3
            rows: 3
            tokens: 7
        "#]],
    );
    check(
        &["notes.csv", "-t", "tokenizer.json", "--column", "by", "--max-length", "2", "--format", "json"],
        &expect![[r#"
            exit 0
            {"id":1,"text":"Ann met Bob.","ids":[2,3]}
            {"id":2,"text":null,"ids":[2,3]}
            {"id":3,"text":"the unknown","ids":[2,3]}
            rows: 3
            tokens: 6
        "#]],
    );
}

#[test]
fn a_file_is_written_as_a_whole() {
    let folder = folder();
    let args = ["tokenize", "notes.csv", "-t", "tokenizer.json", "-o", "ids.parquet", "--keep", "id"];
    expect![[r#"
        exit 0
        rows: 3
        tokens: 11
    "#]]
    .assert_eq(&folder.run(&args));
    expect![[r#"
        exit 0
        {"id":1,"ids":[2,4,9,5,10,3]}
        {"id":2,"ids":null}
        {"id":3,"ids":[2,11,12,13,3]}
    "#]]
    .assert_eq(&folder.run(&["head", "ids.parquet", "--format", "json"]));
    let failed = ["tokenize", "notes.csv", "-t", "tokenizer.json", "-o", "other.parquet", "--keep", "ids"];
    expect![[r#"
        exit 2
        error: there is no column `ids`
          at notes.csv

        hint: did you mean `id`?
    "#]]
    .assert_eq(&folder.run(&failed));
    assert!(!folder.names().contains(&"other.parquet".to_owned()), "{:?}", folder.names());
}

#[test]
fn lines_and_single_texts_are_written_as_lines() {
    check(
        &["--text", "Ann met Bob.", "--text", "", "-t", "tokenizer.json"],
        &expect![[r#"
        exit 0
        2 4 9 5 10 3
        2 3
        rows: 2
        tokens: 8
    "#]],
    );
    check(
        &["lines.txt", "--lines", "-t", "tokenizer.json"],
        &expect![[r#"
        exit 0
        2 4 9 5 10 3
        2 3
        2 11 12 13 3
        rows: 3
        tokens: 13
    "#]],
    );
    check(
        &["lines.txt", "--lines", "-t", "tokenizer.json", "--count"],
        &expect![[r#"
        exit 0
        6
        2
        5
        rows: 3
        tokens: 13
    "#]],
    );
    check(
        &["lines.txt", "--lines", "-t", "tokenizer.json", "--format", "json"],
        &expect![[r#"
        exit 0
        {"ids":[2,4,9,5,10,3]}
        {"ids":[2,3]}
        {"ids":[2,11,12,13,3]}
        rows: 3
        tokens: 13
    "#]],
    );
    let piped = ["tokenize", "-", "--lines", "-t", "tokenizer.json", "--no-special-tokens"];
    expect![[r#"
        exit 0
        5
        4
        rows: 2
        tokens: 2
    "#]]
    .assert_eq(&folder().run_with(&piped, b"bob\nann\n"));
    expect![[r#"
        exit 0
        rows: 0
        tokens: 0
    "#]]
    .assert_eq(&folder().run_with(&piped, b""));
    expect![[r#"
        exit 3
        error: the line is not valid UTF-8 after 2 bytes
          at -, line 2

        hint: save the text as UTF-8
    "#]]
    .assert_eq(&folder().run_with(&piped, b"bob\nan\xffn\n"));
}

/// More lines than are taken together.
#[test]
fn many_lines_come_out_in_order() {
    let folder = folder();
    let lines: String = (0..20_000).map(|line| ["ann\n", "bob bob\n", "\n"][line % 3]).collect();
    let output =
        folder.run_with(&["tokenize", "-", "--lines", "-t", ".", "--no-special-tokens"], lines.as_bytes());
    let expected: String = (0..20_000).map(|line| ["4\n", "5 5\n", "\n"][line % 3]).collect();
    assert!(output == format!("exit 0\n{expected}rows: 20000\ntokens: 20001\n"));
}

#[test]
fn sql_has_the_functions_too() {
    let query = "SELECT sum(token_count(text, 'tokenizer.json')) AS budget FROM 'notes.csv'";
    expect![[r#"
        exit 0
        budget
        ──────
            11
    "#]]
    .assert_eq(&folder().run(&["sql", query]));
}

#[test]
fn models_in_the_cache_are_found_by_their_names() {
    let folder = folder();
    let snapshot = folder.path("hub/models--people--small/snapshots/1");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::write(snapshot.join("tokenizer.json"), TOKENIZER).unwrap();
    let args = ["tokenize", "--text", "bob", "-t", "people/small"];
    let found = |variable: &str, value: &str| {
        let mut command = folder.command(&args);
        for other in ["HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(other);
        }
        folder.shown(
            &command.env("HOME", folder.path("nobody")).env(variable, folder.path(value)).output().unwrap(),
        )
    };
    let there = "exit 0\n2 5 3\nrows: 1\ntokens: 3\n";
    assert_eq!(found("HF_HUB_CACHE", "hub"), there);
    assert_eq!(found("HF_HOME", "."), there);
    expect![[r#"
        exit 4
        error: `people/small` is neither a file, nor a folder, nor a model in the local cache

        hint: nothing is downloaded on its own; `hf download people/small tokenizer.json tokenizer_config.json` puts it into the cache
    "#]].assert_eq(&found("HF_HOME", "elsewhere"));
}

#[test]
fn what_is_wrong_is_said_with_what_mends_it() {
    let said = |args: &[&str]| {
        let args: Vec<&str> = ["tokenize"].iter().chain(args).copied().collect();
        folder().run(&args)
    };
    let all = [
        said(&["notes.csv", "-t", "tokenizer.jsn"]),
        said(&["notes.csv", "-t", "notes.csv"]),
        said(&["notes.csv", "-t", "tokenizer.json", "--column", "txt"]),
        said(&["notes.csv", "-t", "tokenizer.json", "--column", "id"]),
        said(&["notes.csv", "-t", "tokenizer.json", "--keep", "bye"]),
        said(&["notes.csv", "-t", "tokenizer.json", "--max-length", "1"]),
        said(&["-t", "tokenizer.json"]),
        said(&["missing.txt", "--lines", "-t", "tokenizer.json"]),
        said(&["notes.csv", "-t", "tokenizer.json", "--format", "csv"]),
    ];
    expect![[r#"
        exit 4
        error: `tokenizer.jsn` is neither a file, nor a folder, nor a model in the local cache

        hint: name a `tokenizer.json`, or the folder that it is in

        exit 3
        error: tokenizer.json is not valid: expected value at line 1 column 1
          at notes.csv

        exit 2
        error: there is no column `txt`
          at notes.csv

        hint: did you mean `text`?

        exit 2
        error: column `id` of type Int64 cannot be tokenised
          at notes.csv

        hint: string, large_string, string_view and dictionaries of them are taken

        exit 2
        error: there is no column `bye`
          at notes.csv

        hint: did you mean `by`?

        exit 2
        error: truncation to 1 tokens leaves no room: the special tokens of a text take 2
          at notes.csv

        hint: raise `max_length`, or encode with `add_special_tokens=False`

        exit 2
        error: the following required arguments were not provided:
          <INPUT|--text <TEXT>>

        Usage: bowstring tokenize --tokenizer <PATH> <INPUT|--text <TEXT>>

        For more information, try '--help'.

        exit 4
        error: cannot open `missing.txt`: No such file or directory (os error 2)

        exit 2
        error: column `ids` of type List(non-null UInt32) cannot be written as CSV

        hint: select the values inside it, cast it to text, or write another format
    "#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn folders_above_the_file_are_made_as_by_other_commands() {
    let folder = folder();
    let written = folder.run(&["tokenize", "notes.csv", "-t", ".", "-o", "new/inner/ids.parquet"]);
    assert_eq!(written, "exit 0\nrows: 3\ntokens: 11\n");
    assert_eq!(folder.run(&["convert", "new/inner/ids.parquet", "other/ids.arrow"]), "exit 0\n");
    assert!(folder.path("new/inner/ids.parquet").is_file() && folder.path("other/ids.arrow").is_file());
    // A command that fails leaves none behind.
    let failed =
        folder.run(&["tokenize", "notes.csv", "-t", ".", "--column", "id", "-o", "none/ids.parquet"]);
    assert!(failed.starts_with("exit 2"), "{failed}");
    assert!(!folder.path("none").exists());
}

#[test]
fn sql_names_the_column_that_is_no_text() {
    let said = folder().run(&["sql", "SELECT token_count(id + 1, 'tokenizer.json') FROM 'notes.csv'"]);
    assert!(said.contains("column `notes.csv.id + Int64(1)` of type Int64 cannot be tokenised"), "{said}");
    let said = folder().run(&["sql", "SELECT tokenize(id, 'tokenizer.json') FROM 'notes.csv'"]);
    assert!(said.contains("column `id` of type Int64 cannot be tokenised"), "{said}");
}

#[test]
fn a_text_file_is_no_table_but_has_lines() {
    check(
        &["lines.txt", "-t", "tokenizer.json"],
        &expect![[r#"
            exit 2
            error: cannot tell the format of `lines.txt` from its name

            hint: `--lines` takes each line as a text; `--from` names the format of a table
        "#]],
    );
}
