//! Files that a workflow writes appear as a whole or not at all.

use bowstring::workflow::Status;
use expect_test::expect;

use crate::support::{Bench, ending, names};

fn write(config: &str) -> String {
    format!(
        r#"
  - {{name: data, type: read, config: {{path: "${{dir}}/people.parquet"}}}}
  - {{name: it, type: write, input: data, config: {{{config}}}}}"#
    )
}

#[test]
fn every_format_is_written_and_read_back() {
    let bench = Bench::new();
    for name in ["out/a.parquet", "b.arrow", "c.csv", "d.ndjson"] {
        let finished = bench.run(&write(&format!("path: \"${{dir}}/{name}\"")));
        let report = finished.report.step("it").unwrap();
        let bytes = std::fs::metadata(bench.path(name)).unwrap().len();
        assert_eq!((report.rows, report.bytes), (Some(4), Some(bytes)), "{name}");
        let read = format!("  - {{name: it, type: read, config: {{path: \"${{dir}}/{name}\"}}}}");
        let original = "  - {name: it, type: read, config: {path: \"${dir}/people.parquet\"}}";
        assert_eq!(bench.shown(&read, "it"), bench.shown(original, "it"), "{name}");
    }
}

#[test]
fn a_table_for_people_is_written_as_markdown() {
    let bench = Bench::new();
    bench.run(&write("path: \"${dir}/report.md\", format: markdown"));
    expect![[r#"
        | name | age | score |
        | --- | ---: | ---: |
        | ann | 31 | 1.5 |
        | bob | 7 | -2.0 |
        | cy |  | 0.25 |
        |  | 55 |  |
    "#]]
    .assert_eq(&std::fs::read_to_string(bench.path("report.md")).unwrap());
}

#[test]
fn an_existing_file_is_kept_in_mode_error() {
    let bench = Bench::new();
    std::fs::write(bench.path("out.parquet"), "mine").unwrap();
    expect![[r#"
        exit 4: step `it` (storage): `DIR/out.parquet` exists already
          in the chain `data` and `it`
        hint: remove it, or allow overwriting"#]]
    .assert_eq(&bench.shown(&write("path: \"${dir}/out.parquet\", mode: error"), "it"));
    assert_eq!(std::fs::read_to_string(bench.path("out.parquet")).unwrap(), "mine");
}

#[test]
fn a_plan_that_fails_leaves_the_old_file_and_nothing_else() {
    let bench = Bench::new();
    std::fs::write(bench.path("out.parquet"), "old").unwrap();
    let steps = r#"
  - {name: data, type: read, config: {path: "${dir}/people.parquet"}}
  - {name: numbers, type: cast, input: data, config: {columns: {name: int64}}}
  - {name: it, type: write, input: numbers, config: {path: "${dir}/out.parquet"}}"#;
    let report = bench.run(steps).report;
    assert_eq!(report.status, Status::Failed, "{}", ending(&report));
    assert_eq!(std::fs::read_to_string(bench.path("out.parquet")).unwrap(), "old");
    assert_eq!(names(bench.dir.path()), ["out.parquet", "people.parquet", "pets.parquet"]);
}

#[test]
fn options_that_do_not_fit_the_format_are_refused() {
    let bench = Bench::new();
    expect![[r#"
        the workflow has 3 problems

        test.yaml:6:79: csv files cannot be compressed like this
          hint: leave it out

        test.yaml:6:92: `level` is for Parquet alone
          hint: leave it out

        test.yaml:6:111: `row_group_rows` is for Parquet alone
          hint: leave it out"#]]
    .assert_eq(&bench.shown(&write("path: out.csv, compression: zstd, level: 3, row_group_rows: 10"), "it"));
    expect![[r#"
        cannot tell the format of `out.xlsx` from its name
          at test.yaml:6:57

        hint: say it with `format`"#]]
    .assert_eq(&bench.shown(&write("path: out.xlsx"), "it"));
}
