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
import random
import select
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import answers
import gapbs
import graphs
import process
import rust_kernels
import table as tables
from peers import CONTENDERS
from table import SUITE, Cell, Table

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
                found[kernel] = {"times": [], "why": why, "late": long}
        kernels = [kernel for kernel in left if kernel not in found]
    return found


def wanted_kernels(
    name: str, graph: str, threads: int, table: Table, options: argparse.Namespace
) -> list[str]:
    """What a contender can run of a graph, and has not failed at; what it cannot stands in the table."""
    wanted = []
    for kernel in (kernel for kernel in options.kernels if kernel in kernels_of(graph)):
        if name in PROGRAMS:
            missing, compared = PROGRAMS[name].get(kernel), True
        else:
            has = hasattr(CONTENDERS[name], kernel)
            missing = CONTENDERS[name].cannot.get(kernel, None if has else "has none")
            compared = kernel not in CONTENDERS[name].not_compared
        row = table.setdefault((graph, threads, kernel), {})
        if row.setdefault(name, Cell(why=missing, compared=compared)).why is None:
            wanted.append(kernel)
    return wanted


def sitting(names: list[str], table: Table, options: argparse.Namespace, done: Callable[[], None]) -> None:
    order = random.Random(options.seed)
    for turn, graph, threads in itertools.product(range(options.rounds), options.graphs, options.threads):
        for name in order.sample(names, len(names)):
            wanted = wanted_kernels(name, graph, threads, table, options)
            for kernel, line in run_contender(name, graph, threads, wanted, turn == 0, options).items():
                table[graph, threads, kernel][name].add(line["times"], line["why"], line.get("late", False))
            print(f"round {turn + 1}: {graph}, {threads} threads, {name}", file=sys.stderr)
            done()


def contenders(options: argparse.Namespace) -> tuple[dict[str, str], dict[str, str]]:
    """Who is there, in which version, and who is not, and why."""
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
    return versions, absent


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
    parser.add_argument("--keep", type=Path, help="times so far: a sitting broken off goes on with them")
    parser.add_argument(
        "--again", nargs="+", default=[], help="whose kept times of these graphs are forgotten"
    )
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
    versions, absent = contenders(options)
    names = [name for name in versions if not options.only or name in options.only]
    table = tables.kept(options.keep) if options.keep else {}
    for (graph, threads, _), row in table.items():
        if graph in options.graphs and threads in options.threads:
            for name in options.again:
                row.pop(name, None)

    def done() -> None:
        if options.keep:
            tables.keep(table, options.keep)
        if options.out:
            options.out.write_text(tables.write(table, versions, absent))

    sitting(names, table, options, done)
    print(tables.write(table, versions, absent))
    return None


if __name__ == "__main__":
    sys.exit(main())
