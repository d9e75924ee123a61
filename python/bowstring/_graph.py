"""Graphs: built once from edges, and shared by every algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from bowstring import _bowstring
from bowstring._results import (
    Bipartition,
    Communities,
    Cores,
    Degrees,
    DepthFirst,
    Forest,
    HubScores,
    IteratedScores,
    Labels,
    NodeList,
    PairValues,
    Paths,
    Scores,
    Triangles,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from arro3.core import Array

    from bowstring._bowstring import NativeGraph, Table
    from bowstring._results import _Integers, _Numbers
    from bowstring._tables import AnyTable, Path

    # Which edges are followed: those that begin at a node, those that end there, or both.
    _Direction = Literal["out", "in", "both"]
    # What becomes of edges with the same ends: all stay, or one with this of their weights.
    _ParallelEdges = Literal["keep", "first", "sum", "min", "max"]
    # What becomes of edges from a node to itself.
    _SelfLoops = Literal["keep", "drop"]

Node: TypeAlias = int | str
"""A node: its id as it stands in the edge table, or its number where the graph has no ids."""


def _column(values: object) -> object:
    """Make of anything array-like what the engine takes without a copy: Arrow, or a buffer."""
    if values is None or hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__"):
        return values
    import numpy as np

    array = np.asarray(values)
    if array.ndim != 1:
        raise TypeError(f"expected an array of one dimension, got one of {array.ndim}")
    if array.dtype.kind in "US" or (
        array.dtype.kind == "O" and all(isinstance(value, str) for value in array)
    ):
        from arro3.core import Array, DataType

        return Array([str(value) for value in array], type=DataType.utf8())
    if array.dtype.kind not in "iuf":
        raise TypeError(f"expected an array of integers, floats or text, got one of {array.dtype}")
    if array.size == 0:
        # An empty list has no type of its own.
        array = array.astype(np.int64) if array.dtype.kind == "f" else array
    return np.ascontiguousarray(array)


def _nodes(nodes: Node | Sequence[Node] | _Integers) -> Node | list[Node]:
    """Make of one node or several what the engine takes as ids."""
    if isinstance(nodes, (int, str)):
        return nodes
    return nodes.tolist() if hasattr(nodes, "tolist") else list(nodes)


def _by_name(columns: Mapping[str, object]) -> dict[str, object]:
    """Make of results and arrays by name what the engine takes."""
    import numpy as np

    return {name: _column(np.asarray(values)) for name, values in columns.items()}


def _given(**options: object) -> dict[str, object]:
    """Leave out what was left at its default."""
    return {name: value for name, value in options.items() if value is not None}


class _Rows(Protocol):
    """Sparse rows, as scipy has them."""

    shape: tuple[int, int]
    indptr: npt.NDArray[np.integer[Any]]
    indices: npt.NDArray[np.integer[Any]]
    data: npt.NDArray[np.number[Any]]


class _SparseMatrix(Protocol):
    """A sparse array or matrix of scipy."""

    def tocsr(self) -> _Rows:
        """Give it as sparse rows."""


class _NetworkxGraph(Protocol):
    """A graph of networkx."""

    nodes: Iterable[Node]

    def is_directed(self) -> bool:
        """Say whether edges have a direction."""

    @property
    def edges(self) -> Callable[..., Iterable[tuple[Any, ...]]]:
        """Give the edges."""


class Graph:
    """Nodes 0 to `num_nodes` − 1 and the edges between them. Immutable; sharing it copies nothing.

    Made by `from_edges`, `from_table`, `from_csr`, `from_scipy`, `from_networkx` or `from_matrix_market`.
    Every algorithm runs in parallel, without the interpreter, and is stopped by Ctrl-C; `threads` bounds
    how many threads a call uses, all cores when `None`.

    Examples:
        >>> import bowstring as bs
        >>> g = bs.Graph.from_edges([0, 0, 1], [1, 2, 2])
        >>> g.bfs(0).distances.tolist()
        [0, 1, 1]
    """

    def __init__(self, native: NativeGraph) -> None:
        """Take what the engine built; use one of the `from_…` methods."""
        self._native = native

    # --- building ---

    @classmethod
    def from_edges(
        cls,
        src: object,
        dst: object,
        weights: object = None,
        *,
        num_nodes: int | None = None,
        directed: bool = True,
        nodes: object = None,
        parallel_edges: _ParallelEdges = "keep",
        self_loops: _SelfLoops = "keep",
        threads: int | None = None,
    ) -> Graph:
        """Build a graph from edges between dense node numbers.

        Args:
            src: The number of the node at which each edge begins: int32, int64, uint32 or uint64, as
                numpy, pyarrow, polars or pandas have it; not copied.
            dst: The number of the node at which each edge ends.
            weights: The weight of each edge, integers or floats; none when `None`.
            num_nodes: How many nodes there are; one more than the greatest number when `None`.
            directed: Whether edges have a direction.
            nodes: The id of each node, integers or text, each once: results are shown with them, and
                nodes are named by them. The node numbers when `None`.
            parallel_edges: What becomes of edges with the same ends.
            self_loops: What becomes of edges from a node to itself.
            threads: The threads to use; all cores when `None`.

        Raises:
            DataError: When a number is negative, null or not below `num_nodes`, when columns differ in
                length, or when a weight is not finite.
            UsageError: When a column is of another type.
            LimitError: Above 2³¹ − 1 nodes.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 0, 1], [1, 2, 2])
            Graph(3 nodes, 3 edges, directed)
        """
        options = _given(
            num_nodes=num_nodes,
            directed=directed,
            parallel_edges=parallel_edges,
            self_loops=self_loops,
            threads=threads,
        )
        return cls(
            _bowstring.NativeGraph.from_edges(
                _column(src), _column(dst), _column(weights), _column(nodes), options
            )
        )

    @classmethod
    def from_table(
        cls,
        edges: AnyTable,
        source: str,
        target: str,
        weight: str | None = None,
        nodes: object = None,
        directed: bool = True,
        *,
        parallel_edges: _ParallelEdges = "keep",
        self_loops: _SelfLoops = "keep",
        threads: int | None = None,
    ) -> Graph:
        """Build a graph from a table whose nodes have any ids.

        Args:
            edges: A table of pyarrow, polars, pandas, duckdb, bowstring, …
            source: The column of the nodes at which edges begin: integers, text or a dictionary of them.
            target: The column of the nodes at which they end, of the same kind.
            weight: The column of the weights, integers or floats; none when `None`.
            nodes: The ids of all nodes, each once, which decides their order and may add nodes without
                edges; nodes are numbered in the order of their first appearance when `None`.
            directed: Whether edges have a direction.
            parallel_edges: What becomes of edges with the same ends.
            self_loops: What becomes of edges from a node to itself.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When there is no such column, or one of another type.
            DataError: When an id is null or not among `nodes`, or a weight is not finite.

        Examples:
            >>> import bowstring as bs
            >>> edges = bs.sql("SELECT 'bash' AS package, 'libc6' AS needs")
            >>> bs.Graph.from_table(edges, "package", "needs").bfs("bash").distances.tolist()
            [0, 1]
        """
        options = _given(
            directed=directed, parallel_edges=parallel_edges, self_loops=self_loops, threads=threads
        )
        native = _bowstring.NativeGraph.from_table(edges, (source, target, weight), _column(nodes), options)
        return cls(native)

    @classmethod
    def from_csr(
        cls, indptr: object, indices: object, weights: object = None, *, directed: bool = True
    ) -> Graph:
        """Take sparse rows that are there: the neighbours of node `v` are `indices[indptr[v]:indptr[v + 1]]`.

        They are checked once, and not copied where `indptr` is of 32 or 64 bits and `indices` of 32;
        indices of 64 bits are narrowed once. Whoever writes to the arrays afterwards gets wrong numbers or
        an error.

        Args:
            indptr: Where each node's neighbours begin, and the number of entries at the end.
            indices: The neighbours' numbers.
            weights: The weight of each entry: int32, int64, float32 or float64; none when `None`.
            directed: Whether edges have a direction; when not, each edge must be there both ways.

        Raises:
            DataError: When the rows contradict themselves.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_csr([0, 2, 3, 3], [1, 2, 2])
            Graph(3 nodes, 3 edges, directed)
        """
        arrays = (_column(indptr), _column(indices), _column(weights))
        return cls(_bowstring.NativeGraph.from_csr(*arrays, directed))

    @classmethod
    def from_scipy(cls, matrix: _SparseMatrix, *, directed: bool = True) -> Graph:
        """Take a sparse matrix of scipy: its entry (i, j) is the weight of the edge from i to j.

        Args:
            matrix: A square sparse array or matrix of any format; one in CSR is not copied.
            directed: Whether edges have a direction; when not, the matrix must be symmetric.

        Raises:
            DataError: When it is not square, not symmetric though undirected, or has weights that are not
                finite.

        Examples:
            >>> import bowstring as bs
            >>> import scipy.sparse
            >>> bs.Graph.from_scipy(scipy.sparse.csr_array([[0, 2], [2, 0]]), directed=False)
            Graph(2 nodes, 1 edges, undirected, weighted)
        """
        from bowstring._errors import DataError

        rows = matrix.tocsr()
        if rows.shape[0] != rows.shape[1]:
            raise DataError(
                f"the matrix of a graph is square, and this one is {rows.shape[0]} × {rows.shape[1]}"
            )
        weights: npt.NDArray[np.number[Any]] | None = rows.data
        if rows.data.dtype.kind == "b":
            weights = None
        elif rows.data.dtype.name not in ("int32", "int64", "float32", "float64"):
            weights = rows.data.astype("float64" if rows.data.dtype.kind == "f" else "int64")
        return cls.from_csr(rows.indptr, rows.indices, weights, directed=directed)

    @classmethod
    def from_networkx(cls, graph: _NetworkxGraph, weight: str | None = None) -> Graph:
        """Take a graph of networkx, with its nodes in their order.

        Args:
            graph: A `Graph`, `DiGraph`, `MultiGraph` or `MultiDiGraph` whose nodes are all integers or all
                text.
            weight: The attribute of the edges that is their weight, 1 where it is missing; none when
                `None`.

        Raises:
            TypeError: When nodes are neither all integers nor all text.

        Examples:
            >>> import bowstring as bs
            >>> import networkx
            >>> bs.Graph.from_networkx(networkx.path_graph(3))
            Graph(3 nodes, 2 edges, undirected)
        """
        nodes = list(graph.nodes)
        kinds = {type(node) for node in nodes}
        if not (kinds <= {int} or kinds <= {str}):
            named = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(f"expected nodes that are all int or all str, got {named}")
        number = {node: index for index, node in enumerate(nodes)}
        ends = list(graph.edges(data=weight, default=1)) if weight else list(graph.edges())
        import numpy as np

        src = np.fromiter((number[edge[0]] for edge in ends), np.int64, len(ends))
        dst = np.fromiter((number[edge[1]] for edge in ends), np.int64, len(ends))
        weights = np.asarray([edge[2] for edge in ends]) if weight else None
        return cls.from_edges(
            src,
            dst,
            weights,
            num_nodes=len(nodes),
            directed=graph.is_directed(),
            nodes=None if nodes == list(range(len(nodes))) else nodes,
        )

    @classmethod
    def from_matrix_market(cls, path: Path) -> Graph:
        """Read a file in the Matrix Market format: its entry (i, j) is the edge from i to j.

        Nodes are numbered from 0, one less than in the file; a symmetric matrix is an undirected graph, and
        a pattern one without weights.

        Raises:
            NotFoundError: When there is no such file.
            DataError: When it is malformed, with the line.

        Examples:
            >>> import bowstring as bs
            >>> import os, pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "m.mtx"
            >>> lines = ["%%MatrixMarket matrix coordinate pattern general", "2 2 1", "1 2"]
            >>> _ = path.write_text(os.linesep.join(lines))
            >>> bs.Graph.from_matrix_market(path)
            Graph(2 nodes, 1 edges, directed)
        """
        return cls(_bowstring.NativeGraph.matrix_market(path))

    # --- what it is ---

    @property
    def num_nodes(self) -> int:
        """How many nodes there are."""
        return self._native.num_nodes

    @property
    def num_edges(self) -> int:
        """How many edges there are; an undirected one counts once."""
        return self._native.num_edges

    @property
    def is_directed(self) -> bool:
        """Whether edges have a direction."""
        return self._native.is_directed

    @property
    def is_weighted(self) -> bool:
        """Whether edges have weights."""
        return self._native.is_weighted

    @property
    def nbytes(self) -> int:
        """Bytes of the rows of outgoing edges."""
        return self._native.nbytes

    @property
    def nodes(self) -> Array | None:
        """The id of each node, as an Arrow array; `None` where ids are the node numbers."""
        return self._native.ids

    def __len__(self) -> int:
        """Count the nodes."""
        return self.num_nodes

    def __repr__(self) -> str:
        """Say how large it is."""
        kind = "directed" if self.is_directed else "undirected"
        weighted = ", weighted" if self.is_weighted else ""
        return f"Graph({self.num_nodes} nodes, {self.num_edges} edges, {kind}{weighted})"

    def index_of(self, node: Node) -> int:
        """Look up the number of a node.

        Raises:
            UsageError: When it is not in the graph; the nearest id is named.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0], [1], nodes=["york", "hull"]).index_of("hull")
            1
        """
        return self._native.index_of(node)

    def csr(self) -> tuple[_Integers, _Integers, _Numbers | None]:
        """Give the rows of outgoing edges as numpy arrays, without a copy.

        Returns:
            `indptr` (int32, int64 above 2³¹ − 1 entries), `indices` (int32, ascending for each node) and
            `weights` (`None` where the graph has none). They cannot be written to. An undirected edge
            stands in the rows of both its ends, a loop once.

        Examples:
            >>> import bowstring as bs
            >>> indptr, indices, weights = bs.Graph.from_edges([0, 0, 1], [2, 1, 2]).csr()
            >>> indptr.tolist(), indices.tolist(), weights
            ([0, 2, 3, 3], [1, 2, 2], None)
        """
        return self._native.csr()

    def csc(self) -> tuple[_Integers, _Integers, _Numbers | None]:
        """Give the rows of incoming edges as numpy arrays, as `csr` does; made at the first call.

        Examples:
            >>> import bowstring as bs
            >>> indptr, indices, weights = bs.Graph.from_edges([0, 0, 1], [2, 1, 2]).csc()
            >>> indptr.tolist(), indices.tolist()
            ([0, 0, 1, 3], [0, 0, 1])
        """
        return self._native.csc()

    def degree(self, kind: _Direction = "both", *, threads: int | None = None) -> Degrees:
        """Count the edges of each node.

        Args:
            kind: Those that begin there (`out`), end there (`in`), or both; a loop counts twice in `both`.
                In an undirected graph all three are the same.
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 0, 1], [1, 2, 2]).degree("in").degrees.tolist()
            [0, 1, 2]
        """
        return Degrees(self._run("degree", threads, kind=kind))

    def neighbors(self, node: Node) -> _Integers:
        """Give the numbers of the nodes at the other ends of a node's outgoing edges, int32, ascending.

        A node stands there once for each edge. Not copied.

        Raises:
            UsageError: When the node is not in the graph.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 0, 1], [2, 1, 2]).neighbors(0).tolist()
            [1, 2]
        """
        return self._native.neighbors(node)

    def has_edge(self, source: Node, target: Node) -> bool:
        """Say whether an edge leads from one node to another.

        Raises:
            UsageError: When a node is not in the graph.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0], [1])
            >>> g.has_edge(0, 1), g.has_edge(1, 0)
            (True, False)
        """
        return self._native.has_edge(source, target)

    def reverse(self) -> Graph:
        """Turn all edges around.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0], [1]).reverse().neighbors(1).tolist()
            [0]
        """
        return Graph(self._native.reverse())

    def to_undirected(self, *, parallel_edges: _ParallelEdges = "keep") -> Graph:
        """Forget the directions.

        Args:
            parallel_edges: What becomes of edges between the same two nodes, also of one there and one
                back.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 0]).to_undirected(parallel_edges="first")
            Graph(2 nodes, 1 edges, undirected)
        """
        return Graph(self._native.to_undirected({"parallel_edges": parallel_edges}))

    def subgraph(self, nodes: Sequence[Node] | _Integers) -> Graph:
        """Keep some nodes and the edges between them.

        Args:
            nodes: Their ids, or their numbers where the graph has no ids. They are numbered anew in this
                order, and keep their ids.

        Raises:
            UsageError: When one is not in the graph, or is named twice.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 0]).subgraph([0, 1])
            Graph(2 nodes, 1 edges, directed)
        """
        import numpy as np

        listed = _nodes(nodes)
        several = [listed] if isinstance(listed, (int, str)) else listed
        numbers = [self._native.index_of(node) for node in several]
        return Graph(self._native.subgraph(np.asarray(numbers, dtype=np.int32)))

    def relabel_by_degree(self) -> tuple[Graph, _Integers]:
        """Number the nodes in descending order of degree.

        Returns:
            The graph, and the number that each of its nodes had before, int32.

        Examples:
            >>> import bowstring as bs
            >>> relabelled, was = bs.Graph.from_edges([0, 2], [2, 1]).relabel_by_degree()
            >>> was.tolist()
            [2, 0, 1]
        """
        native, was = self._native.relabel_by_degree()
        return Graph(native), was

    def to_table(self, **columns: object) -> Table:
        """Make a table of the nodes' ids and of results.

        Args:
            columns: Name to a result or an array with a value for each node.

        Returns:
            One row for each node: its id in the column `node`, then the columns.

        Raises:
            DataError: When a column has fewer or more values than there are nodes.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1], [1, 2])
            >>> g.to_table(rank=g.pagerank(), component=g.connected_components()).num_rows
            3
        """
        return self._native.to_table(_by_name(columns))

    def to_graphml(self, path: Path, **columns: object) -> None:
        """Write the graph as GraphML; the file appears as a whole or not at all.

        Args:
            path: The file.
            columns: Name to a result or an array with a value for each node, which becomes its attribute.

        Examples:
            >>> import bowstring as bs
            >>> import pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "g.graphml"
            >>> bs.Graph.from_edges([0], [1]).to_graphml(path)
            >>> path.exists()
            True
        """
        self._native.export(path, "graphml", _by_name(columns))

    def to_dot(self, path: Path, **columns: object) -> None:
        """Write the graph in the language of Graphviz; the file appears as a whole or not at all.

        Args:
            path: The file.
            columns: Name to a result or an array with a value for each node, which becomes its attribute.

        Examples:
            >>> import bowstring as bs
            >>> import pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "g.dot"
            >>> bs.Graph.from_edges([0], [1]).to_dot(path)
            >>> path.read_text().startswith("digraph")
            True
        """
        self._native.export(path, "dot", _by_name(columns))

    def draw(
        self,
        path: Path,
        *,
        around: Node | Sequence[Node] | None = None,
        hops: int = 1,
        direction: _Direction = "both",
        top: int | None = None,
        scores: object = None,
        groups: object = None,
        title: str | None = None,
    ) -> None:
        """Draw a part of the graph into an SVG file, which appears as a whole or not at all.

        Args:
            path: The file.
            around: Draw the nodes within some hops of these, which get a ring.
            hops: How many hops.
            direction: Which edges are followed.
            top: Draw this many nodes, those with the greatest scores.
            scores: A score for each node, by which nodes differ in size; their PageRank when `None`.
            groups: A group for each node, such as its community, by which nodes differ in colour.
            title: What is written above the picture.

        Raises:
            LimitError: When there are more than 500 nodes or 5,000 edges to draw.
            UsageError: When a node is not in the graph.

        Examples:
            >>> import bowstring as bs
            >>> import pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "g.svg"
            >>> bs.Graph.from_edges([0, 1], [1, 2]).draw(path, around=0, hops=1)
            >>> path.read_text().startswith("<svg")
            True
        """
        import numpy as np

        nodes = None if around is None else _nodes(around)
        options = _given(
            around=[nodes] if isinstance(nodes, (int, str)) else nodes,
            hops=hops,
            direction=direction,
            top=top,
            scores=None if scores is None else _column(np.asarray(scores)),
            groups=None if groups is None else _column(np.asarray(groups)),
            title=title,
        )
        self._native.draw(path, options)

    def _run(
        self,
        algorithm: str,
        threads: int | None,
        arrays: Mapping[str, object] | None = None,
        **options: object,
    ) -> _bowstring.Outcome:
        return self._native.run(algorithm, _given(**options), dict(arrays or {}), threads)

    # --- traversal ---

    def bfs(
        self,
        sources: Node | Sequence[Node],
        *,
        max_depth: int | None = None,
        direction: _Direction = "out",
        threads: int | None = None,
    ) -> Paths:
        """Breadth-first search (direction-optimising, Beamer et al. 2012): O(nodes + edges).

        Args:
            sources: The nodes to begin at.
            max_depth: The most hops; no limit when `None`.
            direction: Which edges are followed.
            threads: The threads to use; all cores when `None`.

        Returns:
            `.distances` in hops and `.parents`, int32, −1 for nodes that are not reached.

        Raises:
            UsageError: When a source is not in the graph; the nearest id is named.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2]).bfs(0).distances.tolist()
            [0, 1, 2]
        """
        outcome = self._run("bfs", threads, sources=_nodes(sources), max_depth=max_depth, direction=direction)
        return Paths(outcome)

    def dfs(
        self,
        source: Node | Sequence[Node] | None = None,
        *,
        max_depth: int | None = None,
        threads: int | None = None,
    ) -> DepthFirst:
        """Depth-first search, neighbours in ascending order: O(nodes + edges), on one thread.

        Args:
            source: The node to begin at, or several, one after the other; all nodes when `None`, which
                makes a forest.
            max_depth: The most hops from a source: exactly the nodes within them are visited, whichever way
                the search goes; no limit when `None`.
            threads: The threads to use where there is a `max_depth`; all cores when `None`.

        Raises:
            UsageError: When a source is not in the graph.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 0, 1], [1, 2, 3]).dfs(0).order.tolist()
            [0, 1, 3, 2]
        """
        sources = None if source is None else _nodes(source)
        return DepthFirst(self._run("dfs", threads, sources=sources, max_depth=max_depth))

    def k_hop(
        self,
        sources: Node | Sequence[Node],
        k: int,
        *,
        direction: _Direction = "out",
        threads: int | None = None,
    ) -> NodeList:
        """Find the nodes within `k` hops, ascending, the sources among them.

        Args:
            sources: The nodes to begin at.
            k: The most hops.
            direction: Which edges are followed.
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 3]).k_hop(0, 2).nodes.tolist()
            [0, 1, 2]
        """
        return NodeList(self._run("k_hop", threads, sources=_nodes(sources), k=k, direction=direction))

    def topological_sort(self, *, threads: int | None = None) -> NodeList:
        """Order the nodes so that every edge points forward; of several orders, the smallest numbers first.

        Raises:
            DataError: When there is a cycle, which is named.
            UsageError: When the graph is undirected.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([2, 1], [1, 0]).topological_sort().nodes.tolist()
            [2, 1, 0]
        """
        return NodeList(self._run("topological_sort", threads))

    def find_cycle(self, *, threads: int | None = None) -> NodeList:
        """Find the nodes of one cycle, in order; none when there is no cycle.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 1]).find_cycle().nodes.tolist()
            [1, 2]
        """
        return NodeList(self._run("find_cycle", threads))

    def ancestors(self, node: Node, *, threads: int | None = None) -> NodeList:
        """Find the nodes from which a node can be reached, ascending, without itself.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2]).ancestors(2).nodes.tolist()
            [0, 1]
        """
        return NodeList(self._run("ancestors", threads, node=node))

    def descendants(self, node: Node, *, threads: int | None = None) -> NodeList:
        """Find the nodes that can be reached from a node, ascending, without itself.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2]).descendants(0).nodes.tolist()
            [1, 2]
        """
        return NodeList(self._run("descendants", threads, node=node))

    # --- shortest paths ---

    def sssp(
        self,
        source: Node | Sequence[Node],
        *,
        method: Literal["auto", "dijkstra", "delta_stepping", "bellman_ford"] = "auto",
        targets: Node | Sequence[Node] | None = None,
        cutoff: float | None = None,
        delta: float | None = None,
        direction: _Direction = "out",
        threads: int | None = None,
    ) -> Paths:
        """Find shortest paths by weight from the nearest source; edges without weight count 1.

        Args:
            source: The node to begin at, or several.
            method: `dijkstra` (Dijkstra 1959), `delta_stepping` (Meyer and Sanders 2003; parallel),
                `bellman_ford` (takes negative weights), or `auto` for the one that suits the graph.
            targets: The nodes of which the distances are wanted; those of others may be missing then.
            cutoff: The greatest distance that is of interest; no limit when `None`.
            delta: The width of a bucket of delta-stepping; chosen from the weights when `None`.
            direction: Which edges are followed.
            threads: The threads to use; all cores when `None`.

        Returns:
            `.distances`, `.parents`, and `.path_to(node)`.

        Raises:
            UsageError: When a node is not in the graph, or an option makes no sense.
            DataError: When a weight is negative and the method does not take that, or when a cycle has a
                negative weight.

        Examples:
            >>> import bowstring as bs
            >>> paths = bs.Graph.from_edges([0, 1, 0], [1, 2, 2], [2, 3, 10]).sssp(0)
            >>> paths.distances.tolist(), paths.path_to(2)
            ([0, 2, 5], [0, 1, 2])
        """
        outcome = self._run(
            "sssp",
            threads,
            sources=_nodes(source),
            method=method,
            targets=None if targets is None else _nodes(targets),
            cutoff=cutoff,
            delta=delta,
            direction=direction,
        )
        return Paths(outcome)

    # --- ranking and centrality ---

    def pagerank(
        self,
        *,
        damping: float = 0.85,
        tolerance: float = 1e-6,
        max_iterations: int = 100,
        personalization: Mapping[Node, float] | object = None,
        weighted: bool = False,
        dangling: object = None,
        start: object = None,
        require_convergence: bool = False,
        threads: int | None = None,
    ) -> IteratedScores:
        """PageRank (Page et al. 1999): how much does the link structure favour each node?

        Args:
            damping: The probability to follow an edge and not to jump, above 0 and below 1.
            tolerance: It has converged when an iteration changes the scores by less than this, summed over
                all nodes.
            max_iterations: At least 1.
            personalization: The weight with which jumps lead to each node: a mapping of nodes to weights, 0
                for those that are not named, or an array with a weight for each node; all alike when
                `None`.
            weighted: Whether edges count by their weight.
            dangling: The weights with which nodes without outgoing edges give on their score, an array;
                as `personalization` when `None`.
            start: The scores to begin with, an array; all alike when `None`.
            require_convergence: Whether it is an error not to converge.
            threads: The threads to use; all cores when `None`. The scores do not depend on it.

        Returns:
            `.scores`, which sum to 1, `.iterations`, `.residual` and `.converged`.

        Raises:
            UsageError: When an option is out of its range.
            WorkflowError: When it does not converge and must.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 0]).pagerank().scores.round(3).tolist()
            [0.333, 0.333, 0.333]
        """
        weights = None
        if isinstance(personalization, Mapping):
            weights = {str(node): float(weight) for node, weight in personalization.items()}
            personalization = None
        arrays = _given(
            personalization=_column(personalization),
            dangling=_column(dangling),
            start=_column(start),
        )
        outcome = self._run(
            "pagerank",
            threads,
            arrays,
            damping=damping,
            tolerance=tolerance,
            max_iterations=max_iterations,
            personalization=weights,
            weighted=weighted,
            require_convergence=require_convergence,
        )
        return IteratedScores(outcome)

    def hits(
        self,
        *,
        tolerance: float = 1e-8,
        max_iterations: int = 100,
        weighted: bool = False,
        require_convergence: bool = False,
        threads: int | None = None,
    ) -> HubScores:
        """HITS (Kleinberg 1999): good hubs point at good authorities.

        Args:
            tolerance: It has converged when an iteration changes the hubs by less than this in all.
            max_iterations: At least 1.
            weighted: Whether edges count by their weight.
            require_convergence: Whether it is an error not to converge.
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [2, 2]).hits().authorities.round(3).tolist()
            [0.0, 0.0, 1.0]
        """
        outcome = self._run(
            "hits",
            threads,
            tolerance=tolerance,
            max_iterations=max_iterations,
            weighted=weighted,
            require_convergence=require_convergence,
        )
        return HubScores(outcome)

    def eigenvector(
        self,
        *,
        tolerance: float = 1e-6,
        max_iterations: int = 100,
        weighted: bool = False,
        require_convergence: bool = False,
        threads: int | None = None,
    ) -> IteratedScores:
        """Eigenvector centrality (Bonacich 1987): a node scores by the scores of those that point at it.

        Args:
            tolerance: It has converged when an iteration changes each score by less than this on average.
            max_iterations: At least 1.
            weighted: Whether edges count by their weight.
            require_convergence: Whether it is an error not to converge.
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 2], [1, 2, 0], directed=False)
            >>> g.eigenvector().scores.round(3).tolist()
            [0.577, 0.577, 0.577]
        """
        outcome = self._run(
            "eigenvector",
            threads,
            tolerance=tolerance,
            max_iterations=max_iterations,
            weighted=weighted,
            require_convergence=require_convergence,
        )
        return IteratedScores(outcome)

    def katz(
        self,
        *,
        alpha: float = 0.1,
        beta: float = 1.0,
        tolerance: float = 1e-6,
        max_iterations: int = 1000,
        weighted: bool = False,
        require_convergence: bool = False,
        threads: int | None = None,
    ) -> IteratedScores:
        """Katz centrality (Katz 1953): how many walks end at each node, longer ones counting less?

        Args:
            alpha: How much of a score an edge hands on; it converges below the inverse of the greatest
                eigenvalue.
            beta: What each node has of its own.
            tolerance: It has converged when an iteration changes each score by less than this on average.
            max_iterations: At least 1.
            weighted: Whether edges count by their weight.
            require_convergence: Whether it is an error not to converge.
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 0]).katz().scores.round(3).tolist()
            [0.577, 0.577, 0.577]
        """
        outcome = self._run(
            "katz",
            threads,
            alpha=alpha,
            beta=beta,
            tolerance=tolerance,
            max_iterations=max_iterations,
            weighted=weighted,
            require_convergence=require_convergence,
        )
        return IteratedScores(outcome)

    def betweenness(
        self,
        *,
        samples: int | None = None,
        seed: int = 0,
        sources: Sequence[Node] | None = None,
        normalized: bool = True,
        weighted: bool = False,
        endpoints: bool = False,
        threads: int | None = None,
    ) -> Scores:
        """Betweenness centrality (Brandes 2001): on which share of shortest paths does each node lie?

        Args:
            samples: How many nodes are drawn, from which paths are counted; all when `None`, which is
                exact and takes O(nodes · edges).
            seed: Decides which nodes are drawn.
            sources: The nodes from which paths are counted, in place of drawn ones.
            normalized: Whether scores are divided by the number of pairs.
            weighted: Whether paths are shortest by weight.
            endpoints: Whether the ends of a path count.
            threads: The threads to use; all cores when `None`. The scores do not depend on it.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2], directed=False).betweenness().scores.tolist()
            [0.0, 1.0, 0.0]
        """
        outcome = self._run(
            "betweenness",
            threads,
            samples=samples,
            seed=seed,
            sources=None if sources is None else _nodes(sources),
            normalized=normalized,
            weighted=weighted,
            endpoints=endpoints,
        )
        return Scores(outcome)

    def closeness(
        self, *, wf_improved: bool = True, weighted: bool = False, threads: int | None = None
    ) -> Scores:
        """Closeness centrality (Freeman 1979): the inverse of the mean distance from those that reach a node.

        Args:
            wf_improved: Whether scores are scaled by the share of nodes that reach the node (Wasserman and
                Faust 1994).
            weighted: Whether distances are sums of weights.
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2], directed=False).closeness().scores.round(3).tolist()
            [0.667, 1.0, 0.667]
        """
        return Scores(self._run("closeness", threads, wf_improved=wf_improved, weighted=weighted))

    def harmonic(self, *, weighted: bool = False, threads: int | None = None) -> Scores:
        """Harmonic centrality (Boldi and Vigna 2014): the sum of the inverse distances from all others.

        Args:
            weighted: Whether distances are sums of weights.
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2], directed=False).harmonic().scores.tolist()
            [1.5, 2.0, 1.5]
        """
        return Scores(self._run("harmonic", threads, weighted=weighted))

    def degree_centrality(self, kind: _Direction = "both", *, threads: int | None = None) -> Scores:
        """Degree centrality: the degree of each node, divided by the number of other nodes.

        Args:
            kind: Which edges count: those that begin at a node, end there, or both.
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 0], [1, 2]).degree_centrality("out").scores.tolist()
            [1.0, 0.0, 0.0]
        """
        return Scores(self._run("degree_centrality", threads, kind=kind))

    # --- structure ---

    def connected_components(self, *, threads: int | None = None) -> Labels:
        """Find connected components, whatever the direction of edges (Afforest, Sutton et al. 2018).

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 3], [1, 2]).connected_components().labels.tolist()
            [0, 0, 1, 1]
        """
        return Labels(self._run("connected_components", threads))

    def strongly_connected_components(self, *, threads: int | None = None) -> Labels:
        """Find the parts in which every node reaches every other along the edges.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 1], [1, 0, 2]).strongly_connected_components().labels.tolist()
            [0, 0, 1]
        """
        return Labels(self._run("strongly_connected_components", threads))

    def core_numbers(self, *, threads: int | None = None) -> Cores:
        """Find for each node the greatest k for which it lies in a part where all have k neighbours.

        Loops and parallel edges do not count; in a directed graph an edge and its way back count 2.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 2, 2], [1, 2, 0, 3], directed=False)
            >>> g.core_numbers().cores.tolist()
            [2, 2, 2, 1]
        """
        return Cores(self._run("core_numbers", threads))

    def triangles(self, *, threads: int | None = None) -> Triangles:
        """Count triangles, of the whole graph and of each node, with clustering coefficients.

        Loops, parallel edges and directions do not count.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 2, 2], [1, 2, 0, 3], directed=False)
            >>> g.triangles().counts.tolist(), g.triangles().total
            ([1, 1, 1, 0], 1)
        """
        return Triangles(self._run("triangles", threads))

    def triangle_count(self, *, threads: int | None = None) -> int:
        """Count the triangles of the whole graph, which is faster than counting those of each node.

        Loops, parallel edges and directions do not count.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 0], directed=False).triangle_count()
            1
        """
        return int(self._run("triangle_count", threads).facts["total"])

    def minimum_spanning_forest(self, *, threads: int | None = None) -> Forest:
        """Find the lightest edges that connect what is connected; every edge counts 1 without weights.

        Raises:
            UsageError: When the graph is directed.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 0], [1, 2, 2], [2, 3, 10], directed=False)
            >>> g.minimum_spanning_forest().total_weight
            5.0
        """
        return Forest(self._run("minimum_spanning_forest", threads))

    def bipartite(self, *, threads: int | None = None) -> Bipartition:
        """Find two sides with no edge within either, or an odd cycle as proof that there are none.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2]).bipartite().sides.tolist()
            [0, 1, 0]
        """
        return Bipartition(self._run("bipartite", threads))

    # --- communities and similarity ---

    def label_propagation(
        self, *, seed: int = 0, max_iterations: int = 100, threads: int | None = None
    ) -> Communities:
        """Label propagation (Raghavan et al. 2007): each node takes the label of most of its neighbours.

        Args:
            seed: Decides between labels that are equally frequent.
            max_iterations: At least 1.
            threads: The threads to use; all cores when `None`. The labels do not depend on it.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 3], directed=False)
            >>> g.label_propagation().labels.tolist()
            [0, 0, 0, 1, 1, 1]
        """
        outcome = self._run("label_propagation", threads, seed=seed, max_iterations=max_iterations)
        return Communities(outcome)

    def louvain(
        self,
        *,
        resolution: float = 1.0,
        seed: int = 0,
        max_levels: int = 100,
        tolerance: float = 1e-7,
        threads: int | None = None,
    ) -> Communities:
        """Louvain (Blondel et al. 2008): communities of high modularity.

        Args:
            resolution: Above 1 favours smaller communities, below 1 larger ones.
            seed: Decides in which order nodes are looked at.
            max_levels: The most levels, at least 1.
            tolerance: A sweep that raises modularity by no more than this is the last.
            threads: The threads to use; all cores when `None`. The labels do not depend on it.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 2, 3, 4, 5, 2], [1, 2, 0, 4, 5, 3, 3], directed=False)
            >>> g.louvain().labels.tolist()
            [0, 0, 0, 1, 1, 1]
        """
        outcome = self._run(
            "louvain",
            threads,
            resolution=resolution,
            seed=seed,
            max_levels=max_levels,
            tolerance=tolerance,
        )
        return Communities(outcome)

    def leiden(
        self,
        *,
        resolution: float = 1.0,
        seed: int = 0,
        max_levels: int = 100,
        iterations: int = 3,
        tolerance: float = 1e-7,
        threads: int | None = None,
    ) -> Communities:
        """Leiden (Traag et al. 2019): communities of high modularity, each connected in itself.

        Args:
            resolution: Above 1 favours smaller communities, below 1 larger ones.
            seed: Decides in which order nodes are looked at.
            max_levels: The most levels, at least 1.
            iterations: How often the whole is done, each time from the result of the time before.
            tolerance: A sweep or an iteration that raises modularity by no more than this is the last.
            threads: The threads to use; all cores when `None`. The labels do not depend on it.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 2, 3, 4, 5, 2], [1, 2, 0, 4, 5, 3, 3], directed=False)
            >>> g.leiden().labels.tolist()
            [0, 0, 0, 1, 1, 1]
        """
        outcome = self._run(
            "leiden",
            threads,
            resolution=resolution,
            seed=seed,
            max_levels=max_levels,
            iterations=iterations,
            tolerance=tolerance,
        )
        return Communities(outcome)

    def jaccard(self, left: object, right: object, *, threads: int | None = None) -> PairValues:
        """Find the share of their neighbours that the nodes of each pair have in common.

        Args:
            left: One node of each pair, as ids.
            right: The other node of each pair, as ids.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When a node is not in the graph.
            DataError: When the sides differ in length.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 2, 2], [1, 2, 0, 3], directed=False)
            >>> g.jaccard([0], [1]).values.round(3).tolist()
            [0.333]
        """
        return self._pairs("jaccard", left, right, threads)

    def common_neighbors(self, left: object, right: object, *, threads: int | None = None) -> PairValues:
        """Count the neighbours that the nodes of each pair have in common; arguments as of `jaccard`.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1, 2, 2], [1, 2, 0, 3], directed=False)
            >>> g.common_neighbors([0], [1]).values.tolist()
            [1]
        """
        return self._pairs("common_neighbors", left, right, threads)

    def _pairs(self, algorithm: str, left: object, right: object, threads: int | None) -> PairValues:
        outcome = self._run(algorithm, threads, {"left": _column(left), "right": _column(right)})
        return PairValues(outcome, algorithm)
