"""Every method of a graph says by which method it works, what it costs, takes and raises, and how it is used.

Methods and costs are those of the reference of the command line, which comes from the engine itself; what is
said of arguments, exceptions and types is tried.
"""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bowstring as bs
from bowstring import _graph, _results

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
METHODS = [
    name
    for name, value in vars(bs.Graph).items()
    if not name.startswith("_") and not isinstance(value, property)
]


def sections(text: str) -> dict[str, str]:
    """Cut a docstring into its sections, each in one line."""
    return {name: " ".join(body.split()) for name, body in bodies(text).items()}


def bodies(text: str) -> dict[str, str]:
    """Cut a docstring into its sections, as they stand."""
    parts = re.split(r"^(\w+):$", inspect.cleandoc(text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def of_method(name: str) -> dict[str, str]:
    return sections(getattr(bs.Graph, name).__doc__)


def facts() -> dict[str, tuple[str, str]]:
    """Read the method and the cost of each algorithm from the reference of the command line."""
    found = {}
    for part in REFERENCE.read_text().split("\n### `bowstring graph ")[1:]:
        name = part.split("`")[0].replace("-", "_")
        method, cost = (re.search(rf"^{word}: (.*)$", part, re.MULTILINE) for word in ("Method", "Cost"))
        if method and cost and name not in ("draw", "export"):
            found[name] = method[1], cost[1]
    return found


def test_every_method_has_all_sections() -> None:
    def missing(name: str) -> list[str]:
        parameters = set(inspect.signature(getattr(bs.Graph, name)).parameters) - {"self"}
        wanted = ["Cost", "Examples"] + (["Args"] if parameters else [])
        return [section for section in wanted if section not in of_method(name)]

    assert {name: lacks for name in METHODS if (lacks := missing(name))} == {}
    assert len(METHODS) > 45


def test_every_cost_says_time_and_memory() -> None:
    without = [
        name
        for name in METHODS
        if not re.search(r"O\(.*\)|costs", of_method(name)["Cost"])
        or not re.search(r"bytes|memory|costs|takes|4 bytes", of_method(name)["Cost"])
    ]
    assert without == []


def test_methods_and_costs_are_those_of_the_engine() -> None:
    engine = facts()
    ours = {name: (of_method(name).get("Method"), of_method(name)["Cost"]) for name in METHODS}
    assert {name: ours[name] for name in engine} == engine
    assert len(engine) == 29


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_is_described(name: str) -> None:
    parameters = [one for one in inspect.signature(getattr(bs.Graph, name)).parameters if one != "self"]
    described = re.findall(
        r"^    (\w+): ", bodies(getattr(bs.Graph, name).__doc__).get("Args", ""), re.MULTILINE
    )
    assert described == parameters


@pytest.mark.parametrize("name", METHODS)
def test_defaults_are_those_of_the_command_line(name: str) -> None:
    behind = REFERENCE.read_text().partition(f"\n### `bowstring graph {name.replace('_', '-')}`")[2]
    part = behind.partition("\n### ")[0]
    parameters = inspect.signature(getattr(bs.Graph, name)).parameters
    for flag, default in re.findall(r"^- `--([a-z-]+) <[NX]>`: .*Default ([\d.e-]+)$", part, re.MULTILINE):
        assert parameters[flag.replace("-", "_")].default == float(default)


def test_every_example_runs() -> None:
    failed, ran = doctest.testmod(_graph)
    assert failed == 0
    assert ran > 80


PATH = bs.Graph.from_edges([0, 1], [1, 2], directed=False)
LINE = bs.Graph.from_edges([0, 1], [1, 2])
NEGATIVE = bs.Graph.from_edges([0, 1], [1, 2], [-1, 2])
ROUND = bs.Graph.from_edges([0, 1, 0], [1, 2, 2])
ONE = bs.sql("SELECT 1 AS a, 2 AS b, CAST(NULL AS bigint) AS c")
"""A table with one edge, and one with a null."""

# What each method refuses, and with which exception.
REFUSED: dict[str, list[tuple[Callable[[], object], type[Exception]]]] = {
    "from_edges": [
        (lambda: bs.Graph.from_edges([-1], [0]), bs.DataError),
        (lambda: bs.Graph.from_edges([0, 1], [1]), bs.DataError),
        (lambda: bs.Graph.from_edges([0], [1], [float("nan")]), bs.DataError),
        (lambda: bs.Graph.from_edges([0.5], [1.5]), bs.UsageError),
        (lambda: bs.Graph.from_edges([2**40], [1]), bs.LimitError),
        (lambda: bs.Graph.from_edges([0], [1], num_nodes=2**40), bs.LimitError),
    ],
    "from_table": [
        (lambda: bs.Graph.from_table(ONE, 0, 1), TypeError),  # type: ignore[arg-type]
        (lambda: bs.Graph.from_table(ONE, "a", "x"), bs.UsageError),
        (lambda: bs.Graph.from_table(ONE, "a", "c"), bs.DataError),
        (lambda: bs.Graph.from_table(ONE, "a", "b", nodes=[1]), bs.DataError),
    ],
    "from_csr": [
        (lambda: bs.Graph.from_csr([0, 2], [0]), bs.DataError),
        (lambda: bs.Graph.from_csr([0.0], [0]), bs.UsageError),
    ],
    "from_scipy": [
        (lambda: bs.Graph.from_scipy(_rectangle()), bs.DataError),
        (lambda: bs.Graph.from_scipy([[1]]), TypeError),  # type: ignore[arg-type]
    ],
    "from_networkx": [
        (lambda: bs.Graph.from_networkx(_mixed()), TypeError),
        (lambda: bs.Graph.from_networkx("x"), TypeError),  # type: ignore[arg-type]
    ],
    "from_matrix_market": [
        (lambda: bs.Graph.from_matrix_market("missing.mtx"), bs.NotFoundError),
        (lambda: bs.Graph.from_matrix_market(__file__), bs.DataError),
    ],
    "index_of": [(lambda: PATH.index_of(9), bs.UsageError)],
    "degree": [(lambda: PATH.degree("up"), bs.UsageError)],  # type: ignore[arg-type]
    "neighbors": [(lambda: PATH.neighbors(9), bs.UsageError)],
    "has_edge": [(lambda: PATH.has_edge(0, 9), bs.UsageError)],
    "to_undirected": [(lambda: PATH.to_undirected(parallel_edges="x"), bs.UsageError)],  # type: ignore[arg-type]
    "subgraph": [
        (lambda: PATH.subgraph([9]), bs.UsageError),
        (lambda: PATH.subgraph([0, 0]), bs.DataError),
    ],
    "to_table": [
        (lambda: PATH.to_table(x=[1]), bs.DataError),
        (lambda: PATH.to_table(node=[1, 2, 3]), bs.UsageError),
    ],
    "to_graphml": [(lambda: PATH.to_graphml("x.graphml", x=[1]), bs.DataError)],
    "to_dot": [(lambda: PATH.to_dot("x.dot", x=[1]), bs.DataError)],
    "draw": [
        (lambda: PATH.draw("x.svg", around=9), bs.UsageError),
        (lambda: PATH.draw("x.svg", around=0, top=1), bs.UsageError),
        (lambda: PATH.draw("x.svg", scores=[1]), bs.UsageError),
        (lambda: PATH.draw("x.svg", groups=[-1, 0, 1]), bs.UsageError),
        (lambda: PATH.draw("x.svg", groups=["a", "b", "c"]), bs.UsageError),
        (lambda: bs.Graph.from_edges([], [], num_nodes=501).draw("x.svg"), bs.LimitError),
    ],
    "bfs": [(lambda: PATH.bfs(9), bs.UsageError), (lambda: PATH.bfs([]), bs.UsageError)],
    "dfs": [(lambda: PATH.dfs([]), bs.UsageError), (lambda: PATH.dfs(max_depth=1), bs.UsageError)],
    "k_hop": [(lambda: PATH.k_hop(0, -1), bs.UsageError)],
    "topological_sort": [
        (lambda: PATH.topological_sort(), bs.UsageError),
        (lambda: bs.Graph.from_edges([0, 1], [1, 0]).topological_sort(), bs.DataError),
    ],
    "ancestors": [(lambda: PATH.ancestors(9), bs.UsageError)],
    "descendants": [(lambda: PATH.descendants(9), bs.UsageError)],
    "sssp": [
        (lambda: PATH.sssp(9), bs.UsageError),
        (lambda: PATH.sssp(0, cutoff=-1), bs.UsageError),
        (lambda: NEGATIVE.sssp(0, method="dijkstra"), bs.DataError),
    ],
    "pagerank": [
        (lambda: PATH.pagerank(damping=1.0), bs.UsageError),
        (lambda: PATH.pagerank(weighted=True), bs.UsageError),
        (lambda: PATH.pagerank(max_iterations=1, require_convergence=True), bs.WorkflowError),
        (lambda: PATH.pagerank(start=[1.0]), bs.DataError),
        (lambda: NEGATIVE.pagerank(weighted=True), bs.DataError),
    ],
    "hits": [
        (lambda: PATH.hits(max_iterations=0), bs.UsageError),
        (lambda: NEGATIVE.hits(weighted=True), bs.DataError),
        (lambda: ROUND.hits(max_iterations=1, require_convergence=True), bs.WorkflowError),
    ],
    "eigenvector": [
        (lambda: PATH.eigenvector(tolerance=-1.0), bs.UsageError),
        (lambda: NEGATIVE.eigenvector(weighted=True), bs.DataError),
        (lambda: PATH.eigenvector(max_iterations=1, require_convergence=True), bs.WorkflowError),
    ],
    "katz": [
        (lambda: PATH.katz(alpha=-1.0), bs.UsageError),
        (lambda: NEGATIVE.katz(weighted=True), bs.DataError),
        (lambda: PATH.katz(alpha=5.0, require_convergence=True), bs.WorkflowError),
    ],
    "betweenness": [
        (lambda: PATH.betweenness(sources=[]), bs.UsageError),
        (lambda: NEGATIVE.betweenness(weighted=True), bs.DataError),
    ],
    "closeness": [
        (lambda: PATH.closeness(weighted=True), bs.UsageError),
        (lambda: NEGATIVE.closeness(weighted=True), bs.DataError),
    ],
    "harmonic": [
        (lambda: PATH.harmonic(weighted=True), bs.UsageError),
        (lambda: NEGATIVE.harmonic(weighted=True), bs.DataError),
    ],
    "degree_centrality": [(lambda: PATH.degree_centrality("up"), bs.UsageError)],  # type: ignore[arg-type]
    "minimum_spanning_forest": [(lambda: LINE.minimum_spanning_forest(), bs.UsageError)],
    "label_propagation": [
        (lambda: PATH.label_propagation(max_iterations=0), bs.UsageError),
        (lambda: NEGATIVE.label_propagation(), bs.DataError),
    ],
    "louvain": [
        (lambda: PATH.louvain(resolution=-1.0), bs.UsageError),
        (lambda: NEGATIVE.louvain(), bs.DataError),
    ],
    "leiden": [
        (lambda: PATH.leiden(iterations=0), bs.UsageError),
        (lambda: NEGATIVE.leiden(), bs.DataError),
    ],
    "jaccard": [
        (lambda: PATH.jaccard([0], [9]), bs.UsageError),
        (lambda: PATH.jaccard([0], [1, 2]), bs.DataError),
    ],
    "common_neighbors": [
        (lambda: PATH.common_neighbors([0], [9]), bs.UsageError),
        (lambda: PATH.common_neighbors([0], [1, 2]), bs.DataError),
    ],
}


def _rectangle() -> _graph._SparseMatrix:
    scipy = pytest.importorskip("scipy.sparse")
    matrix: _graph._SparseMatrix = scipy.csr_array((2, 3))
    return matrix


def _mixed() -> _graph._NetworkxGraph:
    networkx = pytest.importorskip("networkx")
    graph: _graph._NetworkxGraph = networkx.Graph([(1, "a")])
    return graph


def test_only_methods_without_subjects_refuse_nothing() -> None:
    """Options that are only a number of threads, or files and names, can be wrong in no way of their own."""
    refuse_nothing = [name for name in METHODS if name not in REFUSED]
    assert refuse_nothing == [
        "csr",
        "csc",
        "reverse",
        "relabel_by_degree",
        "find_cycle",
        "connected_components",
        "strongly_connected_components",
        "core_numbers",
        "triangles",
        "triangle_count",
        "bipartite",
    ]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_documented(name: str) -> None:
    documented = of_method(name).get("Raises", "")
    for call, expected in REFUSED[name]:
        with pytest.raises(expected) as refused:
            call()
        assert f"{type(refused.value).__name__}: " in documented


RESULTS = [
    PATH.pagerank(),
    PATH.hits(),
    PATH.bfs(0),
    PATH.dfs(),
    PATH.k_hop(0, 1),
    PATH.connected_components(),
    PATH.louvain(),
    PATH.core_numbers(),
    PATH.triangles(),
    PATH.minimum_spanning_forest(),
    PATH.bipartite(),
    PATH.jaccard([0], [1]),
    PATH.common_neighbors([0], [1]),
    PATH.degree(),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_every_field_says_its_type(result: _results.GraphResult) -> None:
    fields = {
        name: value.__doc__ or ""
        for kind in type(result).__mro__
        for name, value in vars(kind).items()
        if isinstance(value, property)
    }
    assert fields
    for name, text in fields.items():
        value = getattr(result, name)
        if isinstance(value, np.ndarray):
            assert str(value.dtype) in text, name
        assert text, name
