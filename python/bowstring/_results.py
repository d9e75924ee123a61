"""What the algorithms of a graph answer with: arrays with fields of their own."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from bowstring import _arrays
from bowstring._errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bowstring._bowstring import Outcome, Table

    _Integers = npt.NDArray[np.integer[Any]]
    _Floats = npt.NDArray[np.floating[Any]]
    _Numbers = npt.NDArray[np.number[Any]]


class GraphResult:
    """The answer of an algorithm.

    It stands for its first array wherever numpy takes one (`numpy.asarray(result)`), and has each of its
    arrays as a field. Arrays are indexed by node number unless their field says otherwise; they cannot be
    written to and are not copied: reading a field takes no time and no memory, unless it says so.
    """

    def __init__(self, outcome: Outcome) -> None:
        """Take what the engine computed."""
        self._outcome = outcome
        self._columns = outcome.columns
        self._facts = outcome.facts

    def _array(self, name: str) -> _Numbers:
        return self._columns[name]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> _Numbers:
        """Answer with the first array, for numpy."""
        import numpy as np

        first = next(iter(self._columns.values()))
        if copy is False and dtype is not None and np.dtype(dtype) != first.dtype:
            raise ValueError(f"a copy is needed to make {first.dtype} into {np.dtype(dtype)}")
        return np.array(first, dtype=dtype) if copy else np.asarray(first, dtype=dtype)

    def __len__(self) -> int:
        """Count the values of the first array."""
        return len(next(iter(self._columns.values())))

    def __getitem__(self, index: int | slice | _Integers) -> _Numbers:
        """Index the first array, as numpy does."""
        return next(iter(self._columns.values()))[index]

    def __iter__(self) -> Iterator[Any]:
        """Go through the first array."""
        return iter(next(iter(self._columns.values())))

    def __repr__(self) -> str:
        """Say which arrays there are, and what is said of the whole."""
        arrays = [f"{name}=<{len(values)} × {values.dtype}>" for name, values in self._columns.items()]
        facts = [f"{name}={value!r}" for name, value in self._facts.items()]
        return f"{type(self).__name__}({', '.join(arrays + facts)})"

    def to_table(self, names: object = None) -> Table:
        """Make a table of it, in which nodes have their ids and what is not reached is null.

        Cost:
            O(nodes) time for node numbers, distances and parents, else none: what has no null is not copied.
            At most what the columns take.

        Args:
            names: An id for each node, integers or text: an Arrow array, a list or what numpy takes;
                the graph's own ids when `None`, or the node numbers where it has none.

        Returns:
            One row for each node, with its id in the column `node`; for answers that are lists of nodes,
            edges or pairs, one row for each of these.

        Raises:
            UsageError: When `names` are fewer or more than the nodes, or no ids.
            DataError: When a name is null or there twice.
        """
        return self._outcome.table(_arrays.given_column("names", names))


class Scores(GraphResult):
    """A score for each node."""

    @property
    def scores(self) -> _Floats:
        """The scores, float64."""
        return cast("_Floats", self._array("score"))


class Iterated(GraphResult):
    """The answer of an iteration."""

    @property
    def iterations(self) -> int:
        """How many iterations were made."""
        return cast("int", self._facts["iterations"])

    @property
    def residual(self) -> float:
        """By how much the last iteration changed the scores, or the hubs, summed over all nodes.

        Of PageRank as a part of the sum of all; of Katz before scores are normalised.
        """
        return cast("float", self._facts["residual"])

    @property
    def converged(self) -> bool:
        """Whether the residual is no more than the tolerance."""
        return cast("bool", self._facts["converged"])


class IteratedScores(Scores, Iterated):
    """A score for each node, from an iteration."""


class HubScores(Iterated):
    """How much of a hub and of an authority each node is. It stands for the hubs."""

    @property
    def hubs(self) -> _Floats:
        """The scores as hubs, float64; they sum to 1, or are all 0 in a graph without edges."""
        return cast("_Floats", self._array("hub"))

    @property
    def authorities(self) -> _Floats:
        """The scores as authorities, float64; they sum to 1, or are all 0 in a graph without edges."""
        return cast("_Floats", self._array("authority"))


class Paths(GraphResult):
    """How far each node is from the nearest source. It stands for the distances."""

    @property
    def distances(self) -> _Numbers:
        """Hops, int32, and −1 for nodes that are not reached.

        Of shortest paths by weight: the sums of the weights; int64 and −1 where weights are integers,
        float64 and infinity where they are floats.
        """
        return self._array("distance")

    @property
    def parents(self) -> _Integers:
        """The number of the node before each node on its path, int32; −1 for sources and where none is.

        Raises:
            UsageError: When they were not asked for.
        """
        if "parent" not in self._columns:
            raise UsageError("parents were not asked for; call `sssp` with `parents=True`")
        return cast("_Integers", self._array("parent"))

    def path_to(self, node: int) -> list[int] | None:
        """Name the nodes of the path to a node.

        Cost:
            O(nodes of the path) time and memory.

        Args:
            node: The node's number, which `Graph.index_of` gives.

        Returns:
            Node numbers from the source to the node; `None` when it is not reached.

        Raises:
            IndexError: When there is no such node.
            TypeError: When it is no number.
            UsageError: When parents were not asked for.
        """
        import math

        distances, parents = self.distances, self.parents
        try:
            node = operator.index(node)
        except TypeError:
            problem = f"node: expected a node's number, which `Graph.index_of` gives, got {node!r}"
            raise TypeError(problem) from None
        if not 0 <= node < len(distances):
            raise IndexError(f"node {node} is not in the graph, which has {len(distances)}")
        # Distances that may be below 0 are floats.
        if distances[node] == (math.inf if distances.dtype.kind == "f" else -1):
            return None
        path = [node]
        while (parent := int(parents[path[-1]])) >= 0:
            path.append(parent)
        return path[::-1]


class DepthFirst(GraphResult):
    """The order in which a depth-first search finds and leaves nodes. It stands for the order."""

    def __init__(self, outcome: Outcome) -> None:
        """Take what the engine computed, the order first."""
        super().__init__(outcome)
        order = self._columns.pop("order")
        self._columns = {"order": order, **self._columns}

    @property
    def order(self) -> _Integers:
        """The numbers of the nodes that are found, int32, in the order in which they are."""
        return cast("_Integers", self._array("order"))

    @property
    def discovery(self) -> _Integers:
        """How many nodes were found before each one, int32; −1 for those that are not found."""
        return cast("_Integers", self._array("discovery"))

    @property
    def finish(self) -> _Integers:
        """How many nodes were left for good before each one, int32; −1 for those that are not found."""
        return cast("_Integers", self._array("finish"))

    @property
    def parents(self) -> _Integers:
        """The number of the node from which each node is found, int32; −1 for roots and others."""
        return cast("_Integers", self._array("parent"))


class NodeList(GraphResult):
    """A list of nodes."""

    @property
    def nodes(self) -> _Integers:
        """The numbers of the nodes, int32."""
        return cast("_Integers", self._array("node"))


class Labels(GraphResult):
    """A label for each node: equal labels mean the same part."""

    _label = "component"
    _count = "components"

    @property
    def labels(self) -> _Integers:
        """The labels, int32, numbered from 0 in the order of the first node of each part."""
        return cast("_Integers", self._array(self._label))

    @property
    def count(self) -> int:
        """How many parts there are."""
        return cast("int", self._facts[self._count])

    @property
    def sizes(self) -> _Integers:
        """How many nodes each part has, int64, indexed by label.

        Cost:
            O(nodes) time each time it is read. 8 bytes for each part.
        """
        import numpy as np

        return np.bincount(self.labels, minlength=self.count)


class Communities(Labels):
    """The community of each node."""

    _label = "community"
    _count = "communities"

    @property
    def modularity(self) -> float:
        """How much denser communities are in themselves than chance would have it (Newman and Girvan)."""
        return cast("float", self._facts["modularity"])

    @property
    def iterations(self) -> int:
        """How many levels of graphs were worked through, or sweeps over the nodes by label propagation."""
        return cast("int", self._facts["iterations"])

    @property
    def converged(self) -> bool:
        """Whether nothing was left to gain when it ended."""
        return cast("bool", self._facts["converged"])


class Cores(GraphResult):
    """The core number of each node."""

    @property
    def cores(self) -> _Integers:
        """The core numbers, int32."""
        return cast("_Integers", self._array("core"))


class Triangles(GraphResult):
    """How many triangles each node lies in."""

    @property
    def counts(self) -> _Integers:
        """The triangles that each node lies in, uint64."""
        return cast("_Integers", self._array("triangles"))

    @property
    def clustering(self) -> _Floats:
        """The share of the pairs of a node's neighbours that are neighbours themselves, float64.

        From 0 to 1; 0 for nodes with fewer than two neighbours.
        """
        return cast("_Floats", self._array("clustering"))

    @property
    def total(self) -> int:
        """How many triangles the graph has."""
        return cast("int", self._facts["total"])

    @property
    def transitivity(self) -> float:
        """The share of all paths of two edges that are closed to a triangle, from 0 to 1; 0 without any."""
        return cast("float", self._facts["transitivity"])


class Forest(GraphResult):
    """The edges of a minimum spanning forest. It stands for the nodes at which they begin."""

    @property
    def sources(self) -> _Integers:
        """The number of the node at one end of each edge, int32."""
        return cast("_Integers", self._array("source"))

    @property
    def targets(self) -> _Integers:
        """The number of the node at the other end, int32."""
        return cast("_Integers", self._array("target"))

    @property
    def weights(self) -> _Numbers | None:
        """The weight of each edge, of the type that the graph has; `None` in a graph without weights."""
        return self._columns.get("weight")

    @property
    def total_weight(self) -> float:
        """The sum of the weights; the number of edges in a graph without weights."""
        return cast("float", self._facts["total_weight"])


class Bipartition(GraphResult):
    """The two sides of a graph that has them, or an odd cycle of one that has not."""

    @property
    def is_bipartite(self) -> bool:
        """Whether the graph has two sides, with no edge within either."""
        return cast("bool", self._facts["is_bipartite"])

    @property
    def sides(self) -> _Integers | None:
        """The side of each node, 0 or 1, int32; `None` when there are no sides."""
        return cast("_Integers", self._array("side")) if self.is_bipartite else None

    @property
    def odd_cycle(self) -> _Integers | None:
        """The numbers of the nodes of a cycle of odd length, int32; `None` when there are sides."""
        return None if self.is_bipartite else cast("_Integers", self._array("node"))


class PairValues(GraphResult):
    """A value for each pair of nodes, in the order of the pairs."""

    def __init__(self, outcome: Outcome, value: str) -> None:
        """Take what the engine computed, the values first."""
        super().__init__(outcome)
        values = self._columns.pop(value)
        self._columns = {value: values, **self._columns}

    @property
    def values(self) -> _Numbers:
        """The values: float64 for similarities, uint32 for counts."""
        return next(iter(self._columns.values()))


class Degrees(GraphResult):
    """The degrees of the nodes."""

    @property
    def degrees(self) -> _Integers:
        """The degrees, uint32."""
        return cast("_Integers", next(iter(self._columns.values())))
