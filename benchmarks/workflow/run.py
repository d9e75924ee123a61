"""Workflow engines side by side: `python benchmarks/workflow/run.py [--runs N] [--out FILE]`.

Builds Bowstring's benchmark and the Rust peers in release, runs every peer on every graph in turn
(so that a busy machine is busy for all), checks every answer, and writes a Markdown table of the
microseconds a step: the best of the runs and, in brackets, the median. What cannot run says why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SHAPES = ["chain", "fan", "layered"]
PYTHON_PEERS = ["graphlib", "dask", "hamilton", "prefect", "dagster"]
RUST_PEERS = ["dagx", "dagrs"]
SLOW = {"prefect", "dagster", "hamilton"}
LIMIT_SECONDS = 600


def build(folder: Path, *arguments: str) -> Path:
    """Builds with cargo and returns the executable that the build names."""
    command = ["cargo", "build", "--release", "--message-format=json", *arguments]
    lines = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in lines.splitlines()]
    return Path([m["executable"] for m in messages if m.get("executable")][-1])


def microseconds(command: list[str]) -> list[float] | str:
    """Each run's microseconds a step, or why there are none."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_SECONDS, cwd=HERE, env=os.environ
        )
    except subprocess.TimeoutExpired:
        return f"> {LIMIT_SECONDS} s"
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return reason[-1][:60]
    return [float(line) for line in done.stdout.split()]


def cell(values: list[float] | str) -> str:
    if isinstance(values, str):
        return values
    return f"{min(values):.2f} ({statistics.median(values):.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="runs of each peer on each graph (default 10)")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()

    ours = build(ROOT, "-p", "bowstring-workflow", "--bench", "overhead")
    rust = build(HERE / "rust-peers")
    commands = {"Bowstring, with records and events": [str(ours)]}
    commands |= {peer: [str(rust), peer] for peer in RUST_PEERS}
    commands |= {peer: [sys.executable, "python_peers.py", peer] for peer in PYTHON_PEERS}

    rows = [
        f"Microseconds a step, best of {options.runs} (median); prefect, dagster and hamilton run once.",
        f"{platform.machine()}, {os.cpu_count()} cores, 2 threads each; answers checked in every run.",
        "",
        "| engine | " + " | ".join(SHAPES) + " |",
        "| --- |" + " --- |" * len(SHAPES),
    ]
    for peer, command in commands.items():
        runs = "1" if peer in SLOW else str(options.runs)
        cells = [cell(microseconds([*command, shape, runs])) for shape in SHAPES]
        rows.append(f"| {peer} | " + " | ".join(cells) + " |")
        print(rows[-1], flush=True)
    text = "\n".join(rows) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
