"""The contenders that see a graph as a sparse matrix: scipy, and SuiteSparse through python-graphblas."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from answers import DAMPING, ROUNDS, TOLERANCE, depths, matrix, ones
from contender import Contender, Kernel, signed
from graphs import Array


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
