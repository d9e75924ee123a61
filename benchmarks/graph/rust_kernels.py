"""The contenders of `rust/`: Bowstring below its Python package, and the crate `graph` of neo4j-labs."""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
from pathlib import Path

import answers
import numpy as np
from gapbs import delta
from graphs import Array, Edges

# Each one's name in the table, the library that the program is told, and its package in the lock file.
LIBRARIES = {"bowstring (Rust)": ("bowstring", "bowstring-graph"), "neo4j graph (Rust)": ("neo4j", "graph")}
CANNOT = {
    "bowstring (Rust)": {},
    "neo4j graph (Rust)": {
        "build": "graph-mate's is the same",
        "bfs": "has none",
        "strong": "has none",
        "betweenness": "has none",
    },
}


def version(name: str) -> str:
    lock = tomllib.loads((Path(__file__).parent / "rust" / "Cargo.lock").read_text())
    return next(found["version"] for found in lock["package"] if found["name"] == LIBRARIES[name][1])


def read(kernel: str, numbers: Array, trials: int, graph: Edges) -> Array:
    """The answers, one for each trial."""
    if kernel in ("bfs", "sssp"):
        return numbers.reshape(trials, -1).astype(np.int32)
    if kernel in ("build", "triangles"):
        return numbers
    if kernel == "betweenness":
        return answers.sums_of_samples(numbers, graph)[None]
    return (numbers if kernel.startswith("pagerank") else numbers.astype(np.int64))[None]


def measure(
    program: Path, name: str, kernel: str, graph: Edges, threads: int
) -> tuple[list[float], str | None]:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.f64"
        command = [str(program.resolve()), LIBRARIES[name][0], kernel, str(graph.folder), str(threads)]
        command += [str(delta(graph)), str(answer)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            return [], (ended.stderr.strip().splitlines() or [f"ended with {ended.returncode}"])[-1][:80]
        times = [float(line) for line in ended.stdout.split()]
        found = read(kernel, np.fromfile(answer), len(times), graph)
    faults = [answers.fault(kernel, graph, trial, part) for trial, part in enumerate(found)]
    wrong = next((fault for fault in faults if fault), None)
    return ([], f"wrong answer: {wrong}") if wrong else (times, None)
