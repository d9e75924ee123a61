"""The command `bowstring`, as the package brings it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bowstring as bs

COMMAND = Path(sys.executable).with_name("bowstring")

STEPS = """
import bowstring as bs

@bs.step("mine.double")
def double(table, *, column: str):
    return bs.Frame(table).with_columns(**{column: f"{column} * 2"})

@bs.step("mine.fails")
def fails(table):
    raise RuntimeError("on purpose")
"""


def command(*args: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *args], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def workflow(folder: Path, numbers: Path, kind: str, config: dict[str, str]) -> Path:
    (folder / "steps.py").write_text(STEPS)
    path = folder / "flow.yaml"
    steps = [
        {"name": "read", "type": "read", "config": {"path": str(numbers)}},
        {"name": "mine", "type": kind, "config": config, "input": "read"},
        {"name": "save", "type": "write", "config": {"path": "out.csv"}, "input": "mine"},
    ]
    path.write_text(json.dumps({"name": "flow", "steps": steps}))
    return path


def test_the_whole_command_line_is_there(numbers: Path, tmp_path: Path) -> None:
    version = command("--version", folder=tmp_path)
    assert version.stdout == f"bowstring {bs.__version__}\n"
    shown = command("head", numbers, "-n", "1", "--format", "json", folder=tmp_path)
    assert json.loads(shown.stdout) in (
        {"id": 1, "name": "ape", "value": 50.0},
        [{"id": 1, "name": "ape", "value": 50.0}],
    )
    assert command("head", "missing.parquet", folder=tmp_path).returncode == 4
    assert command("nonsense", folder=tmp_path).returncode == 2


def test_import_brings_steps_of_the_working_folder(numbers: Path, tmp_path: Path) -> None:
    path = workflow(tmp_path, numbers, "mine.double", {"column": "id"})
    without = command("run", path, folder=tmp_path)
    assert without.returncode == 2
    assert "mine.double" in without.stderr
    done = command("run", path, "--import", "steps", "--format", "json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "completed"
    assert bs.read_csv(tmp_path / "out.csv").to_pyarrow()["id"].to_pylist() == [2, 4, 6, 8]


def test_a_step_that_raises_exits_1_with_its_traceback(numbers: Path, tmp_path: Path) -> None:
    path = workflow(tmp_path, numbers, "mine.fails", {})
    done = command("run", path, "--import", "steps", folder=tmp_path)
    assert done.returncode == 1
    assert "RuntimeError: on purpose" in done.stderr
    assert 'raise RuntimeError("on purpose")' in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_a_module_that_cannot_be_imported_is_named(numbers: Path, tmp_path: Path) -> None:
    path = workflow(tmp_path, numbers, "mine.fails", {})
    done = command("run", path, "--import", "no_such_module", folder=tmp_path)
    assert done.returncode == 1
    assert "cannot import `no_such_module`: ModuleNotFoundError" in done.stderr


def test_signals_end_the_command_with_their_codes(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text("steps: [{name: s, type: sleep, config: {duration: 60s}}]")
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = subprocess.Popen(
            [COMMAND, "run", path], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(2)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert process.returncode == code
        assert b"Traceback" not in said


def test_a_reader_that_leaves_early_is_no_failure(numbers: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [COMMAND, "head", numbers], stdout=write, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
