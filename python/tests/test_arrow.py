"""Tables of other libraries come in and go out, without a copy."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import bowstring as bs
from bowstring._tables import AnyTable

ROWS = {"id": [1, 2, 3], "name": ["a", None, "c"]}


class OnlyStream:
    """Nothing but the protocol."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


PRODUCERS: dict[str, Callable[[], Any]] = {
    "pyarrow.Table": lambda: pa.table(ROWS),
    "pyarrow.RecordBatch": lambda: pa.record_batch(ROWS),
    "pyarrow.RecordBatchReader": lambda: pa.table(ROWS).to_reader(),
    "pyarrow.StructArray": lambda: pa.array(
        [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
    ),
    "polars": lambda: pl.DataFrame(ROWS),
    "pandas": lambda: pd.DataFrame(ROWS),
    "duckdb": lambda: duckdb.sql("SELECT * FROM (VALUES (1, 'a'), (2, NULL), (3, 'c')) AS t(id, name)"),
    "protocol": lambda: OnlyStream(pa.table(ROWS)),
    "bowstring.Table": lambda: bs.Table(pa.table(ROWS)),
    "bowstring.Frame": lambda: bs.Frame(pa.table(ROWS)),
    "arro3.RecordBatch": lambda: bs.Table(pa.table(ROWS)).batches[0],
}


@pytest.mark.parametrize("producer", PRODUCERS)
def test_any_producer_is_taken(producer: str) -> None:
    assert bs.Table(PRODUCERS[producer]()).to_pyarrow().to_pydict() == ROWS
    assert bs.Frame(PRODUCERS[producer]()).filter("id > 1").to_pyarrow().to_pydict() == {
        "id": [2, 3],
        "name": [None, "c"],
    }


@pytest.mark.parametrize("other", [None, 17, "text", {"id": [1]}, [1, 2]])
def test_what_is_no_arrow_is_refused(other: object) -> None:
    with pytest.raises(TypeError, match=f"__arrow_c_stream__.*got {type(other).__name__}"):
        bs.Table(other)


def addresses(table: AnyTable) -> list[int]:
    """Where the buffers of a table's columns are."""
    buffers = [
        buffer
        for column in pa.table(table).columns
        for chunk in column.chunks
        for buffer in chunk.buffers()
        if buffer is not None and buffer.size > 0
    ]
    return [buffer.address for buffer in buffers]


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"i": pa.array([1, 2, None]), "s": ["x", "yy", None], "l": [[1], [], None]}),
        pa.table(
            {"d": pa.array(["x", "y", "x"]).dictionary_encode(), "v": pa.array(["x"] * 3, pa.string_view())}
        ),
        pa.concat_tables([pa.table({"i": [1, 2]}), pa.table({"i": [3]})]),
    ],
    ids=["nested", "dictionary and views", "chunks"],
)
def test_nothing_is_copied_on_the_way_in_and_out(table: pa.Table) -> None:
    through = bs.Table(table)
    assert addresses(through) == addresses(table)
    assert addresses(through.to_pyarrow()) == addresses(table)
    assert through.to_pyarrow().equals(table)
    column = pa.chunked_array(through.column(table.column_names[0]))
    assert [c.buffers()[1].address for c in column.chunks] == [
        c.buffers()[1].address for c in table.column(0).chunks
    ]
    assert [pa.record_batch(batch).num_rows for batch in through.batches] == [
        batch.num_rows for batch in table.to_batches()
    ]


def test_a_slice_is_a_place_in_the_same_buffer() -> None:
    table = pa.table({"i": list(range(100))})
    through = bs.Table(table.slice(40, 20))
    assert addresses(through) == [addresses(table)[0] + 40 * 8]
    assert through.to_pyarrow()["i"].to_pylist() == list(range(40, 60))


def test_polars_and_pandas_give_their_own_buffers() -> None:
    series = pl.DataFrame({"i": list(range(1000))})
    assert addresses(bs.Table(series)) == addresses(series)
    frame = pd.DataFrame({"s": pd.array(["x", "y"], dtype=pd.ArrowDtype(pa.string()))})
    assert addresses(bs.Table(frame)) == addresses(frame)


def test_a_filter_over_a_foreign_table_leaves_it_as_it_is() -> None:
    table = pa.table({"i": [1, 2, 3]})
    assert bs.Frame(table).filter("i = 2").to_pyarrow().to_pydict() == {"i": [2]}
    assert table.to_pydict() == {"i": [1, 2, 3]}


def test_a_requested_schema_is_cast_to() -> None:
    wanted = pa.schema({"id": pa.int32(), "name": pa.large_string()})
    for ours in (bs.Table(pa.table(ROWS)), bs.Frame(pa.table(ROWS))):
        assert pa.table(ours, schema=wanted).schema == wanted
        assert pa.schema(ours) == pa.table(ROWS).schema


def test_a_frame_is_streamed() -> None:
    frame = bs.Frame(pa.table({"i": list(range(100_000))})).filter("i % 2 = 0")
    reader = pa.RecordBatchReader.from_stream(frame)
    assert sum(batch.num_rows for batch in reader) == 50_000


def test_a_stream_that_is_left_early_ends() -> None:
    reader = pa.RecordBatchReader.from_stream(bs.Frame(pa.table({"i": list(range(1_000_000))})))
    assert reader.read_next_batch().num_rows > 0
    del reader


def test_an_error_in_a_stream_reaches_the_reader() -> None:
    frame = bs.Frame(pa.table({"s": ["1", "no\0number"]})).select("cast(s AS bigint) AS i")
    with pytest.raises(Exception, match=r"Cannot cast string 'no\\u\{0\}number'"):
        pa.table(frame)


def test_an_error_of_the_producer_is_raised() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"i": [1]})
        raise RuntimeError("the well is dry")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"i": pa.int64()}), batches())
    with pytest.raises(bs.DataError, match="the well is dry"):
        bs.Table(reader)


def test_empty_tables_keep_their_schema() -> None:
    empty = pa.table({"i": pa.array([], pa.int8()), "s": pa.array([], pa.string())})
    assert bs.Table(empty).to_pyarrow().schema == empty.schema
    assert bs.Frame(empty).to_pyarrow().schema == empty.schema
    assert len(bs.Table(empty)) == 0


def test_a_table_shows_itself() -> None:
    table = bs.Table(pa.table({"id": [1, 2], "name": ["<b>", None]}))
    assert repr(table) == ("Table: 2 rows × 2 columns\nid     name\nInt64  Utf8\n1      <b>\n2      null")
    assert table._repr_html_() == (
        "<table><caption>Table: 2 rows × 2 columns</caption>"
        "<thead><tr><th>id</th><th>name</th></tr><tr><th>Int64</th><th>Utf8</th></tr></thead>"
        "<tbody><tr><td>1</td><td>&lt;b&gt;</td></tr><tr><td>2</td><td>null</td></tr></tbody></table>"
    )
    frame = bs.Frame(table)
    assert repr(frame) == "Frame: 2 columns\nid: Int64\nname: Utf8"
    assert "<td>name</td><td>Utf8</td>" in frame._repr_html_()


def test_a_large_table_shows_its_beginning() -> None:
    wide = bs.Table(pa.table({f"c{i}": list(range(100)) for i in range(30)}))
    lines = repr(wide).splitlines()
    assert lines[0] == "Table: 100 rows × 30 columns"
    assert lines[-1] == "… 90 more rows, 10 more columns"
    assert len(lines) == 14
    assert wide._repr_html_().endswith("</table><p>… 90 more rows, 10 more columns</p>")
    long = repr(bs.Table(pa.table({"s": ["x" * 100 + "\n"]})))
    assert long.splitlines()[-1] == "x" * 32 + "…"


def test_names_sizes_and_columns() -> None:
    table = bs.Table(pa.table(ROWS))
    assert (table.num_rows, table.num_columns, len(table)) == (3, 2, 3)
    assert table.column_names == ["id", "name"]
    assert table.nbytes > 0
    assert pa.schema(table.schema) == pa.table(ROWS).schema
    assert pa.chunked_array(table["name"]).to_pylist() == ["a", None, "c"]
    with pytest.raises(bs.UsageError, match=r"no column `nmae`\n\nhint: did you mean `name`\?"):
        table["nmae"]


def test_conversions() -> None:
    table = bs.Table(pa.table(ROWS))
    assert table.to_polars().to_dict(as_series=False) == ROWS
    assert table.to_pandas()["id"].tolist() == [1, 2, 3]
    frame = bs.Frame(table)
    assert frame.to_polars().equals(table.to_polars())
    assert frame.to_pandas().equals(table.to_pandas())


def test_a_table_can_be_pickled() -> None:
    copy = pickle.loads(pickle.dumps(bs.Table(pa.table(ROWS))))  # noqa: S301 - our own bytes
    assert copy.to_pyarrow().to_pydict() == ROWS
