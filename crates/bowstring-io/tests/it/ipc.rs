//! Arrow IPC, file and stream.

use std::{path::Path, sync::Arc};

use arrow::array::{NullArray, RecordBatch};
use bowstring_core::{Diagnostic, ErrorKind};
use bowstring_io::{
    Dataset, IpcCompression, IpcContainer, IpcWriteOptions, Predicate, ReadOptions, Scan, WriteOptions,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::support::{folder, ints, plain, read_all, scan, shown, table, varied, write_all};

const CONTAINERS: [IpcContainer; 2] = [IpcContainer::File, IpcContainer::Stream];

fn options(container: IpcContainer, compression: IpcCompression) -> WriteOptions {
    WriteOptions { ipc: IpcWriteOptions { container, compression }, ..Default::default() }
}

#[test]
fn both_containers_and_all_compressions_are_read_back() {
    let folder = folder();
    let batches = [varied(0, 100), varied(100, 2000), varied(2100, 0), varied(2100, 7)];
    let expected = plain(&arrow::compute::concat_batches(&batches[0].schema(), &batches).expect("one table"));
    for container in CONTAINERS {
        for compression in [IpcCompression::None, IpcCompression::Lz4, IpcCompression::Zstd] {
            let path = folder.path().join("x.arrow");
            write_all(&path, &batches, &options(container, compression)).expect("written");
            let read = read_all(&path).expect("read");
            assert_eq!(read.schema(), batches[0].schema(), "{container:?} {compression:?}");
            assert_eq!(plain(&read), expected, "{container:?} {compression:?}");
            let dataset = Dataset::open(&[path], &ReadOptions::default()).expect("opened");
            assert_eq!(dataset.statistics().num_rows, Some(2107));
        }
    }
}

#[test]
fn columns_rows_and_predicates_are_as_asked() {
    let folder = folder();
    let batches: Vec<RecordBatch> = (0..20).map(|index| varied(index * 50, 50)).collect();
    let wanted = Scan {
        projection: Some(vec![7, 0]),
        predicate: Some(Predicate::IsNull(6)),
        limit: Some(3),
        batch_rows: 16,
    };
    let [file, stream] = CONTAINERS.map(|container| {
        let path = folder.path().join("x.arrow");
        write_all(&path, &batches, &options(container, IpcCompression::None)).expect("written");
        let dataset = Dataset::open(&[path], &ReadOptions::default()).expect("opened");
        shown(folder.path(), scan(&dataset, &wanted))
    });
    assert_eq!(file, stream);
    expect![[r#"
        +------+----+
        | kind | id |
        +------+----+
        |      | 3  |
        |      | 8  |
        |      | 13 |
        +------+----+"#]]
    .assert_eq(&file);
}

/// An IPC file or stream of one table, changed, is read.
fn check(container: IpcContainer, change: impl Fn(&mut Vec<u8>), expected: Expect) {
    let folder = folder();
    let path = folder.path().join("x.arrow");
    write_all(&path, &[varied(0, 20)], &options(container, IpcCompression::Zstd)).expect("written");
    let mut bytes = std::fs::read(&path).expect("the file");
    change(&mut bytes);
    std::fs::write(&path, bytes).expect("written");
    expected.assert_eq(&shown(folder.path(), read_all(&path)));
}

#[test]
fn malformed_files_are_named() {
    let file = IpcContainer::File;
    check(file, Vec::clear, expect!["data: `DIR/x.arrow` is not a valid ipc file: it is empty"]);
    check(
        file,
        |bytes| bytes.truncate(12),
        expect!["data: `DIR/x.arrow` is not a valid ipc file: it is too short to have a footer"],
    );
    check(
        file,
        |bytes| bytes.truncate(bytes.len() - 1),
        expect![
            "data: `DIR/x.arrow` is not a valid ipc file: it does not end with ARROW1: it was not written to its end"
        ],
    );
    check(
        file,
        |bytes| *bytes = b"FEA1 and more".to_vec(),
        expect![[r#"
        data: `DIR/x.arrow` is not a valid ipc file: it is Feather version 1

        hint: write it again as Feather version 2, which is Arrow IPC"#]],
    );
    let absurd = |bytes: &mut Vec<u8>| {
        let at = bytes.len() - 10;
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    };
    check(
        file,
        absurd,
        expect!["data: `DIR/x.arrow` is not a valid ipc file: its footer claims 4294967295 bytes"],
    );
    let stream = IpcContainer::Stream;
    check(
        stream,
        |bytes| bytes.truncate(bytes.len() - 100),
        expect![
            "data: `DIR/x.arrow` is not a valid ipc file: it claims 2304 bytes from byte 1920 on, but has 4132 in all"
        ],
    );
    check(
        stream,
        |bytes| *bytes = b"hello, I am no table".to_vec(),
        expect![
            "data: `DIR/x.arrow` is not a valid ipc file: it claims 1819043176 bytes from byte 4 on, but has 20 in all"
        ],
    );
    check(
        stream,
        |bytes| *bytes = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        expect!["data: `DIR/x.arrow` is not a valid ipc file: it has no schema"],
    );
}

#[test]
fn rows_without_bytes_take_no_memory_before_they_are_read() {
    let folder = folder();
    let rows = 1 << 50;
    let batch = table(vec![("nothing", Arc::new(NullArray::new(rows)))]);
    for container in CONTAINERS {
        let path = folder.path().join("x.arrow");
        write_all(&path, std::slice::from_ref(&batch), &options(container, IpcCompression::None))
            .expect("written");
        let dataset = Dataset::open(&[path], &ReadOptions::default()).expect("opened");
        assert_eq!(dataset.statistics().num_rows, Some(rows as u64));
        let first = Scan { limit: Some(10_000), ..Scan::default() };
        assert_eq!(scan(&dataset, &first).expect("rows").num_rows(), 10_000);
    }
}

/// A compressed file of one buffer, changed where the compressed bytes begin.
fn check_compressed(
    compression: IpcCompression,
    magic: [u8; 4],
    change: impl Fn(&mut [u8]),
    expected: Expect,
) {
    let folder = folder();
    let path = folder.path().join("x.arrow");
    let batch = ints("n", (0..500).map(Some).collect());
    write_all(&path, &[batch], &options(IpcContainer::File, compression)).expect("written");
    let mut bytes = std::fs::read(&path).expect("the file");
    let at = bytes.windows(4).position(|window| window == magic).expect("compressed bytes");
    change(&mut bytes[at - 8..]);
    std::fs::write(&path, bytes).expect("written");
    expected.assert_eq(&shown(folder.path(), read_all(&path)));
}

const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[test]
fn compressed_bytes_that_are_damaged_are_malformed() {
    let damage = |bytes: &mut [u8]| bytes[20..60].fill(0);
    check_compressed(
        IpcCompression::Lz4,
        LZ4,
        damage,
        expect!["data: `DIR/x.arrow` is not a valid ipc file: DecompressionError(OffsetZero)"],
    );
    check_compressed(
        IpcCompression::Zstd,
        ZSTD,
        damage,
        expect!["data: `DIR/x.arrow` is not a valid ipc file: Data corruption detected"],
    );
}

#[test]
fn memory_is_never_asked_for_a_length_that_the_bytes_cannot_have() {
    let claim = |length: i64| move |bytes: &mut [u8]| bytes[..8].copy_from_slice(&length.to_le_bytes());
    check_compressed(
        IpcCompression::Lz4,
        LZ4,
        claim(1 << 30),
        expect![
            "data: `DIR/x.arrow` is not a valid ipc file: a buffer claims 1073741824 bytes when decompressed"
        ],
    );
    check_compressed(
        IpcCompression::Zstd,
        ZSTD,
        claim(1 << 30),
        expect![
            "data: `DIR/x.arrow` is not a valid ipc file: a buffer claims 1073741824 bytes when decompressed"
        ],
    );
    check_compressed(
        IpcCompression::Zstd,
        ZSTD,
        claim(-2),
        expect!["data: `DIR/x.arrow` is not a valid ipc file: a buffer claims -2 bytes when decompressed"],
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever bytes change: a table or a typed error, never a panic, an abort or a hang.
    #[test]
    fn changed_bytes_never_panic(
        stream: bool,
        compressed: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = folder();
        let path = folder.path().join("x.arrow");
        let mut bytes = original(stream, compressed).to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        std::fs::write(&path, bytes).expect("written");
        if let Err(error) = read_all(&path) {
            let text = bowstring_core::render(&error);
            prop_assert_eq!(error.kind(), ErrorKind::Data, "{}", text);
            prop_assert!(text.contains("x.arrow"), "{text}");
        }
    }
}

fn original(stream: bool, compressed: bool) -> &'static [u8] {
    use std::sync::LazyLock;
    static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let folder = folder();
        let write = |container, compression| {
            let path: &Path = &folder.path().join("x.arrow");
            write_all(path, &[varied(0, 20), varied(20, 9)], &options(container, compression))
                .expect("written");
            std::fs::read(path).expect("the file")
        };
        let mut files = Vec::new();
        for container in CONTAINERS {
            for compression in [IpcCompression::None, IpcCompression::Zstd] {
                files.push(write(container, compression));
            }
        }
        files
    });
    &FILES[usize::from(stream) * 2 + usize::from(compressed)]
}
