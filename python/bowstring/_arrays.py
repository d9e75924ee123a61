"""How does anything array-like, and anything that names nodes, become what the engine takes?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    _Integers = npt.NDArray[np.integer[Any]]

Node: TypeAlias = int | str
"""A node: its id as it stands in the edge table, or its number where the graph has no ids."""


def column(name: str, values: object) -> object:
    """Make of an argument what the engine takes without a copy: Arrow, or a buffer."""
    if hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_c_stream__"):
        return values
    import numpy as np

    array = np.asarray(values)
    if array.ndim != 1:
        got = type(values).__name__ if array.ndim == 0 else f"one of {array.ndim} dimensions"
        raise TypeError(f"{name}: expected an array of one dimension, got {got}")
    if array.dtype.kind in "US" or (
        array.dtype.kind == "O" and all(isinstance(value, str) for value in array)
    ):
        from arro3.core import Array, DataType

        return Array([str(value) for value in array], type=DataType.utf8())
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected an array of integers, floats or text, got one of {array.dtype}")
    if array.size == 0:
        # An empty list has no type of its own.
        array = array.astype(np.int64) if array.dtype.kind == "f" else array
    return np.ascontiguousarray(array)


def floats(array: object, name: str = "array") -> tuple[object, tuple[int, ...] | None]:
    """Make of an array what the engine takes, and its shape where Arrow does not say it."""
    if hasattr(array, "__arrow_c_array__") or hasattr(array, "__arrow_c_stream__"):
        return array, None
    import numpy as np

    numbers = np.asarray(array)
    if numbers.dtype.kind != "f":
        raise TypeError(f"{name}: expected floats, got {numbers.dtype}")
    with np.errstate(over="ignore"):
        flat = np.ascontiguousarray(numbers, np.float32).reshape(-1)
    return flat, numbers.shape


def given_column(name: str, values: object) -> object:
    """Make of an argument that may be `None` what the engine takes."""
    return None if values is None else column(name, values)


def columns(by_name: Mapping[str, object]) -> dict[str, object]:
    """Make of results and arrays by name what the engine takes."""
    return {name: column(name, values) for name, values in by_name.items()}


def nodes(name: str, given: Node | Sequence[Node] | _Integers) -> Node | list[Node]:
    """Make of one node or several what the engine takes as ids."""
    if _is_node(given):
        return given
    listed: Any = given
    for convert in ("tolist", "to_pylist", "to_list"):
        if hasattr(given, convert):
            listed = getattr(given, convert)()
            break
    if _is_node(listed):
        return listed
    try:
        several = [node.item() if hasattr(node, "item") else node for node in listed]
    except TypeError:
        several = [given]
    for node in several:
        if not _is_node(node):
            raise TypeError(f"{name}: expected nodes, each an int or a str, got {type(node).__name__}")
    return several


def _is_node(value: object) -> TypeGuard[Node]:
    return isinstance(value, (int, str)) and not isinstance(value, bool)
