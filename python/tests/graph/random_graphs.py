"""Random graphs with loops, parallel edges, isolated nodes and parts that are not connected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import networkx as nx
import numpy as np

import bowstring as bs

COUNT = 320


@dataclass(frozen=True)
class Case:
    """One graph, as both libraries have it, with and without parallel edges."""

    seed: int
    graph: bs.Graph
    multi: nx.MultiGraph | nx.MultiDiGraph

    @property
    def directed(self) -> bool:
        """Whether edges have a direction."""
        return self.graph.is_directed

    @property
    def simple(self) -> nx.Graph:
        """The undirected graph without parallel edges and loops."""
        simple = nx.Graph(self.multi)
        simple.remove_edges_from(list(nx.selfloop_edges(simple)))
        return simple

    @property
    def counted(self) -> nx.Graph | nx.DiGraph:
        """The graph with one edge for parallel ones, whose weight `count` is their number."""
        counted = nx.DiGraph() if self.directed else nx.Graph()
        counted.add_nodes_from(self.multi)
        for u, v in self.multi.edges():
            seen = counted.get_edge_data(u, v, {"count": 0})["count"]
            counted.add_edge(u, v, count=seen + 1)
        return counted

    @property
    def sources(self) -> list[int]:
        """Some nodes to begin at."""
        drawn = np.random.default_rng(self.seed)
        nodes = self.graph.num_nodes
        return sorted(drawn.choice(nodes, min(nodes, 1 + self.seed % 3), replace=False).tolist())

    def __str__(self) -> str:
        """Say which graph it is, when a test fails."""
        return f"seed {self.seed}: {self.graph!r}, edges {list(self.multi.edges(data='weight'))}"


def case(seed: int, *, directed: bool) -> Case:
    """Draw the graph of a seed."""
    drawn = np.random.default_rng(seed)
    nodes = int(drawn.choice([1, 2, 3, 5, 8, 13, 21, 34]))
    edges = int(drawn.choice([0, nodes // 2, nodes, 2 * nodes, 4 * nodes]))
    src, dst = drawn.integers(0, nodes, (2, edges)).tolist()
    weight = drawn.integers(1, 10, edges).tolist()
    multi = nx.MultiDiGraph() if directed else nx.MultiGraph()
    multi.add_nodes_from(range(nodes))
    multi.add_edges_from((u, v, {"weight": w}) for u, v, w in zip(src, dst, weight, strict=True))
    graph = bs.Graph.from_edges(src, dst, weight, num_nodes=nodes, directed=directed)
    return Case(seed, graph, multi)


@cache
def cases(directed: bool | None = None) -> tuple[Case, ...]:
    """Draw all graphs: every other one is directed, or all of one kind are."""
    return tuple(
        case(seed, directed=seed % 2 == 0 if directed is None else directed) for seed in range(COUNT)
    )


@cache
def acyclic() -> tuple[Case, ...]:
    """Draw directed graphs whose edges lead from smaller to larger numbers."""
    made = []
    for seed in range(COUNT):
        drawn = case(seed, directed=True)
        ends = [(min(u, v), max(u, v)) for u, v in drawn.multi.edges() if u != v]
        multi = nx.MultiDiGraph()
        multi.add_nodes_from(drawn.multi)
        multi.add_edges_from(ends)
        src, dst = [u for u, _ in ends], [v for _, v in ends]
        made.append(Case(seed, bs.Graph.from_edges(src, dst, num_nodes=len(multi)), multi))
    return tuple(made)
