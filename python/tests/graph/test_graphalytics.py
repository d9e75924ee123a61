"""The example graphs of LDBC Graphalytics give its reference outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import bowstring as bs

FOLDER = Path(__file__).parent / "graphalytics"


def example(name: str) -> tuple[bs.Graph, pl.DataFrame]:
    """Read a graph, and the answers in the order of its nodes."""
    edges = bs.read_csv(FOLDER / f"{name}.csv")
    graph = bs.Graph.from_table(edges, "source", "target", "weight", directed=name == "directed")
    answers = pl.read_csv(FOLDER / f"{name}-answers.csv")
    place = {node: index for index, node in enumerate(answers["node"])}
    nodes = np.asarray(graph.nodes).tolist()
    assert sorted(nodes) == sorted(place)
    return graph, answers[[place[node] for node in nodes]]


@pytest.mark.parametrize(("name", "source"), [("directed", 1), ("undirected", 2)])
def test_examples(name: str, source: int) -> None:
    graph, answers = example(name)
    assert graph.bfs(source).distances.tolist() == answers["bfs"].fill_null(-1).to_list()
    far = answers["sssp"].fill_null(np.inf)
    for method in ("dijkstra", "delta_stepping", "bellman_ford"):
        np.testing.assert_allclose(graph.sssp(source, method=method).distances, far)
    np.testing.assert_allclose(graph.pagerank(tolerance=0, max_iterations=2).scores, answers["pagerank"])
    components = graph.connected_components()
    assert components.count == answers["wcc"].n_unique() == 1


def test_clustering_coefficients() -> None:
    graph, answers = example("undirected")
    np.testing.assert_allclose(graph.triangles().clustering, answers["lcc"])
