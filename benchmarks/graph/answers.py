"""What each kernel must answer, worked out once with scipy and kept beside the graph.

A contender's answer is a plain array; `fault` says what is wrong with it, or None.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from graphs import Array, Edges
from scipy.sparse import csgraph

DAMPING, TOLERANCE, ROUNDS = 0.85, 1e-4, 20
SOURCES = 8
BETWEENNESS_SOURCES = 4


def matrix(graph: Edges, values: Array) -> sp.csr_array:
    ends = graph.indices.astype(np.int32), graph.indptr.astype(np.int32)
    return sp.csr_array((values, *ends), shape=(graph.nodes, graph.nodes))


def ones(graph: Edges, kind: type) -> sp.csr_array:
    return matrix(graph, np.ones(len(graph.indices), kind))


def depths(order: Array, parents: Array) -> Array:
    """Distances out of a breadth-first order and its tree: along the order, a parent's place never falls."""
    place = np.empty(len(parents), np.int64)
    place[order] = np.arange(len(order))
    parent_place = place[parents[order[1:]]]
    distances = np.full(len(parents), -1, np.int32)
    distances[order[0]] = 0
    begin, end, depth = 0, 1, 0
    while end < len(order):
        depth += 1
        begin, end = end, 1 + int(np.searchsorted(parent_place, end))
        distances[order[begin:end]] = depth
    return distances


def pagerank_exactly(graph: Edges, iterations: int) -> Array:
    pull = ones(graph, float).T.tocsr()
    degree = np.diff(graph.indptr).astype(float)
    dangling = degree == 0
    degree[dangling] = 1
    scores = np.full(graph.nodes, 1 / graph.nodes)
    for _ in range(iterations):
        spread = DAMPING * scores[dangling].sum() + 1 - DAMPING
        scores = DAMPING * (pull @ (scores / degree)) + spread / graph.nodes
    return scores


def triangle_count(graph: Edges) -> int:
    """Sum of (L · L) ∘ L over the lower triangle of the matrix whose nodes go by degree."""
    degree = np.diff(graph.indptr)
    rank = np.empty(graph.nodes, np.int64)
    rank[np.argsort(degree, kind="stable")] = np.arange(graph.nodes)
    row = rank[np.repeat(np.arange(graph.nodes), degree.astype(np.int64))]
    column = rank[graph.indices]
    down = row < column
    lower = sp.csr_array((np.ones(down.sum(), np.int64), (row[down], column[down])), shape=(graph.nodes,) * 2)
    return int((lower @ lower).multiply(lower).sum())


def dependencies(graph: Edges, source: int) -> Array:
    """Brandes' dependencies (2001) of one source, level by level."""
    edges = ones(graph, float)
    distances = depths(*csgraph.breadth_first_order(edges, source))
    order = np.argsort(distances, kind="stable")
    bounds = np.searchsorted(distances[order], np.arange(distances.max() + 2))
    levels = [order[begin:end] for begin, end in pairwise(bounds)]
    paths = np.zeros(graph.nodes)
    paths[source] = 1
    for upper, lower in pairwise(levels):
        paths[lower] = (edges[upper].T @ paths[upper])[lower]
    share = np.zeros(graph.nodes)
    for upper, lower in zip(levels[-2::-1], levels[:0:-1], strict=False):
        below = np.zeros(graph.nodes)
        below[lower] = (1 + share[lower]) / paths[lower]
        share[upper] = paths[upper] * (edges[upper] @ below)
    share[source] = 0
    return share


def work_out(kernel: str, graph: Edges) -> Array:
    sources = graph.sources[:SOURCES].astype(int)
    if kernel == "build":
        return np.array([len(graph.indices)])
    if kernel == "bfs":
        edges = ones(graph, np.float32)
        return np.array([depths(*csgraph.breadth_first_order(edges, source)) for source in sources])
    if kernel == "sssp":
        found = csgraph.dijkstra(matrix(graph, graph.weights.astype(float)), indices=sources)
        return np.where(np.isinf(found), -1, found).astype(np.int32)
    if kernel == "components":
        return csgraph.connected_components(ones(graph, np.float32), directed=graph.directed)[1]
    if kernel == "strong":
        return csgraph.connected_components(ones(graph, np.float32), connection="strong")[1]
    if kernel == "triangles":
        return np.array([triangle_count(graph)])
    if kernel == "betweenness":
        return sum(dependencies(graph, source) for source in sources[:BETWEENNESS_SOURCES])
    if kernel == "pagerank":
        return pagerank_exactly(graph, 200)
    return pagerank_exactly(graph, ROUNDS)


def sums_of_samples(scores: Array, graph: Edges) -> Array:
    """Betweenness as a sum over the sources, out of scores that stand for all nodes.

    Such scores scale a node by the number of sources other than itself, as networkx does.
    """
    scores = scores.copy()
    sources = graph.sources[:BETWEENNESS_SOURCES]
    scores[sources] *= 1 - 1 / BETWEENNESS_SOURCES
    return scores


def expected(kernel: str, graph: Edges) -> Array:
    kept = graph.folder / f"answer-{kernel}.npy"
    if not kept.exists():
        np.save(kept, work_out(kernel, graph))
    return np.load(kept)


def labels_equal(left: Array, right: Array) -> bool:
    """Whether both put the same nodes together, whatever they call the groups."""
    left, right = np.asarray(left).astype(np.int64), np.asarray(right).astype(np.int64)
    pairs = np.unique(left << 32 | right)
    return len(pairs) == len(np.unique(left)) == len(np.unique(right))


def pagerank_fault(scores: Array, graph: Edges) -> str | None:
    """L1 distance from the fixed point, both scaled to a sum of one.

    A last change below the tolerance leaves damping / (1 - damping) times as much; who ends after twenty
    iterations may be as far as twenty exact iterations are, twice over. Sums of f32 are given 1e-4.
    """
    fixed = expected("pagerank", graph)
    scores = scores.astype(float)
    total = scores.sum()
    distance = np.abs(scores / total - fixed).sum()
    twenty = np.abs(expected("pagerank20", graph) - fixed).sum()
    bound = max(TOLERANCE * DAMPING / (1 - DAMPING), 2 * twenty) / min(total, 1) + 1e-4
    return None if distance <= bound else f"{distance:.1e} from the fixed point, {bound:.1e} allowed"


def fault(kernel: str, graph: Edges, trial: int, answer: Array) -> str | None:
    answer = np.asarray(answer)
    if kernel.startswith("pagerank"):
        return pagerank_fault(answer, graph)
    right = expected(kernel, graph)
    if kernel in ("components", "strong"):
        return None if labels_equal(answer, right) else "another partition"
    if kernel == "betweenness":
        close = np.allclose(answer / answer.max(), right / right.max(), rtol=1e-4, atol=1e-7)
        return None if close else "other scores"
    if kernel in ("bfs", "sssp"):
        wrong = int((answer != right[trial]).sum())
        return None if wrong == 0 else f"{wrong} distances differ"
    return None if int(answer) == int(right[0]) else f"{int(answer)}, not {int(right[0])}"
