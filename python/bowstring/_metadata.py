"""What the footers of Parquet files say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from arro3.core import Schema

from bowstring import _bowstring
from bowstring._tables import Paths


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a Parquet file.

    Attributes:
        file: The file.
        num_rows: Its rows.
        total_byte_size: Bytes of its values, encoded but not compressed.
        compressed_size: Bytes that it takes in the file.
    """

    file: File
    num_rows: int
    total_byte_size: int
    compressed_size: int


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What is known of a column without reading it, over all row groups of all files.

    Attributes:
        type: Its Arrow type.
        min: A lower bound of its values, as Python has it; an Arrow scalar where Python's type cannot hold
            it, as nanoseconds. `None` when a row group does not say. Bounds of floats say nothing of NaN.
        max: An upper bound of its values.
        exact: Whether `min` and `max` are values that occur.
        null_count: The number of nulls, when every row group says so.
        distinct_count: The number of distinct values, when the file says so.
    """

    type: str
    min: Any
    max: Any
    exact: bool
    null_count: int | None
    distinct_count: int | None


@dataclass(frozen=True, slots=True)
class ParquetMetadata:
    """What stands in the footers of one or more Parquet files.

    Attributes:
        num_rows: Rows of all files.
        num_row_groups: Row groups of all files.
        num_columns: Columns that hold values: nested ones count by what they consist of.
        size_bytes: Bytes of all files.
        created_by: Who wrote them; `None` when a file does not say, or they do not agree.
        schema: The schema as which they are read.
        key_value_metadata: What the writers added, in the order of the files, each pair once: a key on which
            the files do not agree comes once with each of its values.
        row_groups: The row groups, in the order of their rows.
        statistics: What is known of each column that holds values, by its path, as `point.x`.
    """

    num_rows: int
    num_row_groups: int
    num_columns: int
    size_bytes: int
    created_by: str | None
    schema: Schema
    key_value_metadata: tuple[tuple[str, str | None], ...]
    row_groups: tuple[RowGroup, ...]
    statistics: Mapping[str, ColumnStatistics]


def parquet_metadata(path: Paths) -> ParquetMetadata:
    """Read the footers of Parquet files, in parallel, and no rows.

    Args:
        path: A file, a pattern such as `data/*.parquet`, a folder, or a list of them.

    Raises:
        NotFoundError: When a file does not exist.
        DataError: When a file is no Parquet, or its footer is malformed.
    """
    return _of(_bowstring.metadata(path))


async def parquet_metadata_async(path: Paths) -> ParquetMetadata:
    """As [`parquet_metadata`][bowstring.parquet_metadata], to be awaited."""
    return _of(await _bowstring.metadata_async(path))


def _of(fields: dict[str, Any]) -> ParquetMetadata:
    return ParquetMetadata(
        **{
            **fields,
            "key_value_metadata": tuple(fields["key_value_metadata"]),
            "row_groups": tuple(RowGroup(**group) for group in fields["row_groups"]),
            "statistics": {name: ColumnStatistics(**known) for name, known in fields["statistics"].items()},
        }
    )
