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
