"""Every algorithm gives what networkx gives, on some hundred random graphs."""

from __future__ import annotations

import itertools
import math

import networkx as nx
import numpy as np
import pytest
from random_graphs import COUNT, Case, acyclic, cases

import bowstring as bs


def partition(labels: object) -> set[frozenset[int]]:
    """Make sets of the nodes with equal labels."""
    parts: dict[int, set[int]] = {}
    for node, label in enumerate(np.asarray(labels).tolist()):
        parts.setdefault(label, set()).add(node)
    return {frozenset(part) for part in parts.values()}


def hops(case: Case, sources: list[int], cutoff: int | None = None) -> list[int]:
    """Count the hops from the nearest source, by networkx."""
    found = [-1] * case.graph.num_nodes
    for source in sources:
        for node, far in nx.single_source_shortest_path_length(case.multi, source, cutoff).items():
            found[node] = far if found[node] < 0 else min(found[node], far)
    return found


def test_there_are_as_many_graphs_as_promised() -> None:
    assert COUNT >= 300
    graphs = cases()
    assert any(nx.number_of_selfloops(case.multi) for case in graphs)
    assert any(len(case.multi.edges()) > len(case.counted.edges()) for case in graphs)
    assert any(nx.number_of_isolates(case.multi) for case in graphs)
    assert {case.directed for case in graphs} == {False, True}


def test_degrees() -> None:
    for case in cases():
        assert dict(enumerate(case.graph.degree().degrees.tolist())) == dict(case.multi.degree()), case
        if case.directed:
            out, into = case.graph.degree("out"), case.graph.degree("in")
            assert dict(enumerate(out.degrees.tolist())) == dict(case.multi.out_degree()), case
            assert dict(enumerate(into.degrees.tolist())) == dict(case.multi.in_degree()), case


def test_degree_centrality() -> None:
    for case in cases():
        expected = list(nx.degree_centrality(case.multi).values())
        np.testing.assert_allclose(case.graph.degree_centrality().scores, expected, err_msg=str(case))


def test_neighbours_and_edges() -> None:
    for case in cases():
        for node in range(case.graph.num_nodes):
            neighbours = case.graph.neighbors(node).tolist()
            expected = [v for _, v in case.multi.edges(node)]
            assert neighbours == sorted(expected), case
            assert all(case.graph.has_edge(node, v) == case.multi.has_edge(node, v) for v in case.multi), case


def test_bfs() -> None:
    for case in cases():
        for sources, cutoff in itertools.product((case.sources, case.sources[:1]), (None, 0, 2)):
            found = case.graph.bfs(sources, max_depth=cutoff)
            assert found.distances.tolist() == hops(case, sources, cutoff), case
            for node, parent in enumerate(found.parents.tolist()):
                if found.distances[node] > 0:
                    assert case.multi.has_edge(parent, node), case
                    assert found.distances[parent] == found.distances[node] - 1, case
                else:
                    assert parent == -1, case


def test_bfs_against_the_edges() -> None:
    for case in cases(directed=True):
        turned = nx.reverse(case.multi)
        expected = nx.single_source_shortest_path_length(turned, case.sources[0])
        found = case.graph.bfs(case.sources[0], direction="in").distances
        assert {node: far for node, far in enumerate(found.tolist()) if far >= 0} == dict(expected), case
        both = nx.single_source_shortest_path_length(case.multi.to_undirected(), case.sources[0])
        found = case.graph.bfs(case.sources[0], direction="both").distances
        assert {node: far for node, far in enumerate(found.tolist()) if far >= 0} == dict(both), case


def test_dfs() -> None:
    for case in cases():
        source = case.sources[0]
        found = case.graph.dfs(source)
        order = list(nx.dfs_preorder_nodes(case.multi, source, sort_neighbors=sorted))
        assert found.order.tolist() == order, case
        parents = nx.dfs_predecessors(case.multi, source, sort_neighbors=sorted)
        assert {node: parent for node, parent in enumerate(found.parents.tolist()) if parent >= 0} == parents
        events = [
            (node, kind)
            for parent, node, kind in nx.dfs_labeled_edges(case.multi, source, sort_neighbors=sorted)
            if kind in ("forward", "reverse") and (parent != node or kind == "forward" or node == source)
        ]
        discovered = [node for node, kind in events if kind == "forward"]
        assert discovered == order, case
        finished = [node for node, kind in events if kind == "reverse"]
        ours = [node for node in np.argsort(found.finish, kind="stable").tolist() if found.finish[node] >= 0]
        assert ours == finished, case


def test_dfs_visits_what_is_within_reach() -> None:
    for case, depth in itertools.product(cases(), (0, 1, 2, 3)):
        source = case.sources[0]
        found = case.graph.dfs(source, max_depth=depth).order.tolist()
        expected = nx.single_source_shortest_path_length(case.multi, source, cutoff=depth)
        assert sorted(found) == sorted(expected), case


def test_k_hop() -> None:
    for case in cases():
        found = case.graph.k_hop(case.sources, 2).nodes.tolist()
        assert found == [node for node, far in enumerate(hops(case, case.sources, 2)) if far >= 0], case


def test_topological_order() -> None:
    for case in acyclic():
        found = case.graph.topological_sort().nodes.tolist()
        assert found == list(nx.lexicographical_topological_sort(case.multi)), case


def test_cycles() -> None:
    for case in cases():
        found = case.graph.find_cycle().nodes.tolist()
        try:
            nx.find_cycle(case.multi)
        except nx.NetworkXNoCycle:
            assert found == [], case
            continue
        assert len(set(found)) == len(found) > 0, case
        steps = list(itertools.pairwise([*found, found[0]]))
        assert all(case.multi.has_edge(u, v) for u, v in steps), case
        if not case.directed and len(found) == 2:
            assert case.multi.number_of_edges(*found) > 1, case
    for case in acyclic():
        assert case.graph.find_cycle().nodes.size == 0, case


def test_ancestors_and_descendants() -> None:
    for case in cases(directed=True):
        node = case.sources[0]
        assert set(case.graph.ancestors(node).nodes.tolist()) == nx.ancestors(case.multi, node), case
        assert set(case.graph.descendants(node).nodes.tolist()) == nx.descendants(case.multi, node), case


@pytest.mark.parametrize("method", ["auto", "dijkstra", "delta_stepping", "bellman_ford"])
def test_shortest_paths(method: str) -> None:
    for case in cases():
        found = case.graph.sssp(case.sources, method=method)
        expected = nx.multi_source_dijkstra_path_length(case.multi, set(case.sources))
        reached = {node: far for node, far in enumerate(found.distances.tolist()) if far >= 0}
        assert reached == expected, case
        for node in range(case.graph.num_nodes):
            path = found.path_to(node)
            if node not in expected:
                assert path is None, case
                continue
            assert path is not None, case
            assert (path[0] in case.sources, path[-1]) == (True, node), case
            steps = itertools.pairwise(path)
            weight = sum(min(e["weight"] for e in case.multi[u][v].values()) for u, v in steps)
            assert weight == expected[node], case


def test_shortest_paths_with_negative_weights() -> None:
    cycles = 0
    for case in cases(directed=True):
        ends = [(u, v, w - 3) for u, v, w in case.multi.edges(data="weight")]
        multi = nx.MultiDiGraph()
        multi.add_nodes_from(case.multi)
        multi.add_weighted_edges_from(ends)
        src, dst, weights = ([edge[at] for edge in ends] for at in range(3))
        graph = bs.Graph.from_edges(src, dst, weights or None, num_nodes=len(multi))
        try:
            expected = nx.single_source_bellman_ford_path_length(multi, case.sources[0])
        except nx.NetworkXUnbounded:
            cycles += 1
            with pytest.raises(bs.DataError, match="less than 0"):
                graph.sssp(case.sources[0], method="bellman_ford")
            continue
        found = graph.sssp(case.sources[0])
        for node in range(len(multi)):
            path = found.path_to(node)
            assert (path is not None) == (node in expected), case
            if path is not None:
                assert found.distances[node] == expected[node], case
    assert 10 < cycles < COUNT - 10


@pytest.mark.parametrize("weighted", [False, True])
def test_pagerank(weighted: bool) -> None:
    for case in cases():
        weight = "weight" if weighted else None
        expected = nx.pagerank(case.multi, weight=weight, tol=1e-14, max_iter=2000)
        found = case.graph.pagerank(weighted=weighted, tolerance=1e-12, max_iterations=2000)
        assert found.converged, case
        np.testing.assert_allclose(found.scores, list(expected.values()), atol=1e-9, err_msg=str(case))
        assert abs(found.scores.sum() - 1) < 1e-9, case


def test_personalised_pagerank() -> None:
    for case in cases():
        weights = {node: 1 + node % 3 for node in case.sources}
        expected = nx.pagerank(case.multi, weight=None, personalization=weights, tol=1e-14, max_iter=2000)
        found = case.graph.pagerank(personalization=weights, tolerance=1e-12, max_iterations=2000)
        np.testing.assert_allclose(found.scores, list(expected.values()), atol=1e-9, err_msg=str(case))


def test_hits() -> None:
    for case in cases():
        if not case.multi.number_of_edges():
            continue
        found = case.graph.hits(tolerance=1e-12, max_iterations=20_000)
        if not found.converged:
            continue
        matrix = nx.to_numpy_array(case.counted, weight="count")
        authorities = matrix.T @ found.hubs
        hubs = matrix @ found.authorities
        np.testing.assert_allclose(found.authorities, authorities / authorities.sum(), atol=1e-6)
        np.testing.assert_allclose(found.hubs, hubs / hubs.sum(), atol=1e-6)
        assert math.isclose(found.hubs.sum(), 1), case
        assert math.isclose(found.authorities.sum(), 1), case


def test_eigenvector() -> None:
    compared = 0
    for case in cases():
        try:
            expected = nx.eigenvector_centrality(case.counted, weight="count", tol=1e-12, max_iter=5000)
        except (nx.PowerIterationFailedConvergence, nx.NetworkXException):
            continue
        found = case.graph.eigenvector(tolerance=1e-12, max_iterations=5000)
        np.testing.assert_allclose(found.scores, list(expected.values()), atol=1e-6, err_msg=str(case))
        compared += 1
    assert compared > COUNT / 2


def test_katz() -> None:
    for case in cases():
        degrees = [degree for _, degree in case.multi.degree()]
        alpha = 0.9 / (1 + max(degrees))
        counted = case.counted
        expected = nx.katz_centrality(counted, alpha=alpha, weight="count", tol=1e-12, max_iter=5000)
        found = case.graph.katz(alpha=alpha, tolerance=1e-12, max_iterations=5000)
        np.testing.assert_allclose(found.scores, list(expected.values()), atol=1e-8, err_msg=str(case))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("endpoints", [False, True])
def test_betweenness(weighted: bool, endpoints: bool) -> None:
    for case in cases():
        expected = nx.betweenness_centrality(
            case.multi, weight="weight" if weighted else None, endpoints=endpoints
        )
        found = case.graph.betweenness(weighted=weighted, endpoints=endpoints)
        np.testing.assert_allclose(found.scores, list(expected.values()), atol=1e-12, err_msg=str(case))


@pytest.mark.parametrize("weighted", [False, True])
def test_closeness(weighted: bool) -> None:
    for case in cases():
        weight = "weight" if weighted else None
        expected = nx.closeness_centrality(case.multi, distance=weight)
        found = case.graph.closeness(weighted=weighted)
        np.testing.assert_allclose(found.scores, list(expected.values()), atol=1e-12, err_msg=str(case))
        expected = nx.harmonic_centrality(case.multi, distance=weight)
        found = case.graph.harmonic(weighted=weighted)
        np.testing.assert_allclose(found.scores, list(expected.values()), atol=1e-12, err_msg=str(case))


def test_components() -> None:
    for case in cases():
        found = case.graph.connected_components()
        of = nx.weakly_connected_components if case.directed else nx.connected_components
        assert partition(found) == {frozenset(part) for part in of(case.multi)}, case
        assert found.count == len(set(found.labels.tolist())) == len(found.sizes), case
        firsts = [found.labels.tolist().index(label) for label in range(found.count)]
        assert firsts == sorted(firsts), case


def test_strongly_connected_components() -> None:
    for case in cases(directed=True):
        found = case.graph.strongly_connected_components()
        expected = {frozenset(part) for part in nx.strongly_connected_components(case.multi)}
        assert partition(found) == expected, case


def test_core_numbers() -> None:
    for case in cases():
        # In a directed graph an edge and its way back count 2, in both libraries.
        simple = nx.DiGraph(case.multi) if case.directed else nx.Graph(case.multi)
        simple.remove_edges_from(list(nx.selfloop_edges(simple)))
        expected = nx.core_number(simple)
        assert dict(enumerate(case.graph.core_numbers().cores.tolist())) == expected, case


def test_triangles() -> None:
    for case in cases():
        found = case.graph.triangles()
        assert dict(enumerate(found.counts.tolist())) == nx.triangles(case.simple), case
        assert found.total == sum(found.counts.tolist()) // 3 == case.graph.triangle_count(), case
        clustering = list(nx.clustering(case.simple).values())
        np.testing.assert_allclose(found.clustering, clustering, atol=1e-12, err_msg=str(case))
        assert math.isclose(found.transitivity, nx.transitivity(case.simple), abs_tol=1e-12), case


def test_minimum_spanning_forest() -> None:
    for case in cases(directed=False):
        found = case.graph.minimum_spanning_forest()
        expected = nx.minimum_spanning_tree(case.multi)
        assert found.total_weight == sum(w for _, _, w in expected.edges(data="weight")), case
        forest = nx.Graph(zip(found.sources.tolist(), found.targets.tolist(), strict=True))
        forest.add_nodes_from(case.multi)
        assert nx.is_forest(forest), case
        assert len(found.sources) == forest.number_of_edges(), case
        components = {frozenset(part) for part in nx.connected_components(case.multi)}
        assert {frozenset(part) for part in nx.connected_components(forest)} == components, case


def test_bipartite() -> None:
    for case in cases():
        found = case.graph.bipartite()
        assert found.is_bipartite == nx.is_bipartite(case.multi), case
        if found.sides is not None:
            assert all(found.sides[u] != found.sides[v] for u, v in case.multi.edges()), case
        else:
            assert found.odd_cycle is not None
            cycle = found.odd_cycle.tolist()
            assert len(cycle) % 2 == 1, case
            joined = case.multi.to_undirected()
            assert all(joined.has_edge(u, v) for u, v in itertools.pairwise([*cycle, cycle[0]])), case


@pytest.mark.parametrize("algorithm", ["louvain", "leiden"])
def test_communities(algorithm: str) -> None:
    for case in cases():
        found = getattr(case.graph, algorithm)()
        if case.multi.number_of_edges() == 0:
            continue
        parts = partition(found)
        reference = nx.community.modularity(case.multi, parts)
        assert math.isclose(found.modularity, reference, abs_tol=1e-9), case
        if algorithm == "leiden":
            joined = case.multi.to_undirected()
            assert all(nx.is_connected(joined.subgraph(part)) for part in parts), case


def test_label_propagation() -> None:
    for case in cases(directed=False):
        labels = case.graph.label_propagation().labels
        for node in range(case.graph.num_nodes):
            votes: dict[int, int] = {}
            for _, other, weight in case.multi.edges(node, data="weight"):
                label = int(labels[other])
                votes[label] = votes.get(label, 0) + weight
            if votes:
                assert votes.get(int(labels[node]), 0) == max(votes.values()), case


def test_similarity() -> None:
    for case in cases(directed=False):
        simple = case.simple
        pairs = [(u, v) for u in case.sources for v in simple if u != v]
        left, right = [u for u, _ in pairs], [v for _, v in pairs]
        expected = [similarity for _, _, similarity in nx.jaccard_coefficient(simple, pairs)]
        bare = (
            bs.Graph.from_edges(
                *zip(*case.multi.edges(), strict=True),
                num_nodes=len(simple),
                directed=False,
                self_loops="drop",
            )
            if case.multi.edges()
            else case.graph
        )
        np.testing.assert_allclose(bare.jaccard(left, right).values, expected, atol=1e-12, err_msg=str(case))
        counts = [len(list(nx.common_neighbors(simple, u, v))) for u, v in pairs]
        assert bare.common_neighbors(left, right).values.tolist() == counts, case


def test_conversions() -> None:
    for case in cases():
        back = bs.Graph.from_networkx(case.multi, weight="weight")
        assert [a.tolist() for a in back.csr() if a is not None] == [
            a.tolist() for a in case.graph.csr() if a is not None
        ], case
