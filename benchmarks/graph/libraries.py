"""The graph libraries that come from PyPI."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from answers import BETWEENNESS_SOURCES, DAMPING, ROUNDS, TOLERANCE
from contender import Contender, Kernel, labels_of, signed
from graphs import Array


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
            lambda done: self.padded(done.scores(), np.zeros(self.graph.nodes)),
        )

    def padded(self, values: Array, missing: Array) -> Array:
        """It knows no node behind the last one that has an edge."""
        answer = missing.copy()
        answer[: len(values)] = values
        return answer

    def pagerank(self) -> Kernel:
        return self.ranks(TOLERANCE)

    def pagerank20(self) -> Kernel:
        return self.ranks(0.0)

    def components(self) -> Kernel:
        graph = self.plain
        return lambda _: graph.wcc(), lambda done: self.padded(done.components(), np.arange(self.graph.nodes))

    def triangles(self) -> Kernel:
        import graph_mate

        graph = graph_mate.Graph.from_numpy(np.column_stack(self.edges), graph_mate.Layout.Deduplicated)
        graph.make_degree_ordered()
        return lambda _: graph.global_triangle_count(), lambda done: done.triangles
