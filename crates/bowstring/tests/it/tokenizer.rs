//! Do text and tokenizers meet in steps and in SQL, and is said what is wrong?

use std::sync::Arc;

use arrow::{array::AsArray, datatypes::Int64Type};
use bowstring::{
    Cancel,
    io::{Dataset, ReadOptions},
    tokenizer::{Tokenizer, Truncation},
};
use bowstring_testing::TOKENIZER;
use expect_test::{Expect, expect};

use crate::support::{Bench, table, text};

/// With `notes.parquet`, a column of text, and `tokenizer.json`.
fn bench() -> Bench {
    let bench = Bench::new();
    let notes = [Some("Ann met Bob."), None, Some(""), Some("the unknown"), Some("anna, naïve")];
    bench.parquet("notes.parquet", &table(&[("text", text(&notes))]));
    std::fs::write(bench.path("tokenizer.json"), TOKENIZER).unwrap();
    bench
}

const READ: &str = "- {name: notes, type: read, config: {path: \"${dir}/notes.parquet\"}}\n";

fn check(steps: &str, step: &str, expected: &Expect) {
    expected.assert_eq(&bench().shown(&format!("{READ}{steps}"), step));
}

#[test]
fn a_step_adds_the_ids_or_how_many_they_are() {
    check(
        "- {name: ids, type: tokenize, input: notes, config: {tokenizer: \"${dir}/tokenizer.json\"}}\n",
        "ids",
        &expect![[r#"
            +--------------+---------------------+
            | text         | ids                 |
            +--------------+---------------------+
            | Ann met Bob. | [2, 4, 9, 5, 10, 3] |
            |              |                     |
            |              | [2, 3]              |
            | the unknown  | [2, 11, 12, 13, 3]  |
            | anna, naïve  | [2, 4, 7, 1, 1, 3]  |
            +--------------+---------------------+"#]],
    );
    check(
        "- name: short\n  type: tokenize\n  input: notes\n  \
         config: {tokenizer: \"${dir}/tokenizer.json\", output: text, max_length: 3}\n",
        "short",
        &expect![[r#"
            +------------+
            | text       |
            +------------+
            | [2, 4, 3]  |
            |            |
            | [2, 3]     |
            | [2, 11, 3] |
            | [2, 4, 3]  |
            +------------+"#]],
    );
    check(
        "- name: counts\n  type: tokenize\n  input: notes\n  \
         config: {tokenizer: \"${dir}\", count: true, add_special_tokens: false}\n\
         - {name: few, type: filter, input: counts, config: {query: tokens > 2}}\n",
        "few",
        &expect![[r#"
            +--------------+--------+
            | text         | tokens |
            +--------------+--------+
            | Ann met Bob. | 4      |
            | the unknown  | 3      |
            | anna, naïve  | 4      |
            +--------------+--------+"#]],
    );
}

#[test]
fn sql_counts_and_tokenises() {
    let query =
        |query: &str| format!("- name: found\n  type: sql\n  config:\n    query: >-\n      {query}\n");
    check(
        &query(
            "SELECT sum(token_count(text, '${dir}/tokenizer.json')) AS budget, max(token_count(text, '${dir}/tokenizer.json', false)) AS longest FROM notes",
        ),
        "found",
        &expect![[r#"
            +--------+---------+
            | budget | longest |
            +--------+---------+
            | 19     | 4       |
            +--------+---------+"#]],
    );
    check(
        &query(
            "SELECT tokenize(text, '${dir}/tokenizer.json', false, 2) AS ids FROM notes WHERE token_count(text, '${dir}/tokenizer.json') > 4",
        ),
        "found",
        &expect![[r#"
            +----------+
            | ids      |
            +----------+
            | [4, 9]   |
            | [11, 12] |
            | [4, 7]   |
            +----------+"#]],
    );
    check(
        &query(
            "SELECT tokenize('bob', '${dir}/tokenizer.json') AS bob, token_count(NULL, '${dir}/tokenizer.json') AS nothing",
        ),
        "found",
        &expect![[r#"
            +-----------+---------+
            | bob       | nothing |
            +-----------+---------+
            | [2, 5, 3] |         |
            +-----------+---------+"#]],
    );
}

#[test]
fn what_is_wrong_is_said_when_planning() {
    let step = |config: &str| {
        bench()
            .shown(&format!("{READ}- {{name: x, type: tokenize, input: notes, config: {{{config}}}}}\n"), "x")
    };
    let sql = |expression: &str| {
        bench().shown(
            &format!("{READ}- name: x\n  type: sql\n  config:\n    query: >-\n      SELECT {expression} FROM notes\n"),
            "x",
        )
    };
    let said = [
        step("tokenizer: \"${dir}/tokenizer.jsn\""),
        step("tokenizer: \"${dir}/notes.parquet\""),
        step("tokenizer: \"${dir}/tokenizer.json\", column: txt"),
        step("tokeniser: \"${dir}/tokenizer.json\""),
        step("tokenizer: \"${dir}/tokenizer.json\", max_length: 1"),
        sql("token_count(text)"),
        sql("token_count(text, text)"),
        sql("token_count(1, '${dir}/tokenizer.json')"),
        sql("tokenize(text, '${dir}/tokenizer.json', 'yes')"),
        sql("tokenize(text, '${dir}/tokenizer.json', true, -1)"),
        sql("token_count(text, 'thiss-name')"),
    ];
    expect![[r#"
        exit 4: step `x` (not_found): `DIR/tokenizer.jsn` is neither a file, nor a folder, nor a model in the local cache
          at DIR/notes.parquet
          in the chain `notes` and `x`
        hint: name a `tokenizer.json`, or the folder that it is in

        exit 3: step `x` (data): tokenizer.json is not valid: expected value at line 1 column 1
          at DIR/notes.parquet
          in the chain `notes` and `x`

        exit 2: step `x` (usage): there is no column `txt`
          at DIR/notes.parquet
          in the chain `notes` and `x`
        hint: did you mean `text`?

        unknown key `tokeniser`
          at test.yaml:5:52

        hint: did you mean `tokenizer`?

        exit 2: step `x` (usage): truncation to 1 tokens leaves no room: the special tokens of a text take 2
          at DIR/notes.parquet
          in the chain `notes` and `x`
        hint: raise `max_length`, or encode with `add_special_tokens=False`

        exit 2: step `x` (usage): `token_count` is called with 1 arguments
          at DIR/notes.parquet
          in the chain `notes` and `x`
        hint: write `token_count(text, tokenizer[, add_special_tokens])`

        exit 2: step `x` (usage): the argument `tokenizer` of `token_count` must be a path or a name in single quotes
          at DIR/notes.parquet
          in the chain `notes` and `x`
        hint: name a `tokenizer.json`, as in `token_count(text, 'tokenizer.json')`

        exit 2: step `x` (usage): column `Int64(1)` of type Int64 cannot be tokenised
          at DIR/notes.parquet
          in the chain `notes` and `x`
        hint: string, large_string, string_view and dictionaries of them are taken

        exit 2: step `x` (usage): the argument `add_special_tokens` of `tokenize` must be true or false
          at DIR/notes.parquet
          in the chain `notes` and `x`

        exit 2: step `x` (usage): the argument `max_length` of `tokenize` must be a whole number of at least 0
          at DIR/notes.parquet
          in the chain `notes` and `x`

        exit 4: step `x` (not_found): `thiss-name` is neither a file, nor a folder, nor a model in the local cache
          at DIR/notes.parquet
          in the chain `notes` and `x`
        hint: nothing is downloaded on its own; `hf download thiss-name tokenizer.json tokenizer_config.json` puts it into the cache"#]].assert_eq(&said.join("\n\n"));
}

#[test]
fn a_registered_tokenizer_is_found_by_its_name_and_used_as_it_is() {
    let bench = bench();
    let tokenizer =
        Tokenizer::from_bytes(TOKENIZER).unwrap().with_truncation(Some(Truncation::to(3))).unwrap();
    let library = bench.engine.tokenizers();
    assert!(library.register("short", tokenizer).is_none());
    let steps = format!("{READ}- {{name: x, type: tokenize, input: notes, config: {{tokenizer: short}}}}\n");
    expect![[r#"
        +--------------+------------+
        | text         | ids        |
        +--------------+------------+
        | Ann met Bob. | [2, 4, 3]  |
        |              |            |
        |              | [2, 3]     |
        | the unknown  | [2, 11, 3] |
        | anna, naïve  | [2, 4, 3]  |
        +--------------+------------+"#]]
    .assert_eq(&bench.shown(&steps, "x"));
    let misspelt = steps.replace("short", "shirt");
    expect![[r#"
        exit 4: step `x` (not_found): `shirt` is neither a file, nor a folder, nor the name of a tokenizer
          at DIR/notes.parquet
          in the chain `notes` and `x`
        hint: did you mean `short`?"#]]
    .assert_eq(&bench.shown(&misspelt, "x"));
    assert!(library.forget("short").is_some() && library.forget("short").is_none());
}

#[test]
fn a_file_is_loaded_once_and_again_when_it_has_changed() {
    let bench = bench();
    let path = bench.path("tokenizer.json").display().to_string();
    let library = bench.engine.tokenizers();
    let id = || library.get(&path).unwrap().token_to_id("bob");
    let first = library.get(&path).unwrap();
    assert_eq!(id(), Some(5));
    assert!(std::ptr::eq(first.json(), library.get(&path).unwrap().json()));
    std::fs::write(&path, TOKENIZER.replace("\"bob\": 5", "\"bobby\": 5")).unwrap();
    assert_eq!(id(), None);
}

/// What a file says of truncation and padding is for batches of a model, not for columns.
#[test]
fn a_column_gets_all_ids_whatever_the_file_truncates_and_pads() {
    let bench = bench();
    let truncated = TOKENIZER
        .replace(
            "\"truncation\": null",
            r#""truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}"#,
        )
        .replace(
            "\"padding\": null",
            r#""padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}"#,
        );
    std::fs::write(bench.path("tokenizer.json"), &truncated).unwrap();
    assert!(Tokenizer::from_bytes(truncated).unwrap().padding().is_some());
    let query = "SELECT tokenize(text, '${dir}/tokenizer.json') AS ids FROM notes";
    let steps = format!("{READ}- name: x\n  type: sql\n  config:\n    query: >-\n      {query}\n");
    expect![[r#"
        +---------------------+
        | ids                 |
        +---------------------+
        | [2, 4, 9, 5, 10, 3] |
        |                     |
        | [2, 3]              |
        | [2, 11, 12, 13, 3]  |
        | [2, 4, 7, 1, 1, 3]  |
        +---------------------+"#]]
    .assert_eq(&bench.shown(&steps, "x"));
}

/// Every thread at once, over more rows than one batch has, gives what one thread gives.
#[test]
fn streams_tokenise_at_the_same_time() {
    let bench = bench();
    let words = ["ann", "bob", "cy", "met", "unknown"];
    let rows: Vec<String> = (0..50_000).map(|row| [words[row % 5]; 3][..=row % 3].join(" ")).collect();
    let rows: Vec<Option<&str>> = rows.iter().map(|row| Some(row.as_str())).collect();
    bench.parquet("notes.parquet", &table(&[("text", text(&rows))]));
    let frame = |batch_rows| {
        let dataset = Dataset::open(&[bench.path("notes.parquet")], &ReadOptions::default()).unwrap();
        let frame = bench.engine.session().scan(Arc::new(dataset)).unwrap();
        let tokenizer = bench.path("tokenizer.json").display().to_string();
        let expression = format!("token_count(text, '{tokenizer}', false)");
        frame.with_columns(&[("n".to_owned(), expression)]).unwrap().limit(batch_rows).unwrap()
    };
    let expected = |row: usize| if row % 5 == 4 { 2 * (row % 3 + 1) } else { row % 3 + 1 };
    let table = frame(49_999).collect(&Cancel::new()).unwrap().table;
    let mut row = 0;
    for batch in table.batches() {
        for count in batch.column(1).as_primitive::<Int64Type>().iter() {
            assert_eq!(count, Some(expected(row) as i64), "row {row}");
            row += 1;
        }
    }
    assert_eq!(row, 49_999);
}
