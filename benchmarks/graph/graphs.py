"""The graphs, made once and read by every contender: `python benchmarks/graph/graphs.py [NAME ...]`.

A graph is a folder of little-endian arrays, so that each contender gets the same edges:

| file | what it holds |
| --- | --- |
| `src.u32`, `dst.u32`, `weight.u32` | the edge list as generated: repeated edges and self-loops included |
| `indptr.u64`, `indices.u32`, `weights.u32` | its rows, as below |
| `sources.u32` | 64 nodes with out-edges, in the order in which GAPBS draws them from this graph |
| `graph.sg`, `graph.wsg`, `graph.el` | rows, weighted rows and the edge list for GAPBS |
| `meta.json` | counts |

Rows are by GAP's rules: without self-loops, the lightest of repeated edges, neighbours sorted, both
directions of an edge unless the name ends in `d`.

`kronS` and `kronSd` are Graph500's Kronecker graphs of 2^S nodes and 16·2^S edges, undirected and
directed; `urandS` draws both ends uniformly; `gridN` is a square lattice of N × N nodes. Weights are
whole numbers from 1 to 255, as in the GAP Benchmark Suite (Beamer, Asanović, Patterson 2015).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

DEFAULT = ("kron18", "kron20", "kron20d", "urand20", "grid1000")
FOLDER = Path(tempfile.gettempdir()) / "bowstring-graphs"
EDGE_FACTOR = 16
# Graph500's probabilities of the first three quadrants.
A, B, C = 0.57, 0.19, 0.19
Array = np.ndarray


def kronecker(scale: int, rng: np.random.Generator) -> tuple[Array, Array, int]:
    nodes, edges = 1 << scale, EDGE_FACTOR << scale
    src, dst = np.zeros(edges, np.uint32), np.zeros(edges, np.uint32)
    lower, upper_right, lower_right = A + B, B / (A + B), 1 - C / (1 - A - B)
    for _ in range(scale):
        down = rng.random(edges, np.float32) > lower
        right = rng.random(edges, np.float32) < np.where(down, lower_right, upper_right)
        src = src << 1 | down
        dst = dst << 1 | right
    names = rng.permutation(nodes).astype(np.uint32)
    return names[src], names[dst], nodes


def uniform(scale: int, rng: np.random.Generator) -> tuple[Array, Array, int]:
    nodes, edges = 1 << scale, EDGE_FACTOR << scale
    src = rng.integers(0, nodes, edges, np.uint32)
    return src, rng.integers(0, nodes, edges, np.uint32), nodes


def lattice(side: int) -> tuple[Array, Array, int]:
    node = np.arange(side * side, dtype=np.uint32).reshape(side, side)
    src = np.concatenate([node[:, :-1].ravel(), node[:-1].ravel()])
    return src, np.concatenate([node[:, 1:].ravel(), node[1:].ravel()]), side * side


def edges_of(name: str) -> tuple[Array, Array, Array, int]:
    found = re.fullmatch(r"(kron|urand|grid)(\d+)d?", name)
    if found is None:
        raise SystemExit(f"error: no graph is called {name}; try kron20, kron20d, urand20 or grid1000")
    kind, size = found[1], int(found[2])
    rng = np.random.default_rng(20)
    if kind == "kron":
        src, dst, nodes = kronecker(size, rng)
    elif kind == "urand":
        src, dst, nodes = uniform(size, rng)
    else:
        src, dst, nodes = lattice(size)
    return src, dst, rng.integers(1, 256, len(src), np.uint32), nodes


def rows_of(src: Array, dst: Array, weight: Array, nodes: int) -> tuple[Array, Array, Array]:
    """Sorted rows without self-loops; of repeated edges the lightest stays."""
    kept = src != dst
    bits = max(nodes - 1, 1).bit_length()
    key = src[kept].astype(np.uint64) << bits | dst[kept]
    key = key << 8 | weight[kept]
    key.sort()
    edge = key >> 8
    first = np.ones(len(key), bool)
    first[1:] = edge[1:] != edge[:-1]
    key, edge = key[first], edge[first]
    indptr = np.zeros(nodes + 1, np.uint64)
    np.cumsum(np.bincount((edge >> bits).astype(np.int64), minlength=nodes), out=indptr[1:])
    return indptr, (edge & ((1 << bits) - 1)).astype(np.uint32), (key & 255).astype(np.uint32)


def mersenne64(seed: int) -> Iterator[int]:
    """The 64-bit Mersenne Twister (Nishimura 2000), which C++ calls `mt19937_64`."""
    word = (1 << 64) - 1
    state = [seed]
    for place in range(1, 312):
        state.append((6364136223846793005 * (state[-1] ^ state[-1] >> 62) + place) & word)
    while True:
        for place in range(312):
            mixed = state[place] & word << 31 & word | state[(place + 1) % 312] & (1 << 31) - 1
            state[place] = state[(place + 156) % 312] ^ mixed >> 1 ^ (0xB5026F5AA96619E9 if mixed & 1 else 0)
        for value in state:
            value ^= value >> 29 & 0x5555555555555555
            value ^= value << 17 & 0x71D67FFFEDA60000
            value ^= value << 37 & 0xFFF7EEE000000000
            yield value ^ value >> 43


def gap_sources(indptr: Array, count: int) -> Array:
    """The nodes at which GAPBS would begin: its seed, its generator cut to 32 bits."""
    nodes = len(indptr) - 1
    largest = (1 << 64) - 1
    rest = largest % nodes
    cutoff = 0 if rest == nodes - 1 else (largest - rest) & 0xFFFFFFFF
    sources: list[int] = []
    for value in mersenne64(27491095):
        value &= 0xFFFFFFFF
        if cutoff and value >= cutoff:
            continue
        node = value % nodes
        if indptr[node] < indptr[node + 1]:
            sources.append(node)
        if len(sources) == count:
            break
    return np.array(sources, np.uint32)


def write_serialised(path: Path, directed: bool, sides: list[tuple[Array, Array]]) -> None:
    indptr, neighbours = sides[0]
    with path.open("wb") as file:
        file.write(bytes([directed]))
        np.array([len(neighbours), len(indptr) - 1], np.int64).tofile(file)
        for offsets, targets in sides:
            offsets.astype(np.int64).tofile(file)
            targets.tofile(file)


def write_text(path: Path, columns: dict[str, Array]) -> None:
    options = pa.csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    pa.csv.write_csv(pa.table(columns), path, options)


def make(name: str, folder: Path) -> None:
    directed = name.endswith("d")
    src, dst, weight, nodes = edges_of(name)
    if directed:
        ends, heads, costs = src, dst, weight
    else:
        ends, heads, costs = (
            np.concatenate([src, dst]),
            np.concatenate([dst, src]),
            np.concatenate([weight] * 2),
        )
    indptr, indices, weights = rows_of(ends, heads, costs, nodes)
    sides = [(indptr, indices, weights)]
    if directed:
        sides.append(rows_of(heads, ends, costs, nodes))

    partial = folder / f".{name}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    arrays = {
        "src.u32": src,
        "dst.u32": dst,
        "weight.u32": weight,
        "indptr.u64": indptr,
        "indices.u32": indices,
        "weights.u32": weights,
        "sources.u32": gap_sources(indptr, 64),
    }
    for file, array in arrays.items():
        array.tofile(partial / file)
    write_serialised(partial / "graph.sg", directed, [side[:2] for side in sides])
    write_serialised(
        partial / "graph.wsg",
        directed,
        [(offsets, np.column_stack([targets, costs])) for offsets, targets, costs in sides],
    )
    write_text(partial / "graph.el", {"src": src, "dst": dst})
    meta = {
        "name": name,
        "nodes": nodes,
        "edges": len(src),
        "row_entries": len(indices),
        "directed": directed,
    }
    (partial / "meta.json").write_text(json.dumps(meta) + "\n")
    partial.rename(folder / name)


@dataclass(frozen=True)
class Edges:
    """A graph read back; `src`, `dst`, `weight` are the list as generated, the rest its rows."""

    name: str
    folder: Path
    nodes: int
    directed: bool
    src: Array
    dst: Array
    weight: Array
    indptr: Array
    indices: Array
    weights: Array
    sources: Array


def load(name: str, folder: Path = FOLDER) -> Edges:
    """The graph of that name, made first if the folder lacks it."""
    place = folder / name
    if not (place / "meta.json").exists():
        make(name, folder)
    meta = json.loads((place / "meta.json").read_text())

    def words(file: str) -> Array:
        return np.fromfile(place / f"{file}.u32", np.uint32)

    return Edges(
        name=name,
        folder=place,
        nodes=meta["nodes"],
        directed=meta["directed"],
        src=words("src"),
        dst=words("dst"),
        weight=words("weight"),
        indptr=np.fromfile(place / "indptr.u64", np.uint64),
        indices=words("indices"),
        weights=words("weights"),
        sources=words("sources"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", default=DEFAULT, help=f"graphs to make (default {' '.join(DEFAULT)})"
    )
    parser.add_argument("--data", type=Path, default=FOLDER, help="where graphs are kept")
    options = parser.parse_args()
    for name in options.names:
        graph = load(name, options.data)
        print(f"{graph.folder}: {graph.nodes} nodes, {len(graph.src)} edges, {len(graph.indices)} in rows")


if __name__ == "__main__":
    main()
