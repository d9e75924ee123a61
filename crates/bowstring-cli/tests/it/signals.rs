//! SIGINT and SIGTERM, once and twice.

#![cfg(unix)]

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use crate::support::{Folder, wait_until};

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Whether a process has said what it does when it is interrupted; until then a signal just ends it. Where the
/// system does not tell, it is given a while.
fn hears_signals(child: &Child) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", child.id())) else {
        std::thread::sleep(Duration::from_millis(300));
        return true;
    };
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    // The bit of SIGINT.
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|caught| caught & 0b10 != 0)
}

/// A workflow that would write for minutes, once it has begun to.
fn writing(folder: &Folder) -> Child {
    folder.document(
        "w.yaml",
        r#"
  - {name: rows, type: sql, config: {query: "SELECT a.value * b.value AS x FROM generate_series(1, 200000) a CROSS JOIN generate_series(1, 200000) b"}}
  - {name: save, type: write, input: rows, config: {path: out.csv}}
"#,
    );
    folder.file("out.csv", "old");
    let child = folder.start(&["run", "w.yaml"]);
    wait_until("a temporary file", || folder.names().iter().any(|name| name.ends_with(".tmp")));
    child
}

#[test]
fn the_first_signal_stops_the_run_and_leaves_nothing_half_written() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::new();
        let child = writing(&folder);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let shown = folder.shown(&output);
        assert_eq!(output.status.code(), Some(code), "{shown}");
        assert!(
            shown.contains("test cancelled in") && shown.contains("error: the run was stopped"),
            "{shown}"
        );
        assert_eq!(std::fs::read_to_string(folder.path("out.csv")).unwrap(), "old");
        assert_eq!(folder.names(), ["out.csv", "people.csv", "people.parquet", "w.yaml"]);
    }
}

#[test]
fn a_model_that_is_being_quantised_is_given_up() {
    let folder = Folder::new();
    let weights: Vec<f32> = (0..1 << 22).map(|i| (i as f32 * 0.7).sin()).collect();
    let shape: &[usize] = &[1 << 11, 1 << 11];
    let names = ["a.weight", "b.weight", "c.weight", "d.weight"];
    let tensors = names.map(|name| (name, shape, weights.as_slice()));
    folder.file("model.safetensors", bowstring_testing::safetensors(&tensors));
    folder.file("x.parquet", "old");
    let child =
        folder.start(&["quantize", "model.safetensors", "x.parquet", "--threads", "1", "--bits", "2"]);
    wait_until("a temporary file", || folder.names().iter().any(|name| name.ends_with(".tmp")));
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", folder.shown(&output));
    assert_eq!(std::fs::read_to_string(folder.path("x.parquet")).unwrap(), "old");
    assert_eq!(folder.names(), ["model.safetensors", "people.csv", "people.parquet", "x.parquet"]);
}

/// Killed at thirty moments all over the work, which goes on each time, the file has the bytes of one made at once.
#[test]
fn a_model_whose_quantisation_is_killed_goes_on() {
    let folder = Folder::new();
    let weights: Vec<f32> = (0..1 << 18).map(|i| (i as f32 * 0.7).sin()).collect();
    let names: Vec<String> = (0..12).map(|layer| format!("layers.{layer}.weight")).collect();
    let tensors: Vec<_> =
        names.iter().map(|name| (name.as_str(), &[1 << 9, 1 << 9][..], weights.as_slice())).collect();
    folder.file("model.safetensors", bowstring_testing::safetensors(&tensors));
    let start = |out: &str, options: &[&str]| {
        let fixed = ["quantize", "model.safetensors", out, "--threads", "1", "--bits", "3"];
        folder.start(&[&fixed, options].concat())
    };
    for ending in ["parquet", "safetensors"] {
        let (once, out) = (format!("once.{ending}"), format!("out.{ending}"));
        let begun = Instant::now();
        assert!(start(&once, &["--resume"]).wait().unwrap().success());
        let whole = begun.elapsed();
        let once = std::fs::read(folder.path(&once)).unwrap();
        let mut state = 7_u32;
        for _ in 0..15 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut child = start(&out, &["--resume"]);
            std::thread::sleep(whole.mul_f64(f64::from(state >> 8) / f64::from(1 << 24)));
            child.kill().unwrap();
            child.wait().unwrap();
            if folder.path(&out).exists() {
                assert_eq!(std::fs::read(folder.path(&out)).unwrap(), once, "a file is there as a whole");
                std::fs::remove_file(folder.path(&out)).unwrap();
            }
        }
        let output = start(&out, &["--resume"]).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", folder.shown(&output));
        assert_eq!(std::fs::read(folder.path(&out)).unwrap(), once);
        assert!(!folder.path(&format!("{out}.parts")).exists(), "the parts are gone with the work");
    }
}

#[test]
fn a_query_is_stopped() {
    let folder = Folder::new();
    let query =
        "SELECT count(*) FROM generate_series(1, 10000000) a CROSS JOIN generate_series(1, 10000000) b";
    let child = folder.start(&["sql", query]);
    wait_until("a handler", || hears_signals(&child));
    signal(&child, "INT");
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", folder.shown(&output));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[test]
fn the_second_signal_ends_the_process_at_once() {
    let folder = Folder::new();
    let made = Command::new("mkfifo").arg(folder.path("pipe.csv")).status().unwrap();
    assert!(made.success());
    // Nobody reads the pipe: opening it never ends, and cannot be interrupted.
    folder.document(
        "w.yaml",
        "  - {name: data, type: read, config: {path: people.csv}}\n  - {name: save, type: write, input: data, config: {path: pipe.csv}}\n",
    );
    let child = folder.start(&["run", "w.yaml", "--events", "events.jsonl"]);
    let events = folder.path("events.jsonl");
    wait_until("the step", || {
        std::fs::read_to_string(&events).is_ok_and(|text| text.contains("step_started"))
    });
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", folder.shown(&output));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}
