"""Graph kernels side by side: `python benchmarks/graph/run.py --gapbs DIR [--graphs ...] [--out FILE]`.

Each contender has a process of its own for each graph and number of threads, kept to as many cores as it has
threads; contenders come in a new random order in each round. Making a contender's own form of the graph is
apart from the kernels' times (`build` is the kernel that times it). Breadth-first search and shortest paths
go from the same sources: the best time of each source, then the median over the sources. Of all else the best
time counts. Every answer of every process is compared with scipy's; who answers otherwise has no time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import select
import statistics
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import answers
import gapbs
import graphs
import process
import rust_kernels
from peers import CONTENDERS

KERNELS = (
    "build",
    "bfs",
    "sssp",
    "pagerank",
    "pagerank20",
    "components",
    "strong",
    "triangles",
    "betweenness",
)
OURS, OURS_RUST, SUITE = "bowstring", "bowstring (Rust)", "gapbs"
# Those that are programs of their own, and what these lack.
PROGRAMS = rust_kernels.CANNOT | {SUITE: gapbs.CANNOT}
# Seconds after which a kernel is repeated no more within a round.
LONG = 0.5


def kernels_of(graph: str) -> list[str]:
    """Triangles want both directions, strong components one; and kron20's triangles take too long.

    The shortest paths across a large lattice are too many to be counted in f64, by any contender.
    """
    without = {"triangles"} if graph.endswith("d") or graph == "kron20" else set()
    if graph.startswith("grid"):
        without.add("betweenness")
    if not graph.endswith("d"):
        without.add("strong")
    return [kernel for kernel in KERNELS if kernel not in without]


@dataclass
class Cell:
    """What one contender did with one kernel of one graph: times by source, or why there are none."""

    times: list[float] = field(default_factory=list)
    why: str | None = None
    compared: bool = True

    def add(self, times: list[float]) -> None:
        self.times = [min(pair) for pair in zip(self.times, times, strict=True)] if self.times else times

    @property
    def seconds(self) -> float | None:
        return statistics.median(self.times) if self.times and self.why is None else None


def time_kernel(contender: object, kernel: str, graph: graphs.Edges) -> tuple[list[float], str | None]:
    run, read = getattr(contender, kernel)()
    each = kernel in ("bfs", "sssp")
    trials = [int(source) for source in graph.sources[: answers.SOURCES]] if each else [0]
    compared = kernel not in contender.not_compared
    best: list[float] = []
    for trial, source in enumerate(trials):
        spent: list[float] = []
        while len(spent) < (2 if each else 5) and sum(spent) < LONG:
            begin = time.perf_counter()
            found = run(source)
            spent.append(time.perf_counter() - begin)
        wrong = answers.fault(kernel, graph, trial, read(found)) if compared else None
        if wrong:
            return [], f"wrong answer: {wrong}"
        best.append(min(spent))
    return best, None


def child(options: argparse.Namespace) -> None:
    """Runs one contender over one graph and writes a line of JSON for each kernel as it ends."""
    graph = graphs.load(options.graphs[0], options.data)
    name, threads = options.child, options.threads[0]
    contender = CONTENDERS[name](graph, threads) if name in CONTENDERS else None
    for kernel in options.kernels:
        times, why = [], None
        try:
            if name == SUITE:
                times = gapbs.measure(options.gapbs, kernel, graph)
                why = gapbs.fault(options.gapbs, kernel, graph) if options.check else None
            elif contender is None:
                times, why = rust_kernels.measure(options.rust, name, kernel, graph, threads)
            else:
                times, why = time_kernel(contender, kernel, graph)
        except Exception as error:
            traceback.print_exc()
            why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:80]
        print(json.dumps({"kernel": kernel, "times": times, "why": why}), flush=True)


def lines_of(running: subprocess.Popen, limit: float) -> list[dict]:
    """The lines until the process ends; it is ended when none comes within the limit."""
    lines, rest = [], b""
    while True:
        ready, _, _ = select.select([running.stdout], [], [], limit)
        if not ready:
            running.kill()
            running.wait()
            return lines
        part = os.read(running.stdout.fileno(), 65536)
        if not part:
            running.wait()
            return lines
        *whole, rest = (rest + part).split(b"\n")
        lines += [json.loads(line) for line in whole]


def run_contender(
    name: str, graph: str, threads: int, kernels: list[str], check: bool, options: argparse.Namespace
) -> dict[str, dict]:
    """The lines of each kernel; a process that ended is begun again behind the kernel that ended it."""
    found: dict[str, dict] = {}
    while kernels:
        command, environment = process.kept_to(threads, __file__, "--child", name, "--graphs", graph)
        command += ["--threads", str(threads), "--data", str(options.data), "--kernels", *kernels]
        if name == "icebug":
            environment["PYTHONPATH"] = str(options.icebug)
        command += ["--check"] if check else []
        command += ["--gapbs", str(options.gapbs)] if options.gapbs else []
        command += ["--rust", str(options.rust)] if options.rust else []
        begin = time.monotonic()
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=options.log, env=environment)
        for line in lines_of(running, options.limit):
            found[line.pop("kernel")] = line
        left = [kernel for kernel in kernels if kernel not in found]
        if left:
            long = time.monotonic() - begin >= options.limit
            why = (
                f"over {options.limit:.0f} s, or behind such a kernel"
                if long
                else f"ended with {running.returncode}"
            )
            for kernel in left if long else left[:1]:
                found[kernel] = {"times": [], "why": why}
        kernels = [kernel for kernel in left if kernel not in found]
    return found


Table = dict[tuple[str, int, str], dict[str, Cell]]


def sitting(options: argparse.Namespace, names: list[str]) -> Table:
    table: Table = {}
    order = random.Random(options.seed)
    for turn, graph, threads in itertools.product(range(options.rounds), options.graphs, options.threads):
        for name in order.sample(names, len(names)):
            wanted = []
            for kernel in (kernel for kernel in options.kernels if kernel in kernels_of(graph)):
                row = table.setdefault((graph, threads, kernel), {})
                if name in PROGRAMS:
                    missing, compared = PROGRAMS[name].get(kernel), True
                else:
                    has = hasattr(CONTENDERS[name], kernel)
                    missing = CONTENDERS[name].cannot.get(kernel, None if has else "has none")
                    compared = kernel not in CONTENDERS[name].not_compared
                cell = row.setdefault(name, Cell(why=missing, compared=compared))
                if cell.why is None:
                    wanted.append(kernel)
            for kernel, line in run_contender(name, graph, threads, wanted, turn == 0, options).items():
                cell = table[graph, threads, kernel][name]
                cell.why = line["why"]
                if cell.why is None:
                    cell.add(line["times"])
            print(f"round {turn + 1}: {graph}, {threads} threads, {name}", file=sys.stderr)
    return table


# Of PEERS' table for two threads: at most so many times the time of whom it names.
GOALS = {
    ("bfs", SUITE): 1.0,
    ("sssp", "the best"): 1.0,
    ("pagerank", SUITE): 0.9,
    ("pagerank20", SUITE): 1.0,
    ("components", SUITE): 1.0,
    ("strong", "scipy"): 0.6,
    ("triangles", SUITE): 0.9,
    ("build", "the best"): 1.0,
    ("betweenness", "the best"): 1.0,
}


def ratio(ours: float | None, theirs: float | None) -> str:
    return f"{ours / theirs:.2f}" if ours and theirs else "–"


def write_table(
    table: Table,
    names: list[str],
    versions: dict[str, str],
    absent: dict[str, str],
    options: argparse.Namespace,
) -> str:
    notes: dict[str, int] = {}

    def shown(cell: Cell, best: float | None) -> str:
        if cell.why is not None:
            return f"– [{notes.setdefault(cell.why, len(notes) + 1)}]"
        seconds = cell.seconds
        text = f"{seconds * 1e3:#.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"
        if not cell.compared:
            return f"*{text}*"
        return f"**{text}**" if seconds == best else text

    held = missed = 0
    body = []
    for (graph, threads, kernel), row in table.items():
        times = {name: row[name].seconds for name in names if row[name].compared and row[name].seconds}
        best = min(times.values(), default=None)
        rivals = {name: seconds for name, seconds in times.items() if name not in (OURS, OURS_RUST)}
        ours = times.get(OURS, times.get(OURS_RUST))
        rival = min(rivals.values(), default=None)
        goals = []
        for (wanted, whom), most in GOALS.items():
            base = rival if whom == "the best" else rivals.get(whom)
            if wanted == kernel and base and ours:
                good = ours <= most * base
                held, missed = held + good, missed + (not good)
                goals.append(f"≤ {most:.1f} × {whom}: {'held' if good else 'missed'}")
        cells = " | ".join(shown(row[name], best) for name in names)
        body.append(
            f"| {graph} | {kernel} | {threads} | {cells} | {ratio(ours, rival)} | "
            f"{ratio(ours, rivals.get(SUITE))} | {'; '.join(goals) or '–'} |"
        )
    sources, some, most = answers.SOURCES, answers.BETWEENNESS_SOURCES, answers.ROUNDS
    heads = [f"{name} {versions[name]}".strip() for name in names]
    lines = [
        f"Milliseconds; {options.rounds} rounds in random order, {platform.machine()},",
        f"{os.cpu_count()} cores.",
        "Bold is the fastest; *slanted* times are of answers that could not be compared, since the contender",
        "draws its own sources; every other answer was compared. Ratios and goals are of Bowstring's",
        "Python package where it ran in this sitting, else of its Rust kernels.",
        "",
        "`kron` is Kronecker with edge factor 16 (a final `d`: directed), `urand` uniform, `grid` a weighted",
        f"lattice. bfs, sssp: median over {sources} sources. betweenness: {some} sources.",
        f"pagerank: until changes fall below {answers.TOLERANCE:g} (L1), at most {most} iterations;",
        f"pagerank20: {most} iterations. build: from the edge list to sorted rows without repeats and",
        "self-loops, both directions of an edge unless directed.",
        "",
        f"Goals held: {held}; missed: {missed}.",
        "",
        f"| graph | kernel | threads | {' | '.join(heads)} | ours / best other | ours / gapbs | goal |",
        "| --- | --- | --- |" + " --- |" * (len(names) + 3),
        *body,
        "",
        *(f"{number}. {why}" for why, number in notes.items()),
    ]
    if absent:
        lines += ["", "Not run:", "", *(f"- {name}: {why}" for name, why in absent.items())]
    return "\n".join(lines) + "\n"


def contenders(options: argparse.Namespace) -> tuple[list[str], dict[str, str], dict[str, str]]:
    versions: dict[str, str] = {}
    absent: dict[str, str] = {
        "LAGraph": "PyPI has its C library of 2020 without a binding; graphblas runs its methods",
        "graph-tool": "not on PyPI",
        "networkx": "hundreds of times slower; `python_factors.py` measures it",
    }
    for name, contender in CONTENDERS.items():
        if name == "icebug":
            if options.icebug is None:
                absent[name] = "takes networkit's name, and no folder of its own was given with --icebug"
                continue
            found = list(options.icebug.glob("icebug-*.dist-info"))
            versions[name] = found[0].name.removeprefix("icebug-").removesuffix(".dist-info")
            continue
        try:
            versions[name] = contender.version()
        except ImportError:
            absent[name] = "not installed"
    if options.rust is None:
        absent |= dict.fromkeys(rust_kernels.LIBRARIES, "no program was given with --rust")
    else:
        versions |= {name: rust_kernels.version(name) for name in rust_kernels.LIBRARIES}
    if options.gapbs is None:
        absent[SUITE] = "no folder of its programs was given with --gapbs or GAPBS_DIR"
    else:
        versions[SUITE] = ""
    names = [name for name in versions if name in options.only] if options.only else list(versions)
    for name in versions.keys() - set(names):
        absent[name] = "left out of this run"
    return names, versions, absent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", nargs="+", default=list(graphs.DEFAULT))
    parser.add_argument("--kernels", nargs="+", default=list(KERNELS), choices=KERNELS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--only", nargs="+", help="only these contenders")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the order of contenders")
    parser.add_argument("--limit", type=float, default=60, help="seconds for a kernel with its loading")
    suite = Path(os.environ["GAPBS_DIR"]) if "GAPBS_DIR" in os.environ else None
    parser.add_argument("--gapbs", type=Path, default=suite, help="its built programs")
    parser.add_argument("--rust", type=Path, help="the program that `cargo build --release` makes of rust/")
    parser.add_argument("--icebug", type=Path, help="a folder from `pip install --target FOLDER icebug`")
    parser.add_argument("--data", type=Path, default=graphs.FOLDER, help="where graphs are kept")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument(
        "--log", type=argparse.FileType("w"), default=subprocess.DEVNULL, help="contenders' errors"
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options)
    for name in options.graphs:
        graph = graphs.load(name, options.data)
        for kernel in kernels_of(name):
            if kernel in options.kernels:
                answers.expected(kernel, graph)
    names, versions, absent = contenders(options)
    text = write_table(sitting(options, names), names, versions, absent, options)
    if options.out:
        options.out.write_text(text)
    print(text)
    return None


if __name__ == "__main__":
    sys.exit(main())
