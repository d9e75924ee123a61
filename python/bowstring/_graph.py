"""Graphs: built once from edges, and shared by every algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bowstring import _arrays, _bowstring
from bowstring._errors import DataError, UsageError
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

    from bowstring._arrays import Node
    from bowstring._bowstring import NativeGraph, Table
    from bowstring._results import _Integers, _Numbers
    from bowstring._tables import AnyTable, Path

    # Which edges are followed: those that begin at a node, those that end there, or both.
    _Direction = Literal["out", "in", "both"]
    # What becomes of edges with the same ends: all stay, or one with this of their weights.
    _ParallelEdges = Literal["keep", "first", "sum", "min", "max"]
    # What becomes of edges from a node to itself.
    _SelfLoops = Literal["keep", "drop"]


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
    how many threads a call uses, all cores when `None`; a `UsageError` says when it is not a number from 0
    (all cores) to 1024.

    What a method costs stands with it: time, shared by all threads unless it says otherwise, and memory
    beside the graph, the result among it. "The rows of incoming edges" are what `csc` gives; the first
    call that needs them makes them, and the graph keeps them. Properties take no time and no memory. What
    would take more memory than the machine has is a `LimitError` before it begins.

    Examples:
        >>> import bowstring as bs
        >>> g = bs.Graph.from_edges([0, 0, 1], [1, 2, 2])
        >>> g.bfs(0).distances.tolist()
        [0, 1, 1]
    """

    def __init__(self, native: NativeGraph | None = None) -> None:
        """Take what the engine built; use one of the `from_…` methods.

        Raises:
            TypeError: When it is anything else.
        """
        if not isinstance(native, _bowstring.NativeGraph):
            raise TypeError(
                "make a graph with `Graph.from_edges`, `Graph.from_table` or another `Graph.from_…`"
            )
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

        Cost:
            O(nodes + edges) time (a parallel counting sort). The graph takes 4 bytes for each edge and node
            (8 for each node above 2³¹ − 1 entries), and the width of a weight for each edge; in an
            undirected graph twice for each edge. Until it is built, 8 bytes more for each entry, 16 with
            weights, and 16 for each node.

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
            LimitError: Above 2³¹ − 1 nodes, or beyond the machine's memory: there is a place for each number
                up to the greatest.

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
                _arrays.column("src", src),
                _arrays.column("dst", dst),
                _arrays.given_column("weights", weights),
                _arrays.given_column("nodes", nodes),
                options,
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

        Cost:
            O(nodes + edges) time (hash-partitioned numbering, Leis et al. 2014, then a counting sort). What
            `from_edges` takes, the ids, and until it is built 25 bytes for each id in the table.

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
            TypeError: When a column is named by anything but text.
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
        for argument, name in (("source", source), ("target", target), ("weight", weight)):
            if not (isinstance(name, str) or (name is None and argument == "weight")):
                raise TypeError(f"{argument}: expected the name of a column, got {type(name).__name__}")
        ids = _arrays.given_column("nodes", nodes)
        native = _bowstring.NativeGraph.from_table(edges, (source, target, weight), ids, options)
        return cls(native)

    @classmethod
    def from_csr(
        cls,
        indptr: object,
        indices: object,
        weights: object = None,
        *,
        directed: bool = True,
        threads: int | None = None,
    ) -> Graph:
        """Take sparse rows that are there: the neighbours of node `v` are `indices[indptr[v]:indptr[v + 1]]`.

        They are checked once, and not copied where `indptr` is of 32 or 64 bits and `indices` of 32;
        indices of 64 bits are narrowed once. Whoever writes to the arrays afterwards gets wrong numbers or
        an error.

        Cost:
            O(nodes + edges) time for one look. No memory where nothing is copied, 4 bytes for each index of
            64 bits; with `directed=False` once more the rows, to compare.

        Args:
            indptr: Where each node's neighbours begin, and the number of entries at the end.
            indices: The neighbours' numbers.
            weights: The weight of each entry: int32, int64, float32 or float64; none when `None`.
            directed: Whether edges have a direction; when not, each edge must be there both ways.
            threads: The threads to use; all cores when `None`.

        Raises:
            DataError: When the rows contradict themselves.
            UsageError: When an array is of another type.
            LimitError: Above 2³¹ − 1 nodes.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_csr([0, 2, 3, 3], [1, 2, 2])
            Graph(3 nodes, 3 edges, directed)
        """
        return cls(
            _bowstring.NativeGraph.from_csr(
                _arrays.column("indptr", indptr),
                _arrays.column("indices", indices),
                _arrays.given_column("weights", weights),
                _given(directed=directed, threads=threads),
            )
        )

    @classmethod
    def from_scipy(cls, matrix: _SparseMatrix, *, directed: bool = True) -> Graph:
        """Take a sparse matrix of scipy: its entry (i, j) is the weight of the edge from i to j.

        Cost:
            What `from_csr` costs; scipy's own conversion where the matrix is not in CSR.

        Args:
            matrix: A square sparse array or matrix of any format; one in CSR is not copied.
            directed: Whether edges have a direction; when not, the matrix must be symmetric.

        Raises:
            TypeError: When it is no sparse matrix.
            DataError: When it is not square, not symmetric though undirected, or has weights that are not
                finite.

        Examples:
            >>> import bowstring as bs
            >>> import scipy.sparse
            >>> bs.Graph.from_scipy(scipy.sparse.csr_array([[0, 2], [2, 0]]), directed=False)
            Graph(2 nodes, 1 edges, undirected, weighted)
        """
        if not hasattr(matrix, "tocsr"):
            raise TypeError(f"matrix: expected a sparse array or matrix, got {type(matrix).__name__}")
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

        Cost:
            O(nodes + edges) time in the interpreter, then what `from_edges` costs. 16 bytes for each edge
            while it is built, beside a list of the edges.

        Args:
            graph: A `Graph`, `DiGraph`, `MultiGraph` or `MultiDiGraph` whose nodes are all integers or all
                text.
            weight: The attribute of the edges that is their weight, 1 where it is missing; none when
                `None`.

        Raises:
            TypeError: When it is no such graph, or nodes are neither all integers nor all text.

        Examples:
            >>> import bowstring as bs
            >>> import networkx
            >>> bs.Graph.from_networkx(networkx.path_graph(3))
            Graph(3 nodes, 2 edges, undirected)
        """
        if not hasattr(graph, "is_directed"):
            raise TypeError(f"graph: expected a graph of networkx, got {type(graph).__name__}")
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

        Cost:
            O(entries) time on one thread for the text, then what `from_edges` costs. 8 bytes for each entry,
            16 with weights, while it is built.

        Args:
            path: The file.

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

        Cost:
            O(1) time; the first call makes an index in O(nodes) time and memory, and an id that is unknown
            is compared with all others. None where the graph has no ids.

        Args:
            node: Its id, or its number where the graph has no ids.

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

        Cost:
            O(1) time and memory: the arrays are the graph's own.

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

        Cost:
            O(1); the first call for a directed graph makes the rows in O(nodes + edges) time. They take as
            much as the rows of outgoing edges, and 2 bytes more for each edge, 4 with weights, until they
            are made.

        Examples:
            >>> import bowstring as bs
            >>> indptr, indices, weights = bs.Graph.from_edges([0, 0, 1], [2, 1, 2]).csc()
            >>> indptr.tolist(), indices.tolist()
            ([0, 0, 1, 3], [0, 0, 1])
        """
        return self._native.csc()

    def degree(self, kind: _Direction = "both", *, threads: int | None = None) -> Degrees:
        """Count the edges of each node.

        Method:
            Counted from where the rows begin and end; a loop counts once for each direction.

        Cost:
            O(nodes) time, O(edges) where loops are looked for. 4 bytes for each node and kind; for edges
            that end at nodes, the rows of incoming edges.

        Args:
            kind: Those that begin there (`out`), end there (`in`), or both; a loop counts twice in `both`.
                In an undirected graph all three are the same.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When `kind` is none of these.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 0, 1], [1, 2, 2]).degree("in").degrees.tolist()
            [0, 1, 2]
        """
        return Degrees(self._run("degree", threads, kind=kind))

    def neighbors(self, node: Node) -> _Integers:
        """Give the numbers of the nodes at the other ends of a node's outgoing edges, int32, ascending.

        A node stands there once for each edge. Not copied.

        Cost:
            O(1) time and memory.

        Args:
            node: The node's id, or its number where the graph has no ids.

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

        Cost:
            O(log degree) time; O(degree) where rows came unsorted through `from_csr`. No memory.

        Args:
            source: The node at which the edge begins.
            target: The node at which it ends.

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

        Cost:
            O(1) where the rows of incoming edges are there or the graph is undirected, else what `csc`
            costs.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0], [1]).reverse().neighbors(1).tolist()
            [0]
        """
        return Graph(self._native.reverse())

    def to_undirected(self, *, parallel_edges: _ParallelEdges = "keep") -> Graph:
        """Forget the directions.

        Cost:
            O(nodes + edges) time. What `from_edges` takes.

        Args:
            parallel_edges: What becomes of edges between the same two nodes, also of one there and one
                back.

        Raises:
            UsageError: When `parallel_edges` is none of these.
            DataError: When the sum of integer weights is beyond 64 bits.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 0]).to_undirected(parallel_edges="first")
            Graph(2 nodes, 1 edges, undirected)
        """
        return Graph(self._native.to_undirected({"parallel_edges": parallel_edges}))

    def subgraph(self, nodes: Sequence[Node] | _Integers) -> Graph:
        """Keep some nodes and the edges between them.

        Cost:
            O(nodes + edges of the given nodes) time. 4 bytes for each node and at most 8 for each edge of
            the given nodes, 16 with weights, beside the result.

        Args:
            nodes: Their ids, or their numbers where the graph has no ids. They are numbered anew in this
                order, and keep their ids.

        Raises:
            UsageError: When one is not in the graph.
            DataError: When one is named twice.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 0]).subgraph([0, 1])
            Graph(2 nodes, 1 edges, directed)
        """
        import numpy as np

        listed = _arrays.nodes("nodes", nodes)
        several = listed if isinstance(listed, list) else [listed]
        numbers = [self._native.index_of(node) for node in several]
        return Graph(self._native.subgraph(np.asarray(numbers, dtype=np.int32)))

    def relabel_by_degree(self) -> tuple[Graph, _Integers]:
        """Number the nodes in descending order of degree.

        Cost:
            O(nodes · log nodes + edges) time. What `from_edges` takes, and 8 bytes for each node.

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

        Cost:
            O(1) for ids and for arrays of numpy or Arrow, which are not copied; O(nodes) for node numbers, 4
            bytes each.

        Args:
            columns: Name to a result or an array with a value for each node.

        Returns:
            One row for each node: its id in the column `node`, then the columns.

        Raises:
            UsageError: When a column is called `node`.
            DataError: When a column has fewer or more values than there are nodes.

        Examples:
            >>> import bowstring as bs
            >>> g = bs.Graph.from_edges([0, 1], [1, 2])
            >>> g.to_table(rank=g.pagerank(), component=g.connected_components()).num_rows
            3
        """
        return self._native.to_table(_arrays.columns(columns))

    def to_graphml(self, path: Path, **columns: object) -> None:
        """Write the graph as GraphML; the file appears as a whole or not at all.

        Cost:
            O(nodes + edges) time on one thread. Next to no memory.

        Args:
            path: The file; folders that are missing are made.
            columns: Name to a result or an array with a value for each node, which becomes its attribute.

        Raises:
            DataError: When a column has fewer or more values than there are nodes.
            StorageError: When the file cannot be written.

        Examples:
            >>> import bowstring as bs
            >>> import pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "g.graphml"
            >>> bs.Graph.from_edges([0], [1]).to_graphml(path)
            >>> path.exists()
            True
        """
        self._native.export(path, "graphml", _arrays.columns(columns))

    def to_dot(self, path: Path, **columns: object) -> None:
        """Write the graph in the language of Graphviz; the file appears as a whole or not at all.

        Cost:
            O(nodes + edges) time on one thread. Next to no memory.

        Args:
            path: The file; folders that are missing are made.
            columns: Name to a result or an array with a value for each node, which becomes its attribute.

        Raises:
            DataError: When a column has fewer or more values than there are nodes.
            StorageError: When the file cannot be written.

        Examples:
            >>> import bowstring as bs
            >>> import pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "g.dot"
            >>> bs.Graph.from_edges([0], [1]).to_dot(path)
            >>> path.read_text().startswith("digraph")
            True
        """
        self._native.export(path, "dot", _arrays.columns(columns))

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

        Method:
            Edges pull and nodes push (velocity Verlet with Barnes and Hut's approximation, as in Bostock's
            d3-force). The same graph gives the same picture.

        Cost:
            O(300 · (nodes · log nodes + edges)) time for what is drawn, on one thread, a second at most;
            that of `pagerank` for the whole graph where no scores are given. A few megabytes.

        Args:
            path: The file; folders that are missing are made.
            around: Draw the nodes within some hops of these, which get a ring.
            hops: How many hops.
            direction: Which edges are followed.
            top: Draw this many nodes, those with the greatest scores.
            scores: A score for each node, by which nodes differ in size; their PageRank when `None`.
            groups: A group for each node, such as its community, by which nodes differ in colour.
            title: What is written above the picture.

        Raises:
            LimitError: When there are more than 500 nodes or 5,000 edges to draw.
            UsageError: When a node is not in the graph, `scores` or `groups` are not one number for each
                node, or `around` and `top` are both given.
            StorageError: When the file cannot be written.

        Examples:
            >>> import bowstring as bs
            >>> import pathlib, tempfile
            >>> path = pathlib.Path(tempfile.mkdtemp()) / "g.svg"
            >>> bs.Graph.from_edges([0, 1], [1, 2]).draw(path, around=0, hops=1)
            >>> path.read_text().startswith("<svg")
            True
        """
        if around is not None and top is not None:
            raise UsageError("`around` and `top` are two ways to choose nodes: give one of them")
        nodes = None if around is None else _arrays.nodes("around", around)
        options = _given(
            around=[nodes] if isinstance(nodes, (int, str)) else nodes,
            hops=hops,
            direction=direction,
            top=top,
            scores=_arrays.given_column("scores", scores),
            groups=_arrays.given_column("groups", groups),
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
        """Breadth-first search: how many hops is each node away, and over which node?

        Method:
            Direction-optimising search (Beamer, Asanović and Patterson 2012). A parent is the
            smallest-numbered neighbour that is one hop nearer.

        Cost:
            O(nodes + edges) time. 16 bytes for each node, at most 256 KiB more, and the rows of incoming
            edges of a directed graph.

        Args:
            sources: The nodes to begin at.
            max_depth: The most hops; no limit when `None`.
            direction: Which edges are followed.
            threads: The threads to use; all cores when `None`.

        Returns:
            `.distances` in hops and `.parents`, int32, −1 for nodes that are not reached.

        Raises:
            UsageError: When there is no source, or one is not in the graph; the nearest id is named.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2]).bfs(0).distances.tolist()
            [0, 1, 2]
        """
        outcome = self._run(
            "bfs",
            threads,
            sources=_arrays.nodes("sources", sources),
            max_depth=max_depth,
            direction=direction,
        )
        return Paths(outcome)

    def dfs(
        self,
        source: Node | Sequence[Node] | None = None,
        *,
        max_depth: int | None = None,
        threads: int | None = None,
    ) -> DepthFirst:
        """Depth-first search: in which order are nodes found and left?

        Method:
            Iterative search over neighbours in ascending order (Tarjan 1972).

        Cost:
            O(nodes + edges) time on one thread. 17 bytes for each node, 16 for each node of the longest
            path, and 16 more for each node with `max_depth`.

        Args:
            source: The node to begin at, or several, one after the other; all nodes when `None`, which
                makes a forest.
            max_depth: The most hops from a source: exactly the nodes within them are visited, whichever way
                the search goes; no limit when `None`.
            threads: The threads to use where there is a `max_depth`; all cores when `None`.

        Raises:
            UsageError: When a list of sources is empty, one is not in the graph, or `max_depth` stands
                without sources.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 0, 1], [1, 2, 3]).dfs(0).order.tolist()
            [0, 1, 3, 2]
        """
        sources = None if source is None else _arrays.nodes("source", source)
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

        Method:
            Breadth-first search (Beamer, Asanović and Patterson 2012).

        Cost:
            O(nodes + edges) time. 16 bytes for each node, at most 256 KiB more, and the rows of incoming
            edges of a directed graph.

        Args:
            sources: The nodes to begin at.
            k: The most hops.
            direction: Which edges are followed.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When there is no source, one is not in the graph, or `k` is negative.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 3]).k_hop(0, 2).nodes.tolist()
            [0, 1, 2]
        """
        return NodeList(
            self._run("k_hop", threads, sources=_arrays.nodes("sources", sources), k=k, direction=direction)
        )

    def topological_sort(self, *, threads: int | None = None) -> NodeList:
        """Order the nodes so that every edge points forward; of several orders, the smallest numbers first.

        Method:
            Kahn 1962 with a heap: of all orders the one that is smallest in lexicographic order.

        Cost:
            O(edges + nodes · log nodes) time on one thread. Up to 16 bytes for each node.

        Args:
            threads: The threads to use; all cores when `None`.

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

        Method:
            The first cycle that a depth-first search (Tarjan 1972) from the smallest node on closes.

        Cost:
            O(nodes + edges) time on one thread. Up to 33 bytes for each node.

        Args:
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 1]).find_cycle().nodes.tolist()
            [1, 2]
        """
        return NodeList(self._run("find_cycle", threads))

    def ancestors(self, node: Node, *, threads: int | None = None) -> NodeList:
        """Find the nodes from which a node can be reached, ascending, without itself.

        Method:
            Breadth-first search (Beamer, Asanović and Patterson 2012), against the direction of edges.

        Cost:
            O(nodes + edges) time. 16 bytes for each node, at most 256 KiB more, and the rows of incoming
            edges of a directed graph.

        Args:
            node: The node's id, or its number where the graph has no ids.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When the node is not in the graph; the nearest id is named.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2]).ancestors(2).nodes.tolist()
            [0, 1]
        """
        return NodeList(self._run("ancestors", threads, node=_arrays.nodes("node", node)))

    def descendants(self, node: Node, *, threads: int | None = None) -> NodeList:
        """Find the nodes that can be reached from a node, ascending, without itself.

        Method:
            Breadth-first search (Beamer, Asanović and Patterson 2012).

        Cost:
            O(nodes + edges) time. 16 bytes for each node, at most 256 KiB more, and the rows of incoming
            edges of a directed graph.

        Args:
            node: The node's id, or its number where the graph has no ids.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When the node is not in the graph; the nearest id is named.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2]).descendants(0).nodes.tolist()
            [1, 2]
        """
        return NodeList(self._run("descendants", threads, node=_arrays.nodes("node", node)))

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
        parents: bool = True,
        threads: int | None = None,
    ) -> Paths:
        """Find shortest paths by weight from the nearest source; edges without weight count 1.

        Method:
            Dijkstra 1959 with a binary heap; delta-stepping (Meyer and Sanders 2003); Bellman 1958 and Ford.
            Without weights a breadth-first search.

        Cost:
            Dijkstra: O(edges · log nodes) time on one thread. Delta-stepping: O(nodes + edges) expected time
            for random weights. Bellman and Ford: O(nodes · edges) time at worst, on one thread. 40 bytes for
            each node, 24 without parents, and up to 16 for each time that a path gets shorter.

        Args:
            source: The node to begin at, or several.
            method: `dijkstra` (Dijkstra 1959), `delta_stepping` (Meyer and Sanders 2003; parallel),
                `bellman_ford` (takes negative weights), or `auto` for the one that suits the graph.
            targets: The nodes of which the distances are wanted; those of others may be missing then.
            cutoff: The greatest distance that is of interest; no limit when `None`.
            delta: The width of a bucket of delta-stepping; chosen from the weights when `None`.
            direction: Which edges are followed.
            parents: Whether to find paths too; distances alone take less time and memory.
            threads: The threads to use; all cores when `None`.

        Returns:
            `.distances`, and unless `parents` is false `.parents` and `.path_to(node)`.

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
            sources=_arrays.nodes("source", source),
            method=method,
            targets=None if targets is None else _arrays.nodes("targets", targets),
            cutoff=cutoff,
            delta=delta,
            direction=direction,
            parents=parents,
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

        Method:
            Scores are pulled over incoming edges (Page, Brin, Motwani and Winograd 1999), block by block as
            in the method of Gauss and Seidel (Arasu et al. 2002), and scaled in the end (Gleich 2015).

        Cost:
            O(iterations · (nodes + edges)) time. 16 or 24 bytes for each node, 4 or 8 for each node of a
            block, and the rows of incoming edges.

        Args:
            damping: The probability to follow an edge and not to jump, above 0 and below 1.
            tolerance: It has converged when an iteration changes the scores by no more than this, summed
                over all nodes.
            max_iterations: The most iterations, at least 1.
            personalization: The weight with which jumps lead to each node: a mapping of nodes to weights, 0
                for those that are not named, or an array with a weight for each node; all alike when
                `None`.
            weighted: Whether edges count by their weight.
            dangling: The weights with which nodes without outgoing edges give on their score, an array;
                as `personalization` when `None`.
            start: The scores to begin with, an array, in any unit; when `None` all alike, or a guess from the
                degrees where the graph is undirected, has many edges and nothing is personalised.
            require_convergence: Whether it is an error not to converge.
            threads: The threads to use; all cores when `None`. The scores do not depend on it.

        Returns:
            `.scores`, which sum to 1, `.iterations`, `.residual` and `.converged`.

        Raises:
            UsageError: When an option is out of its range, or there are no weights to count by.
            WorkflowError: When it does not converge and must.
            DataError: When a weight that counts is negative, or an array has fewer or more values than there
                are nodes.

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
            personalization=_arrays.given_column("personalization", personalization),
            dangling=_arrays.given_column("dangling", dangling),
            start=_arrays.given_column("start", start),
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

        Method:
            Power iteration from equal scores (Kleinberg 1999).

        Cost:
            O(iterations · edges) time. 24 bytes for each node, and the rows of incoming edges.

        Args:
            tolerance: It has converged when an iteration changes the hubs by no more than this, summed over
                all nodes.
            max_iterations: The most iterations, at least 1.
            weighted: Whether edges count by their weight.
            require_convergence: Whether it is an error not to converge.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When an option is out of its range, or there are no weights to count by.
            DataError: When a weight that counts is negative.
            WorkflowError: When it does not converge and must.

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
        """Eigenvector centrality (Bonacich 1972): a node scores by the scores of those that point at it.

        Method:
            Power iteration over the matrix plus the identity, from equal scores (Bonacich 1972).

        Cost:
            O(iterations · edges) time. 16 bytes for each node, and the rows of incoming edges.

        Args:
            tolerance: It has converged when an iteration changes the scores by no more than this, summed
                over all nodes.
            max_iterations: The most iterations, at least 1.
            weighted: Whether edges count by their weight.
            require_convergence: Whether it is an error not to converge.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When an option is out of its range, or there are no weights to count by.
            DataError: When a weight that counts is negative.
            WorkflowError: When it does not converge and must.

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
        normalized: bool = True,
        tolerance: float = 1e-6,
        max_iterations: int = 1000,
        weighted: bool = False,
        require_convergence: bool = False,
        threads: int | None = None,
    ) -> IteratedScores:
        """Katz centrality (Katz 1953): how many walks end at each node, longer ones counting less?

        Method:
            Iteration from 0 (Katz 1953).

        Cost:
            O(iterations · edges) time. 16 bytes for each node, and the rows of incoming edges.

        Args:
            alpha: How much of a score an edge hands on, above 0; it converges below the inverse of the
                greatest eigenvalue.
            beta: What each node has of its own, above 0.
            normalized: Whether the squares of the scores are made to sum to 1.
            tolerance: It has converged when an iteration changes the scores by no more than this, summed
                over all nodes.
            max_iterations: The most iterations, at least 1.
            weighted: Whether edges count by their weight.
            require_convergence: Whether it is an error not to converge.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When an option is out of its range, or there are no weights to count by.
            DataError: When a weight that counts is negative.
            WorkflowError: When it does not converge and must.

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
            normalized=normalized,
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

        Method:
            Brandes 2001, with samples as in Brandes and Pich 2007.

        Cost:
            O(sources · edges) time, with weights O(sources · edges · log edges). 8 bytes for each node, and
            for each thread 29 bytes for each node; with weights 61 bytes for each node and 16 for each edge.
            Where there are parallel edges, a copy of the rows without them.

        Args:
            samples: How many nodes are drawn, from which paths are counted; all when `None`, which is
                exact.
            seed: Decides which nodes are drawn.
            sources: The nodes from which paths are counted, in place of drawn ones.
            normalized: Whether scores are divided by the number of pairs.
            weighted: Whether paths are shortest by weight.
            endpoints: Whether the ends of a path count.
            threads: The threads to use; all cores when `None`. The scores do not depend on it.

        Raises:
            UsageError: When a source is not in the graph or there is none, or there are no weights to count
                by.
            DataError: When a weight that counts is 0 or negative.

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
            sources=None if sources is None else _arrays.nodes("sources", sources),
            normalized=normalized,
            weighted=weighted,
            endpoints=endpoints,
        )
        return Scores(outcome)

    def closeness(
        self, *, wf_improved: bool = True, weighted: bool = False, threads: int | None = None
    ) -> Scores:
        """Closeness centrality (Freeman 1979): the inverse of the mean distance from those that reach a node.

        Method:
            One by the mean distance (Bavelas 1950, Freeman 1979), scaled as Wasserman and Faust 1994 do; 64
            searches at once (Then et al. 2014), with weights each alone (Dijkstra 1959).

        Cost:
            O(nodes · edges) time at most, with weights O(nodes · (nodes + edges) · log edges). 24 bytes for
            each node, and for each thread 36 bytes for each node; with weights 16 bytes for each node and 16
            for each edge. The rows of incoming edges.

        Args:
            wf_improved: Whether scores are scaled by the share of nodes that reach the node (Wasserman and
                Faust 1994).
            weighted: Whether distances are sums of weights.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When there are no weights to count by.
            DataError: When a weight that counts is negative.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2], directed=False).closeness().scores.round(3).tolist()
            [0.667, 1.0, 0.667]
        """
        return Scores(self._run("closeness", threads, wf_improved=wf_improved, weighted=weighted))

    def harmonic(self, *, weighted: bool = False, threads: int | None = None) -> Scores:
        """Harmonic centrality (Marchiori and Latora 2000): the sum of the inverse distances from all others.

        Method:
            The sum of one by each distance (Marchiori and Latora 2000, Boldi and Vigna 2014); 64 searches at
            once (Then et al. 2014), with weights each alone (Dijkstra 1959).

        Cost:
            O(nodes · edges) time at most, with weights O(nodes · (nodes + edges) · log edges). 24 bytes for
            each node, and for each thread 36 bytes for each node; with weights 16 bytes for each node and 16
            for each edge. The rows of incoming edges.

        Args:
            weighted: Whether distances are sums of weights.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When there are no weights to count by.
            DataError: When a weight that counts is negative.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1], [1, 2], directed=False).harmonic().scores.tolist()
            [1.5, 2.0, 1.5]
        """
        return Scores(self._run("harmonic", threads, weighted=weighted))

    def degree_centrality(self, kind: _Direction = "both", *, threads: int | None = None) -> Scores:
        """Degree centrality: the degree of each node, divided by the number of other nodes.

        Method:
            The degree by the number of other nodes (Freeman 1979); parallel edges count each, so a score may
            exceed 1.

        Cost:
            O(nodes) time, O(edges) where loops are looked for. 12 bytes for each node; for edges that end at
            nodes, the rows of incoming edges.

        Args:
            kind: Which edges count: those that begin at a node, end there, or both.
            threads: The threads to use; all cores when `None`.

        Raises:
            UsageError: When `kind` is none of these.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 0], [1, 2]).degree_centrality("out").scores.tolist()
            [1.0, 0.0, 0.0]
        """
        return Scores(self._run("degree_centrality", threads, kind=kind))

    # --- structure ---

    def connected_components(self, *, threads: int | None = None) -> Labels:
        """Find connected components, whatever the direction of edges (Afforest, Sutton et al. 2018).

        Method:
            Afforest (Sutton, Ben-Nun and Barak 2018).

        Cost:
            O(nodes + edges) time, near O(nodes) in an undirected graph with a large component. 12 bytes for
            each node.

        Args:
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 3], [1, 2]).connected_components().labels.tolist()
            [0, 0, 1, 1]
        """
        return Labels(self._run("connected_components", threads))

    def strongly_connected_components(self, *, threads: int | None = None) -> Labels:
        """Find the parts in which every node reaches every other along the edges.

        Method:
            The component of the node with most edges forwards and backwards (Fleischer, Hendrickson and
            Pınar 2000; Beamer, Asanović and Patterson 2012), the others by Tarjan's search (1972) as in
            Pearce 2005.

        Cost:
            O(nodes + edges) time, the others than the first component on one thread. 13 bytes for each node,
            and up to 20 more on long paths.

        Args:
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 1], [1, 0, 2]).strongly_connected_components().labels.tolist()
            [0, 0, 1]
        """
        return Labels(self._run("strongly_connected_components", threads))

    def core_numbers(self, *, threads: int | None = None) -> Cores:
        """Find for each node the greatest k for which it lies in a part where all have k neighbours.

        Loops and parallel edges do not count; in a directed graph an edge and its way back count 2.

        Method:
            Peeling (Seidman 1983) in parallel without a barrier (Kabir and Madduri 2017).

        Cost:
            O(edges + nodes left at each k, summed) time. 12 bytes for each node.

        Args:
            threads: The threads to use; all cores when `None`.

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

        Method:
            Forward algorithm over edges that point at their end of higher degree (Schank and Wagner 2005),
            with bits (Latapy 2008).

        Cost:
            O(edges^1.5) time at worst. 48 bytes for each node, 16 for each edge, and 8 for each node and
            thread.

        Args:
            threads: The threads to use; all cores when `None`.

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

        Method:
            Forward algorithm over edges that point at their end of higher degree (Schank and Wagner 2005),
            with bits (Latapy 2008).

        Cost:
            O(edges^1.5) time at worst. 32 bytes for each node and 16 for each edge.

        Args:
            threads: The threads to use; all cores when `None`.

        Examples:
            >>> import bowstring as bs
            >>> bs.Graph.from_edges([0, 1, 2], [1, 2, 0], directed=False).triangle_count()
            1
        """
        return int(self._run("triangle_count", threads).facts["total"])

    def minimum_spanning_forest(self, *, threads: int | None = None) -> Forest:
        """Find the lightest edges that connect what is connected; every edge counts 1 without weights.

        Method:
            Filter-Kruskal (Osipov, Sanders and Singler 2009). Edges of one weight are taken in the order of
            their ends.

        Cost:
            O(edges + nodes · log nodes) time for random weights, O(edges · log edges) at worst. 32 bytes for
            each node and 16 for each edge.

        Args:
            threads: The threads to use; all cores when `None`.

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

        Method:
            Each node is doubled, and copies are joined by a union-find without locks (Sutton, Ben-Nun and
            Barak 2018); an odd cycle comes from a breadth-first search.

        Cost:
            O(nodes + edges) time, an odd cycle on one thread. Up to 16 bytes for each node.

        Args:
            threads: The threads to use; all cores when `None`.

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

        Method:
            Raghavan, Albert and Kumara 2007, in batches of nodes in an order that the seed gives.

        Cost:
            About O(edges) time for the first sweep, less for each further one. 13 bytes for each node, 12
            for each node and thread, and the rows of incoming edges of a directed graph.

        Args:
            seed: Decides between labels that are equally frequent.
            max_iterations: The most iterations, at least 1.
            threads: The threads to use; all cores when `None`. The labels do not depend on it.

        Raises:
            UsageError: When `max_iterations` is 0.
            DataError: When a weight is negative, or their sum beyond 64-bit floats.

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
        tolerance: float = 1e-6,
        threads: int | None = None,
    ) -> Communities:
        """Louvain (Blondel et al. 2008): communities of high modularity.

        Method:
            Blondel, Guillaume, Lambiotte and Lefebvre 2008; in directed graphs for the modularity of Leicht
            and Newman 2008.

        Cost:
            About O(edges) time for a sweep, of which there are tens. 49 bytes for each node, 12 for each
            node and thread, and at most 36 for each entry of the rows; 84 when the graph is directed.

        Args:
            resolution: Above 1 favours smaller communities, below 1 larger ones.
            seed: Decides in which order nodes are looked at.
            max_levels: The most levels, at least 1.
            tolerance: A sweep or a level that raises modularity by no more than this is the last.
            threads: The threads to use; all cores when `None`. The labels do not depend on it.

        Raises:
            UsageError: When an option is out of its range.
            DataError: When a weight is negative, or their sum beyond 64-bit floats.

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
        tolerance: float = 1e-6,
        threads: int | None = None,
    ) -> Communities:
        """Leiden (Traag et al. 2019): communities of high modularity, each connected in itself.

        Method:
            Traag, Waltman and van Eck 2019; in directed graphs for the modularity of Leicht and Newman 2008.

        Cost:
            About O(edges) time for a sweep, of which there are tens. 78 bytes for each node, 12 for each
            node and thread, and at most 36 for each entry of the rows; 84 when the graph is directed.

        Args:
            resolution: Above 1 favours smaller communities, below 1 larger ones.
            seed: Decides in which order nodes are looked at.
            max_levels: The most levels, at least 1.
            iterations: How often the whole is done, each time from the result of the time before.
            tolerance: A sweep or an iteration that raises modularity by no more than this is the last.
            threads: The threads to use; all cores when `None`. The labels do not depend on it.

        Raises:
            UsageError: When an option is out of its range.
            DataError: When a weight is negative, or their sum beyond 64-bit floats.

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

        Method:
            Jaccard 1901; rows are merged, or the longer searched for each neighbour in the shorter (Bentley
            and Yao 1976).

        Cost:
            O(shorter · log(longer / shorter)) to O(both) time for the two rows of a pair. 8 bytes for each
            pair and 4 for each node.

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

        Method:
            Rows are merged, or the longer searched for each neighbour in the shorter (Bentley and Yao 1976).

        Cost:
            O(shorter · log(longer / shorter)) to O(both) time for the two rows of a pair. 4 bytes for each
            pair.

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
            >>> g.common_neighbors([0], [1]).values.tolist()
            [1]
        """
        return self._pairs("common_neighbors", left, right, threads)

    def _pairs(self, algorithm: str, left: object, right: object, threads: int | None) -> PairValues:
        pairs = {"left": _arrays.column("left", left), "right": _arrays.column("right", right)}
        outcome = self._run(algorithm, threads, pairs)
        return PairValues(outcome, algorithm)
