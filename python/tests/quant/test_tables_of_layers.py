"""Layers that are rows of a table of any library: they become what their arrays become, and come back."""

from __future__ import annotations

import doctest
import inspect
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

import bowstring as bs
from bowstring import _layers, quant

DIGITS = Path(__file__).parents[3] / "examples" / "digits-diffusion" / "data"
UNET = load_file(DIGITS / "unet" / "diffusion_pytorch_model.safetensors")
LAYERS = {name: weight for name, weight in UNET.items() if weight.ndim > 1}


def table(
    weights: dict[str, np.ndarray[Any, Any]], item: pa.DataType | None = None, shapes: bool = True
) -> pa.Table:
    """Make a table of layers, as people have them."""
    columns = {
        "layer_name": pa.array(list(weights), pa.string()),
        "weights": pa.array([weight.ravel() for weight in weights.values()], pa.list_(item or pa.float32())),
    }
    if shapes:
        columns["shape"] = pa.array([list(weight.shape) for weight in weights.values()], pa.list_(pa.int64()))
    return pa.table(columns)


def rows(made: bs.Table) -> list[dict[str, Any]]:
    """Give the rows of a table."""
    return pa.table(made).to_pylist()


SCHEMES: dict[str, dict[str, Any]] = {
    "zero_point": {},
    "symmetric": {"symmetric": True, "bits": 3, "scale_type": "f32"},
    "minimum": {"float_minimum": True, "bits": 2, "group_size": "channel", "scale_type": "bf16"},
    "nearest": {"method": "nearest", "bits": 8, "group_size": 16},
}


@pytest.mark.parametrize("options", SCHEMES.values(), ids=list(SCHEMES))
def test_a_network_is_what_its_arrays_are_and_comes_back(options: dict[str, Any]) -> None:
    packed = quant.quantize_table(table(LAYERS), **options)
    back = {row["layer_name"]: row for row in rows(quant.dequantize_table(packed))}
    assert list(back) == list(LAYERS)
    for row in rows(packed):
        weight = LAYERS[row["layer_name"]]
        made = quant.quantize_array(weight, **options)
        assert row["codes"] == made.codes.tobytes()
        assert row["scales"] == made.scales.tobytes()
        assert (row["offsets"] or b"") == made.offsets.tobytes()
        assert row["shape"] == list(weight.shape)
        assert (row["bits"], row["scheme"], row["scale_type"]) == (made.bits, made.scheme, made.scale_type)
        assert row["group_size"] == (0 if made.group_size == "channel" else made.group_size)
        assert [row[name] for name in ("sqnr", "relative_error", "cosine", "largest_error")] == [
            made.sqnr,
            made.relative_error,
            made.cosine,
            made.largest_error,
        ]
        values = np.float32(back[row["layer_name"]]["weights"]).reshape(back[row["layer_name"]]["shape"])
        assert np.array_equal(values, quant.dequantize(made))


def polars_table(given: pa.Table) -> pl.DataFrame:
    """Give a frame of polars, whose texts are views and whose lists are large."""
    return cast("pl.DataFrame", pl.from_arrow(given))


FORMS: dict[str, Callable[[pa.Table], Any]] = {
    "polars": polars_table,
    "chunks": lambda given: pa.concat_tables([given.slice(0, 3), given.slice(3, 0), given.slice(3)]),
    "part of a larger one": lambda given: (
        pa.concat_tables([table({"other": np.ones((2, 5), np.float32)}), given]).combine_chunks().slice(1)
    ),
    "a stream": lambda given: given.to_reader(max_chunksize=2),
    "a table of ours": bs.Table,
    "a frame": lambda given: bs.sql("SELECT * FROM given", given=given),
    "names as keys": lambda given: given.set_column(
        0, "layer_name", given["layer_name"].combine_chunks().dictionary_encode()
    ),
    "64 bits": lambda given: given.cast(
        pa.schema([*given.schema][:1])
        .append(pa.field("weights", pa.large_list(pa.float64())))
        .append(pa.field("shape", pa.large_list(pa.int32())))
    ),
    "views of lists": lambda given: pa.table(
        {
            "layer_name": given["layer_name"].cast(pa.string_view()),
            "weights": pa.array(given["weights"].to_pylist(), pa.list_view(pa.float32())),
            "shape": pa.array(given["shape"].to_pylist(), pa.large_list_view(pa.int64())),
        }
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_tables_come_in_any_form(form: Callable[[pa.Table], Any]) -> None:
    given = table(dict(list(LAYERS.items())[:6]))
    assert rows(quant.quantize_table(form(given))) == rows(quant.quantize_table(given))


def test_packed_tables_come_back_from_any_form() -> None:
    packed = quant.quantize_table(table(dict(list(LAYERS.items())[:6])), symmetric=True)
    expected = rows(quant.dequantize_table(packed))
    assert rows(quant.dequantize_table(polars_table(pa.table(packed)))) == expected
    parts = pa.concat_tables([pa.table(packed).slice(0, 1), pa.table(packed).slice(1)])
    assert rows(quant.dequantize_table(parts)) == expected
    figures = ["sqnr", "relative_error", "cosine", "largest_error"]
    assert rows(quant.dequantize_table(pa.table(packed).drop_columns(figures))) == expected


def test_a_file_between(tmp_path: Path) -> None:
    packed = quant.quantize_table(table(LAYERS))
    bs.write_parquet(packed, tmp_path / "packed.parquet")
    assert rows(quant.dequantize_table(bs.read_parquet(tmp_path / "packed.parquet"))) == rows(
        quant.dequantize_table(packed)
    )


def test_without_shapes_a_layer_is_one_channel_and_nothing_is_something() -> None:
    layers = {"a": np.arange(40, dtype=np.float32), "none": np.empty(0, np.float32)}
    packed = quant.quantize_table(table(layers, shapes=False), bits=8, group_size="channel")
    assert [row["shape"] for row in rows(packed)] == [[40], [0]]
    assert [len(row["scales"]) for row in rows(packed)] == [2, 0]
    assert [len(row["weights"]) for row in rows(quant.dequantize_table(packed))] == [40, 0]
    scalar = table({"scalar": np.float32(2).reshape(())})
    assert rows(quant.dequantize_table(quant.quantize_table(scalar, bits=8)))[0]["shape"] == []
    empty = quant.quantize_table(table({}))
    assert empty.num_rows == 0
    assert empty.column_names == packed.column_names
    assert quant.dequantize_table(empty).column_names == ["layer_name", "weights", "shape"]


def test_threads_do_not_change_it() -> None:
    given = table({"a": np.random.default_rng(1).standard_normal((300, 500)).astype(np.float32)})
    assert rows(quant.quantize_table(given, threads=1)) == rows(quant.quantize_table(given, threads=3))


def replaced(column: str, values: pa.Array[Any]) -> pa.Table:
    """Give a table of two layers with other values in a column."""
    given = table({"first": np.ones((2, 3), np.float32), "second": np.ones((1, 4), np.float32)})
    return given.set_column(given.column_names.index(column), column, values)


FLOATS, WHOLE = pa.list_(pa.float32()), pa.list_(pa.int64())
NAN = float("nan")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            replaced("layer_name", pa.array(["same", "same"])),
            bs.DataError,
            r"row 0, too\n  at row 1, layer `same`",
        ),
        (replaced("layer_name", pa.array(["a", None])), bs.DataError, r"`layer_name` is null\n  at row 1"),
        (
            replaced("weights", pa.array([[1.0] * 6, None], FLOATS)),
            bs.DataError,
            "null\n  at row 1, layer `second`",
        ),
        (replaced("weights", pa.array([[1.0] * 6, [1.0, None]], FLOATS)), bs.DataError, "nulls in its list"),
        (
            replaced("weights", pa.array([[1.0, NAN] * 3, [1.0] * 4], FLOATS)),
            bs.DataError,
            "3 of the weights are NaN(.|\n)*row 0, layer `first`",
        ),
        (
            replaced("shape", pa.array([[2, 3], [2, 3]], WHOLE)),
            bs.DataError,
            "4 where 6 are expected\n  at row 1, layer `second`",
        ),
        (replaced("shape", pa.array([[2, 3], [-1, -4]], WHOLE)), bs.DataError, "-1(.|\n)*layer `second`"),
        (replaced("shape", pa.array([None, [4]], WHOLE)), bs.DataError, "null\n  at row 0, layer `first`"),
        (replaced("weights", pa.array([[1], [2]], WHOLE)), bs.UsageError, "`weights` is of type List"),
        (replaced("layer_name", pa.array([1, 2])), bs.UsageError, "`layer_name` is of type Int64"),
        (table({}).drop_columns(["weights"]), bs.UsageError, "`weights` is not in the table"),
        (table({}).rename_columns(["name", "weights", "shape"]), bs.UsageError, "`name` is none of"),
        (quant.quantize_table(table({})), bs.UsageError, "`bits` is none of"),
        ({"layer_name": []}, TypeError, "expected a table"),
    ],
)
def test_layers_that_cannot_be(given: Any, error: type[Exception], message: str) -> None:  # noqa: ANN401 - anything
    with pytest.raises(error, match=message):
        quant.quantize_table(given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 5}, "`bits` cannot be 5"),
        ({"group_size": 20}, "`group_size` cannot be 20"),
        ({"symmetric": True, "float_minimum": True}, "float_minimum"),
        ({"method": "gptq"}, "`method` cannot be `gptq`(.|\n)*`nearest` or `mse`"),
        ({"scale_type": "f64"}, "scale_type"),
        ({"threads": 0}, "threads"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(bs.UsageError, match=message):
        quant.quantize_table(table({}), **options)


def test_packed_layers_that_cannot_be() -> None:
    packed = pa.table(quant.quantize_table(table({"first": np.ones((2, 3), np.float32)})))

    def refused(column: str, value: object, error: type[Exception], message: str) -> None:
        at = packed.column_names.index(column)
        changed = packed.set_column(at, column, pa.array([value], packed[column].type))
        with pytest.raises(error, match=message):
            quant.dequantize_table(changed)

    for column in ("bits", "scheme", "codes", "scales", "shape", "offsets"):
        refused(column, None, bs.DataError, f"`{column}` is null\n  at row 0, layer `first`")
    refused("bits", 6, bs.DataError, "`bits` cannot be 6")
    refused("shape", [3, 3], bs.DataError, "codes: 4 where 6 are expected\n  at row 0, layer `first`")
    refused("scales", b"\0\x7c\0\x7c", bs.DataError, "(NaN|infinite)(.|\n)*layer `first`")
    with pytest.raises(bs.UsageError, match="`scales` is not in the table"):
        quant.dequantize_table(packed.drop_columns(["scales"]))


def test_a_forked_process_quantizes_too() -> None:
    given = table(LAYERS)
    expected = rows(quant.quantize_table(given))
    child = os.fork()
    if child == 0:
        os._exit(0 if rows(quant.quantize_table(given)) == expected else 1)
    deadline = time.monotonic() + 60
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            pytest.fail("the child waits for ever")
        time.sleep(0.01)
    assert done[1] == 0


@pytest.mark.parametrize("call", [quant.quantize_table, quant.dequantize_table])
def test_every_parameter_is_described(call: Callable[..., object]) -> None:
    arguments = inspect.cleandoc(call.__doc__ or "").split("Args:\n")[1].split("\n\n")[0]
    assert re.findall(r"^    (\w+): ", arguments, re.M) == list(inspect.signature(call).parameters)


def test_every_example_runs() -> None:
    failed, ran = doctest.testmod(_layers, extraglobs={"bs": bs})
    assert (failed, ran) == (0, 8)
