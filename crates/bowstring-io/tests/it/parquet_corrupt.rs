//! Parquet files that are damaged: a typed error that names the file, never a panic, an abort, a hang or
//! more memory than the file is worth.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{ArrayRef, BinaryArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_io::{Predicate, Result, Scan, parquet_metadata};
use bytes::Bytes;
use expect_test::{Expect, expect};
use parquet::{
    arrow::{ArrowWriter, add_encoded_arrow_schema_to_metadata, arrow_writer::ArrowWriterOptions},
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::{ParquetMetaDataReader, ParquetMetaDataWriter},
        properties::{WriterProperties, WriterVersion},
    },
};
use proptest::prelude::*;

use crate::support::{folder, read_all, scan, shown, varied};

fn bytes_of(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("rows");
    writer.into_inner().expect("a footer")
}

fn small() -> Vec<u8> {
    bytes_of(&varied(0, 3).project(&[0, 6]).expect("columns"), WriterProperties::builder().build())
}

/// What is read of a file with these bytes.
fn check(bytes: &[u8], expected: Expect) {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    std::fs::write(&path, bytes).expect("a file");
    expected.assert_eq(&shown(folder.path(), read_all(&path)));
}

#[test]
fn files_that_are_not_whole_are_malformed() {
    let whole = small();
    check(&[], expect!["data: `DIR/x.parquet` is not a valid parquet file: it is empty"]);
    check(b"PAR1", expect!["data: `DIR/x.parquet` is not a valid parquet file: it has only 4 bytes"]);
    check(
        b"PAR1PAR1",
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: its footer claims 827474256 bytes, but the file has 8"
        ],
    );
    check(
        b"PAR1\x00\x00\x00\x00PAR1",
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: its footer is corrupt: it ends too early"
        ],
    );
    check(
        &whole[..whole.len() - 1],
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: it does not end with PAR1: it was not written to its end"
        ],
    );
    check(
        &whole[..whole.len() / 2],
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: it does not end with PAR1: it was not written to its end"
        ],
    );
    check(
        &whole[1..],
        expect!["data: `DIR/x.parquet` is not a valid parquet file: Required field type_ is missing"],
    );
}

#[test]
fn footers_that_cannot_be_are_malformed() {
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = small();
        change(&mut bytes);
        bytes
    };
    let end = small().len();
    check(
        &with(&|bytes| bytes[end - 4..].copy_from_slice(b"PAR2")),
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: it does not end with PAR1: it was not written to its end"
        ],
    );
    check(
        &with(&|bytes| bytes[end - 4..].copy_from_slice(b"PARE")),
        expect!["data: `DIR/x.parquet` is not a valid parquet file: its footer is encrypted"],
    );
    check(
        &with(&|bytes| bytes[end - 8..end - 4].fill(0xff)),
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: its footer claims 4294967295 bytes, but the file has 831"
        ],
    );
    check(
        &with(&|bytes| bytes[end - 8..end - 4].copy_from_slice(&[9, 0, 0, 0])),
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: Expected list element type of Struct but got Byte"
        ],
    );
    check(
        &with(&|bytes| bytes[end - 30..end - 8].fill(0xff)),
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: its footer is corrupt: it has a value of unknown type"
        ],
    );
}

#[test]
fn row_groups_that_claim_other_rows_than_their_columns_are_malformed() {
    for rows in [2, 68] {
        let mut bytes = small();
        let metadata =
            ParquetMetaDataReader::new().parse_and_finish(&Bytes::from(bytes.clone())).expect("a footer");
        let group = metadata.row_group(0).clone().into_builder().set_num_rows(rows).build();
        let groups = vec![group.expect("a row group")];
        let metadata = metadata.into_builder().set_row_groups(groups).build();
        ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().expect("written");
        check(
            &bytes,
            expect![
                "data: `DIR/x.parquet` is not a valid parquet file: its footer is corrupt: a row group has other rows than values"
            ],
        );
    }
}

/// A file whose own schema says bytes, and the Arrow schema that it holds says `claimed`.
fn bytes_as(claimed: DataType, values: Vec<&[u8]>) -> Vec<u8> {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(values));
    let batch = RecordBatch::try_from_iter([("kind", bytes)]).expect("a column");
    let schema = Schema::new(vec![Field::new("kind", claimed, false)]);
    let mut properties = WriterProperties::builder().build();
    add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.into_inner().expect("a footer")
}

/// An optimised decoder hands such bytes on, and a checked one panics: the error's words differ.
#[test]
fn bytes_are_not_taken_for_text() {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    for claimed in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        std::fs::write(&path, bytes_as(claimed.clone(), vec![b"fine", b"\xff\xfe"])).expect("a file");
        let error = read_all(&path).expect_err("bytes that are no text");
        assert_eq!(error.kind(), ErrorKind::Data, "{claimed}");
        assert!(render(&error).contains("x.parquet"), "{claimed}");
    }
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    check(
        &bytes_as(dictionary, vec![b"fine"]),
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: column `kind` is a dictionary of text in its Arrow schema, but no text in its own"
        ],
    );
    check(
        &bytes_as(DataType::Utf8, vec![b"fine", "caf\u{e9}".as_bytes()]),
        expect![[r#"
            +------+
            | kind |
            +------+
            | fine |
            | café |
            +------+"#]],
    );
}

#[test]
fn pages_that_are_cut_or_overwritten_are_malformed() {
    let whole = small();
    let length = |at: usize| u32::from_le_bytes(whole[at..at + 4].try_into().expect("four bytes")) as usize;
    let footer = length(whole.len() - 8) + 8;
    // The footer is whole, but the pages before it are gone.
    let cut = [&whole[..4], &whole[whole.len() - footer..]].concat();
    check(
        &cut,
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: the header of a page is corrupt: a list is longer than what is left"
        ],
    );
    let mut overwritten = whole.clone();
    overwritten[4..60].fill(0xff);
    check(
        &overwritten,
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: the header of a page is corrupt: it has a value of unknown type"
        ],
    );
}

#[test]
fn a_folder_where_a_file_is_meant_is_named() {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    std::fs::create_dir(&path).expect("a folder");
    expect!["not_found: no file matches `DIR/x.parquet`"].assert_eq(&shown(folder.path(), read_all(&path)));
}

/// One byte of a value is changed, which nothing but the checksum can tell.
fn check_checksum(name: &str) {
    let fixture = Path::new("tests/fixtures").join(name);
    let whole = std::fs::read(&fixture).expect(name);
    assert_eq!(read_all(&fixture).expect(name).num_rows(), 200);
    let first = 0x0102_0304_0506_0708i64;
    let two = [first.to_le_bytes(), (first + 1).to_le_bytes()].concat();
    let at = whole.windows(16).position(|window| window == two).expect("the first two numbers");
    for at in (at..at + 1600).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        check(
            &bytes,
            expect!["data: `DIR/x.parquet` is not a valid parquet file: Page CRC checksum mismatch"],
        );
    }
}

#[test]
fn pages_with_a_checksum_are_checked() {
    check_checksum("checksums-1.parquet");
    check_checksum("checksums-2.parquet");
}

#[test]
fn pages_with_more_lengths_than_values_are_malformed() {
    let words = StringArray::from_iter_values((0..20_000).map(|n| n.to_string()));
    let batch = RecordBatch::try_from_iter([("word", Arc::new(words) as ArrayRef)]).expect("a batch");
    for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let properties = WriterProperties::builder()
                .set_writer_version(version)
                .set_compression(Compression::SNAPPY)
                .set_dictionary_enabled(false)
                .set_encoding(encoding)
                .build();
            let mut bytes = bytes_of(&batch, properties);
            // Blocks of 128 in four parts, 20,000 numbers; snappy leaves what it sees first as it is.
            let header = [0x80, 0x01, 0x04, 0xa0, 0x9c, 0x01];
            let at = bytes.windows(6).position(|window| window == header).expect("a header");
            bytes[at + 3..at + 6].copy_from_slice(&[0xa1, 0x9c, 0x01]);
            check(
                &bytes,
                expect![
                    "data: `DIR/x.parquet` is not a valid parquet file: a page is corrupt: it has more lengths than values"
                ],
            );
        }
    }
}

/// How many rows there are is told by the pages' levels, too.
#[test]
fn rows_are_as_many_as_the_footer_says() {
    let more = std::fs::read("tests/fixtures/one-row-more.parquet").expect("a fixture");
    check(
        &more,
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: its pages have more rows than its footer says"
        ],
    );
    let batch = varied(0, 3).project(&[0]).expect("a column");
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut fewer = bytes_of(&batch, properties);
    // In a page header: the structure of a data page, which begins with twice the number of values.
    let header = [0x2c, 0x15, 0x06];
    let at = fewer.windows(3).position(|window| window == header).expect("a header");
    fewer[at + 2] = 0x04;
    check(
        &fewer,
        expect![
            "data: `DIR/x.parquet` is not a valid parquet file: its pages have fewer rows than its footer says"
        ],
    );
}

/// Files of both page versions, with and without compression and dictionaries.
fn original(which: usize) -> &'static [u8] {
    static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let mut files = Vec::new();
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for compression in
                [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())]
            {
                for dictionary in [false, true] {
                    let properties = WriterProperties::builder()
                        .set_writer_version(version)
                        .set_compression(compression)
                        .set_dictionary_enabled(dictionary)
                        .set_max_row_group_row_count(Some(20))
                        .set_data_page_row_count_limit(10)
                        .set_write_batch_size(5)
                        .set_column_encoding("text".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                        .build();
                    files.push(bytes_of(&varied(0, 40), properties));
                }
            }
        }
        files
    });
    &FILES[which]
}

/// All that can be asked of a file.
fn read_every_way(path: &Path) -> Result<()> {
    parquet_metadata(&[path.to_owned()])?;
    read_all(path)?;
    let dataset = bowstring_io::Dataset::open(&[path.to_owned()], &Default::default())?;
    let predicate = Some(Predicate::IsNotNull(0));
    scan(&dataset, &Scan { predicate, limit: Some(7), ..Scan::default() })?;
    Ok(())
}

/// The most memory that this process has had, in MiB.
#[cfg(target_os = "linux")]
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") / 1024
}

fn check_changed(which: usize, change: impl Fn(&mut Vec<u8>)) -> Result<(), TestCaseError> {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    let mut bytes = original(which).to_vec();
    change(&mut bytes);
    std::fs::write(&path, bytes).expect("written");
    if let Err(error) = read_every_way(&path) {
        prop_assert_eq!(error.kind(), ErrorKind::Data);
        let text = render(&error);
        prop_assert!(text.contains("x.parquet"), "{}", text);
    }
    #[cfg(target_os = "linux")]
    prop_assert!(peak_memory() < 1024, "{} MiB", peak_memory());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn changed_bytes_never_panic(
        which in 0usize..12,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        check_changed(which, |bytes| {
            for (index, byte) in &changes {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
        })?;
    }

    /// Numbers in Thrift end with the first byte below 128, so that runs of high bytes make absurd ones.
    #[test]
    fn absurd_numbers_never_panic(
        which in 0usize..12,
        at in any::<prop::sample::Index>(),
        number in prop::sample::select(vec![
            &[0xfe, 0xff, 0xff, 0xff, 0x0f][..],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0xfe, 0xff, 0xff, 0x7f],
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ]),
    ) {
        check_changed(which, |bytes| {
            let at = at.index(bytes.len() - number.len());
            bytes[at..at + number.len()].copy_from_slice(number);
        })?;
    }
}
