"""The GAP Benchmark Suite, run as its own programs over the same graphs.

Its sources are those of `sources.u32`, in order. A run apart from the timed one has it check itself (`-v`);
the times are of the same arguments without.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from answers import BETWEENNESS_SOURCES, DAMPING, ROUNDS, SOURCES, TOLERANCE, expected
from graphs import Edges

# The widths of a bucket that were quickest here, as GAP's rules let each graph have its own.
DELTAS = {"kron": 2, "urand": 2, "grid": 256}
REPEATS = 3
KERNELS = ("build", "bfs", "sssp", "pagerank", "pagerank20", "components", "triangles", "betweenness")
CANNOT = {"strong": "has none"}


def delta(graph: Edges) -> int:
    return DELTAS[re.match("[a-z]+", graph.name)[0]]


def arguments(kernel: str, graph: Edges) -> list[str]:
    return {
        "bfs": ["bfs", "-f", "graph.sg", "-n", str(SOURCES)],
        "sssp": ["sssp", "-f", "graph.wsg", "-n", str(SOURCES), "-d", str(delta(graph))],
        "pagerank": ["pr", "-f", "graph.sg", "-n", "3", "-i", str(ROUNDS), "-t", str(TOLERANCE)],
        "pagerank20": ["pr_spmv", "-f", "graph.sg", "-n", "3", "-i", str(ROUNDS), "-t", "0"],
        "components": ["cc", "-f", "graph.sg", "-n", "5"],
        "triangles": ["tc", "-f", "graph.sg", "-n", "1"],
        "betweenness": ["bc", "-f", "graph.sg", "-n", "1", "-i", str(BETWEENNESS_SOURCES)],
        # In place, which is its way of building that sorts and merges within the time it tells.
        "build": ["cc", "-f", "graph.el", "-m", "-n", "1", *([] if graph.directed else ["-s"])],
    }[kernel]


def call(suite: Path, graph: Edges, program: str, *rest: str) -> str:
    command = [str(suite.resolve() / program), *rest]
    return subprocess.run(command, cwd=graph.folder, capture_output=True, text=True, check=True).stdout


def times_in(text: str, label: str = "Trial Time") -> list[float]:
    return [float(found) for found in re.findall(rf"{label}:\s+([\d.]+)", text)]


def fault(suite: Path, kernel: str, graph: Edges) -> str | None:
    if kernel == "build":
        text = call(suite, graph, *arguments(kernel, graph))
        edges = int(re.search(r"and (\d+) (?:un)?directed edges", text)[1]) * (1 if graph.directed else 2)
        right = int(expected(kernel, graph)[0])
        return None if edges == right else f"{edges}, not {right}"
    text = call(suite, graph, *arguments(kernel, graph), "-v")
    if kernel == "pagerank20":
        # A number of iterations promises no tolerance; of the change it promises what damping leaves.
        errors = times_in(text, "Total Error")
        return None if errors and max(errors) <= 2 * DAMPING**ROUNDS else f"changes still by {errors}"
    checks = re.findall(r"Verification:\s+(\w+)", text)
    return None if checks and set(checks) == {"PASS"} else "fails its own check"


def measure(suite: Path, kernel: str, graph: Edges) -> list[float]:
    """Best of each trial: one trial a source, or the best of several."""
    runs = []
    for _ in range(REPEATS if kernel in ("bfs", "sssp") else 1):
        text = call(suite, graph, *arguments(kernel, graph))
        runs.append(times_in(text, "Build Time" if kernel == "build" else "Trial Time"))
    if kernel in ("bfs", "sssp"):
        return [min(trials) for trials in zip(*runs, strict=True)]
    return [min(runs[0])]
