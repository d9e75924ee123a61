"""Files and tables: reading, scanning, querying, writing."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from bowstring import _bowstring
from bowstring._bowstring import Frame, Table


class ArrowStream(Protocol):
    """A table of any library with the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Answer with a capsule of a C stream."""


class ArrowArray(Protocol):
    """A record batch of any library with the Arrow PyCapsule interface."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Answer with capsules of a C schema and a C array."""


class ArrowSchema(Protocol):
    """A schema of any library with the Arrow PyCapsule interface."""

    def __arrow_c_schema__(self) -> object:
        """Answer with a capsule of a C schema."""


AnyTable: TypeAlias = ArrowStream | ArrowArray
"""A table of pyarrow, polars, pandas, duckdb, bowstring, …: taken without a copy."""

Path: TypeAlias = str | os.PathLike[str]
Paths: TypeAlias = Path | Sequence[Path]
"""A file, a pattern such as `data/*.parquet`, a folder, or a list of them; `-` is standard input."""

Schema: TypeAlias = ArrowSchema | Mapping[str, str]
"""An Arrow schema, or the columns' types by name: `{"id": "int64", "price": "decimal(12, 2)"}`."""


def read_parquet(
    path: Paths,
    *,
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    row_groups: Sequence[int] | None = None,
    limit: int | None = None,
) -> Table:
    """Read Parquet into memory.

    Types are the file's own.

    Args:
        path: A file, a pattern such as `data/*.parquet`, a folder, whose
            `key=value` subfolders become columns, or a list of them; `-` is standard input.
        columns: The columns to read, in this order; all when `None`. `point.x` is the field `x` of the
            structure `point`, which comes with the fields that were named.
        filter: A SQL condition; rows for which it is true are kept.
        row_groups: The row groups, in the order wanted, counted from 0 over all files.
        limit: The most rows to read, after the filter.

    Raises:
        NotFoundError: When a file does not exist.
        DataError: When a file is malformed; the message names the place.
        UsageError: When a column does not exist, or an option does not fit.
    """
    options = {
        "columns": columns,
        "filter": filter,
        "row_groups": row_groups,
        "limit": limit,
    }
    return _bowstring.read("parquet", path, options)


def read_parquet_async(
    path: Paths,
    *,
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    row_groups: Sequence[int] | None = None,
    limit: int | None = None,
) -> Awaitable[Table]:
    """As [`read_parquet`][bowstring.read_parquet], to be awaited.

    Cancelling the task stops the work.
    """
    options = {
        "columns": columns,
        "filter": filter,
        "row_groups": row_groups,
        "limit": limit,
    }
    return _bowstring.read_async("parquet", path, options)


def scan_parquet(
    path: Paths,
    *,
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    row_groups: Sequence[int] | None = None,
    limit: int | None = None,
) -> Frame:
    """Plan over Parquet; as [`read_parquet`][bowstring.read_parquet], but lazily.

    Only the metadata is read now, and later only what the plan uses.
    """
    options = {
        "columns": columns,
        "filter": filter,
        "row_groups": row_groups,
        "limit": limit,
    }
    return _bowstring.scan("parquet", path, options)


def read_csv(
    path: Paths,
    *,
    delimiter: str | None = None,
    quote: str | None = '"',
    escape: str | None = None,
    comment: str | None = None,
    has_header: bool = True,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    null_values: Sequence[str] | None = None,
    schema: Schema | None = None,
    infer_rows: int = 10_000,
    encoding: str = "utf-8",
    on_bad_rows: Literal["error", "skip"] = "error",
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Table:
    """Read CSV or TSV into memory.

    Values are typed by looking at the first rows, unless a schema is given.

    Args:
        path: A file, a pattern such as `data/*.csv`, a folder, whose
            `key=value` subfolders become columns, or a list of them; `-` is standard input.
        delimiter: The character between two values; a comma when `None`, a tab for files that end in `.tsv`.
        quote: The character around values that hold delimiters, quotes or newlines; `None` for none.
        escape: The character before a quote in a quoted value; a doubled quote when `None`.
        comment: Lines that begin with this character are skipped.
        has_header: Whether the first line holds the names.
        names: The names, in place of those of the header.
        skip_rows: Lines to skip before the header.
        null_values: Unquoted values that mean null, the empty one besides.
        schema: All columns and their types; inferred when `None`.
        infer_rows: Rows from which types are inferred.
        encoding: The encoding by its WHATWG name.
        on_bad_rows: What happens to a row with too many or too few values.
        columns: The columns to read, in this order; all when `None`.
        filter: A SQL condition; rows for which it is true are kept.
        limit: The most rows to read, after the filter.

    Raises:
        NotFoundError: When a file does not exist.
        DataError: When a file is malformed; the message names the place.
        UsageError: When a column does not exist, or an option does not fit.
    """
    options = {
        "delimiter": delimiter,
        "quote": quote,
        "escape": escape,
        "comment": comment,
        "has_header": has_header,
        "names": names,
        "skip_rows": skip_rows,
        "null_values": null_values,
        "schema": schema,
        "infer_rows": infer_rows,
        "encoding": encoding,
        "on_bad_rows": on_bad_rows,
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.read("csv", path, options)


def read_csv_async(
    path: Paths,
    *,
    delimiter: str | None = None,
    quote: str | None = '"',
    escape: str | None = None,
    comment: str | None = None,
    has_header: bool = True,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    null_values: Sequence[str] | None = None,
    schema: Schema | None = None,
    infer_rows: int = 10_000,
    encoding: str = "utf-8",
    on_bad_rows: Literal["error", "skip"] = "error",
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Awaitable[Table]:
    """As [`read_csv`][bowstring.read_csv], to be awaited.

    Cancelling the task stops the work.
    """
    options = {
        "delimiter": delimiter,
        "quote": quote,
        "escape": escape,
        "comment": comment,
        "has_header": has_header,
        "names": names,
        "skip_rows": skip_rows,
        "null_values": null_values,
        "schema": schema,
        "infer_rows": infer_rows,
        "encoding": encoding,
        "on_bad_rows": on_bad_rows,
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.read_async("csv", path, options)


def scan_csv(
    path: Paths,
    *,
    delimiter: str | None = None,
    quote: str | None = '"',
    escape: str | None = None,
    comment: str | None = None,
    has_header: bool = True,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    null_values: Sequence[str] | None = None,
    schema: Schema | None = None,
    infer_rows: int = 10_000,
    encoding: str = "utf-8",
    on_bad_rows: Literal["error", "skip"] = "error",
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Frame:
    """Plan over CSV or TSV; as [`read_csv`][bowstring.read_csv], but lazily.

    Only the metadata is read now, and later only what the plan uses.
    """
    options = {
        "delimiter": delimiter,
        "quote": quote,
        "escape": escape,
        "comment": comment,
        "has_header": has_header,
        "names": names,
        "skip_rows": skip_rows,
        "null_values": null_values,
        "schema": schema,
        "infer_rows": infer_rows,
        "encoding": encoding,
        "on_bad_rows": on_bad_rows,
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.scan("csv", path, options)


def read_json(
    path: Paths,
    *,
    schema: Schema | None = None,
    infer_rows: int = 10_000,
    encoding: str = "utf-8",
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Table:
    """Read newline-delimited JSON into memory.

    Values are typed by looking at the first rows, unless a schema is given.

    Args:
        path: A file, a pattern such as `data/*.json`, a folder, whose
            `key=value` subfolders become columns, or a list of them; `-` is standard input.
        schema: All columns and their types; inferred when `None`.
        infer_rows: Rows from which types are inferred.
        encoding: The encoding by its WHATWG name.
        columns: The columns to read, in this order; all when `None`. `point.x` is the field `x` of the
            structure `point`, which comes with the fields that were named.
        filter: A SQL condition; rows for which it is true are kept.
        limit: The most rows to read, after the filter.

    Raises:
        NotFoundError: When a file does not exist.
        DataError: When a file is malformed; the message names the place.
        UsageError: When a column does not exist, or an option does not fit.
    """
    options = {
        "schema": schema,
        "infer_rows": infer_rows,
        "encoding": encoding,
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.read("json", path, options)


def read_json_async(
    path: Paths,
    *,
    schema: Schema | None = None,
    infer_rows: int = 10_000,
    encoding: str = "utf-8",
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Awaitable[Table]:
    """As [`read_json`][bowstring.read_json], to be awaited.

    Cancelling the task stops the work.
    """
    options = {
        "schema": schema,
        "infer_rows": infer_rows,
        "encoding": encoding,
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.read_async("json", path, options)


def scan_json(
    path: Paths,
    *,
    schema: Schema | None = None,
    infer_rows: int = 10_000,
    encoding: str = "utf-8",
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Frame:
    """Plan over newline-delimited JSON; as [`read_json`][bowstring.read_json], but lazily.

    Only the metadata is read now, and later only what the plan uses.
    """
    options = {
        "schema": schema,
        "infer_rows": infer_rows,
        "encoding": encoding,
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.scan("json", path, options)


def read_ipc(
    path: Paths,
    *,
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Table:
    """Read Arrow IPC, file or stream into memory.

    Types are the file's own.

    Args:
        path: A file, a pattern such as `data/*.arrow`, a folder, whose
            `key=value` subfolders become columns, or a list of them; `-` is standard input.
        columns: The columns to read, in this order; all when `None`. `point.x` is the field `x` of the
            structure `point`, which comes with the fields that were named.
        filter: A SQL condition; rows for which it is true are kept.
        limit: The most rows to read, after the filter.

    Raises:
        NotFoundError: When a file does not exist.
        DataError: When a file is malformed; the message names the place.
        UsageError: When a column does not exist, or an option does not fit.
    """
    options = {
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.read("ipc", path, options)


def read_ipc_async(
    path: Paths,
    *,
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Awaitable[Table]:
    """As [`read_ipc`][bowstring.read_ipc], to be awaited.

    Cancelling the task stops the work.
    """
    options = {
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.read_async("ipc", path, options)


def scan_ipc(
    path: Paths,
    *,
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    limit: int | None = None,
) -> Frame:
    """Plan over Arrow IPC, file or stream; as [`read_ipc`][bowstring.read_ipc], but lazily.

    Only the metadata is read now, and later only what the plan uses.
    """
    options = {
        "columns": columns,
        "filter": filter,
        "limit": limit,
    }
    return _bowstring.scan("ipc", path, options)


def sql(query: str, /, **tables: AnyTable) -> Frame:
    """Plan a SQL query over tables by name.

    A text that is a path, as in `FROM 'data.parquet'`, is not a table: scan it, and give it a name.

    Args:
        query: One SELECT, WITH or VALUES.
        tables: What the names in the query stand for: frames, which stay lazy, or tables of any library.

    Raises:
        UsageError: When the query is malformed, or names a table or column that does not exist.
    """
    return _bowstring.sql(query, tables)


def write_parquet(
    table: AnyTable,
    path: Path,
    *,
    compression: Literal["none", "snappy", "gzip", "lz4", "brotli", "zstd"] = "zstd",
    level: int | None = None,
    row_group_rows: int = 1_048_576,
    statistics: Literal["none", "row_group", "page"] = "page",
    mode: Literal["overwrite", "error"] = "overwrite",
) -> None:
    """Write Parquet.

    The file appears as a whole or not at all. A `Frame` is written while it runs.

    Args:
        table: The rows.
        path: The file; folders above it are made.
        compression: How the data is compressed.
        level: How hard: 1 to 22 for zstd, 0 to 9 for gzip, 0 to 11 for brotli; else the codec's default.
        row_group_rows: The most rows of a row group.
        statistics: Which minima, maxima and counts are written.
        mode: What happens when the file exists: it is replaced, or that is an error.

    Raises:
        StorageError: When the system refuses, or the file exists and `mode` is `"error"`.
        DataError: When the format cannot hold the data.
    """
    options = {
        "compression": compression,
        "level": level,
        "row_group_rows": row_group_rows,
        "statistics": statistics,
        "mode": mode,
    }
    return _bowstring.write("parquet", table, path, options)


def write_parquet_async(
    table: AnyTable,
    path: Path,
    *,
    compression: Literal["none", "snappy", "gzip", "lz4", "brotli", "zstd"] = "zstd",
    level: int | None = None,
    row_group_rows: int = 1_048_576,
    statistics: Literal["none", "row_group", "page"] = "page",
    mode: Literal["overwrite", "error"] = "overwrite",
) -> Awaitable[None]:
    """As [`write_parquet`][bowstring.write_parquet], to be awaited."""
    options = {
        "compression": compression,
        "level": level,
        "row_group_rows": row_group_rows,
        "statistics": statistics,
        "mode": mode,
    }
    return _bowstring.write_async("parquet", table, path, options)


def write_csv(
    table: AnyTable,
    path: Path,
    *,
    mode: Literal["overwrite", "error"] = "overwrite",
) -> None:
    """Write CSV, or TSV when the name ends in `.tsv`.

    The file appears as a whole or not at all. A `Frame` is written while it runs.

    Args:
        table: The rows.
        path: The file; folders above it are made.
        mode: What happens when the file exists: it is replaced, or that is an error.

    Raises:
        StorageError: When the system refuses, or the file exists and `mode` is `"error"`.
        DataError: When the format cannot hold the data.
    """
    options = {"mode": mode}
    return _bowstring.write("csv", table, path, options)


def write_csv_async(
    table: AnyTable,
    path: Path,
    *,
    mode: Literal["overwrite", "error"] = "overwrite",
) -> Awaitable[None]:
    """As [`write_csv`][bowstring.write_csv], to be awaited."""
    options = {"mode": mode}
    return _bowstring.write_async("csv", table, path, options)


def write_json(
    table: AnyTable,
    path: Path,
    *,
    mode: Literal["overwrite", "error"] = "overwrite",
) -> None:
    """Write newline-delimited JSON.

    The file appears as a whole or not at all. A `Frame` is written while it runs.

    Args:
        table: The rows.
        path: The file; folders above it are made.
        mode: What happens when the file exists: it is replaced, or that is an error.

    Raises:
        StorageError: When the system refuses, or the file exists and `mode` is `"error"`.
        DataError: When the format cannot hold the data.
    """
    options = {"mode": mode}
    return _bowstring.write("json", table, path, options)


def write_json_async(
    table: AnyTable,
    path: Path,
    *,
    mode: Literal["overwrite", "error"] = "overwrite",
) -> Awaitable[None]:
    """As [`write_json`][bowstring.write_json], to be awaited."""
    options = {"mode": mode}
    return _bowstring.write_async("json", table, path, options)


def write_ipc(
    table: AnyTable,
    path: Path,
    *,
    container: Literal["file", "stream"] = "file",
    compression: Literal["none", "lz4", "zstd"] = "none",
    mode: Literal["overwrite", "error"] = "overwrite",
) -> None:
    """Write Arrow IPC.

    The file appears as a whole or not at all. A `Frame` is written while it runs.

    Args:
        table: The rows.
        path: The file; folders above it are made.
        container: A file, which can be read from anywhere, or a stream.
        compression: How the data is compressed.
        mode: What happens when the file exists: it is replaced, or that is an error.

    Raises:
        StorageError: When the system refuses, or the file exists and `mode` is `"error"`.
        DataError: When the format cannot hold the data.
    """
    options = {"container": container, "compression": compression, "mode": mode}
    return _bowstring.write("ipc", table, path, options)


def write_ipc_async(
    table: AnyTable,
    path: Path,
    *,
    container: Literal["file", "stream"] = "file",
    compression: Literal["none", "lz4", "zstd"] = "none",
    mode: Literal["overwrite", "error"] = "overwrite",
) -> Awaitable[None]:
    """As [`write_ipc`][bowstring.write_ipc], to be awaited."""
    options = {"container": container, "compression": compression, "mode": mode}
    return _bowstring.write_async("ipc", table, path, options)
