"""Layers that are rows of a table: quantized, and given back."""

from __future__ import annotations

from typing import Literal

from bowstring import _bowstring
from bowstring._bowstring import Table
from bowstring._tables import AnyTable


def quantize_table(
    table: AnyTable,
    *,
    bits: int = 4,
    group_size: int | Literal["channel"] = 64,
    symmetric: bool = False,
    float_minimum: bool = False,
    method: Literal["nearest", "mse"] = "mse",
    scale_type: Literal["f32", "f16", "bf16", "f8"] = "f16",
    code_type: Literal["linear", "quadratic"] = "linear",
    threads: int | None = None,
) -> Table:
    """Write layers that are rows of a table with a few bits for each weight.

    Args:
        table: A row for each layer: `layer_name`, a text, another in each row; `weights`, a list of floats of
            any width; and `shape`, a list of whole numbers, without which each layer is one output channel.
            Floats of 32 bits are not copied. There can be no other columns.
        bits: Bits of a code: 2, 3, 4 or 8.
        group_size: How many neighbouring weights of an output channel share a scale: a multiple of 8 from
            16 to 256, or `"channel"` for all of them.
        symmetric: Whether the middle code is 0, and no zero points are stored.
        float_minimum: Whether each group has a float minimum in place of an integer zero point, so that 0
            need not stay exactly 0.
        method: How scales are chosen: `"nearest"` over the whole range, `"mse"` by a search for the least
            squared error.
        scale_type: How scales are stored: in 32 or 16 bits, or, without float minima, as `"f8"` in 8.
        code_type: Which values codes stand for: `"linear"`, all as far from one another, or `"quadratic"`,
            nearer to one another near 0, which most often loses less from 3 bits on.
        threads: How many threads work; all cores when `None`. They do not change the result.

    Returns:
        A row for each layer, in the same order: `layer_name` and `shape`; `bits`, `group_size` (0 for a whole
        channel), `scheme`, `scale_type`, `scale_unit` and `code_type`; `codes`, `scales` and
        `offsets`, bytes that stand as in [the files](quantized-models.md), the last null where the scheme is
        symmetric; `sqnr` in decibels, `relative_error`, `cosine` and `largest_error`.

    Raises:
        TypeError: When it is no table.
        UsageError: When an option cannot be, or the columns are not those.
        DataError: When a layer has nulls, NaN or infinities, the name of another one, or another number of
            weights than its shape says; the message has its row and name.

    Examples:
        >>> import pyarrow as pa
        >>> layers = pa.table({"layer_name": ["a", "b"], "weights": [[0.0, 0.5, 1.0], [-1.0, 2.0]]})
        >>> packed = bs.quant.quantize_table(layers, bits=2, group_size="channel")
        >>> [len(codes) for codes in packed["codes"].to_pylist()]
        [1, 1]
    """
    options = {
        "bits": bits,
        "group_size": group_size,
        "symmetric": symmetric,
        "float_minimum": float_minimum,
        "method": method,
        "scale_type": scale_type,
        "code_type": code_type,
        "threads": threads,
    }
    return _bowstring.quantize_table(table, options)


def dequantize_table(table: AnyTable, *, threads: int | None = None) -> Table:
    """Give back the layers of a table that `quantize_table` has made.

    Args:
        table: The table; the columns of errors may be missing.
        threads: How many threads work; all cores when `None`. They do not change the result.

    Returns:
        A row for each layer, in the same order: `layer_name`, `weights` in single precision, and `shape`.

    Raises:
        TypeError: When it is no table.
        UsageError: When the columns are not those.
        DataError: When a row has nulls, a scheme that there is not, or parts of another length than shape
            and scheme say; the message has its row and name.

    Examples:
        >>> import pyarrow as pa
        >>> layers = pa.table({"layer_name": ["a"], "weights": [[0.0, 0.5, 1.0]]})
        >>> packed = bs.quant.quantize_table(layers, bits=8)
        >>> bs.quant.dequantize_table(packed)["weights"].to_pylist()[0][0]
        0.0
    """
    return _bowstring.dequantize_table(table, {"threads": threads})
