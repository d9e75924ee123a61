"""Lazy frames and SQL."""

from __future__ import annotations

import ast
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from conftest import NUMBERS

import bowstring as bs

FRAME = bs.Frame(NUMBERS)
LEGS = pa.table({"animal": ["ape", "bee", "dog"], "legs": [2, 6, 4]})


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (FRAME.select("id", "value * 2 AS double_value").limit(1), {"id": [1], "double_value": [100.0]}),
        (FRAME.with_columns(id="id + 1", half="value / 2").limit(1), None),
        (FRAME.rename({"id": "key"}).select("key").limit(1), {"key": [1]}),
        (FRAME.drop("name", "value").limit(1), {"id": [1]}),
        (FRAME.cast({"id": "string"}).select("id").limit(1), {"id": ["1"]}),
        (FRAME.fill_null({"name": "?", "value": 0}).filter("id > 2"), None),
        (FRAME.filter("value > 100").select("id"), {"id": [2, 3]}),
        (FRAME.aggregate([], n="count(*)", most="max(value)"), {"n": [4], "most": [250.0]}),
        (
            FRAME.aggregate(["value > 100 AS big"], n="count(*)").sort("n desc", "big").limit(1),
            {"big": [True], "n": [2]},
        ),
        (FRAME.sort("value desc nulls first").select("id"), {"id": [4, 3, 2, 1]}),
        (FRAME.union(FRAME).distinct("id").sort("id").select("id"), {"id": [1, 2, 3, 4]}),
        (FRAME.union(NUMBERS).distinct().aggregate([], n="count(*)"), {"n": [4]}),
        (
            FRAME.join(LEGS, {"name": "animal"}).select("id", "legs").sort("id"),
            {"id": [1, 2, 4], "legs": [2, 6, 4]},
        ),
        (FRAME.join(LEGS.rename_columns(["name", "legs"]), "name", "anti").select("id"), {"id": [3]}),
        (FRAME.join(FRAME.select("id"), on=["id"], how="semi").aggregate([], n="count(*)"), {"n": [4]}),
        (
            FRAME.select("id").join(LEGS.select(["legs"]), how="cross").aggregate([], n="count(*)"),
            {"n": [12]},
        ),
    ],
)
def test_methods(frame: bs.Frame, expected: dict[str, list[object]] | None) -> None:
    rows = frame.collect().to_pyarrow().to_pydict()
    if expected is None:
        assert rows in (
            {"id": [2], "name": ["ape"], "value": [50.0], "half": [25.0]},
            {"id": [3, 4], "name": ["?", "dog"], "value": [250.0, 0.0]},
        )
    else:
        assert rows == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FRAME.select("nmae"), "did you mean `name`"),
        (lambda: FRAME.filter("name > 100"), "cannot compare `name`"),
        (lambda: FRAME.filter("value"), "must be boolean"),
        (lambda: FRAME.filter("value >"), "cannot parse `value >`"),
        (lambda: FRAME.join(LEGS, "name"), "`name`"),
        (lambda: FRAME.join(LEGS, "name", "iner"), "did you mean `inner`"),
        (lambda: FRAME.cast({"id": "int65"}), "`int65` is not a type"),
        (lambda: FRAME.fill_null({"id": "x"}), "does not fit column `id`"),
        (lambda: FRAME.union(LEGS), "columns do not agree"),
        (lambda: FRAME.rename({"id": "name"}), "name"),
        (lambda: bs.sql("DROP TABLE t", t=NUMBERS), "is not a query"),
        (lambda: bs.sql("SELECT * FROM tt", t=NUMBERS), "`tt`"),
        (lambda: bs.sql("SELEC 1"), "SELEC"),
    ],
)
def test_mistakes_show_before_anything_is_read(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(bs.UsageError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FRAME.aggregate("id", n="count(*)"), "by: expected a list of str, got str"),
        (lambda: FRAME.join(LEGS, 5), "on: expected a list of str, got int"),
        (lambda: FRAME.with_columns(x=5), "x: expected SQL as str, got int"),
        (lambda: FRAME.fill_null([1]), "mapping: expected a mapping of str to values, got list"),
        (lambda: FRAME.rename([("id", "x")]), "mapping: expected a mapping of str to str, got list"),
        (lambda: FRAME.cast({"id": pa.int32()}), r'mapping\["id"\]: expected a str, got pyarrow'),
        (lambda: FRAME.select(["id"]), r"columns\[0\]: expected a str, got list"),
        (lambda: FRAME.filter(1), "expr: expected a str, got int"),
        (lambda: FRAME.limit("1"), "n: expected a whole number of at least 0, got str"),
        (lambda: bs.sql(1), "query: expected a str, got int"),
        (lambda: FRAME.fill_null({"id": object()}), "id: a value of type object cannot stand here"),
        (lambda: FRAME.join(5), "got int"),
    ],
)
def test_wrong_types_of_arguments(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(TypeError, match=message):
        call()


def test_a_table_that_sql_was_not_given() -> None:
    with pytest.raises(bs.UsageError, match=r"(?s)no table `numbers`.*give each table by its name"):
        bs.sql("SELECT * FROM numbers")


def test_sql_over_tables_of_several_libraries() -> None:
    frame = bs.sql(
        "SELECT name, legs, score FROM numbers JOIN legs ON name = animal JOIN scores USING (name) "
        "ORDER BY legs",
        numbers=FRAME,
        legs=LEGS,
        scores=pl.DataFrame({"name": ["bee", "dog"], "score": [0.5, 1.0]}),
    )
    assert frame.column_names == ["name", "legs", "score"]
    assert frame.to_pyarrow().to_pydict() == {"name": ["dog", "bee"], "legs": [4, 6], "score": [1.0, 0.5]}


def test_filters_and_columns_reach_the_scan(numbers: Path) -> None:
    plan = bs.scan_parquet(numbers).filter("id > 2").select("name").explain()
    assert "DatasetExec" in plan
    assert "FilterExec" not in plan
    measured = bs.scan_parquet(numbers).filter("id > 2").select("name").explain(analyze=True)
    assert "metrics=[" in measured


def test_a_frame_is_not_changed_by_its_methods() -> None:
    frame = bs.Frame(NUMBERS)
    frame.filter("id > 1")
    assert frame.collect().num_rows == 4
    assert frame.column_names == ["id", "name", "value"]
    assert pa.schema(frame.schema) == NUMBERS.schema


def test_fields_of_structs() -> None:
    people = pa.table({"who": [{"name": "Ann", "age": 31}, {"name": "Bob", "age": None}], "n": [1, 2]})
    frame = bs.Frame(people)
    assert frame.select("who.age AS age").to_pyarrow().to_pydict() == {"age": [31, None]}
    assert frame.select("who['age'] + n AS next").to_pyarrow().to_pydict() == {"next": [32, None]}
    assert frame.with_columns(name="who.name").column_names == ["who", "n", "name"]
    assert frame.filter("who.name = 'Ann'").collect().num_rows == 1
    assert bs.sql("SELECT who.name AS name FROM people", people=people).collect().num_rows == 2


async def test_collect_async() -> None:
    table = await FRAME.filter("id = 1").collect_async()
    assert table.num_rows == 1
    with pytest.raises(bs.DataError):
        await bs.Frame(pa.table({"s": ["x"]})).select("cast(s AS bigint) AS i").collect_async()


@pytest.mark.parametrize("cls", [bs.Frame, bs.Table])
def test_help_begins_as_the_reference_does(cls: type) -> None:
    stub = ast.parse(Path(bs.__file__).with_name("_bowstring.pyi").read_text(encoding="utf-8"))
    (node,) = [node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__]
    members = [member for member in node.body if isinstance(member, ast.FunctionDef)]
    documented = [(getattr(cls, member.name), ast.get_docstring(member)) for member in members]
    documented = [(cls, ast.get_docstring(node)), *(pair for pair in documented if pair[1])]
    assert len(documented) > 10
    for found, expected in documented:
        assert (found.__doc__ or "").split() == (expected or "").split("\n\n")[0].split()
