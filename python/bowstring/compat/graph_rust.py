"""The calls of the earlier `graph_rust`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from bowstring import Graph

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bowstring._results import _Floats, _Integers, _Numbers

    _Array = Sequence[int] | npt.NDArray[np.integer[Any]]


class RustGraphEngine:
    """Runs algorithms over sparse rows that are given with each call.

    Arrays `indptr` of int32 or int64 and `indices` of int32 are used where they lie; `indices` of int64 are
    narrowed once a call.

    By which methods its calls work, what they cost and what they refuse is said at the methods of
    `bowstring.Graph` with their names; each call but `build_csr` and `build_csc` looks once at the rows that
    it is given, which costs O(nodes + edges) time, as `Graph.from_csr` says.
    """

    def build_csr(
        self, src: object, dst: object, num_nodes: int | None = None, weights: object = None
    ) -> tuple[_Integers, _Integers, _Numbers | None]:
        """Sort edges by where they begin.

        Returns:
            `indptr`, `indices` and `weights`, which is `None` without weights.
        """
        return Graph.from_edges(src, dst, weights, num_nodes=num_nodes).csr()

    def build_csc(
        self, src: object, dst: object, num_nodes: int | None = None, weights: object = None
    ) -> tuple[_Integers, _Integers, _Numbers | None]:
        """Sort edges by where they end; returns as `build_csr` does."""
        return Graph.from_edges(src, dst, weights, num_nodes=num_nodes).csc()

    def bfs(
        self, indptr: _Array, indices: object, num_nodes: int, sources: Sequence[int] = (0,)
    ) -> tuple[_Integers, _Integers]:
        """Search breadth-first.

        Returns:
            Distances in hops and predecessors, −1 where there is none.
        """
        found = self._graph(indptr, indices, num_nodes).bfs(list(sources))
        return cast("_Integers", found.distances), found.parents

    def dfs(
        self, indptr: _Array, indices: object, num_nodes: int, source: int = 0, max_depth: int | None = None
    ) -> tuple[_Integers, _Integers]:
        """Search depth-first.

        Returns:
            The nodes in the order in which they are found, and predecessors, −1 where there is none.
        """
        found = self._graph(indptr, indices, num_nodes).dfs(source, max_depth=max_depth)
        return found.order, found.parents

    def pagerank(
        self,
        indptr: _Array,
        indices: object,
        num_nodes: int,
        damping: float = 0.85,
        max_iterations: int = 100,
        tolerance: float = 1e-6,
    ) -> _Floats:
        """Rank nodes; the scores sum to 1."""
        graph = self._graph(indptr, indices, num_nodes)
        found = graph.pagerank(damping=damping, max_iterations=max_iterations, tolerance=tolerance)
        return found.scores

    def dijkstra(
        self, indptr: _Array, indices: object, weights: object, num_nodes: int, source: int = 0
    ) -> tuple[_Numbers, _Integers]:
        """Find shortest paths by weight.

        Returns:
            Distances (−1 or infinity where a node is not reached) and predecessors, −1 where there is none.
        """
        found = self._graph(indptr, indices, num_nodes, weights).sssp(source, method="dijkstra")
        return found.distances, found.parents

    def connected_components(self, indptr: _Array, indices: object, num_nodes: int) -> _Integers:
        """Label each node with its component, whatever the direction of edges."""
        return self._graph(indptr, indices, num_nodes).connected_components().labels

    def _graph(self, indptr: _Array, indices: object, num_nodes: int, weights: object = None) -> Graph:
        if len(indptr) != num_nodes + 1:
            raise ValueError(f"indptr has {len(indptr)} numbers, and {num_nodes} nodes need {num_nodes + 1}")
        return Graph.from_csr(indptr, indices, weights)


def is_rust_graph_available() -> bool:
    """Say that the engine is there: without it this module could not be imported."""
    return True
