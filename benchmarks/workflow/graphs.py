"""The graphs that every workflow engine is timed on.

A graph is a list with, for each step, the steps that it depends on. Each step adds one to the
largest of its inputs, so that the largest answer is the number of steps on the longest path, which
every run is checked against.
"""

from __future__ import annotations

Graph = list[list[int]]


def chain(steps: int = 1000) -> Graph:
    """Each step depends on the one before."""
    return [[i - 1] if i else [] for i in range(steps)]


def fan(steps: int = 1000) -> Graph:
    """No step depends on another."""
    return [[] for _ in range(steps)]


def layered(layers: int = 100, width: int = 100) -> Graph:
    """Each step depends on three of the layer before."""

    def inputs(i: int) -> list[int]:
        layer, at = divmod(i, width)
        return [(layer - 1) * width + (at + k * 37) % width for k in range(3)] if layer else []

    return [inputs(i) for i in range(layers * width)]


SHAPES = {"chain": chain, "fan": fan, "layered": layered}


def depth(graph: Graph) -> int:
    """The number of steps on the longest path."""
    depths: list[int] = []
    for inputs in graph:
        depths.append(1 + max((depths[i] for i in inputs), default=0))
    return max(depths)
