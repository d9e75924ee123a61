"""Peak memory of PageRank against what must be held: `python benchmarks/graph/memory.py [--graphs ...]`.

A process of its own builds the graph, gives back what building took, and ranks. What must be held are the
rows, the columns where the graph is directed (an undirected one's rows are its columns), and two vectors of
f64: the scores and what each node gives.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import graphs
import numpy as np
import process

LIMIT = 1.3


def child(name: str, folder: Path) -> None:
    import bowstring as bs

    meta = json.loads((folder / name / "meta.json").read_text())
    nodes, directed = meta["nodes"], meta["directed"]
    # Threads and modules are there before the count begins.
    bs.Graph.from_edges(np.array([0], np.uint32), np.array([1], np.uint32)).pagerank()
    empty = process.settle()
    src, dst = (np.fromfile(folder / name / file, np.uint32) for file in ("src.u32", "dst.u32"))
    listed = src.nbytes + dst.nbytes
    graph = bs.Graph.from_edges(src, dst, num_nodes=nodes, directed=directed)
    built = process.peak() - empty
    del src, dst
    process.settle()
    ranks = graph.pagerank()
    ranked = process.peak() - empty
    indptr, indices, _ = graph.csr()
    held = (1 + directed) * (indptr.nbytes + indices.nbytes) + 2 * 8 * nodes
    assert abs(np.asarray(ranks).sum() - 1) < 1e-6
    print(json.dumps({"built": built, "listed": listed, "ranked": ranked, "held": held}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", nargs="+", default=["kron20", "kron20d"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=graphs.FOLDER)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.data)
        return 0
    rows = [
        f"Peak memory, MB, {options.threads} threads; the goal is at most {LIMIT} times what must be held.",
        "",
        "| graph | building | edge list within it | PageRank | must be held | ratio | goal |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in options.graphs:
        graphs.load(name, options.data)
        command, environment = process.kept_to(
            options.threads, __file__, "--child", name, "--data", str(options.data)
        )
        text = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        found = json.loads(text)
        built, listed, ranked, held = (found[key] / 1e6 for key in ("built", "listed", "ranked", "held"))
        ratio = ranked / held
        verdict = "held" if ratio <= LIMIT else "missed"
        rows.append(
            f"| {name} | {built:.0f} | {listed:.0f} | {ranked:.0f} | {held:.0f} | {ratio:.2f} | {verdict} |"
        )
    text = "\n".join(rows) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
