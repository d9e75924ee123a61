//! `tokenize` over a file of text that is larger than what it may hold.

use std::{fmt::Write as _, process::Stdio, sync::Arc};

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use bowstring::io::{ParquetCompression, ParquetWriteOptions, WriteOptions, Writer};
use bowstring_testing::TOKENIZER;

use crate::support::Folder;

const LETTERS: &[u8; 20] = b"bcdfghjklmnpqrstvwxz";
const WORDS: usize = LETTERS.len().pow(3);
/// Of three letters and a space each.
const WORDS_OF_A_ROW: usize = 500;
const ROWS_OF_A_GROUP: usize = 1000;

fn word(number: usize) -> [char; 3] {
    [number / 400, number / 20, number].map(|place| char::from(LETTERS[place % LETTERS.len()]))
}

/// A tokenizer that knows all words, and `corpus.parquet`, of so many groups of 2 MB of text. No group is like
/// the one before, and words repeat as little as chance will have it.
fn folder(groups: usize) -> Folder {
    let folder = Folder::new();
    let mut known = String::new();
    for number in 0..WORDS {
        let [a, b, c] = word(number);
        write!(known, ", \"{a}{b}{c}\": {}", 14 + number).unwrap();
    }
    folder.file("tokenizer.json", TOKENIZER.replace("\"##known\": 13", &format!("\"##known\": 13{known}")));
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("text", DataType::Utf8, false),
    ]));
    let parquet = ParquetWriteOptions {
        compression: ParquetCompression::None,
        row_group_rows: ROWS_OF_A_GROUP,
        ..ParquetWriteOptions::default()
    };
    let options = WriteOptions { parquet, ..WriteOptions::default() };
    let mut writer = Writer::create(&folder.path("corpus.parquet"), &schema, &options).unwrap();
    let mut state = 1_u64;
    let mut text = || {
        let mut text = String::with_capacity(4 * WORDS_OF_A_ROW);
        for _ in 0..WORDS_OF_A_ROW {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.extend(word((state >> 33) as usize % WORDS));
            text.push(' ');
        }
        text
    };
    for group in 0..groups {
        let ids = (0..ROWS_OF_A_GROUP).map(|row| (group * ROWS_OF_A_GROUP + row) as i64);
        let ids = Arc::new(Int64Array::from_iter_values(ids));
        let texts = Arc::new(StringArray::from_iter_values((0..ROWS_OF_A_GROUP).map(|_| text())));
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![ids, texts]).unwrap()).unwrap();
    }
    writer.finish().unwrap();
    folder
}

fn arguments<'a>(threads: &'a str, output: &'a str) -> [&'a str; 8] {
    ["tokenize", "corpus.parquet", "-t", "tokenizer.json", "--threads", threads, "-o", output]
}

#[test]
fn the_file_is_the_same_with_any_number_of_threads() {
    let folder = folder(12);
    let written = |threads| {
        let shown = folder.run(&arguments(threads, "ids.parquet"));
        assert_eq!(shown, format!("exit 0\nrows: 12000\ntokens: {}\n", 12_000 * (WORDS_OF_A_ROW + 2)));
        std::fs::read(folder.path("ids.parquet")).unwrap()
    };
    let one = written("1");
    assert!(written("2") == one && written("5") == one);
}

/// The most memory of the command over so many groups, in MB.
#[cfg(target_os = "linux")]
fn peak(groups: usize) -> u64 {
    let folder = folder(groups);
    let mut command = folder.command(&arguments("2", "ids.parquet"));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or_default());
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(ended.success());
    peak / 1000
}

/// The ids of the larger file are 200 MB, beside its text.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_file() {
    let (small, large) = (peak(8), peak(100));
    assert!(small > 20 && large < small + MOST, "{small} MB, then {large} MB");
}

/// What a row group takes that is not complete, and batches that wait, in MB.
#[cfg(target_os = "linux")]
const MOST: u64 = 120;
