//! A file is written whole or not at all.

use std::{
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use arrow::array::{ArrowPrimitiveType, Int64Array, ListArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    ArrowNativeType, DataType, Field, Int32Type, Int64Type, Schema, UInt32Type, UnionMode,
};
use bowstring_core::{Diagnostic, ErrorKind, render};
use bowstring_io::{
    AtomicFolder, Format, IoError, ParquetCompression, ParquetStatistics, ParquetWriteOptions, WriteMode,
    WriteOptions, Writer,
};
use expect_test::{Expect, expect};

use crate::support::{folder, ints, names, plain, read_all, table, varied, write_all};

fn message(folder: &Path, error: &IoError) -> String {
    format!("{}: {}", error.kind(), render(error)).replace(&folder.display().to_string(), "DIR")
}

#[test]
fn what_is_written_is_read_back_in_every_format_and_compression() {
    let folder = folder();
    let batches = [varied(0, 1000), varied(1000, 1), varied(1001, 3000)];
    let expected = plain(&arrow::compute::concat_batches(&batches[0].schema(), &batches).expect("one table"));
    let parquet = |compression, level| WriteOptions {
        parquet: ParquetWriteOptions { compression, level, row_group_rows: 700, ..Default::default() },
        ..Default::default()
    };
    let mut cases =
        vec![("default.parquet", WriteOptions::default()), ("default.arrow", WriteOptions::default())];
    for (name, compression, level) in [
        ("none.parquet", ParquetCompression::None, None),
        ("snappy.parquet", ParquetCompression::Snappy, None),
        ("gzip.parquet", ParquetCompression::Gzip, Some(9)),
        ("lz4.parquet", ParquetCompression::Lz4, None),
        ("brotli.parquet", ParquetCompression::Brotli, Some(3)),
        ("zstd.parquet", ParquetCompression::Zstd, Some(19)),
    ] {
        cases.push((name, parquet(compression, level)));
    }
    for (name, options) in cases {
        let path = folder.path().join(name);
        let written = write_all(&path, &batches, &options).expect(name);
        assert_eq!(written.rows, 4001, "{name}");
        assert_eq!(written.bytes, std::fs::metadata(&path).expect("the file").len(), "{name}");
        assert_eq!(plain(&read_all(&path).expect(name)), expected, "{name}");
    }
}

#[test]
fn folders_above_the_target_are_made() {
    let folder = folder();
    let path = folder.path().join("a/b/c.parquet");
    write_all(&path, &[ints("n", vec![Some(1)])], &WriteOptions::default()).expect("a file");
    assert_eq!(read_all(&path).expect("the file").num_rows(), 1);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing_and_the_old_file() {
    let folder = folder();
    let new = folder.path().join("made/for/it/new.parquet");
    let old = folder.path().join("old.parquet");
    write_all(&old, &[ints("n", vec![Some(1)])], &WriteOptions::default()).expect("a file");
    let before = std::fs::read(&old).expect("the file");
    for path in [&new, &old] {
        let batch = varied(0, 10_000);
        let mut writer = Writer::create(path, &batch.schema(), &WriteOptions::default()).expect("a writer");
        writer.write(&batch).expect("a write");
        drop(writer);
    }
    assert_eq!(names(folder.path()), ["old.parquet"]);
    assert_eq!(std::fs::read(&old).expect("the file"), before);
}

#[test]
fn an_existing_file_is_kept_when_the_mode_says_so() {
    let folder = folder();
    let path = folder.path().join("x.parquet");
    let options = WriteOptions { mode: WriteMode::Error, ..Default::default() };
    let batch = ints("n", vec![Some(1)]);
    // One that appears while the writer is at work is kept too.
    let mut late = Writer::create(&path, &batch.schema(), &options).expect("a writer");
    late.write(&batch).expect("a write");
    write_all(&path, &[ints("n", vec![Some(2)])], &options).expect("the first");
    let expected = expect![[r#"
        storage: `DIR/x.parquet` exists already

        hint: remove it, or allow overwriting"#]];
    expected.assert_eq(&message(folder.path(), &late.finish().expect_err("it exists")));
    let again = write_all(&path, &[batch], &options).expect_err("it exists");
    expected.assert_eq(&message(folder.path(), &again));
    assert_eq!(read_all(&path).expect("the file"), ints("n", vec![Some(2)]));
    assert_eq!(names(folder.path()), ["x.parquet"]);
}

/// What cannot be begun, and why.
fn refused(target: &str, options: &WriteOptions, expected: Expect) {
    let folder = folder();
    std::fs::create_dir(folder.path().join("folder.parquet")).expect("a folder");
    std::fs::write(folder.path().join("plain"), "").expect("a file");
    let schema = ints("n", vec![]).schema();
    let error = Writer::create(&folder.path().join(target), &schema, options).expect_err("refused");
    expected.assert_eq(&message(folder.path(), &error));
    assert_eq!(names(folder.path()), ["folder.parquet", "plain"]);
}

#[test]
fn what_cannot_be_written_is_refused_before_any_work() {
    let parquet = |parquet| WriteOptions { parquet, ..Default::default() };
    let default = ParquetWriteOptions::default;
    refused(
        "x.txt",
        &WriteOptions::default(),
        expect![[r#"
        usage: cannot tell the format of `DIR/x.txt` from its name

        hint: name the format"#]],
    );
    refused(
        "folder.parquet",
        &WriteOptions::default(),
        expect!["storage: cannot write `DIR/folder.parquet`: is a directory"],
    );
    refused(
        "plain/x.parquet",
        &WriteOptions::default(),
        expect!["storage: cannot write to `DIR/plain`: not a directory"],
    );
    refused(
        "..",
        &WriteOptions { format: Some(Format::Ipc), ..Default::default() },
        expect!["storage: cannot write `DIR/..`: is a directory"],
    );
    refused(
        "x.parquet",
        &parquet(ParquetWriteOptions { row_group_rows: 0, ..default() }),
        expect!["usage: `row_group_rows` must be at least 1"],
    );
    refused(
        "x.parquet",
        &parquet(ParquetWriteOptions { row_group_bytes: 0, ..default() }),
        expect!["usage: `row_group_bytes` must be at least 1"],
    );
    refused(
        "x.parquet",
        &parquet(ParquetWriteOptions { level: Some(23), ..default() }),
        expect!["usage: `level` is out of range: valid compression range 1..=22 exceeded"],
    );
    let negative =
        ParquetWriteOptions { compression: ParquetCompression::Gzip, level: Some(-1), ..default() };
    refused("x.parquet", &parquet(negative), expect!["usage: `level` is out of range: it is negative"]);
    let none = ParquetWriteOptions { compression: ParquetCompression::Snappy, level: Some(1), ..default() };
    refused(
        "x.parquet",
        &parquet(none),
        expect![[r#"
        usage: `level` was given for a compression that has no levels

        hint: leave it out, or use `zstd`, `gzip` or `brotli`"#]],
    );
}

#[test]
fn unions_have_no_place_in_parquet() {
    let folder = tempfile::tempdir().expect("a folder");
    let members = [(0, Arc::new(Field::new("n", DataType::Int64, true)))].into_iter().collect();
    let union = DataType::Union(members, UnionMode::Sparse);
    let column = DataType::List(Arc::new(Field::new("item", union, true)));
    let schema = Arc::new(Schema::new(vec![Field::new("u", column, true)]));
    let path = folder.path().join("x.parquet");
    let error = Writer::create(&path, &schema, &WriteOptions::default()).expect_err("it cannot");
    expect![[r#"
        usage: column `u` of type List(Union(Sparse, 0: ("n": Int64))) cannot be written as Parquet

        hint: keep one of its types, or write Arrow IPC"#]]
    .assert_eq(&message(folder.path(), &error));
    assert!(!path.exists());
}

#[test]
fn compressions_are_known_by_name() {
    for (name, expected) in [
        ("none", ParquetCompression::None),
        ("snappy", ParquetCompression::Snappy),
        ("gzip", ParquetCompression::Gzip),
        ("lz4", ParquetCompression::Lz4),
        ("brotli", ParquetCompression::Brotli),
        ("zstd", ParquetCompression::Zstd),
    ] {
        assert_eq!(name.parse::<ParquetCompression>().expect(name), expected);
    }
    let error = "zip".parse::<ParquetCompression>().expect_err("unknown");
    expect![[r#"
        usage: `compression` `zip` is unknown

        hint: use `none`, `snappy`, `gzip`, `lz4`, `brotli` or `zstd`"#]]
    .assert_eq(&message(Path::new("-"), &error));
}

#[test]
fn a_batch_of_another_schema_is_refused() {
    let folder = folder();
    let batch = ints("n", vec![Some(1)]);
    let mut writer =
        Writer::create(&folder.path().join("x.parquet"), &batch.schema(), &WriteOptions::default())
            .expect("a writer");
    let text = table(vec![("n", Arc::new(StringArray::from(vec!["a"])))]);
    let two =
        table(vec![("n", Arc::new(Int64Array::from(vec![1]))), ("m", Arc::new(Int64Array::from(vec![1])))]);
    expect!["data: a batch does not fit `DIR/x.parquet`: a batch has column `n` of type Utf8 in place of `n` of type Int64"].assert_eq(&message(folder.path(), &writer.write(&text).expect_err("another type")));
    expect!["data: a batch does not fit `DIR/x.parquet`: a batch has 2 columns, not 1"]
        .assert_eq(&message(folder.path(), &writer.write(&two).expect_err("too many")));
}

#[test]
fn nulls_where_none_may_be_are_refused() {
    let folder = folder();
    let array: arrow::array::ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let strict = RecordBatch::try_from_iter_with_nullable([("n", array, false)]).expect("a batch");
    let mut writer =
        Writer::create(&folder.path().join("x.parquet"), &strict.schema(), &WriteOptions::default())
            .expect("a writer");
    let error = writer.write(&ints("n", vec![None])).expect_err("a null");
    expect!["data: a batch does not fit `DIR/x.parquet`: column `n` has nulls, which it must not"]
        .assert_eq(&message(folder.path(), &error));
}

/// Takes `left` bytes, then says that the disk is full.
struct Full {
    left: usize,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.left);
        self.left -= taken;
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_that_fails_after_any_number_of_bytes_is_a_storage_error() {
    let batch = varied(0, 500);
    for format in [Format::Parquet, Format::Ipc] {
        let options = WriteOptions { format: Some(format), ..Default::default() };
        for left in [0, 1, 4, 10, 1000, 5000] {
            let run = || {
                let stream = Box::new(Full { left });
                let mut writer = Writer::to(stream, Path::new("-"), &batch.schema(), &options)?;
                writer.write(&batch)?;
                writer.finish()
            };
            let error = run().expect_err("the disk is full");
            assert_eq!(
                message(Path::new("/"), &error),
                "storage: cannot write `-`: no storage space",
                "{left}"
            );
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_a_storage_error_and_stays_a_device() {
    let batch = varied(0, 500);
    let options = WriteOptions { format: Some(Format::Parquet), ..Default::default() };
    let error = write_all(Path::new("/dev/full"), &[batch], &options).expect_err("no space");
    expect!["storage: cannot write `/dev/full`: No space left on device (os error 28)"]
        .assert_eq(&message(Path::new("DIR"), &error));
    assert!(!std::fs::metadata("/dev/full").expect("the device").is_file());
}

#[test]
fn a_writer_that_failed_says_so_and_leaves_nothing() {
    let batch = varied(0, 500);
    let options = WriteOptions { format: Some(Format::Ipc), ..Default::default() };
    let stream = Box::new(Full { left: 1000 });
    let mut writer = Writer::to(stream, Path::new("x.arrow"), &batch.schema(), &options).expect("a writer");
    let mut errors = 0;
    for _ in 0..100 {
        errors += usize::from(writer.write(&batch).is_err());
    }
    assert!(errors > 90);
    let error = writer.finish().expect_err("it had failed");
    expect!["storage: the writing of `x.arrow` had failed before"]
        .assert_eq(&message(Path::new("DIR"), &error));
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_permissions_and_a_link_stays() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = folder();
    let (path, link) = (folder.path().join("x.parquet"), folder.path().join("link.parquet"));
    let batch = ints("n", vec![Some(1)]);
    write_all(&path, &[batch], &WriteOptions::default()).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("permissions");
    symlink(&path, &link).expect("a link");
    write_all(&link, &[ints("n", vec![Some(2)])], &WriteOptions::default()).expect("through the link");
    assert!(std::fs::symlink_metadata(&link).expect("the link").is_symlink());
    assert_eq!(std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o640);
    assert_eq!(read_all(&path).expect("the file"), ints("n", vec![Some(2)]));
}

#[test]
fn statistics_are_written_as_asked() {
    let folder = folder();
    for (name, statistics, some) in [
        ("none", ParquetStatistics::None, false),
        ("group", ParquetStatistics::RowGroup, true),
        ("page", ParquetStatistics::Page, true),
    ] {
        let path = folder.path().join(name).with_extension("parquet");
        let parquet = ParquetWriteOptions { statistics, ..Default::default() };
        let options = WriteOptions { parquet, ..Default::default() };
        write_all(&path, &[ints("n", vec![Some(3), Some(5)])], &options).expect(name);
        let file = std::fs::File::open(&path).expect(name);
        let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
            .with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Optional)
            .parse_and_finish(&file)
            .expect(name);
        assert_eq!(metadata.row_group(0).column(0).statistics().is_some(), some, "{name}");
        let pages = metadata.column_index().is_some_and(|index| {
            !matches!(index[0][0], parquet::file::page_index::column_index::ColumnIndexMetaData::NONE)
        });
        assert_eq!(pages, name == "page", "{name}");
    }
}

/// Run as a child: writes for ever to the file that the variable names.
#[test]
fn child_that_writes_for_ever() {
    let Some(path) = std::env::var_os("BOWSTRING_TEST_WRITE_FOR_EVER") else { return };
    let batch = varied(0, 10_000);
    let mut writer =
        Writer::create(Path::new(&path), &batch.schema(), &WriteOptions::default()).expect("a writer");
    loop {
        writer.write(&batch).expect("a write");
    }
}

#[test]
fn a_killed_process_leaves_the_old_file_whole() {
    let folder = folder();
    let path = folder.path().join("x.arrow");
    write_all(&path, &[ints("n", vec![Some(1)])], &WriteOptions::default()).expect("a file");
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "write::child_that_writes_for_ever"])
        .env("BOWSTRING_TEST_WRITE_FOR_EVER", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let hidden_bytes = || -> u64 {
        let hidden = names(folder.path()).into_iter().find(|name| name.ends_with(".tmp"));
        hidden.map_or(0, |name| std::fs::metadata(folder.path().join(name)).map_or(0, |file| file.len()))
    };
    let begin = std::time::Instant::now();
    while hidden_bytes() < 1 << 20 {
        assert!(begin.elapsed().as_secs() < 60, "the child does not write");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(hidden_bytes() >= 1 << 20);
    assert_eq!(read_all(&path).expect("the old file"), ints("n", vec![Some(1)]));
    // The hidden file is no part of the folder's table.
    assert_eq!(read_all(folder.path()).expect("the folder"), ints("n", vec![Some(1)]));
}

#[test]
fn a_folder_appears_with_all_of_its_files_or_not_at_all() {
    let folder = folder();
    let target = folder.path().join("above").join("out");
    let given_up = AtomicFolder::create(&target).expect("a folder");
    std::fs::write(given_up.path().join("a"), "1").expect("a file");
    assert_eq!(names(folder.path()), ["above"]);
    assert!(!target.exists());
    drop(given_up);
    assert_eq!(names(folder.path()), [""; 0], "what was made above it is gone, too");

    let made = AtomicFolder::create(&target).expect("a folder");
    std::fs::write(made.path().join("a"), "1").expect("a file");
    let late = AtomicFolder::create(&target).expect("another one meanwhile");
    made.commit().expect("its name");
    assert_eq!(names(&target), ["a"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode(&target), mode(target.parent().expect("above")), "as any new folder");
    }
    std::fs::write(late.path().join("b"), "2").expect("a file");
    for refused in [late.commit(), AtomicFolder::create(&target).map(drop)] {
        let refused = refused.expect_err("something is there");
        assert!(matches!(refused, IoError::Exists { .. }), "{refused}");
    }
    assert_eq!(names(&target), ["a"], "nothing is replaced");
    assert_eq!(names(&folder.path().join("above")), ["out"]);
}

#[test]
fn kinds_of_failures_are_storage() {
    let failed = IoError::WriterFailed { path: "x".into() };
    assert_eq!(failed.kind(), ErrorKind::Storage);
}

/// Of the pages with the values of the list: how many have places in a dictionary, and how many the values.
fn list_pages(path: &Path) -> (usize, usize) {
    use parquet::{
        basic::Encoding,
        file::{reader::FileReader, serialized_reader::SerializedFileReader},
    };
    let file = std::fs::File::open(path).expect("the file");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let (mut places, mut values) = (0, 0);
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).expect("a row group");
        for page in group.get_column_page_reader(0).expect("its pages") {
            match page.expect("a page") {
                page if !page.is_data_page() => {}
                page if page.encoding() == Encoding::RLE_DICTIONARY => places += 1,
                page => {
                    assert_eq!(page.encoding(), Encoding::PLAIN);
                    values += 1;
                }
            }
        }
    }
    (places, values)
}

/// 400 000 values in lists of four, in each of which the values go up; of them so many are different.
fn lists_of<T: ArrowPrimitiveType>(different: usize) -> RecordBatch {
    let part = different / 4;
    let value = |at: usize| T::Native::usize_as(at % 4 * part + at * 2_654_435_761 % part);
    let values = PrimitiveArray::<T>::from_iter_values((0..400_000).map(value));
    let item = Arc::new(Field::new_list_field(T::DATA_TYPE, false));
    let lists = ListArray::new(item, OffsetBuffer::from_repeated_length(4, 100_000), Arc::new(values), None);
    table(vec![("list", Arc::new(lists))])
}

#[test]
fn ids_in_lists_are_compressed_as_they_are() {
    let folder = folder();
    let check = |batch: &RecordBatch, compression, expected: (bool, bool)| {
        let path = folder.path().join("lists.parquet");
        let parquet = ParquetWriteOptions { compression, ..Default::default() };
        let options = WriteOptions { parquet, ..Default::default() };
        write_all(&path, &[batch.slice(0, 500), batch.slice(500, 99_500)], &options).expect("a file");
        assert_eq!(&read_all(&path).expect("the file"), batch);
        let (places, values) = list_pages(&path);
        assert_eq!((places > 1, values > 1), expected, "{places} and {values} with {compression:?}");
    };
    let (dictionary, as_they_are) = ((true, false), (false, true));
    for compression in [ParquetCompression::Zstd, ParquetCompression::Snappy] {
        check(&lists_of::<UInt32Type>(40_000), compression, as_they_are);
        check(&lists_of::<Int32Type>(40_000), compression, as_they_are);
        check(&lists_of::<UInt32Type>(4_000), compression, dictionary);
        check(&lists_of::<Int64Type>(40_000), compression, dictionary);
    }
    check(&lists_of::<UInt32Type>(40_000), ParquetCompression::None, dictionary);
}

/// A row group is held in memory until it is complete, so it ends after so many bytes too.
#[test]
fn a_row_group_ends_after_so_many_bytes() {
    let folder = folder();
    let path = folder.path().join("groups.parquet");
    let parquet = ParquetWriteOptions {
        compression: ParquetCompression::None,
        row_group_bytes: 100_000,
        ..ParquetWriteOptions::default()
    };
    let batches: Vec<RecordBatch> = (0..20).map(|at| varied(at * 1000, 1000)).collect();
    let options = WriteOptions { parquet, ..WriteOptions::default() };
    let written = write_all(&path, &batches, &options).expect("a file");
    let groups = bowstring_io::parquet_metadata(&[path]).expect("metadata").row_groups;
    let sizes: Vec<u64> = groups.iter().map(|group| group.total_byte_size).collect();
    assert!(sizes.len() > 3 && written.rows == 20_000, "{sizes:?}");
    assert!(sizes.iter().all(|bytes| *bytes < 150_000), "{sizes:?}");
}
