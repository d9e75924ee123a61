//! What does each option do?

use bowstring_io::{BadRows, CsvOptions, Dataset, ReadOptions, Scan};
use expect_test::expect;

use super::{check, check_with};
use crate::{
    support::scan,
    texts::{Folder, shown, table},
};

fn options() -> CsvOptions {
    CsvOptions::default()
}

#[test]
fn the_file_may_be_structured_by_other_bytes() {
    check_with(
        "a;b\n'x;\\'y';2\n#no;row\n'3';'4'\n",
        CsvOptions {
            delimiter: Some(b';'),
            quote: Some(b'\''),
            escape: Some(b'\\'),
            comment: Some(b'#'),
            ..options()
        },
        expect![[r#"
            Utf8, Int64
            +------+---+
            | a    | b |
            +------+---+
            | x;'y | 2 |
            | 3    | 4 |
            +------+---+
        "#]],
    );
    check_with(
        "a,b\n\"1,2\"\n",
        CsvOptions { quote: None, ..options() },
        expect![[r#"
        Utf8, Utf8
        +----+----+
        | a  | b  |
        +----+----+
        | "1 | 2" |
        +----+----+
    "#]],
    );
    expect![[r#"
        Utf8, Int64
        +-----+---+
        | a   | b |
        +-----+---+
        | 1,5 | 2 |
        +-----+---+
    "#]]
    .assert_eq(&shown("data.tsv", b"a\tb\n1,5\t2\n", &ReadOptions::default()));
    check_with(
        "a\n",
        CsvOptions { quote: Some(b','), ..options() },
        expect![[r#"
            `quote` is `,`, which is the delimiter already

            hint: name another character
        "#]],
    );
    check_with(
        "a\n",
        CsvOptions { delimiter: Some(b'\n'), ..options() },
        expect![[r#"
            `delimiter` is byte 10, which cannot structure a file

            hint: name an ASCII character other than a line ending
        "#]],
    );
}

#[test]
fn names_come_from_the_header_the_caller_or_the_position() {
    let names = || Some(vec!["x".to_owned(), "y".to_owned()]);
    check_with(
        "a,b\n1,2\n",
        CsvOptions { names: names(), ..options() },
        expect![[r#"
        Int64, Int64
        +---+---+
        | x | y |
        +---+---+
        | 1 | 2 |
        +---+---+
    "#]],
    );
    check_with(
        "1,2\n",
        CsvOptions { names: names(), has_header: false, ..options() },
        expect![[r#"
        Int64, Int64
        +---+---+
        | x | y |
        +---+---+
        | 1 | 2 |
        +---+---+
    "#]],
    );
    check_with(
        "1,2\n",
        CsvOptions { has_header: false, ..options() },
        expect![[r#"
        Int64, Int64
        +----------+----------+
        | column_1 | column_2 |
        +----------+----------+
        | 1        | 2        |
        +----------+----------+
    "#]],
    );
    check_with(
        "a,b,c\n1,2,3\n",
        CsvOptions { names: names(), ..options() },
        expect![[r#"
            `names` has 2 names for 3 columns

            hint: give each column of the header one name
        "#]],
    );
    check(
        "a,,\"c\"\n1,2,3\n",
        expect![[r#"
        Int64, Int64, Int64
        +---+----------+---+
        | a | column_2 | c |
        +---+----------+---+
        | 1 | 2        | 3 |
        +---+----------+---+
    "#]],
    );
}

#[test]
fn lines_before_the_header_are_skipped() {
    check_with(
        "made by \"hand\nat noon\na\n1\n",
        CsvOptions { skip_rows: 2, ..options() },
        expect![[r#"
        Int64
        +---+
        | a |
        +---+
        | 1 |
        +---+
    "#]],
    );
}

#[test]
fn null_values_are_those_that_are_not_quoted() {
    let null_values = vec!["NA".to_owned(), "-".to_owned()];
    check_with(
        "n,t\n1,NA\nNA,\"NA\"\n-,-\n\"NA\",x\n",
        CsvOptions { null_values, ..options() },
        expect![[r#"
            Int64, Utf8
            +------+------+
            | n    | t    |
            +------+------+
            | 1    | null |
            | null | NA   |
            | null | null |
            | null | x    |
            +------+------+
        "#]],
    );
}

#[test]
fn line_endings_blank_lines_and_a_byte_order_mark_are_no_data() {
    check(
        "\u{feff}a,b\r\n\r\n1,\"x\r\ny\"\r\n\n2,z",
        expect![[r#"
        Int64, Utf8
        +---+----+
        | a | b  |
        +---+----+
        | 1 | x\r |
        |   | y  |
        | 2 | z  |
        +---+----+
    "#]],
    );
}

#[test]
fn a_blank_line_is_a_null_where_there_is_one_column() {
    check(
        "a\nx\n\ny\n",
        expect![[r#"
        Utf8
        +------+
        | a    |
        +------+
        | x    |
        | null |
        | y    |
        +------+
    "#]],
    );
}

#[test]
fn a_quote_inside_a_value_stands_for_itself() {
    check(
        "size,name\n3.5\" disk,a \"b\" c\n\"5\"\" disk\",\n",
        expect![[r#"
        Utf8, Utf8
        +-----------+---------+
        | size      | name    |
        +-----------+---------+
        | 3.5" disk | a "b" c |
        | 5" disk   | null    |
        +-----------+---------+
    "#]],
    );
}

#[test]
fn encodings_other_than_utf_8_are_read() {
    check_with(
        b"name\nJos\xe9\n",
        CsvOptions { encoding: "latin1".into(), ..options() },
        expect![[r#"
        Utf8
        +------+
        | name |
        +------+
        | José |
        +------+
    "#]],
    );
    let wide: Vec<u8> = "\u{feff}name\nJos\u{e9}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_with(
        &wide,
        CsvOptions { encoding: "utf-16le".into(), ..options() },
        expect![[r#"
        Utf8
        +------+
        | name |
        +------+
        | José |
        +------+
    "#]],
    );
    check_with(
        &wide[..17],
        CsvOptions { encoding: "utf-16le".into(), ..options() },
        expect![[r#"
        `data.csv` is not valid UTF-16LE
          at data.csv, line 2

        hint: name the text's own `encoding`
    "#]],
    );
    check_with(
        "a\n",
        CsvOptions { encoding: "klingon".into(), ..options() },
        expect![[r#"
            `encoding` is `klingon`, which is no encoding of the WHATWG list

            hint: name one such as `utf-8`, `latin1`, `windows-1252`, `utf-16le` or `shift_jis`
        "#]],
    );
}

#[test]
fn bad_rows_are_left_out_and_counted_when_asked() {
    let text = b"a,b\n1,x\n2\n3,y,z\n\"4\"5,p\n6,\0\n7,\xff\nseven,q\n8,z\n";
    let csv = CsvOptions { on_bad_rows: BadRows::Skip, infer_rows: 5, ..options() };
    let (_folder, path) = Folder::with("data.csv", text);
    let dataset = Dataset::open(&[path], &ReadOptions { csv, ..ReadOptions::default() }).unwrap();
    assert_eq!(dataset.skipped_rows(), 0);
    let batch = scan(&dataset, &Scan::default()).unwrap();
    expect![[r#"
        +---+---+
        | a | b |
        +---+---+
        | 1 | x |
        | 8 | z |
        +---+---+"#]]
    .assert_eq(&table(&batch));
    assert_eq!(dataset.skipped_rows(), 6);
}

#[test]
fn a_quote_left_open_is_never_left_out() {
    let message = expect![[r#"
        a quoted value is never closed
          at data.csv, row 2 (line 3)

        hint: close the quote, or say with `quote` what quotes a value
    "#]];
    for infer_rows in [0, 10] {
        let csv = CsvOptions { on_bad_rows: BadRows::Skip, infer_rows, ..options() };
        let options = ReadOptions { csv, ..ReadOptions::default() };
        message.assert_eq(&crate::texts::shown("data.csv", b"a,b\n1,2\n3,\"4\n5,6\n", &options));
    }
}
