"""The contenders that run inside Python.

A contender is made from a graph, converts it once, and has one method per kernel it can run, which gives
two functions: `run(source)`, which is timed, and `read(result)`, which turns the result into an array and
is not. `cannot` says why a kernel is missing.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from answers import BETWEENNESS_SOURCES, DAMPING, ROUNDS, TOLERANCE, depths, matrix, ones, sums_of_samples
from graphs import Array, Edges

Kernel = tuple[Callable[[int], Any], Callable[[Any], Array]]


def signed(distances: Array, limit: float) -> Array:
    """Whole distances, with −1 for what lies at the limit or beyond."""
    distances = np.asarray(distances, float)
    return np.where(distances >= limit, -1, distances).astype(np.int32)


def labels_of(groups: list[Any], nodes: int) -> Array:
    labels = np.empty(nodes, np.int64)
    for label, group in enumerate(groups):
        labels[list(group)] = label
    return labels


class Contender:
    package = ""
    cannot: ClassVar[dict[str, str]] = {}
    # Kernels whose answers are another's by design: timed, and marked as not compared.
    not_compared: ClassVar[dict[str, str]] = {}

    def __init__(self, graph: Edges, threads: int) -> None:
        self.graph, self.threads = graph, threads

    @classmethod
    def version(cls) -> str:
        return importlib.metadata.version(cls.package)

    @cached_property
    def rows(self) -> Array:
        return np.repeat(
            np.arange(self.graph.nodes, dtype=np.uint32), np.diff(self.graph.indptr).astype(np.int64)
        )

    @cached_property
    def once(self) -> Array:
        """Which row entries name each edge once."""
        return np.ones(len(self.rows), bool) if self.graph.directed else self.rows < self.graph.indices

    @cached_property
    def edges(self) -> tuple[Array, Array]:
        return self.rows[self.once], self.graph.indices[self.once]


class Bowstring(Contender):
    package = "bowstring"

    def make(self, weighted: bool) -> Any:
        import bowstring as bs

        graph = self.graph
        weights = graph.weights if weighted else None
        if weighted and not graph.directed:
            src, dst = self.edges
            return bs.Graph.from_edges(
                src, dst, graph.weights[self.once], num_nodes=graph.nodes, directed=False
            )
        if graph.directed:
            return bs.Graph.from_csr(graph.indptr.astype(np.int64), graph.indices, weights)
        src, dst = self.edges
        return bs.Graph.from_edges(src, dst, num_nodes=graph.nodes, directed=False)

    @cached_property
    def plain(self) -> Any:
        return self.make(weighted=False)

    @cached_property
    def weighted(self) -> Any:
        return self.make(weighted=True)

    def build(self) -> Kernel:
        import bowstring as bs

        graph = self.graph

        def run(_: int) -> Any:
            return bs.Graph.from_edges(
                graph.src,
                graph.dst,
                num_nodes=graph.nodes,
                directed=graph.directed,
                merge="first",
                self_loops=False,
                threads=self.threads,
            )

        return run, lambda built: len(built.csr().indices)

    def bfs(self) -> Kernel:
        return lambda source: self.plain.bfs(source, threads=self.threads), lambda done: done.distances

    def sssp(self) -> Kernel:
        return lambda source: self.weighted.sssp(source, threads=self.threads), lambda done: done.distances

    def ranks(self, tolerance: float) -> Kernel:
        def run(_: int) -> Any:
            return self.plain.pagerank(
                damping=DAMPING, tolerance=tolerance, max_iterations=ROUNDS, threads=self.threads
            )

        return run, lambda done: done.scores

    def pagerank(self) -> Kernel:
        return self.ranks(TOLERANCE)

    def pagerank20(self) -> Kernel:
        return self.ranks(0.0)

    def components(self) -> Kernel:
        return lambda _: self.plain.connected_components(threads=self.threads), np.asarray

    def strong(self) -> Kernel:
        return lambda _: self.plain.strongly_connected_components(threads=self.threads), np.asarray

    def triangles(self) -> Kernel:
        return lambda _: self.plain.triangles(threads=self.threads), lambda done: done.total

    def betweenness(self) -> Kernel:
        sources = self.graph.sources[:BETWEENNESS_SOURCES]
        return (
            lambda _: self.plain.betweenness(sources=sources, normalized=False, threads=self.threads),
            lambda done: sums_of_samples(np.asarray(done), self.graph),
        )


class Scipy(Contender):
    package = "scipy"
    cannot: ClassVar[dict[str, str]] = {"betweenness": "has none"}

    def build(self) -> Kernel:
        import scipy.sparse as sp

        graph = self.graph

        def run(_: int) -> Any:
            kept = graph.src != graph.dst
            src, dst = graph.src[kept].astype(np.int32), graph.dst[kept].astype(np.int32)
            if not graph.directed:
                src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
            return sp.coo_array((np.ones(len(src), bool), (src, dst)), shape=(graph.nodes,) * 2).tocsr()

        return run, lambda built: built.nnz

    @cached_property
    def plain(self) -> Any:
        return ones(self.graph, np.float64)

    def bfs(self) -> Kernel:
        from scipy.sparse.csgraph import breadth_first_order

        edges = self.plain
        return lambda source: breadth_first_order(edges, source), lambda found: depths(*found)

    def sssp(self) -> Kernel:
        from scipy.sparse.csgraph import dijkstra

        edges = matrix(self.graph, self.graph.weights.astype(float))
        return lambda source: dijkstra(edges, indices=source), lambda found: signed(found, np.inf)

    def iterate(self, tolerance: float) -> Kernel:
        """Power iteration by hand, in f32, as scipy has no PageRank."""
        pull = ones(self.graph, np.float32).T.tocsr()
        degree = np.maximum(np.diff(self.graph.indptr), 1).astype(np.float32)
        base = np.float32((1 - DAMPING) / self.graph.nodes)

        def run(_: int) -> Array:
            scores = np.full(self.graph.nodes, 1 / self.graph.nodes, np.float32)
            for _ in range(ROUNDS):
                after = np.float32(DAMPING) * (pull @ (scores / degree)) + base
                if tolerance and np.abs(after - scores).sum() < tolerance:
                    return after
                scores = after
            return scores

        return run, np.asarray

    def pagerank(self) -> Kernel:
        return self.iterate(TOLERANCE)

    def pagerank20(self) -> Kernel:
        return self.iterate(0)

    def connected(self, connection: str) -> Kernel:
        from scipy.sparse.csgraph import connected_components

        edges, directed = self.plain, self.graph.directed
        return lambda _: connected_components(
            edges, directed=directed, connection=connection
        ), lambda found: found[1]

    def components(self) -> Kernel:
        return self.connected("weak")

    def strong(self) -> Kernel:
        return self.connected("strong")

    def triangles(self) -> Kernel:
        import scipy.sparse as sp

        degree = np.diff(self.graph.indptr)
        rank = np.empty(self.graph.nodes, np.int32)
        rank[np.argsort(degree, kind="stable")] = np.arange(self.graph.nodes)
        ends = np.sort(np.column_stack([rank[end] for end in self.edges]), axis=1)

        def run(_: int) -> Any:
            count = np.ones(len(ends), np.int32)
            lower = sp.csr_array((count, (ends[:, 0], ends[:, 1])), shape=(self.graph.nodes,) * 2)
            return (lower @ lower).multiply(lower).sum()

        return run, np.asarray


class Networkit(Contender):
    package = "networkit"
    not_compared: ClassVar[dict[str, str]] = {"betweenness": "draws its own sources"}

    def build(self) -> Kernel:
        import networkit as nk

        graph = self.graph
        ends = graph.src.astype(np.uint64), graph.dst.astype(np.uint64)

        def run(_: int) -> Any:
            built = nk.GraphFromCoo(ends, n=graph.nodes, directed=graph.directed)
            built.removeSelfLoops()
            built.removeMultiEdges()
            return built

        return run, lambda built: built.numberOfEdges() * (1 if graph.directed else 2)

    def make(self, weighted: bool) -> Any:
        import networkit as nk

        nk.setNumberOfThreads(self.threads)
        ends: Any = tuple(end.astype(np.uint64) for end in self.edges)
        if weighted:
            ends = self.graph.weights[self.once].astype(float), ends
        return nk.GraphFromCoo(ends, n=self.graph.nodes, weighted=weighted, directed=self.graph.directed)

    @cached_property
    def plain(self) -> Any:
        return self.make(weighted=False)

    def bfs(self) -> Kernel:
        from networkit.distance import BFS

        graph = self.plain
        return (
            lambda source: BFS(graph, source, storePaths=False).run(),
            lambda done: signed(done.getDistances(asarray=True), 1e9),
        )

    def sssp(self) -> Kernel:
        from networkit.distance import Dijkstra

        graph = self.make(weighted=True)
        return (
            lambda source: Dijkstra(graph, source, storePaths=False).run(),
            lambda done: signed(done.getDistances(asarray=True), 1e9),
        )

    def ranks(self, tolerance: float) -> Kernel:
        from networkit.centrality import Norm, PageRank

        graph = self.plain

        def run(_: int) -> Any:
            ranks = PageRank(graph, DAMPING, tolerance)
            ranks.norm = Norm.L1_NORM
            ranks.maxIterations = ROUNDS
            return ranks.run()

        return run, lambda done: np.array(done.scores())

    def pagerank(self) -> Kernel:
        return self.ranks(TOLERANCE)

    def pagerank20(self) -> Kernel:
        return self.ranks(1e-30)

    def components(self) -> Kernel:
        from networkit import components

        graph = self.plain
        if graph.isDirected():
            kind = components.WeaklyConnectedComponents
        elif self.threads == 1:
            kind = components.ConnectedComponents
        else:
            kind = components.ParallelConnectedComponents
        return lambda _: kind(graph).run(), lambda done: np.array(done.getPartition().getVector())

    def strong(self) -> Kernel:
        from networkit.components import StronglyConnectedComponents

        graph = self.plain
        return (
            lambda _: StronglyConnectedComponents(graph).run(),
            lambda done: np.array(done.getPartition().getVector()),
        )

    def triangles(self) -> Kernel:
        from networkit.sparsification import TriangleEdgeScore

        graph = self.plain
        graph.indexEdges()
        return lambda _: TriangleEdgeScore(graph).run(), lambda done: round(sum(done.scores()) / 3)

    def betweenness(self) -> Kernel:
        from networkit.centrality import EstimateBetweenness

        graph = self.plain
        return (
            lambda _: EstimateBetweenness(graph, BETWEENNESS_SOURCES, False, self.threads > 1).run(),
            lambda done: np.array(done.scores()),
        )


class Icebug(Networkit):
    """networkit's algorithms over Arrow's arrays in place; its package takes the name networkit."""

    package = "icebug"
    cannot: ClassVar[dict[str, str]] = {
        "build": "takes rows ready made",
        "triangles": "its rows are read-only, and have no edge ids",
    }

    def make(self, weighted: bool) -> Any:
        import networkit as nk
        import pyarrow as pa

        nk.setNumberOfThreads(self.threads)
        graph = self.graph
        out = {"out_weights": pa.array(graph.weights.astype(float))} if weighted else {}
        if graph.directed:
            order = np.argsort(graph.indices, kind="stable")
            indptr = np.zeros(graph.nodes + 1, np.uint64)
            np.cumsum(np.bincount(graph.indices, minlength=graph.nodes), out=indptr[1:])
            out["in_indices"] = pa.array(self.rows[order].astype(np.uint64))
            out["in_indptr"] = pa.array(indptr)
            if weighted:
                out["in_weights"] = pa.array(graph.weights[order].astype(float))
        indices, indptr = pa.array(graph.indices.astype(np.uint64)), pa.array(graph.indptr)
        return nk.Graph.fromCSR(graph.nodes, graph.directed, indices, indptr, **out)


class Igraph(Contender):
    package = "igraph"
    cannot: ClassVar[dict[str, str]] = {
        "pagerank20": "solves to the end",
        "triangles": "lists triangles, does not count them",
        "build": "keeps no sorted rows apart from its edge list",
    }

    @cached_property
    def plain(self) -> Any:
        import igraph

        ends = np.column_stack(self.edges).astype(np.int64)
        return igraph.Graph(n=self.graph.nodes, edges=ends, directed=self.graph.directed)

    def bfs(self) -> Kernel:
        return lambda source: self.plain.distances(source)[0], lambda found: signed(found, np.inf)

    def sssp(self) -> Kernel:
        weights = self.graph.weights[self.once].astype(float).tolist()
        self.plain.es["weight"] = weights
        return (
            lambda source: self.plain.distances(source, weights="weight")[0],
            lambda found: signed(found, np.inf),
        )

    def pagerank(self) -> Kernel:
        return lambda _: self.plain.pagerank(damping=DAMPING), np.array

    def components(self) -> Kernel:
        return lambda _: self.plain.connected_components("weak").membership, np.array

    def strong(self) -> Kernel:
        return lambda _: self.plain.connected_components("strong").membership, np.array

    def betweenness(self) -> Kernel:
        sources = self.graph.sources[:BETWEENNESS_SOURCES].tolist()
        return lambda _: self.plain.betweenness(sources=sources), np.array


class Rustworkx(Contender):
    package = "rustworkx"
    cannot: ClassVar[dict[str, str]] = {
        "pagerank20": "raises when it has not converged",
        "triangles": "has only ratios",
        "betweenness": "takes all nodes as sources",
        "build": "takes a list of Python's tuples",
    }

    @cached_property
    def plain(self) -> Any:
        return self.make(self.edges, self.graph.directed)

    def make(self, ends: tuple[Array, Array], directed: bool, weights: Array | None = None) -> Any:
        import rustworkx as rx

        built = (rx.PyDiGraph if directed else rx.PyGraph)(multigraph=True)
        built.add_nodes_from(range(self.graph.nodes))
        if weights is None:
            built.extend_from_edge_list(list(zip(*(end.tolist() for end in ends), strict=True)))
        else:
            built.add_edges_from(
                list(zip(*(end.tolist() for end in (*ends, weights.astype(float))), strict=True))
            )
        return built

    def bfs(self) -> Kernel:
        import rustworkx as rx

        def read(layers: Any) -> Array:
            distances = np.full(self.graph.nodes, -1, np.int32)
            for depth, layer in enumerate(layers):
                distances[list(layer)] = depth
            return distances

        graph = self.plain
        return lambda source: rx.bfs_layers(graph, [source]), read

    def sssp(self) -> Kernel:
        import rustworkx as rx

        graph = self.make(self.edges, self.graph.directed, self.graph.weights[self.once])

        def read(found: Any) -> Array:
            distances = np.full(self.graph.nodes, -1, np.int32)
            distances[list(found.keys())] = list(found.values())
            return distances

        def run(source: int) -> tuple[int, Any]:
            return source, rx.dijkstra_shortest_path_lengths(graph, source, float)

        def both(result: tuple[int, Any]) -> Array:
            distances = read(result[1])
            # It leaves the source out.
            distances[result[0]] = 0
            return distances

        return run, both

    def pagerank(self) -> Kernel:
        import rustworkx as rx

        graph = self.plain if self.graph.directed else self.make((self.rows, self.graph.indices), True)
        # Its tolerance is of the sum over all nodes, divided by their number.
        tolerance = TOLERANCE / self.graph.nodes
        return lambda _: rx.pagerank(graph, DAMPING, tol=tolerance), lambda done: np.array(
            list(done.values())
        )

    def components(self) -> Kernel:
        import rustworkx as rx

        graph = self.plain
        find = rx.weakly_connected_components if self.graph.directed else rx.connected_components
        return lambda _: find(graph), lambda groups: labels_of(groups, self.graph.nodes)

    def strong(self) -> Kernel:
        import rustworkx as rx

        graph = self.plain
        return lambda _: rx.strongly_connected_components(graph), lambda groups: labels_of(
            groups, self.graph.nodes
        )


class GraphMate(Contender):
    """The Python package of the crate `graph` of neo4j-labs."""

    package = "graph_mate"
    cannot: ClassVar[dict[str, str]] = {
        "bfs": "not in its Python package",
        "sssp": "not in its Python package",
        "strong": "has none",
        "betweenness": "has none",
    }

    def build(self) -> Kernel:
        import graph_mate

        graph = self.graph
        ends = np.column_stack([graph.src, graph.dst])
        kind = graph_mate.DiGraph if graph.directed else graph_mate.Graph

        def run(_: int) -> Any:
            return kind.from_numpy(ends, graph_mate.Layout.Deduplicated)

        return run, lambda built: built.edge_count() * (1 if graph.directed else 2)

    @cached_property
    def plain(self) -> Any:
        import graph_mate

        return graph_mate.DiGraph.from_numpy(
            np.column_stack([self.rows, self.graph.indices]), graph_mate.Layout.Sorted
        )

    def ranks(self, tolerance: float) -> Kernel:
        graph = self.plain
        return (
            lambda _: graph.page_rank(max_iterations=ROUNDS, tolerance=tolerance, damping_factor=DAMPING),
            lambda done: np.array(done.scores()),
        )

    def pagerank(self) -> Kernel:
        return self.ranks(TOLERANCE)

    def pagerank20(self) -> Kernel:
        return self.ranks(0.0)

    def components(self) -> Kernel:
        graph = self.plain
        return lambda _: graph.wcc(), lambda done: np.array(done.components())

    def triangles(self) -> Kernel:
        import graph_mate

        graph = graph_mate.Graph.from_numpy(np.column_stack(self.edges), graph_mate.Layout.Deduplicated)
        graph.make_degree_ordered()
        return lambda _: graph.global_triangle_count(), lambda done: done.triangles


class Graphblas(Contender):
    """SuiteSparse through python-graphblas: LAGraph's methods, but for shortest paths."""

    package = "python-graphblas"
    cannot: ClassVar[dict[str, str]] = {
        "components": "neither package has them over a graph of several",
        "strong": "has none",
        "betweenness": "has none",
    }

    def values(self, kind: Any, numbers: Array | float) -> Any:
        import graphblas as gb

        gb.ss.config["nthreads"] = self.threads
        indptr, indices = self.graph.indptr.copy(), self.graph.indices.astype(np.uint64)
        numbers = np.broadcast_to(numbers, len(indices)).astype(kind)
        size = self.graph.nodes
        return gb.Matrix.ss.import_csr(
            nrows=size, ncols=size, indptr=indptr, values=numbers, col_indices=indices, sorted_cols=True
        )

    def build(self) -> Kernel:
        import graphblas as gb

        gb.ss.config["nthreads"] = self.threads
        graph = self.graph

        def run(_: int) -> Any:
            kept = graph.src != graph.dst
            src, dst = graph.src[kept], graph.dst[kept]
            if not graph.directed:
                src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
            return gb.Matrix.from_coo(src, dst, True, nrows=graph.nodes, ncols=graph.nodes)

        return run, lambda built: built.nvals

    def bfs(self) -> Kernel:
        """Push while the frontier is small, pull otherwise (Yang, Buluç, Owens 2018)."""
        import graphblas as gb

        edges = self.values(bool, 1)
        edges_in = edges.T.new() if self.graph.directed else edges
        size = self.graph.nodes

        def run(source: int) -> Any:
            levels = gb.Vector(np.int32, size)
            frontier = gb.Vector(bool, size)
            frontier[source] = True
            depth = 0
            while frontier.nvals:
                levels(frontier.S) << depth
                pull = frontier.nvals > size // 32
                if pull:
                    frontier(~levels.S, replace=True) << gb.semiring.any_pair(edges_in @ frontier)
                else:
                    frontier(~levels.S, replace=True) << gb.semiring.any_pair(frontier @ edges)
                depth += 1
            return levels

        return run, lambda levels: levels.to_dense(-1)

    def sssp(self) -> Kernel:
        from graphblas_algorithms import DiGraph
        from graphblas_algorithms import algorithms as ga

        graph = DiGraph(self.values(np.int32, self.graph.weights))

        def run(source: int) -> Any:
            return ga.shortest_paths.weighted.single_source_bellman_ford_path_length(graph, source)

        return run, lambda found: found.to_dense(-1)

    def iterate(self, tolerance: float) -> Kernel:
        import graphblas as gb

        edges = self.values(np.float32, 1)
        pull = edges.T.new() if self.graph.directed else edges
        size = self.graph.nodes
        degree = np.maximum(np.diff(self.graph.indptr), 1).astype(np.float32)
        share = gb.Vector.from_dense(np.float32(DAMPING) / degree)
        base = (1 - DAMPING) / size

        def run(_: int) -> Any:
            scores = gb.Vector.from_scalar(np.float32(1 / size), size, np.float32)
            for _ in range(ROUNDS):
                before = scores
                scores = gb.Vector.from_scalar(np.float32(base), size, np.float32)
                given = gb.binary.times(before & share).new()
                scores(gb.binary.plus) << gb.semiring.plus_second(pull @ given)
                if tolerance:
                    change = gb.binary.minus(scores & before).new()
                    if change.apply(gb.unary.abs).reduce().value < tolerance:
                        break
            return scores

        return run, lambda scores: scores.to_dense(0)

    def pagerank(self) -> Kernel:
        return self.iterate(TOLERANCE)

    def pagerank20(self) -> Kernel:
        return self.iterate(0)

    def triangles(self) -> Kernel:
        """Sandia's lower-triangle product over nodes sorted by degree."""
        import graphblas as gb

        gb.ss.config["nthreads"] = self.threads
        rank = np.empty(self.graph.nodes, np.uint64)
        rank[np.argsort(np.diff(self.graph.indptr), kind="stable")] = np.arange(
            self.graph.nodes, dtype=np.uint64
        )
        ends = np.sort(np.column_stack([rank[end] for end in self.edges]), axis=1)
        size = self.graph.nodes
        lower = gb.Matrix.from_coo(ends[:, 1], ends[:, 0], True, nrows=size, ncols=size)
        upper = lower.T.new()

        def run(_: int) -> Any:
            found = gb.Matrix(np.int64, size, size)
            found(lower.S) << gb.semiring.plus_pair(lower @ upper.T)
            return found.reduce_scalar(allow_empty=False).value

        return run, np.asarray


CONTENDERS: dict[str, type[Contender]] = {
    "bowstring": Bowstring,
    "scipy": Scipy,
    "networkit": Networkit,
    "icebug": Icebug,
    "igraph": Igraph,
    "rustworkx": Rustworkx,
    "graph-mate": GraphMate,
    "graphblas": Graphblas,
}
