"""From a table of named edges to ranks joined to the names: `python benchmarks/graph/pipeline.py`.

Ten million edges between about a million nodes that have strings for ids, in a pandas and in a polars frame;
the answer is a table of names and PageRank scores of the same library. Others number the names by the frame's
own means (`pandas.factorize`, a polars categorical) and rank with networkit, igraph, scipy or graph-mate.
Each contender runs in a process of its own, in random order, from the finished frame to the finished table;
peak memory is what the process took on top of the frame.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import process

DAMPING, TOLERANCE, ITERATIONS = 0.85, 1e-6, 100
EDGES, SCALE = 10_000_000, 21
Array = np.ndarray


def named_edges(folder: Path) -> Path:
    """A Parquet file of the first edges of a Kronecker graph, whose nodes have names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"named-{SCALE}-{EDGES}.parquet"
    if not path.exists():
        src, dst, nodes = graphs.kronecker(SCALE, np.random.default_rng(20))
        names = pa.array([f"node-{number:07d}" for number in range(nodes)])
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"source": names.take(src[:EDGES]), "target": names.take(dst[:EDGES])}), path)
    return path


def by_networkit(src: Array, dst: Array, nodes: int) -> Array:
    import networkit as nk
    from networkit.centrality import Norm, PageRank, SinkHandling

    graph = nk.GraphFromCoo((src.astype(np.uint64), dst.astype(np.uint64)), n=nodes, directed=True)
    ranks = PageRank(graph, DAMPING, TOLERANCE, distributeSinks=SinkHandling.DistributeSinks)
    ranks.norm = Norm.L1_NORM
    ranks.maxIterations = ITERATIONS
    return np.array(ranks.run().scores())


def by_igraph(src: Array, dst: Array, nodes: int) -> Array:
    import igraph

    ends = np.column_stack([src, dst]).astype(np.int64)
    return np.array(igraph.Graph(n=nodes, edges=ends, directed=True).pagerank(damping=DAMPING))


def by_scipy(src: Array, dst: Array, nodes: int) -> Array:
    import scipy.sparse as sp

    ends = dst.astype(np.int32), src.astype(np.int32)
    pull = sp.coo_array((np.ones(len(src)), ends), shape=(nodes, nodes)).tocsr()
    degree = np.bincount(src, minlength=nodes).astype(float)
    dangling = degree == 0
    degree[dangling] = 1
    scores = np.full(nodes, 1 / nodes)
    for _ in range(ITERATIONS):
        base = (DAMPING * scores[dangling].sum() + 1 - DAMPING) / nodes
        after = DAMPING * (pull @ (scores / degree)) + base
        if np.abs(after - scores).sum() < TOLERANCE:
            return after
        scores = after
    return scores


def by_graph_mate(src: Array, dst: Array, nodes: int) -> Array:
    import graph_mate

    graph = graph_mate.DiGraph.from_numpy(np.column_stack([src, dst]).astype(np.uint32))
    ranks = graph.page_rank(max_iterations=ITERATIONS, tolerance=TOLERANCE, damping_factor=DAMPING)
    return np.array(ranks.scores())


def from_pandas(rank: Callable[[Array, Array, int], Array]) -> Callable[[Any], Any]:
    import pandas as pd

    def run(frame: Any) -> Any:
        codes, names = pd.factorize(pd.concat([frame["source"], frame["target"]], ignore_index=True))
        src, dst = codes[: len(frame)], codes[len(frame) :]
        return pd.DataFrame({"node": names, "score": rank(src, dst, len(names))})

    return run


def from_polars(rank: Callable[[Array, Array, int], Array]) -> Callable[[Any], Any]:
    import polars as pl

    def run(frame: Any) -> Any:
        coded = frame.select(pl.all().cast(pl.Categorical))
        src, dst = (coded[side].to_physical().to_numpy() for side in ("source", "target"))
        names = pl.concat([coded[side].unique().alias("node") for side in ("source", "target")]).unique()
        names = pl.DataFrame({"node": names, "code": names.to_physical()}).sort("code")
        if names["code"][-1] != len(names) - 1:
            raise ValueError("the codes of the names have gaps")
        return names.select(pl.col("node").cast(pl.String), score=rank(src, dst, len(names)))

    return run


def bowstring(frame: Any) -> Any:
    import bowstring as bs

    graph = bs.Graph.from_table(frame, "source", "target")
    ranks = graph.pagerank(damping=DAMPING, tolerance=TOLERANCE, max_iterations=ITERATIONS)
    return graph.to_table(score=ranks)


def bowstring_from_pandas(frame: Any) -> Any:
    return bowstring(frame).to_pandas()


def bowstring_from_polars(frame: Any) -> Any:
    import polars as pl

    return pl.DataFrame(bowstring(frame))


RANKERS = {"networkit": by_networkit, "igraph": by_igraph, "scipy": by_scipy, "graph-mate": by_graph_mate}
FRAMES = {"pandas": (from_pandas, bowstring_from_pandas), "polars": (from_polars, bowstring_from_polars)}


def child(options: argparse.Namespace) -> None:
    path = str(named_edges(options.data))
    kind, _, whom = options.child.partition("+")
    if kind == "pandas":
        import pandas as pd

        frame = pd.read_parquet(path)
    else:
        import polars as pl

        frame = pl.read_parquet(path)
    adapt, ours = FRAMES[kind]
    run = ours if whom == "bowstring" else adapt(RANKERS[whom])
    if whom == "bowstring":
        # The others import theirs on the way, which takes less than 1 % of the time.
        importlib.import_module("bowstring")
    before = process.settle()
    begin = time.perf_counter()
    table = run(frame)
    seconds = time.perf_counter() - begin
    memory = process.peak() - before
    names, scores = table["node"].to_numpy(), table["score"].to_numpy()
    order = np.argsort(names.astype(str), kind="stable")
    np.save(options.answer, (scores[order] / scores.sum()).astype(float))
    print(json.dumps({"seconds": seconds, "memory": memory, "nodes": len(names)}))


def measure(name: str, options: argparse.Namespace, answer: Path) -> dict[str, Any]:
    rest = ["--child", name, "--data", str(options.data), "--answer", str(answer)]
    command, environment = process.kept_to(options.threads, __file__, *rest)
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        return {"why": (ended.stderr.strip().splitlines() or [f"ended with {ended.returncode}"])[-1]}
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="runs of each contender (default 3)")
    parser.add_argument("--only", nargs="+", help="only these, such as polars+scipy")
    parser.add_argument("--data", type=Path, default=graphs.FOLDER)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
        return 0

    named_edges(options.data)
    names = [f"{kind}+{whom}" for kind in FRAMES for whom in ("bowstring", *RANKERS)]
    names = [name for name in names if not options.only or name in options.only]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    answer = options.data / f"answer-pipeline-{os.getpid()}.npy"
    expected = None
    order = random.Random(0)
    # scipy's in f64 is the reference, and comes first for that; that run counts like any other.
    turns = ["polars+scipy", *(name for _ in range(options.runs) for name in order.sample(names, len(names)))]
    for turn, name in enumerate(turns):
        line = measure(name, options, answer)
        print(f"{name}: {line}", file=sys.stderr)
        if turn == 0 and "why" in line:
            print("error: without the reference nothing can be compared", file=sys.stderr)
            return 1
        if "why" not in line:
            scores = np.load(answer)
            if turn == 0:
                expected = scores
            if len(scores) != len(expected):
                line = {"why": f"wrong answer: {len(scores)} nodes"}
            elif (distance := float(np.abs(scores - expected).sum())) > 1e-4:
                line = {"why": f"wrong answer: {distance:.1e} away (L1)"}
        found.setdefault(name, []).append(line)
    answer.unlink(missing_ok=True)

    def best(name: str, what: str) -> float | None:
        lines = found[name]
        return None if any("why" in line for line in lines) else min(line[what] for line in lines)

    rows = [
        f"{EDGES:,} edges with string ids, from a frame to a frame of names and PageRank scores;",
        f"best of {options.runs} runs in random order, {options.threads} threads, {platform.machine()}.",
        "Answers equal within 1e-4 (L1) in every run. Memory is the peak on top of the frame.",
        "",
        "| from | ranked by | seconds | memory, MB | against the best peer of that frame |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in FRAMES:
        peers = [
            best(name, "seconds")
            for name in names
            if name.startswith(kind) and not name.endswith("+bowstring")
        ]
        quickest = min((seconds for seconds in peers if seconds), default=None)
        for name in (name for name in names if name.startswith(kind)):
            whom = name.partition("+")[2]
            label = f"{whom} {importlib.metadata.version(whom)}"
            seconds, memory = best(name, "seconds"), best(name, "memory")
            if seconds is None or memory is None:
                why = next(line["why"] for line in found[name] if "why" in line)
                rows.append(f"| {kind} | {label} | – | – | {why} |")
            else:
                share = f"{seconds / quickest:.2f}" if quickest else "–"
                rows.append(f"| {kind} | {label} | {seconds:.2f} | {memory / 1e6:.0f} | {share} |")
    left_out = [f"{kind}+{whom}" for kind in FRAMES for whom in ("bowstring", *RANKERS)]
    left_out = [name for name in left_out if name not in names]
    rows += ["", f"Left out of this run: {', '.join(left_out)}."] if left_out else []
    text = "\n".join(rows) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
