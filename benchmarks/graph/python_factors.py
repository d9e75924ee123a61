"""How many times quicker than Python: `python benchmarks/graph/python_factors.py [--graph kron16]`.

Each algorithm from one source over one graph: by networkx, by a plain sequential implementation in Python
over lists of neighbours, and by Bowstring with one and two threads. Answers are compared in every run;
conversion is apart.
"""

from __future__ import annotations

import argparse
import heapq
import platform
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphs
import networkx as nx
import numpy as np
from answers import labels_equal

DAMPING, TOLERANCE, ITERATIONS = 0.85, 1e-7, 200
Neighbours = list[list[int]]
Array = np.ndarray


def plain_bfs(neighbours: Neighbours, source: int) -> list[int]:
    distances = [-1] * len(neighbours)
    distances[source] = 0
    queue = deque([source])
    while queue:
        node = queue.popleft()
        for other in neighbours[node]:
            if distances[other] < 0:
                distances[other] = distances[node] + 1
                queue.append(other)
    return distances


def plain_dfs(neighbours: Neighbours, source: int) -> list[int]:
    seen = [False] * len(neighbours)
    seen[source] = True
    order, stack = [source], [iter(neighbours[source])]
    while stack:
        for other in stack[-1]:
            if not seen[other]:
                seen[other] = True
                order.append(other)
                stack.append(iter(neighbours[other]))
                break
        else:
            stack.pop()
    return order


def plain_dijkstra(neighbours: Neighbours, weights: Neighbours, source: int) -> list[int]:
    distances = [-1] * len(neighbours)
    heap = [(0, source)]
    while heap:
        distance, node = heapq.heappop(heap)
        if distances[node] >= 0:
            continue
        distances[node] = distance
        for other, weight in zip(neighbours[node], weights[node], strict=True):
            if distances[other] < 0:
                heapq.heappush(heap, (distance + weight, other))
    return distances


def plain_pagerank(neighbours: Neighbours) -> list[float]:
    count = len(neighbours)
    scores = [1 / count] * count
    for _ in range(ITERATIONS):
        dangling = sum(score for score, others in zip(scores, neighbours, strict=True) if not others)
        after = [(DAMPING * dangling + 1 - DAMPING) / count] * count
        for node, others in enumerate(neighbours):
            if others:
                share = DAMPING * scores[node] / len(others)
                for other in others:
                    after[other] += share
        change = sum(abs(new - old) for new, old in zip(after, scores, strict=True))
        scores = after
        if change < TOLERANCE:
            break
    return scores


def plain_components(neighbours: Neighbours) -> list[int]:
    labels, count = [-1] * len(neighbours), 0
    for start in range(len(neighbours)):
        if labels[start] >= 0:
            continue
        labels[start] = count
        stack = [start]
        while stack:
            for other in neighbours[stack.pop()]:
                if labels[other] < 0:
                    labels[other] = count
                    stack.append(other)
        count += 1
    return labels


def lists(indptr: Array, values: Array) -> Neighbours:
    return [part.tolist() for part in np.split(values, indptr[1:-1].astype(np.int64))]


def dense(found: dict[int, Any], count: int, missing: float) -> Array:
    answer = np.full(count, missing, float)
    answer[list(found)] = list(found.values())
    return answer


def labels(groups: Any, count: int) -> Array:
    answer = np.empty(count, np.int64)
    for label, group in enumerate(groups):
        answer[list(group)] = label
    return answer


def close(left: Array, right: Array) -> bool:
    return float(np.abs(np.asarray(left) - np.asarray(right)).sum()) < 1e-5


def same(left: Array, right: Array) -> bool:
    return np.array_equal(np.asarray(left), np.asarray(right))


def best(run: Callable[[], Any], runs: int) -> tuple[float, Any]:
    spent = []
    for _ in range(runs):
        begin = time.perf_counter()
        answer = run()
        spent.append(time.perf_counter() - begin)
    return min(spent), answer


def main() -> int:
    import bowstring as bs

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graph", default="kron16")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=graphs.FOLDER)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    graph = graphs.load(options.graph, options.data)
    count, source = graph.nodes, int(graph.sources[0])
    neighbours, weights = lists(graph.indptr, graph.indices), lists(graph.indptr, graph.weights)
    row = np.repeat(np.arange(count, dtype=np.uint32), np.diff(graph.indptr).astype(np.int64))
    kept = np.ones(len(row), bool) if graph.directed else row < graph.indices
    src, dst, cost = row[kept], graph.indices[kept], graph.weights[kept].astype(np.int64)
    slow = nx.DiGraph() if graph.directed else nx.Graph()
    slow.add_nodes_from(range(count))
    slow.add_weighted_edges_from(zip(src.tolist(), dst.tolist(), cost.tolist(), strict=True))
    fast = bs.Graph.from_edges(src, dst, num_nodes=count, directed=graph.directed)
    weighted = bs.Graph.from_edges(src, dst, cost, num_nodes=count, directed=graph.directed)
    connected = nx.weakly_connected_components if graph.directed else nx.connected_components
    undirected = neighbours
    if graph.directed:
        both = nx.Graph(slow)
        undirected = [sorted(both[node]) for node in range(count)]

    # Name, promise, networkx and how its answer reads, plain Python, Bowstring, and when two are equal.
    rows: list[
        tuple[str, str, Callable[[], Any], Callable[[Any], Any], Callable[[], Any], Callable[[int], Any], Any]
    ] = [
        (
            "BFS",
            "15–20",
            lambda: nx.single_source_shortest_path_length(slow, source),
            lambda found: dense(found, count, -1),
            lambda: plain_bfs(neighbours, source),
            lambda threads: fast.bfs(source, threads=threads).distances,
            same,
        ),
        (
            "DFS",
            "15–20",
            lambda: list(nx.dfs_preorder_nodes(slow, source)),
            np.array,
            lambda: plain_dfs(neighbours, source),
            lambda threads: fast.dfs(source, threads=threads).order,
            same,
        ),
        (
            "PageRank",
            "20–25",
            lambda: nx.pagerank(slow, DAMPING, max_iter=ITERATIONS, tol=TOLERANCE / count, weight=None),
            lambda found: dense(found, count, 0),
            lambda: plain_pagerank(neighbours),
            lambda threads: (
                fast.pagerank(
                    damping=DAMPING, tolerance=TOLERANCE, max_iterations=ITERATIONS, threads=threads
                ).scores
            ),
            close,
        ),
        (
            "Dijkstra",
            "18–22",
            lambda: nx.single_source_dijkstra_path_length(slow, source),
            lambda found: dense(found, count, -1),
            lambda: plain_dijkstra(neighbours, weights, source),
            lambda threads: weighted.sssp(source, method="dijkstra", threads=threads).distances,
            same,
        ),
        (
            "components",
            "25–30",
            lambda: list(connected(slow)),
            lambda found: labels(found, count),
            lambda: plain_components(undirected),
            lambda threads: fast.connected_components(threads=threads),
            labels_equal,
        ),
    ]
    lines = [
        f"{graph.name}: {count:,} nodes, {len(src):,} edges; milliseconds, best of {options.runs};",
        f"networkx {nx.__version__} (its PageRank is scipy's arithmetic), Python",
        f"{platform.python_version()}, {platform.machine()}. Answers equal; factors with 1 and 2 threads.",
        "The last column says where the factor over plain Python, with 1 thread, lies to what was promised.",
        "",
        "| | networkx | Python | ours/1 | ours/2 | over networkx | over Python | promised | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, promised, by_networkx, read, by_python, ours, equal in rows:
        slow_time, slow_answer = best(by_networkx, options.runs)
        plain_time, plain_answer = best(by_python, options.runs)
        times = []
        for threads in (1, 2):
            seconds, answer = best(lambda ours=ours, threads=threads: ours(threads), 10)
            times.append(seconds)
            for whom, other in (("networkx", read(slow_answer)), ("plain Python", plain_answer)):
                if not equal(answer, other):
                    print(f"error: {name} with {threads} threads differs from {whom}", file=sys.stderr)
                    return 1
        one, two = times
        least, most = map(int, promised.split("–"))
        factor = plain_time / one
        verdict = "above" if factor > most else "within" if factor >= least else "below"
        spent = " | ".join(f"{seconds * 1e3:.3g}" for seconds in (slow_time, plain_time, one, two))
        factors = " | ".join(f"{base / one:.0f}, {base / two:.0f}" for base in (slow_time, plain_time))
        lines.append(f"| {name} | {spent} | {factors} | {promised} | {verdict} |")
    text = "\n".join(lines) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
