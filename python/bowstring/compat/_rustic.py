"""The calls of the earlier `_rustic`."""

from __future__ import annotations

from bowstring.compat.graph_rust import RustGraphEngine, is_rust_graph_available
from bowstring.compat.io_rust import RustIOEngine, is_rust_io_available
from bowstring.compat.workflow_rust import RustWorkflowEngine, workflow_rust_available

__all__ = [
    "RustGraphEngine",
    "RustIOEngine",
    "RustWorkflowEngine",
    "is_rust_graph_available",
    "is_rust_io_available",
    "rust_available",
    "workflow_rust_available",
]


def rust_available() -> bool:
    """Say that the native half is there: without it this module could not be imported."""
    return True
