"""Parquet metadata and typed statistics."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import NUMBERS

import bowstring as bs


def test_metadata_of_a_file(numbers: Path) -> None:
    metadata = bs.parquet_metadata(numbers)
    assert (metadata.num_rows, metadata.num_row_groups, metadata.num_columns) == (4, 2, 3)
    assert metadata.size_bytes == numbers.stat().st_size
    assert metadata.created_by is not None
    assert metadata.created_by.startswith("parquet-cpp-arrow")
    assert pa.schema(metadata.schema).names == NUMBERS.column_names
    assert [group.num_rows for group in metadata.row_groups] == [2, 2]
    assert {group.file for group in metadata.row_groups} == {numbers}
    value = metadata.statistics["value"]
    assert (value.min, value.max, value.null_count, value.distinct_count) == (50.0, 250.0, 1, None)
    assert metadata.statistics["id"].exact
    name = metadata.statistics["name"]
    assert (name.type, name.min, name.max) == ("Utf8", "ape", "dog")


def test_statistics_are_typed(tmp_path: Path) -> None:
    zone = dt.UTC
    columns = {
        "int": pa.array([1, 3], pa.int16()),
        "float": pa.array([0.5, 1.5]),
        "bool": pa.array([False, True]),
        "text": pa.array(["ä", "ö"]),
        "bytes": pa.array([b"\x00", b"\xff"]),
        "date": pa.array([dt.date(2020, 1, 1), dt.date(2021, 1, 1)]),
        "when": pa.array([dt.datetime(2020, 1, 1, tzinfo=zone)] * 2, pa.timestamp("us", "UTC")),
        "money": pa.array([Decimal("1.50"), Decimal("2.25")]),
    }
    path = tmp_path / "types.parquet"
    pq.write_table(pa.table(columns), path)
    statistics = bs.parquet_metadata(path).statistics
    for name, column in columns.items():
        values = column.to_pylist()
        assert (statistics[name].min, statistics[name].max) == (values[0], values[1]), name
        assert type(statistics[name].min) is type(values[0]), name


def test_nanoseconds_are_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "ns.parquet"
    pq.write_table(pa.table({"t": pa.array([1_000, 2_001], pa.timestamp("ns"))}), path)
    known = bs.parquet_metadata(path).statistics["t"]
    assert known.min == dt.datetime(1970, 1, 1, 0, 0, 0, 1)
    assert pa.array(known.max).cast(pa.int64()).to_pylist() == [2_001]


def test_metadata_of_a_folder(tmp_path: Path) -> None:
    for index in range(3):
        table = pa.table({"i": [index, index + 10], "p": [{"x": index}] * 2})
        pq.write_table(
            table.replace_schema_metadata({"part": str(index), "all": "same"}), tmp_path / f"{index}.parquet"
        )
    metadata = bs.parquet_metadata(tmp_path)
    assert (metadata.num_rows, metadata.num_row_groups) == (6, 3)
    assert (metadata.statistics["i"].min, metadata.statistics["i"].max) == (0, 12)
    assert metadata.statistics["p.x"].max == 2
    pairs = [pair for pair in metadata.key_value_metadata if pair[0] in {"part", "all"}]
    assert sorted(pairs) == [("all", "same"), ("part", "0"), ("part", "1"), ("part", "2")]


async def test_the_async_twin(numbers: Path) -> None:
    assert (await bs.parquet_metadata_async(numbers)).num_rows == 4


def test_what_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "no.parquet"
    path.write_text("no")
    with pytest.raises(bs.DataError, match=r"no\.parquet"):
        bs.parquet_metadata(path)
    with pytest.raises(bs.NotFoundError):
        bs.parquet_metadata(tmp_path / "missing.parquet")
