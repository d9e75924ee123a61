//! Disks that are full, and folders that nobody may write to.
#![cfg(unix)]

use std::{
    io::Write,
    path::Path,
    process::{Command, Output},
};

use bowstring_core::{Diagnostic, render};
use bowstring_io::WriteOptions;
use expect_test::{Expect, expect};

use crate::support::{folder, ints, names, read_all, varied, write_all};

const TARGET: &str = "BOWSTRING_TEST_TARGET";

/// Run as a child: writes a table to the file that the variable names, and says what became of it.
#[test]
fn child_that_writes_a_table() {
    let Some(path) = std::env::var_os(TARGET) else { return };
    let batch = varied(0, 20_000).project(&[0, 1, 2, 3, 4, 5, 6]).expect("columns of every format");
    let said = match write_all(Path::new(&path), &vec![batch; 5], &WriteOptions::default()) {
        Ok(written) => format!("wrote {} rows", written.rows),
        Err(error) => format!("{}: {}", error.kind(), render(&error)),
    };
    std::io::stderr().write_all(said.as_bytes()).expect("the parent listens");
}

/// What the child says when no file may have more than so many blocks of 512 bytes.
fn write_with_room_for(blocks: &str, path: &Path) -> Output {
    let child =
        "trap '' XFSZ; ulimit -f \"$1\"; exec \"$2\" --exact --nocapture storage::child_that_writes_a_table";
    Command::new("sh")
        .args(["-c", child, "sh", blocks])
        .arg(std::env::current_exe().expect("this test"))
        .env(TARGET, path)
        .output()
        .expect("a child")
}

/// The old file stays, and nothing else is in the folder.
fn check_full(name: &str) {
    let folder = folder();
    let path = folder.path().join(name);
    let old = ints("n", vec![Some(1)]);
    write_all(&path, std::slice::from_ref(&old), &WriteOptions::default()).expect("the old file");
    let output = write_with_room_for("64", &path);
    let said = String::from_utf8_lossy(&output.stderr).replace(&folder.path().display().to_string(), "DIR");
    assert!(
        said.contains(&format!("storage: cannot write `DIR/{name}`: File too large (os error 27)")),
        "{said}"
    );
    assert_eq!(names(folder.path()), [name]);
    assert_eq!(read_all(&path).expect("the old file"), old);
    // In a folder that was made for it, not even that is left.
    let output = write_with_room_for("64", &folder.path().join("new/deep").join(name));
    assert!(String::from_utf8_lossy(&output.stderr).contains("File too large"));
    assert_eq!(names(folder.path()), [name]);
    // With room for it the same child succeeds.
    let output = write_with_room_for("unlimited", &path);
    assert!(String::from_utf8_lossy(&output.stderr).contains("wrote 100000 rows"));
    assert_eq!(read_all(&path).expect("the new file").num_rows(), 100_000);
}

#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    for name in ["x.parquet", "x.arrow", "x.csv", "x.jsonl"] {
        check_full(name);
    }
}

fn check_refused(path: &Path, folder: &Path, expected: Expect) {
    let error = write_all(path, &[ints("n", vec![Some(1)])], &WriteOptions::default()).expect_err("no file");
    let text = format!("{}: {}", error.kind(), render(&error));
    expected.assert_eq(&text.replace(&folder.display().to_string(), "DIR"));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    check_refused(
        &file.join("x.parquet"),
        folder.path(),
        expect!["storage: cannot write to `DIR/file`: not a directory"],
    );
    let inner = folder.path().join("folder.parquet");
    std::fs::create_dir(&inner).expect("a folder");
    check_refused(
        &inner,
        folder.path(),
        expect!["storage: cannot write `DIR/folder.parquet`: is a directory"],
    );
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).expect("a folder");
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).expect("permissions");
    // The superuser may write there all the same.
    if std::fs::write(closed.join("try"), "").is_err() {
        let error = write_all(&closed.join("x.parquet"), &[ints("n", vec![])], &WriteOptions::default());
        let error = error.expect_err("no file").to_string();
        assert_eq!(error, format!("cannot write to `{}`: permission denied", closed.display()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_where_not_even_the_superuser_may_write_is_named() {
    check_refused(
        Path::new("/sys/x.parquet"),
        Path::new("/none"),
        expect!["storage: cannot write to `/sys`: permission denied"],
    );
}
