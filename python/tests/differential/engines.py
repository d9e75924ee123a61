"""One question, two engines: what do Bowstring and DuckDB answer, and are the answers the same?

Both get the same SQL over the same rows. These differences of dialect are taken out before answers are
compared; `docs/guides/tables.md` lists them for users:

1. Types of results: DuckDB sums integers to 128 bits and averages to doubles where Bowstring keeps 64 bits
   and decimals. Numbers are compared by value: exactly, and to twelve digits when one of them is a double,
   because sums of doubles depend on the order of the rows.
2. Instants are compared as instants; the zone that they are shown in is the column's here, the session's
   in DuckDB.
3. `-0.0` and `0.0` are equal to each other in both; which of them stands for a group is open.
4. Where one engine refuses to compute (a number that does not fit), so must the other, but in its own words.
5. Questions in which dialects differ by design are not asked: `/` between integers (a whole number here,
   a double in DuckDB).

The order of rows counts only after a sort by a unique key.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import bowstring as bs

Rows = list[tuple[object, ...]]
Ask = Callable[[Mapping[str, bs.Frame]], bs.Frame]
REFUSED = "refused"

# DuckDB would look on the network for what it does not have with it.
ALONE = {"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}


def duck(query: str, tables: Mapping[str, pa.Table]) -> Rows | str:
    """DuckDB's answer."""
    with duckdb.connect(config=ALONE) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        try:
            return rows(connection.sql(query).to_arrow_table())
        except (duckdb.OutOfRangeException, duckdb.ConversionException):
            return REFUSED


def bowstring(ask: Ask, tables: Mapping[str, pa.Table]) -> dict[str, Rows | str]:
    """Bowstring's answers: over rows in memory, and over files of small row groups."""
    with TemporaryDirectory() as folder:
        files = {}
        for name, table in tables.items():
            files[name] = Path(folder) / f"{name}.parquet"
            pq.write_table(table, files[name], row_group_size=5)
        return {
            "memory": answer(ask, {name: bs.Frame(table) for name, table in tables.items()}),
            "files": answer(ask, {name: bs.scan_parquet(path) for name, path in files.items()}),
        }


def answer(ask: Ask, frames: Mapping[str, bs.Frame]) -> Rows | str:
    try:
        return rows(ask(frames).collect().to_pyarrow())
    except bs.DataError:
        return REFUSED


def rows(table: pa.Table) -> Rows:
    names = range(table.num_columns)
    columns = [[plain(value) for value in table.column(index).to_pylist()] for index in names]
    return list(zip(*columns, strict=True))


def plain(value: object) -> object:
    """The value without what differs between the engines by dialect alone."""
    match value:
        case float() if value.is_integer() and abs(value) < 2**53:
            # Both zeros become one.
            return float(int(value))
        case dt.datetime() if value.tzinfo is not None:
            return value.astimezone(dt.UTC)
        case dict():
            return tuple((name, plain(inner)) for name, inner in value.items())
        case list():
            return tuple(plain(inner) for inner in value)
        case _:
            return value


def same(left: object, right: object) -> bool:
    """Whether two values are equal; a NaN is, to a NaN."""
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, float) or isinstance(right, float):
        if not isinstance(left, int | float | Decimal) or not isinstance(right, int | float | Decimal):
            return False
        left, right = float(left), float(right)
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return math.isclose(left, right, rel_tol=1e-12, abs_tol=1e-6 if 0 < abs(left) < 1e-3 else 0.0)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def sortable(row: tuple[object, ...]) -> list[tuple[str, str]]:
    """A key that puts equal rows of the two engines side by side."""
    return [
        ("number", f"{float(value):.9e}")
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        else (type(value).__name__, repr(value))
        for value in row
    ]


def check(ask: Ask, query: str, tables: Mapping[str, pa.Table], *, ordered: bool = False) -> None:
    """Both engines give the same rows, in the same order when it is `ordered`."""
    expected = duck(query, tables)
    for source, found in bowstring(ask, tables).items():
        if isinstance(expected, str) or isinstance(found, str):
            assert found == expected, f"{source}: {query}"
            continue
        if not ordered:
            expected, found = sorted(expected, key=sortable), sorted(found, key=sortable)
        fine = len(expected) == len(found) and all(map(same, expected, found))
        assert fine, f"{source}: {query}\nBowstring: {found}\nDuckDB:    {expected}"
