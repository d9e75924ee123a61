"""What a contender is that runs inside Python.

It is made from a graph, converts it once, and has one method per kernel it can run, which gives two
functions: `run(source)`, which is timed, and `read(result)`, which turns the result into an array and is not.
`cannot` says why a kernel is missing.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from graphs import Array, Edges

Kernel = tuple[Callable[[int], Any], Callable[[Any], Array]]


def signed(distances: Array, limit: float) -> Array:
    """Whole distances, with −1 for what lies at the limit or beyond."""
    distances = np.asarray(distances, float)
    return np.where(distances >= limit, -1, distances).astype(np.int32)


def labels_of(groups: list[Any], nodes: int) -> Array:
    labels = np.empty(nodes, np.int64)
    for label, group in enumerate(groups):
        labels[list(group)] = label
    return labels


class Contender:
    package = ""
    cannot: ClassVar[dict[str, str]] = {}
    # Kernels whose answers are another's by design: timed, and marked as not compared.
    not_compared: ClassVar[dict[str, str]] = {}

    def __init__(self, graph: Edges, threads: int) -> None:
        self.graph, self.threads = graph, threads

    @classmethod
    def version(cls) -> str:
        return importlib.metadata.version(cls.package)

    @cached_property
    def rows(self) -> Array:
        return np.repeat(
            np.arange(self.graph.nodes, dtype=np.uint32), np.diff(self.graph.indptr).astype(np.int64)
        )

    @cached_property
    def once(self) -> Array:
        """Which row entries name each edge once."""
        return np.ones(len(self.rows), bool) if self.graph.directed else self.rows < self.graph.indices

    @cached_property
    def edges(self) -> tuple[Array, Array]:
        return self.rows[self.once], self.graph.indices[self.once]
