"""TPC-H: are the answers to all 22 queries DuckDB's?"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import bowstring as bs

QUERIES = sorted((Path(__file__).parents[2] / "benchmarks" / "tables" / "tpch").glob("q*.sql"))
TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


@pytest.fixture(scope="module")
def data(request: pytest.FixtureRequest) -> Path:
    """The tables at scale 0.1 as Parquet, made by tpchgen-cli once and kept in pytest's cache."""
    folder = Path(request.config.cache.mkdir("tpch-0.1"))
    if not all((folder / f"{name}.parquet").exists() for name in TABLES):
        tpchgen = Path(sys.executable).parent / "tpchgen-cli"
        subprocess.run([str(tpchgen), "parquet", "-s", "0.1", f"--output-dir={folder}"], check=True)
    return folder


@pytest.fixture(scope="module")
def duck(data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for name in TABLES:
            connection.read_parquet(str(data / f"{name}.parquet")).create_view(name)
        yield connection


def test_there_are_all_queries() -> None:
    assert [path.stem for path in QUERIES] == [f"q{number:02}" for number in range(1, 23)]


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_query(path: Path, data: Path, duck: duckdb.DuckDBPyConnection) -> None:
    query = path.read_text()
    frames = {name: bs.scan_parquet(data / f"{name}.parquet") for name in TABLES}
    check(bs.sql(query, **frames).to_pyarrow(), duck.sql(query).to_arrow_table())


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_query_in_little_memory(path: Path, data: Path, duck: duckdb.DuckDBPyConnection) -> None:
    """In a small part of what the tables take in memory."""
    query = path.read_text()
    workflow = bs.Workflow("tpch")
    for name in TABLES:
        workflow.step(name, "read", {"path": data / f"{name}.parquet"})
    workflow.step("answer", "sql", {"query": query})
    answer = workflow.run(memory="16MiB", keep=["answer"]).output("answer")
    assert isinstance(answer, bs.Table)
    check(answer.to_pyarrow(), duck.sql(query).to_arrow_table())


def check(mine: pa.Table, theirs: pa.Table) -> None:
    found, expected = rows(mine), rows(theirs)
    assert expected, "a query without an answer would prove nothing"
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        assert all(map(same, own, other)), f"{own}, not {other}"


def rows(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def same(mine: object, theirs: object) -> bool:
    """Equal: exactly, but where DuckDB divides decimals as doubles, to the decimals that there are."""
    if isinstance(theirs, float) and isinstance(mine, float | Decimal):
        places = -int(mine.as_tuple().exponent) if isinstance(mine, Decimal) else 9
        return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=10.0**-places)
    return mine == theirs
