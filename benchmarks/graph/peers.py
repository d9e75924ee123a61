"""Bowstring's Python package, and the list of all contenders that run inside Python."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from answers import BETWEENNESS_SOURCES, DAMPING, ROUNDS, TOLERANCE, sums_of_samples
from contender import Contender, Kernel
from libraries import GraphMate, Icebug, Igraph, Networkit, Rustworkx
from matrices import Graphblas, Scipy


class Bowstring(Contender):
    package = "bowstring"

    def make(self, weighted: bool) -> Any:
        import bowstring as bs

        graph = self.graph
        weights = graph.weights.astype(np.int32) if weighted else None
        indptr, indices = graph.indptr.astype(np.int32), graph.indices.astype(np.int32)
        return bs.Graph.from_csr(indptr, indices, weights, directed=graph.directed)

    @cached_property
    def plain(self) -> Any:
        built = self.make(weighted=False)
        # Made when it is first wanted, and part of the conversion as it is with others.
        built.csc()
        return built

    def build(self) -> Kernel:
        import bowstring as bs

        graph = self.graph

        def run(_: int) -> Any:
            return bs.Graph.from_edges(
                graph.src,
                graph.dst,
                num_nodes=graph.nodes,
                directed=graph.directed,
                parallel_edges="first",
                self_loops="drop",
                threads=self.threads,
            )

        return run, lambda built: len(built.csr()[1])

    def bfs(self) -> Kernel:
        graph = self.plain
        return lambda source: graph.bfs(source, threads=self.threads), lambda done: done.distances

    def sssp(self) -> Kernel:
        graph = self.make(weighted=True)
        # Distances alone, which is what all others are asked for.
        return (
            lambda source: graph.sssp(source, parents=False, threads=self.threads),
            lambda done: done.distances,
        )

    def ranks(self, tolerance: float) -> Kernel:
        graph = self.plain

        def run(_: int) -> Any:
            return graph.pagerank(
                damping=DAMPING, tolerance=tolerance, max_iterations=ROUNDS, threads=self.threads
            )

        return run, lambda done: done.scores

    def pagerank(self) -> Kernel:
        return self.ranks(TOLERANCE)

    def pagerank20(self) -> Kernel:
        return self.ranks(0.0)

    def components(self) -> Kernel:
        graph = self.plain
        return lambda _: graph.connected_components(threads=self.threads), np.asarray

    def strong(self) -> Kernel:
        graph = self.plain
        return lambda _: graph.strongly_connected_components(threads=self.threads), np.asarray

    def triangles(self) -> Kernel:
        graph = self.plain
        return lambda _: graph.triangle_count(threads=self.threads), int

    def betweenness(self) -> Kernel:
        graph, sources = self.plain, self.graph.sources[:BETWEENNESS_SOURCES].tolist()
        return (
            lambda _: graph.betweenness(sources=sources, normalized=False, threads=self.threads),
            lambda done: sums_of_samples(np.asarray(done), self.graph),
        )


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
