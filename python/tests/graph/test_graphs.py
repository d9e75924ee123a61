"""What graphs take, what they give, and what bad input gets."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

import bowstring as bs

SRC, DST = [0, 0, 0, 1, 2], [1, 1, 2, 0, 0]


def test_the_values_that_hold() -> None:
    triangle = bs.Graph.from_edges([0, 1, 2], [1, 2, 0])
    np.testing.assert_allclose(triangle.pagerank().scores, [1 / 3] * 3)
    np.testing.assert_allclose(
        bs.Graph.from_edges(SRC, DST).pagerank().scores, [0.486, 0.326, 0.188], atol=5e-4
    )
    path = bs.Graph.from_edges([0, 1, 2, 3, 0], [1, 2, 3, 4, 3])
    assert sorted(path.dfs(0, max_depth=3).order.tolist()) == [0, 1, 2, 3, 4]
    weighted = bs.Graph.from_edges([0, 1, 0], [1, 2, 2], [2, 3, 10])
    found = weighted.sssp(0, method="dijkstra")
    assert (found.distances.tolist(), found.path_to(2)) == ([0, 2, 5], [0, 1, 2])


def test_distances_alone_have_no_paths() -> None:
    alone = bs.Graph.from_edges([0, 1], [1, 2], [2, 3]).sssp(0, parents=False)
    assert alone.distances.tolist() == [0, 2, 5]
    assert alone.to_table().to_polars().columns == ["node", "distance"]
    for asked in (lambda: alone.parents, lambda: alone.path_to(2)):
        with pytest.raises(bs.UsageError, match="parents were not asked for; call `sssp` with"):
            asked()


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint32, np.uint64])
@pytest.mark.parametrize("make", [np.asarray, pa.array, pl.Series, pd.Series])
def test_edges_of_every_library(kind: type, make: object) -> None:
    assert callable(make)
    src, dst = make(np.array(SRC, kind)), make(np.array(DST, kind))
    indptr, indices, weights = bs.Graph.from_edges(src, dst).csr()
    assert (indptr.tolist(), indices.tolist(), weights) == ([0, 3, 4, 5], [1, 1, 2, 0, 0], None)


@pytest.mark.parametrize("library", ["pyarrow", "polars", "pandas"])
def test_a_table_with_text_leaves_with_its_ids(library: str) -> None:
    columns = {"from": ["york", "york", "hull"], "to": ["hull", "bath", "york"], "miles": [38, 200, 38]}
    made = {"pyarrow": pa.table, "polars": pl.DataFrame, "pandas": pd.DataFrame}[library](columns)
    graph = bs.Graph.from_table(made, "from", "to", "miles")
    assert graph.nodes is not None
    assert pa.array(graph.nodes).to_pylist() == ["york", "hull", "bath"]
    table = graph.to_table(rank=graph.pagerank(), part=graph.connected_components()).to_polars()
    assert table["node"].to_list() == ["york", "hull", "bath"]
    assert table["rank"].sum() == pytest.approx(1)
    far = graph.sssp("york").to_table().to_pyarrow().to_pylist()
    assert far == [
        {"node": "york", "distance": 0, "parent": None},
        {"node": "hull", "distance": 38, "parent": "york"},
        {"node": "bath", "distance": 200, "parent": "york"},
    ]
    with pytest.raises(bs.UsageError, match="did you mean `york`"):
        graph.bfs("yorck")


def test_rows_are_not_copied() -> None:
    graph = bs.Graph.from_edges(SRC, DST, [1.0, 2.0, 3.0, 4.0, 5.0])
    first, second = graph.csr(), graph.csr()
    for one, other in zip(first, second, strict=True):
        assert one is not None
        assert other is not None
        assert one.ctypes.data == other.ctypes.data
        assert not one.flags.writeable
    indptr, indices = np.array([0, 2, 3, 3], np.int64), np.array([1, 2, 2], np.int32)
    taken = bs.Graph.from_csr(indptr, indices).csr()
    assert taken[0].ctypes.data == indptr.ctypes.data
    assert taken[1].ctypes.data == indices.ctypes.data
    wide = bs.Graph.from_csr(indptr, indices.astype(np.int64)).csr()
    assert wide[1].tolist() == [1, 2, 2]


def test_a_result_is_an_array() -> None:
    graph = bs.Graph.from_edges(SRC, DST)
    ranks = graph.pagerank()
    assert np.asarray(ranks) is ranks.scores
    assert np.asarray(ranks, dtype=np.float32).dtype == np.float32
    assert len(ranks) == 3
    assert ranks[0] == max(ranks)
    assert float(np.sum(ranks)) == pytest.approx(1)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(ranks, dtype=np.float32, copy=False)
    assert ranks.to_table(pa.array(["a", "b", "c"])).to_polars()["node"].to_list() == [
        "a",
        "b",
        "c",
    ]


def test_results_do_not_depend_on_threads() -> None:
    draw = np.random.default_rng(7)
    src, dst = draw.integers(0, 5000, 60_000), draw.integers(0, 5000, 60_000)
    weights = draw.random(60_000)
    graph = bs.Graph.from_edges(src, dst, weights, directed=False)
    for call in ("pagerank", "bfs", "sssp", "louvain", "leiden", "betweenness", "triangles", "core_numbers"):
        given = {"bfs": (0,), "sssp": (0,)}.get(call, ())
        options = {"samples": 20} if call == "betweenness" else {}
        one = getattr(graph, call)(*given, threads=1, **options)
        three = getattr(graph, call)(*given, threads=3, **options)
        assert np.asarray(one).tobytes() == np.asarray(three).tobytes(), call


def test_other_forms() -> None:
    matrix = sp.random_array((30, 30), density=0.2, rng=np.random.default_rng(1), format="csr")
    graph = bs.Graph.from_scipy(matrix)
    indptr, indices, weights = graph.csr()
    assert (sp.csr_array((weights, indices, indptr), shape=(30, 30)) != matrix).nnz == 0
    with pytest.raises(bs.DataError, match="square"):
        bs.Graph.from_scipy(sp.csr_array((2, 3)))
    undirected = bs.Graph.from_edges(SRC, DST).to_undirected(parallel_edges="first")
    assert (undirected.num_edges, undirected.is_directed) == (2, False)
    assert bs.Graph.from_edges([0, 1], [1, 2]).reverse().neighbors(2).tolist() == [1]
    named = bs.Graph.from_edges([0, 1], [1, 2], nodes=["a", "b", "c"])
    assert named.subgraph(["b", "c"]).bfs("b").distances.tolist() == [0, 1]
    relabelled, was = bs.Graph.from_edges([0, 1, 1], [2, 2, 0]).relabel_by_degree()
    assert (relabelled.num_edges, sorted(was.tolist())) == (3, [0, 1, 2])


def test_files_of_other_tools(tmp_path: Path) -> None:
    graph = bs.Graph.from_edges([0, 1], [1, 2], nodes=["a", "<b>", "c"])
    graph.to_graphml(tmp_path / "g.graphml", rank=graph.pagerank())
    graph.to_dot(tmp_path / "g.dot")
    graph.draw(tmp_path / "g.svg", around="a", hops=2, title="all of it")
    import networkx as nx

    read = nx.read_graphml(tmp_path / "g.graphml")
    assert (read.number_of_nodes(), read.number_of_edges()) == (3, 2)
    assert "->" in (tmp_path / "g.dot").read_text()
    assert "&lt;b&gt;" in (tmp_path / "g.svg").read_text()
    (tmp_path / "m.mtx").write_text("%%MatrixMarket matrix coordinate pattern general\n3 3 2\n1 2\n2 3\n")
    assert bs.Graph.from_matrix_market(tmp_path / "m.mtx").bfs(0).distances.tolist() == [0, 1, 2]
    with pytest.raises(bs.NotFoundError):
        bs.Graph.from_matrix_market(tmp_path / "none.mtx")
    with pytest.raises(bs.LimitError, match="500"):
        bs.Graph.from_edges(np.zeros(600, int), np.arange(600)).draw(tmp_path / "large.svg")
    assert not (tmp_path / "large.svg").exists()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda g: bs.Graph.from_edges([0, -1], [0, 0]), bs.DataError, "edge 1 has the negative node -1"),
        (lambda g: bs.Graph.from_edges([0, 9], [0, 0], num_nodes=5), bs.DataError, "edge 1 points at node 9"),
        (lambda g: bs.Graph.from_edges([0], [0, 1]), bs.DataError, "has 2 rows"),
        (lambda g: bs.Graph.from_edges([0], [2**40]), bs.LimitError, "2147483647"),
        (lambda g: bs.Graph.from_edges([0.5], [1]), bs.UsageError, "Float64"),
        (lambda g: bs.Graph.from_edges([0], [1], [float("nan")]), bs.DataError, "not finite"),
        (lambda g: bs.Graph.from_edges(pa.array([0, None]), [1, 2]), bs.DataError, "edge 1 has no value"),
        (lambda g: bs.Graph.from_csr([0, 2], [0]), bs.DataError, "ends with 2"),
        (lambda g: bs.Graph.from_csr([0, 1], [7]), bs.DataError, "is no node"),
        (lambda g: bs.Graph.from_csr([0, 1, 1], [1], directed=False), bs.DataError, "no equal one back"),
        (lambda g: bs.Graph.from_table(pa.table({"a": [1]}), "a", "b"), bs.UsageError, "no column `b`"),
        (lambda g: g.bfs(99), bs.UsageError, "node 99 is not in the graph"),
        (lambda g: g.bfs([]), bs.UsageError, "sources"),
        (lambda g: g.pagerank(damping=1.0), bs.UsageError, "`damping` is 1"),
        (lambda g: g.pagerank(max_iterations=0), bs.UsageError, "max_iterations"),
        (lambda g: g.pagerank(tolerance=float("nan")), (ValueError, bs.UsageError), "finite|tolerance"),
        (lambda g: g.pagerank(damping="high"), bs.UsageError, "damping"),
        (lambda g: g.pagerank(personalization=np.ones(2)), bs.DataError, "has 2 values"),
        (
            lambda g: g.pagerank(max_iterations=1, require_convergence=True),
            bs.WorkflowError,
            "has not converged",
        ),
        (lambda g: g.pagerank(weighted=True), bs.UsageError, "needs weights"),
        (lambda g: g.topological_sort(), bs.DataError, "cycle"),
        (lambda g: g.minimum_spanning_forest(), bs.UsageError, "undirected"),
        (lambda g: g.to_table(x=[1, 2]), bs.DataError, "has 2 values"),
        (lambda g: g.pagerank(threads=0.5), TypeError, "threads"),
    ],
)
def test_bad_input_is_a_typed_error(call: object, error: type, says: str) -> None:
    assert callable(call)
    with pytest.raises(error, match=says):
        call(bs.Graph.from_edges(SRC, DST))


def test_non_convergence_is_told() -> None:
    ranks = bs.Graph.from_edges(SRC, DST).pagerank(max_iterations=1)
    assert (ranks.iterations, ranks.converged) == (1, False)
    assert ranks.residual > 1e-6


def test_an_empty_graph() -> None:
    graph = bs.Graph.from_edges([], [], num_nodes=0)
    assert graph.pagerank().scores.size == 0
    assert graph.connected_components().count == 0
    assert graph.to_table(rank=graph.pagerank()).num_rows == 0


@pytest.mark.parametrize("least", [-(2**31), 0], ids=["anything", "nodes"])
def test_arrays_that_change_during_a_search_do_not_crash(least: int) -> None:
    draw = np.random.default_rng(3)
    graph = bs.Graph.from_edges(draw.integers(0, 20_000, 200_000), draw.integers(0, 20_000, 200_000))
    indptr, indices = (array.copy() for array in graph.csr()[:2])
    borrowed = bs.Graph.from_csr(indptr, indices)
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            most = 2**31 - 1 if least else 20_000
            indices[:] = draw.integers(least, most, indices.size, dtype=np.int32)

    thread = threading.Thread(target=disturb)
    thread.start()
    calls: list[Callable[[], object]] = [
        lambda: borrowed.bfs(0),
        lambda: borrowed.dfs(0),
        lambda: borrowed.sssp(0),
        lambda: borrowed.pagerank(max_iterations=3, tolerance=0),
        lambda: borrowed.connected_components(),
        lambda: borrowed.strongly_connected_components(),
        lambda: borrowed.triangles(),
        lambda: borrowed.core_numbers(),
        lambda: borrowed.label_propagation(max_iterations=3),
        lambda: borrowed.betweenness(samples=4, seed=1),
    ]
    try:
        for call in calls * 3:
            with contextlib.suppress(bs.BowstringError):
                call()
    finally:
        stop.set()
        thread.join()


def test_ctrl_c_ends_a_kernel() -> None:
    code = (
        "import numpy as np, bowstring as bs\n"
        "draw = np.random.default_rng(1)\n"
        "ends = draw.integers(0, 200_000, (2, 3_000_000))\n"
        "g = bs.Graph.from_edges(*ends)\n"
        "print('ready', flush=True)\n"
        "g.betweenness()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    time.sleep(0.5)
    os.kill(child.pid, signal.SIGINT)
    begin = time.monotonic()
    _, stderr = child.communicate(timeout=60)
    assert time.monotonic() - begin < 20
    assert b"KeyboardInterrupt" in stderr


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted where Linux lists them")
def test_a_call_with_threads_starts_no_others() -> None:
    code = (
        "import os, numpy as np, bowstring as bs\n"
        "ends = np.arange(300_000), np.arange(300_000)[::-1].copy()\n"
        "g = bs.Graph.from_edges(*ends, directed=False, threads=1)\n"
        "rows = bs.Graph.from_csr(*g.csr()[:2], directed=False, threads=1)\n"
        "rows.pagerank(threads=1)\n"
        "heavy = bs.Graph.from_edges(*ends, np.ones(300_000), directed=False, threads=1)\n"
        "heavy.sssp(0, threads=1), heavy.pagerank(weighted=True, max_iterations=2, threads=1)\n"
        "few = len(os.listdir('/proc/self/task'))\n"
        "rows.pagerank()\n"
        "print(few, len(os.listdir('/proc/self/task')))\n"
    )
    environment = {**os.environ, "RAYON_NUM_THREADS": "100"}
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    few, all_of_them = map(int, shown.stdout.split())
    assert few < 100 < all_of_them


def test_errors_name_columns_as_the_caller_does() -> None:
    def refused(weights: list[float] | None, *columns: str) -> str:
        edges = pa.table(
            {"from": [1, None], "to": [2, 3], "miles": weights or [1.0, 2.0], "name": ["a", "b"]}
        )
        with pytest.raises(bs.BowstringError) as error:
            bs.Graph.from_table(edges, *columns)
        return str(error.value)

    assert "at column `from`" in refused(None, "from", "to")
    assert "at column `from`" in refused(None, "to", "from")
    assert "`name` is of type Utf8, and integers" in refused(None, "to", "name")
    assert "at column `miles`" in refused([1.0, float("nan")], "to", "to", "miles")
    assert "`name` is of type Utf8" in refused(None, "to", "to", "name")
    with pytest.raises(bs.DataError, match="`dst` has 1 rows, and `src` has 2"):
        bs.Graph.from_edges([0, 1], [1])
    with pytest.raises(bs.DataError, match="column `weights`"):
        bs.Graph.from_edges([0], [1], [float("inf")])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda g: g.bfs(1.5), "sources: expected nodes, each an int or a str, got float"),
        (lambda g: g.bfs(None), "sources: expected nodes, each an int or a str, got NoneType"),
        (lambda g: g.bfs([0, True]), "sources: expected nodes, each an int or a str, got bool"),
        (lambda g: g.sssp(np.array([0.5])), "source: expected nodes, each an int or a str, got float"),
        (lambda g: g.jaccard(0, 1), "left: expected an array of one dimension, got int"),
        (
            lambda g: g.pagerank(start=[[1]]),
            "start: expected an array of one dimension, got one of 2 dimensions",
        ),
        (lambda g: g.to_table(rank=5), "rank: expected an array of one dimension, got int"),
        (lambda g: g.bfs(0, max_depth=-1), "max_depth: expected at least 0, found the number `-1`"),
        (lambda g: g.pagerank(damping="x"), "damping: expected a number, found the text `x`"),
        (lambda g: g.bfs(0, direction="up"), "direction: `up` is not known here"),
        (lambda g: g.pagerank(threads=5000), "`threads` is 5000, and must be at most 1024"),
        (
            lambda g: g.bfs(0).path_to("a"),
            "node: expected a node's number, which `Graph.index_of` gives, got 'a'",
        ),
    ],
)
def test_arguments_that_are_wrong_are_named(call: Callable[[bs.Graph], object], expected: str) -> None:
    with pytest.raises((TypeError, bs.UsageError)) as refused:
        call(bs.Graph.from_edges([0, 1], [1, 2]))
    assert str(refused.value).startswith(expected)


def test_nodes_come_in_any_container() -> None:
    g = bs.Graph.from_edges([0, 1], [1, 2])
    for sources in (
        1,
        np.int64(1),
        [1],
        (1,),
        {1},
        np.array([1]),
        pa.array([1]),
        pl.Series([1]),
        pd.Series([1]),
    ):
        assert g.bfs(sources).distances.tolist() == [-1, 0, 1]  # type: ignore[arg-type]


def test_names_come_in_any_container() -> None:
    ranks = bs.Graph.from_edges([0, 1], [1, 2]).pagerank()
    for names in (
        ["a", "b", "c"],
        np.array(["a", "b", "c"]),
        pa.array(["a", "b", "c"]),
        pl.Series(["a", "b", "c"]),
    ):
        assert pa.table(ranks.to_table(names))["node"].to_pylist() == ["a", "b", "c"]


def test_a_forest_has_the_weights_of_its_graph() -> None:
    def weights(of: list[float] | None) -> object:
        found = bs.Graph.from_edges([0, 1], [1, 2], of, directed=False).minimum_spanning_forest().weights
        return found if found is None else (found.tolist(), str(found.dtype))

    assert weights(None) is None
    assert weights([2, 3]) == ([2, 3], "int64")
    assert weights([2.5, 3.0]) == ([2.5, 3.0], "float64")


def test_a_graph_is_made_by_its_methods() -> None:
    for given in ((), ([(0, 1)],)):
        with pytest.raises(TypeError, match=r"make a graph with `Graph.from_edges`"):
            bs.Graph(*given)  # type: ignore[arg-type]


@pytest.mark.skipif(
    sys.platform != "linux" or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > 32 << 30,
    reason="needs a machine whose memory is known and less than such a graph takes",
)
def test_memory_that_is_not_there_is_refused_before_work_starts() -> None:
    with pytest.raises(bs.LimitError, match=r"building a graph needs .* of memory, and the limit is"):
        bs.Graph.from_edges([0], [1], num_nodes=2**31 - 1)


@pytest.mark.parametrize("directed", [True, False])
def test_every_algorithm_answers_for_a_graph_without_nodes(directed: bool) -> None:
    g = bs.Graph.from_edges([], [], directed=directed)
    ours = [name for name, value in vars(bs.Graph).items() if "Method:" in (value.__doc__ or "")]
    subjects = {"jaccard": ([], []), "common_neighbors": ([], [])}
    one_kind = "minimum_spanning_forest" if directed else "topological_sort"
    refused = ["bfs", "k_hop", "ancestors", "descendants", "sssp", "draw", one_kind]
    for name in set(ours) - set(refused):
        answer = getattr(g, name)(*subjects.get(name, ()))
        if name != "triangle_count":
            assert len(answer) == 0
            assert "-0.0" not in repr(answer)
            assert answer.to_table().num_rows == 0
    assert len(ours) == 30


def test_a_path_is_of_plain_numbers() -> None:
    path = bs.Graph.from_edges([0, 1], [1, 2]).bfs(0).path_to(np.int64(2))  # type: ignore[arg-type]
    assert path == [0, 1, 2]
    assert {type(node) for node in path} == {int}
