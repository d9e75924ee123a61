//! Commands over tables.

use std::{io::Read, process::Stdio};

use expect_test::{Expect, expect};

use crate::support::{Folder, PEOPLE};

fn check(args: &[&str], expected: &Expect) {
    expected.assert_eq(&Folder::new().run(args));
}

#[test]
fn sql_reads_the_paths_that_it_names() {
    check(
        &["sql", "SELECT name, age * 2 AS twice FROM 'people.parquet' WHERE age > 10"],
        &expect![[r#"
        exit 0
        name  twice
        ────  ─────
        ann      62
    "#]],
    );
    check(
        &["sql", "SELECT a.name FROM 'people.csv' a JOIN 'people.parquet' b ON a.name = b.name ORDER BY 1"],
        &expect![[r#"
            exit 0
            name
            ────
            ann
            bob
            cy
        "#]],
    );
    let folder = Folder::new();
    expect![[r#"
        exit 0
        n
        ─
        3
    "#]]
    .assert_eq(&folder.run_with(&["sql", "-"], b"SELECT count(*) AS n FROM 'people.csv'"));
}

#[test]
fn rows_come_in_every_format() {
    let folder = Folder::new();
    let query = "SELECT * FROM 'people.parquet'";
    expect![[r#"
        exit 0
        {"name":"ann","age":31}
        {"name":"bob","age":7}
        {"name":"cy","age":null}
    "#]]
    .assert_eq(&folder.run(&["sql", query, "--format", "json"]));
    expect![[r#"
        exit 0
        name,age
        ann,31
        bob,7
        cy,
    "#]]
    .assert_eq(&folder.run(&["sql", query, "--format", "csv"]));
    let stream = folder.output(&["sql", query, "--format", "arrow"]).stdout;
    expect![[r#"
        exit 0
        name   age
        ────  ────
        ann     31
        bob      7
        cy    null
    "#]]
    .assert_eq(&folder.run_with(&["head", "-"], &stream));
}

#[test]
fn no_rows_have_their_columns() {
    let query = "SELECT * FROM 'people.parquet' WHERE age > 1000";
    check(
        &["sql", query],
        &expect![[r#"
        exit 0
        name  age
        ────  ───
    "#]],
    );
    check(
        &["sql", query, "--format", "csv"],
        &expect![[r#"
        exit 0
        name,age
    "#]],
    );
}

#[test]
fn schema_meta_and_head_show_what_is_in_a_file() {
    check(
        &["schema", "people.parquet"],
        &expect![[r#"
        exit 0
        column  type   nullable
        ──────  ─────  ────────
        name    Utf8   true
        age     Int64  true
    "#]],
    );
    check(
        &["head", "people.csv", "-n", "2"],
        &expect![[r#"
        exit 0
        name  age
        ────  ───
        ann    31
        bob     7
    "#]],
    );
    check(
        &["head", "people.csv", "-n", "0"],
        &expect![[r#"
        exit 0
        name  age
        ────  ───
    "#]],
    );
    let folder = Folder::new();
    let size = std::fs::metadata(folder.path("people.parquet")).unwrap().len();
    let shown = folder.run(&["meta", "people.parquet"]).replace(&format!("{size} B"), "SIZE");
    assert!(shown.contains("rows        3\nrow groups  1\nsize        SIZE\n"), "{shown}");
    let json: serde_json::Value =
        serde_json::from_slice(&folder.output(&["meta", "people.parquet", "--format", "json"]).stdout)
            .unwrap();
    assert_eq!((&json["num_rows"], &json["size_bytes"]), (&3.into(), &size.into()));
    assert_eq!(json["columns"][0]["max"], "cy");
    assert_eq!((&json["columns"][1]["min"], &json["columns"][1]["null_count"]), (&7.into(), &1.into()));
    expect![[r#"
        exit 3
        error: `people.csv` is not a valid parquet file: it does not begin with PAR1
    "#]]
    .assert_eq(&folder.run(&["meta", "people.csv"]));
}

#[test]
fn convert_goes_through_every_format_and_back() {
    let folder = Folder::new();
    let names = ["people.csv", "a.parquet", "b.arrow", "c.ndjson", "d.tsv", "e.csv"];
    for pair in names.windows(2) {
        assert_eq!(folder.run(&["convert", pair[0], pair[1]]), "exit 0\n");
    }
    assert_eq!(std::fs::read_to_string(folder.path("e.csv")).unwrap(), PEOPLE);
    expect![[r#"
        exit 2
        error: stdout has no name that tells a format

        hint: say it with `--to`
    "#]]
    .assert_eq(&folder.run(&["convert", "people.csv", "-"]));
    expect![[r#"
        exit 0
        | name | age |
        | --- | ---: |
        | ann | 31 |
        | bob | 7 |
        | cy |  |
    "#]]
    .assert_eq(&folder.run(&["convert", "people.csv", "-", "--to", "markdown"]));
    expect![[r#"
        exit 2
        error: cannot tell the format of `people.xlsx` from its name

        hint: name the format
    "#]]
    .assert_eq(&folder.run(&["convert", "people.csv", "people.xlsx"]));
    expect![[r#"
        exit 0
        {"name":"ann","age":31}
        {"name":"bob","age":7}
        {"name":"cy","age":null}
    "#]]
    .assert_eq(&folder.run_with(&["convert", "-", "-", "--from", "csv", "--to", "json"], PEOPLE.as_bytes()));
}

#[test]
fn mistakes_are_told_with_their_exit_code() {
    check(
        &["sql", "SELECT nam FROM 'people.csv'"],
        &expect![[r#"
        exit 2
        error: there is no column `nam`

        hint: did you mean `name`?
    "#]],
    );
    check(
        &["sql", "SELECT * FROM 'nowhere.csv'"],
        &expect![[r#"
        exit 4
        error: cannot open `nowhere.csv`: No such file or directory (os error 2)
    "#]],
    );
    check(
        &["sql", "SELECT * FROM 'people.csv' WHERE name > 3"],
        &expect![[r#"
        exit 2
        error: cannot compare `people.csv.name`, which is Utf8, with `3`, which is Int64

        hint: say which is meant: `cast(people.csv.name as bigint)` compares numbers, quotes around a value compare text
    "#]],
    );
    check(
        &["sql", "DROP TABLE x"],
        &expect![[r#"
        exit 2
        error: `DROP TABLE x` is not a query

        hint: write a SELECT, WITH or VALUES
    "#]],
    );
    check(
        &["sql", "SELECT cast(name AS int) FROM 'people.csv'"],
        &expect![[r#"
        exit 3
        error: Cannot cast string 'ann' to value of Int32 type
    "#]],
    );
    check(
        &["head", "."],
        &expect![[r#"
        exit 2
        error: `people.parquet` is parquet, but the first file is csv

        hint: read the files of each format on their own
    "#]],
    );
    check(
        &["head", "people.parquet", "-n", "many"],
        &expect![[r#"
        exit 2
        error: invalid value 'many' for '--rows <N>': invalid digit found in string

        For more information, try '--help'.
    "#]],
    );
    check(
        &["--memory", "lots", "head", "people.parquet"],
        &expect![[r#"
        exit 2
        error: invalid value 'lots' for '--memory <SIZE>': `lots` is not a size: couldn't parse "lots" into a ByteSize, cannot parse float from empty string; write a size as in `512MiB` or `2GB`

        For more information, try '--help'.
    "#]],
    );
    let folder = Folder::new();
    folder.file("bad.csv", "a,b\n1,2\n3\n");
    expect![[r#"
        exit 3
        error: a row has 1 value where 2 are expected
          at bad.csv, row 2 (line 3)

        hint: mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`
    "#]]
    .assert_eq(&folder.run(&["head", "bad.csv"]));
    folder.file("empty.parquet", "");
    expect![[r#"
        exit 3
        error: `empty.parquet` is not a valid parquet file: it is empty
    "#]]
    .assert_eq(&folder.run(&["head", "empty.parquet"]));
}

#[test]
fn text_may_have_another_delimiter() {
    let folder = Folder::new();
    folder.file("semi.csv", "a;b\n1,5;x\n");
    let check = |args: &[&str], expected: Expect| expected.assert_eq(&folder.run(args));
    check(
        &["head", "semi.csv", "--delimiter", ";"],
        expect![[r#"
        exit 0
        a    b
        ───  ─
        1,5  x
    "#]],
    );
    check(
        &["schema", "semi.csv", "--delimiter", ";"],
        expect![[r#"
        exit 0
        column  type  nullable
        ──────  ────  ────────
        a       Utf8  true
        b       Utf8  true
    "#]],
    );
    check(
        &["convert", "semi.csv", "-", "--delimiter", ";", "--to", "json"],
        expect![[r#"
        exit 0
        {"a":"1,5","b":"x"}
    "#]],
    );
    check(
        &["sql", "SELECT a, age FROM 'semi.csv', 'people.parquet' WHERE b = 'x' LIMIT 1", "--delimiter", ";"],
        expect![[r#"
            exit 0
            a    age
            ───  ───
            1,5   31
        "#]],
    );
    expect![[r#"
        exit 0
        a  b
        ─  ─
        1  2
    "#]]
    .assert_eq(&folder.run_with(&["head", "-", "--from", "csv", "--delimiter", "\\t"], b"a\tb\n1\t2\n"));
    check(
        &["head", "semi.csv", "--delimiter", ";;"],
        expect![[r#"
        exit 2
        error: invalid value ';;' for '--delimiter <CHAR>': expected one ASCII character, or `\t` for a tab

        For more information, try '--help'.
    "#]],
    );
    check(
        &["head", "semi.csv", "--delimiter", "é"],
        expect![[r#"
        exit 2
        error: invalid value 'é' for '--delimiter <CHAR>': expected one ASCII character, or `\t` for a tab

        For more information, try '--help'.
    "#]],
    );
    check(
        &["head", "semi.csv", "--delimiter", "\""],
        expect![[r#"
        exit 2
        error: `quote` is `\"`, which is the delimiter already

        hint: name another character
    "#]],
    );
    check(
        &["head", "people.parquet", "--delimiter", ";"],
        expect![[r#"
        exit 2
        error: `--delimiter` is for CSV, and `people.parquet` is parquet

        hint: leave it out
    "#]],
    );
    check(
        &["sql", "SELECT 1", "--delimiter", ";"],
        expect![[r#"
        exit 2
        error: `--delimiter` is for CSV, and the query reads none

        hint: leave it out
    "#]],
    );
}

#[test]
fn names_from_files_do_not_steer_the_terminal() {
    let folder = Folder::new();
    folder.file("red.csv", "a\u{1b}[31m\n1\n");
    expect![[r#"
        exit 2
        error: there is no column `b`

        hint: the columns are `a\u{1b}[31m`
    "#]]
    .assert_eq(&folder.run(&["sql", "SELECT b FROM 'red.csv'"]));
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let folder = Folder::new();
    let rows = "SELECT a.value AS x FROM generate_series(1, 3000) a CROSS JOIN generate_series(1, 3000) b";
    for format in ["table", "csv", "json", "arrow"] {
        let mut child = folder.start(&["sql", rows, "--format", format]);
        let mut first = [0; 64];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{format}");
    }
}

#[test]
fn a_full_stdout_is_a_failure_of_storage() {
    let folder = Folder::new();
    for format in ["table", "csv", "json", "arrow"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = folder.command(&["head", "people.csv", "--format", format]);
        let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(
            folder.shown(&output),
            "exit 4\nerror: cannot write to stdout: No space left on device (os error 28)\n",
            "{format}"
        );
    }
}

#[test]
fn what_was_spilled_goes_with_the_query_however_it_ends() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("spill")).unwrap();
    let part = |width: usize, from: usize| {
        let text = format!("repeat(CAST(value % 997 AS varchar), {width}) AS text");
        format!("SELECT value, {text} FROM generate_series({from}, {})", from + 49_999)
    };
    for (width, memory, code) in [(20, "20MiB", 0), (300, "2MiB", 5), (300, "2MiB", 5), (300, "2MiB", 5)] {
        // Four sorts at the same time; where memory is refused to one, the others are spilling.
        let parts = [part(width, 1), part(20, 50_001), part(width, 100_001), part(20, 150_001)];
        let query = format!("SELECT * FROM ({}) ORDER BY text", parts.join(" UNION ALL "));
        let mut command = folder.command(&["--memory", memory, "sql", &query, "--format", "csv"]);
        for variable in ["TMPDIR", "TMP"] {
            command.env(variable, folder.path("spill"));
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{memory}");
        assert_eq!(bowstring_testing::names(&folder.path("spill")), [""; 0], "{memory}");
    }
}

#[test]
fn text_comes_from_stdin_when_its_format_is_named() {
    let check = |args: &[&str], input: &str, expected: Expect| {
        expected.assert_eq(&Folder::new().run_with(args, input.as_bytes()));
    };
    check(
        &["head", "-", "--from", "csv"],
        "a,b\n1,\"x\ny\"\n,\n",
        expect![[r#"
        exit 0
           a  b
        ────  ────
           1  x\ny
        null  null
    "#]],
    );
    check(
        &["schema", "-", "--from", "json"],
        "{\"a\":1,\"b\":[true]}\n",
        expect![[r#"
        exit 0
        column  type           nullable
        ──────  ─────────────  ────────
        a       Int64          true
        b       List(Boolean)  true
    "#]],
    );
    check(
        &["head", "-", "--from", "csv"],
        "a,b\n1\n",
        expect![[r#"
            exit 3
            error: a row has 1 value where 2 are expected
              at -, row 1 (line 2)

            hint: mend the row, check `delimiter` and `quote`, or leave such rows out with `on_bad_rows`
        "#]],
    );
    check(
        &["convert", "-", "-", "--from", "csv", "--to", "json"],
        "a\tb\n1\t2\n",
        expect![[r#"
        exit 0
        {"a\tb":"1\t2"}
    "#]],
    );
    check(
        &["head", "-"],
        "a,b\n1,2\n",
        expect![[r#"
            exit 2
            error: cannot tell the format of `-` from its name

            hint: name the format with `--from`, as `--from csv`
        "#]],
    );
}
