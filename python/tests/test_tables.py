"""Files: reading, scanning, writing; what bad input gets."""

from __future__ import annotations

import gzip
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from conftest import NUMBERS

import bowstring as bs

FORMATS: dict[str, tuple[Callable[..., bs.Table], Callable[..., bs.Frame], Callable[..., None]]] = {
    "parquet": (bs.read_parquet, bs.scan_parquet, bs.write_parquet),
    "csv": (bs.read_csv, bs.scan_csv, bs.write_csv),
    "json": (bs.read_json, bs.scan_json, bs.write_json),
    "arrow": (bs.read_ipc, bs.scan_ipc, bs.write_ipc),
}


@pytest.mark.parametrize("ending", FORMATS)
def test_what_is_written_is_read(ending: str, tmp_path: Path) -> None:
    read, scan, write = FORMATS[ending]
    path = tmp_path / "new" / f"file.{ending}"
    write(NUMBERS, path)
    assert read(path).to_pyarrow().to_pydict() == NUMBERS.to_pydict()
    assert read(
        str(path), columns=["value", "id"], filter="value > 100", limit=1
    ).to_pyarrow().to_pydict() == {
        "value": [150.0],
        "id": [2],
    }
    assert scan(path).filter("name = 'dog'").select("id").to_pyarrow().to_pydict() == {"id": [4]}
    with pytest.raises(bs.StorageError, match="exists"):
        write(NUMBERS, path, mode="error")
    write(bs.Frame(NUMBERS).filter("id = 1"), path)
    assert read([path, path]).num_rows == 2
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", FORMATS)
async def test_the_async_twins_do_the_same(ending: str, tmp_path: Path) -> None:
    name = {"arrow": "ipc"}.get(ending, ending)
    path = tmp_path / f"file.{ending}"
    await getattr(bs, f"write_{name}_async")(NUMBERS, path)
    table = await getattr(bs, f"read_{name}_async")(path, limit=2)
    assert table.to_pyarrow().to_pydict() == NUMBERS.slice(0, 2).to_pydict()
    with pytest.raises(bs.NotFoundError):
        await getattr(bs, f"read_{name}_async")(tmp_path / f"missing.{ending}")


def test_scan_and_async_twins_take_the_same_options() -> None:
    for name in ("parquet", "csv", "json", "ipc"):
        reader = dict(inspect.signature(getattr(bs, f"read_{name}")).parameters)
        assert inspect.signature(getattr(bs, f"read_{name}_async")).parameters == reader
        assert inspect.signature(getattr(bs, f"scan_{name}")).parameters == reader
        writer = inspect.signature(getattr(bs, f"write_{name}")).parameters
        assert inspect.signature(getattr(bs, f"write_{name}_async")).parameters == writer


def csv(tmp_path: Path, text: str | bytes, **options: Any) -> dict[str, list[object]]:  # noqa: ANN401
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    rows: dict[str, list[object]] = bs.read_csv(path, **options).to_pyarrow().to_pydict()
    return rows


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a;b\n1;2\n", {"delimiter": ";"}, {"a": [1], "b": [2]}),
        ('a\n"x,y"\n', {}, {"a": ["x,y"]}),
        ("a,b\n'x,y',1\n", {"quote": "'"}, {"a": ["x,y"], "b": [1]}),
        ('a\n"x\n', {"quote": None}, {"a": ['"x']}),
        ('a\n"x\\"y"\n', {"escape": "\\"}, {"a": ['x"y']}),
        ("a\n# no\n1\n", {"comment": "#"}, {"a": [1]}),
        ("1,2\n", {"has_header": False, "names": ["x", "y"]}, {"x": [1], "y": [2]}),
        ("junk\na\n1\n", {"skip_rows": 1}, {"a": [1]}),
        ("a\nNA\n1\n", {"null_values": ["NA"]}, {"a": [None, 1]}),
        ("a\n1\n", {"schema": {"a": "string"}}, {"a": ["1"]}),
        ("a\n1\n", {"schema": pa.schema({"a": pa.float64()})}, {"a": [1.0]}),
        ("a\n1\nx\n", {"infer_rows": 2}, {"a": ["1", "x"]}),
        ("ä\n1\n".encode("latin-1"), {"encoding": "latin1"}, {"ä": [1]}),
        ("a,b\n1,2\n3\n", {"on_bad_rows": "skip"}, {"a": [1], "b": [2]}),
    ],
)
def test_csv_options(
    text: str | bytes, options: dict[str, Any], expected: dict[str, list[object]], tmp_path: Path
) -> None:
    assert csv(tmp_path, text, **options) == expected


def test_tab_separated_values(tmp_path: Path) -> None:
    path = tmp_path / "file.tsv"
    bs.write_csv(NUMBERS, path)
    assert path.read_text().startswith("id\tname")
    assert bs.read_csv(path).to_pyarrow().to_pydict() == NUMBERS.to_pydict()


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("a,b\n1,2\n3\n", {}, bs.DataError, "row 2"),
        ("a\n1\n", {"delimiter": ",,"}, bs.UsageError, 'delimiter: expected one ASCII character, got ",,"'),
        ("a\n1\n", {"delimiter": 5}, TypeError, "delimiter: expected a str, got int"),
        ("a\n1\n", {"skip_rows": -1}, bs.UsageError, "skip_rows: .* of at least 0, got -1"),
        ("a\n1\n", {"has_header": "no"}, TypeError, "has_header: expected a bool, got str"),
        ("a\n1\n", {"columns": "a"}, TypeError, "columns: expected a list of str, got str"),
        ("a\n1\n", {"names": ["x", 1]}, TypeError, r"names\[1\]: expected a str, got int"),
        ("a,b\n1,2\n", {"names": ["x", "x"]}, bs.UsageError, "`names` has `x` twice, at 1 and at 2"),
        ("a,b\n1,2\n", {"names": ["x"]}, bs.UsageError, "`names` has 1 name for 2 columns"),
        ("a\n1\n", {"schema": "a"}, TypeError, "schema: expected an Arrow schema or a mapping .*, got str"),
        ("a\n1\n", {"schema": {"a": 1}}, TypeError, r'schema\["a"\]: expected a str, got int'),
        ("a\n1\n", {"on_bad_rows": "skipp"}, bs.UsageError, r"(?s)`skipp`.*did you mean `skip`\?"),
        ("a\n1\n", {"schema": {"a": "int65"}}, bs.UsageError, r'schema\["a"\]: `int65` is not a type'),
        ("a\n1\n", {"columns": ["b"]}, bs.UsageError, "`b`"),
        ("a\n1\n", {"filter": "a = 'x'"}, bs.UsageError, "cannot compare"),
    ],
)
def test_bad_csv_and_bad_options(
    text: str,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        csv(tmp_path, text, **options)


def test_options_that_do_not_exist_are_refused(numbers: Path) -> None:
    with pytest.raises(TypeError, match="colums"):
        bs.read_parquet(numbers, colums=["id"])  # type: ignore[call-arg]


def test_a_missing_file_says_which(tmp_path: Path) -> None:
    path = tmp_path / "missing.parquet"
    for call in (bs.read_parquet, bs.scan_parquet):
        with pytest.raises(bs.NotFoundError, match=r"missing\.parquet") as caught:
            call(path)
        assert isinstance(caught.value, FileNotFoundError)
        assert isinstance(caught.value, bs.BowstringError)
        assert caught.value.kind == "not_found"


def test_a_message_has_its_hint(numbers: Path) -> None:
    with pytest.raises(bs.UsageError) as caught:
        bs.scan_parquet(numbers).filter("valeu > 1")
    assert caught.value.hint == "did you mean `value`?"
    assert str(caught.value).endswith("\n\nhint: did you mean `value`?")
    assert caught.value.kind == "usage"


@pytest.mark.parametrize("damage", ["empty", "truncated", "magic", "gzip"])
def test_a_damaged_file_is_bad_data(damage: str, numbers: Path) -> None:
    good = numbers.read_bytes()
    numbers.write_bytes(
        {
            "empty": b"",
            "truncated": good[:-20],
            "magic": b"XXXX" + good[4:-4] + b"XXXX",
            "gzip": gzip.compress(good),
        }[damage]
    )
    with pytest.raises(bs.DataError, match=r"numbers\.parquet"):
        bs.read_parquet(numbers)


def test_a_file_of_another_format_says_so(numbers: Path, tmp_path: Path) -> None:
    arrow = tmp_path / "numbers.arrow"
    bs.write_ipc(NUMBERS, arrow)
    for read, path, message in (
        (bs.read_csv, numbers, r"numbers\.parquet` is not a valid csv file: it is parquet"),
        (bs.read_json, arrow, r"numbers\.arrow` is not a valid json file: it is ipc"),
        (bs.read_ipc, numbers, r"numbers\.parquet` is not a valid ipc file: it is parquet"),
        (bs.read_parquet, arrow, r"numbers\.arrow` is not a valid parquet file: it is ipc"),
    ):
        with pytest.raises(bs.DataError, match=message):
            read(path)


def test_json_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes('{"a":"é"}\n'.encode("latin-1"))
    with pytest.raises(bs.DataError, match="encoding"):
        bs.read_json(path)
    assert bs.read_json(path, encoding="latin1").to_pyarrow().to_pylist() == [{"a": "é"}]
    assert bs.scan_json(path, encoding="latin1").to_pyarrow().to_pylist() == [{"a": "é"}]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda path: bs.read_parquet([path, 1]), TypeError, r"path\[1\]: expected a str or .*, got int"),
        (lambda path: bs.read_parquet(b"x"), TypeError, "path: expected a str, .*, got bytes"),
        (lambda path: bs.read_parquet(path, row_groups=1), TypeError, "row_groups: .* list .*, got int"),
        (lambda path: bs.scan_parquet(path, row_groups=[-1]), bs.UsageError, r"row_groups\[0\]: .*, got -1"),
        (lambda path: bs.read_parquet(path, row_groups=[9]), bs.UsageError, "has 9, but there are 2"),
        (
            lambda path: bs.read_parquet(path, limit=1.5),
            TypeError,
            "limit: expected a whole number .*, got float",
        ),
        (lambda path: bs.read_parquet(path, filter=True), TypeError, "filter: expected a str, got bool"),
        (lambda path: bs.write_parquet(bs.read_parquet(path), 1), TypeError, "path: expected .*, got int"),
        (lambda path: bs.write_parquet(bs.read_parquet(path), path, level=99), bs.UsageError, r"1\.\.=22"),
        (lambda path: bs.read_parquet(path)[0], TypeError, "name: expected a str, got int"),
    ],
)
def test_wrong_arguments_are_named(
    call: Callable[[Path], object], error: type[Exception], message: str, numbers: Path
) -> None:
    with pytest.raises(error, match=message):
        call(numbers)


def test_a_table_without_columns_shows_its_size(numbers: Path) -> None:
    assert repr(bs.read_parquet(numbers, columns=[])) == "Table: 4 rows × 0 columns"


def test_row_groups(numbers: Path) -> None:
    assert bs.read_parquet(numbers, row_groups=[1, 0], columns=["id"]).to_pyarrow().to_pydict() == {
        "id": [3, 4, 1, 2]
    }
    filtered = bs.read_parquet(numbers, row_groups=[1], filter="value > 100")
    assert filtered.to_pyarrow()["id"].to_pylist() == [3]
    with pytest.raises(bs.UsageError, match="2"):
        bs.read_parquet(numbers, row_groups=[2])
    # A filter that the reader cannot check is the query engine's.
    assert bs.read_parquet(numbers, row_groups=[1], filter="id * 50 < value").num_rows == 1
    assert bs.read_parquet(numbers, filter="id * 50 = value").num_rows == 1


def test_a_scan_of_row_groups_knows_no_others(numbers: Path) -> None:
    frame = bs.scan_parquet(numbers, row_groups=[1])
    assert frame.to_pyarrow().to_pydict() == NUMBERS.slice(2).to_pydict()
    figures = {"n": "count(*)", "least": "min(id)", "nulls": "count(*) - count(value)"}
    assert frame.aggregate([], **figures).to_pyarrow().to_pylist() == [{"n": 2, "least": 3, "nulls": 1}]
    counted = bs.sql("SELECT count(*) AS n FROM t", t=frame).to_pyarrow()
    assert counted.to_pylist() == [{"n": 2}]
    assert frame.filter("id < 3").collect().num_rows == 0
    assert bs.scan_parquet(numbers, row_groups=[1, 0], limit=3).to_pyarrow()["id"].to_pylist() == [3, 4, 1]
    assert bs.scan_parquet(numbers, row_groups=[]).aggregate([], n="count(*)").to_pyarrow().to_pylist() == [
        {"n": 0}
    ]
    with pytest.raises(bs.UsageError, match="2"):
        bs.scan_parquet(numbers, row_groups=[2])


@pytest.mark.parametrize("ending", ["parquet", "json", "arrow"])
def test_fields_of_structures_are_columns(ending: str, tmp_path: Path) -> None:
    read, scan, write = FORMATS[ending]
    path = tmp_path / f"points.{ending}"
    points = [{"id": 1, "point": {"x": 10, "y": 20}}, {"id": 2, "point": {"x": 11, "y": 21}}]
    write(pa.Table.from_pylist(points), path)
    for options, expected in (
        ({"columns": ["point.y"]}, [{"point": {"y": 20}}, {"point": {"y": 21}}]),
        ({"columns": ["point.y", "id"], "filter": "id > 1"}, [{"point": {"y": 21}, "id": 2}]),
        ({"columns": ["point.y"], "filter": "point.x = 11"}, [{"point": {"y": 21}}]),
        ({"columns": ["id", "point.x", "id"], "limit": 1}, [{"id": 1, "point": {"x": 10}}]),
    ):
        assert read(path, **options).to_pyarrow().to_pylist() == expected
        assert scan(path, **options).to_pyarrow().to_pylist() == expected
    for call in (read, scan):
        with pytest.raises(bs.UsageError, match=r"did you mean `point\.x`"):
            call(path, columns=["pont.x"])


def test_a_file_without_rows_keeps_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    pq.write_table(NUMBERS.slice(0, 0), path)
    assert bs.read_parquet(path).to_pyarrow().schema.equals(NUMBERS.schema)


def test_types_are_the_files_own(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array(["x"], pa.string()),
            "large": pa.array(["x"], pa.large_string()),
            "view": pa.array(["x"], pa.string_view()),
            "bytes": pa.array([b"x"], pa.binary()),
            "when": pa.array([0], pa.timestamp("us", "Europe/Rome")),
            "dictionary": pa.array(["x"]).dictionary_encode(),
            "nested": pa.array([{"a": [1]}]),
            "money": pa.array(["1.50"]).cast(pa.decimal128(12, 2)),
        }
    )
    path = tmp_path / "types.parquet"
    pq.write_table(table, path)
    assert bs.read_parquet(path).to_pyarrow().schema.equals(pq.read_table(path).schema)


def test_nested_columns_and_hive_folders(tmp_path: Path) -> None:
    for year in (2024, 2025):
        bs.write_parquet(
            pa.table({"who": [{"name": "Ann", "age": year - 2000}]}),
            tmp_path / f"year={year}" / "part.parquet",
        )
    assert bs.read_parquet(tmp_path, columns=["who.age", "year"]).to_pyarrow().to_pylist() == [
        {"who": {"age": 24}, "year": 2024},
        {"who": {"age": 25}, "year": 2025},
    ]
    assert bs.read_parquet(tmp_path / "year=*" / "*.parquet", filter="year = 2025").num_rows == 1


def test_writing_options(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    bs.write_parquet(NUMBERS, path, compression="gzip", level=1, row_group_rows=3, statistics="none")
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).column(0).compression == "GZIP"
    assert metadata.row_group(0).column(0).statistics is None
    with pytest.raises(bs.UsageError, match="`brotl`"):
        bs.write_parquet(NUMBERS, path, compression="brotl")  # type: ignore[arg-type]
    stream = tmp_path / "file.arrows"
    bs.write_ipc(NUMBERS, stream, container="stream", compression="zstd")
    with pa.OSFile(str(stream)) as file:
        assert pa.ipc.open_stream(file).read_all().to_pydict() == NUMBERS.to_pydict()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    bs.write_parquet(NUMBERS, path)
    broken = bs.Frame(pa.table({"s": ["1", "x"]})).select("cast(s AS bigint) AS i")
    with pytest.raises(bs.DataError, match="'x'"):
        bs.write_parquet(broken, path)
    assert bs.read_parquet(path).num_rows == 4
    assert [file.name for file in tmp_path.iterdir()] == ["file.parquet"]


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(bs.StorageError) as caught:
        bs.write_parquet(NUMBERS, tmp_path)
    assert isinstance(caught.value, OSError)
