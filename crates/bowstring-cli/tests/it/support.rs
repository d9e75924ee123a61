//! Starts the command in a folder, and shows how it ended as text.

use std::{
    io::Write,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub(crate) const PEOPLE: &str = "name,age\nann,31\nbob,7\ncy,\n";

/// A folder in which commands run.
pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    /// With `people.csv` and `people.parquet`.
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.file("people.csv", PEOPLE);
        assert_eq!(folder.run(&["convert", "people.csv", "people.parquet"]), "exit 0\n");
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    /// A document of these steps, as `name`.
    pub(crate) fn document(&self, name: &str, steps: &str) {
        self.file(name, format!("name: test\nsteps:\n{steps}"));
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bowstring"));
        command.args(args).current_dir(self.0.path()).env_remove("BOWSTRING_LOG");
        command
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts a command whose output can be read.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Exit code, stdout and stderr of a command.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        self.shown(&self.output(args))
    }

    /// The same with something on stdin.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> String {
        let mut command = self.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        self.shown(&child.wait_with_output().unwrap())
    }

    pub(crate) fn shown(&self, output: &Output) -> String {
        let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
        let text = format!(
            "exit {code}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        text.replace(&self.0.path().display().to_string(), "DIR")
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        bowstring_testing::names(self.0.path())
    }
}

/// Waits until `condition` holds; panics when it does not within ten seconds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    std::env::current_dir().unwrap().join("../..").join(path)
}
