"""Single arrays with fewer bits: what comes in, what goes out, and what is refused."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from interrupts import interrupted
from safetensors.numpy import save_file

import bowstring as bs
from bowstring import quant

RANDOM = np.random.default_rng(11)
WEIGHTS = RANDOM.standard_t(4, (24, 80)).astype(np.float32)
BITS = (2, 3, 4, 8)


def parts(quantized: quant.QuantizedArray) -> tuple[bytes, bytes, bytes]:
    """Give all bytes of an array."""
    return quantized.codes.tobytes(), quantized.scales.tobytes(), quantized.offsets.tobytes()


@pytest.mark.parametrize("bits", BITS)
def test_packing_is_what_numpy_packs_and_comes_back(bits: int) -> None:
    for count in range(1001):
        codes = RANDOM.integers(0, 2**bits, count, np.uint8)
        packed = quant.pack(codes, bits)
        single = (codes[:, None] >> np.arange(bits, dtype=np.uint8)) & 1
        assert packed.tobytes() == np.packbits(single.ravel(), bitorder="little").tobytes()
        assert np.array_equal(quant.unpack(packed, bits, count), codes)


def test_codes_come_in_any_form() -> None:
    expected = quant.pack([1, 2, 3], 4).tobytes()
    forms = [
        np.array([1, 2, 3]),
        np.array([1, 0, 2, 0, 3], np.int8)[::2],
        pa.array([1, 2, 3], pa.int64()),
        pa.chunked_array([[9, 1], [2, 3]], pa.uint8())[1:],
    ]
    assert [quant.pack(form, 4).tobytes() for form in forms] == [expected] * 4
    packed = [expected, bytearray(expected), memoryview(expected), np.frombuffer(expected, np.uint8)]
    assert [quant.unpack(form, 4, 3).tolist() for form in packed] == [[1, 2, 3]] * 4
    assert quant.pack([], 3).tolist() == quant.unpack(b"", 3, 0).tolist() == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: quant.pack([1, 16], 4), bs.UsageError, "code 1 is 16, which 4 bits cannot hold"),
        (lambda: quant.pack([1, 256], 8), bs.UsageError, "codes: expected whole numbers from 0 to 255"),
        (lambda: quant.pack([-1], 8), bs.UsageError, "codes: expected whole numbers from 0 to 255"),
        (lambda: quant.pack([0.5], 8), bs.UsageError, "codes: expected whole numbers from 0 to 255"),
        (lambda: quant.pack(pa.array([1, None]), 8), bs.UsageError, "codes: expected no nulls"),
        (lambda: quant.pack([[1]], 8), TypeError, "codes"),
        (lambda: quant.pack([1], 5), bs.UsageError, "`bits` cannot be 5"),
        (lambda: quant.pack([1], "4"), TypeError, "bits"),  # type: ignore[arg-type]
        (lambda: quant.unpack(b"12", 4, 5), bs.UsageError, "2 where 3 are expected"),
        (lambda: quant.unpack(b"12", 4, 2**62), bs.UsageError, "2 where"),
        (lambda: quant.unpack(b"12", 4, -1), bs.UsageError, "count"),
        (lambda: quant.unpack("12", 4, 4), TypeError, "packed"),
    ],
)
def test_codes_that_cannot_be(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("scheme", ["zero_point", "symmetric", "minimum"])
@pytest.mark.parametrize("scale_type", ["f32", "f16", "bf16", "f8"])
@pytest.mark.parametrize("code_type", ["linear", "quadratic"])
@pytest.mark.parametrize("group_size", [16, "channel"])
def test_an_array_is_what_the_file_of_its_model_has(
    tmp_path: Path,
    bits: int,
    scheme: str,
    scale_type: str,
    code_type: str,
    group_size: int | str,
) -> None:
    if (scheme, scale_type) == ("minimum", "f8"):
        with pytest.raises(bs.UsageError, match="`f8` beside float minima"):
            quant.quantize_array(WEIGHTS, scale_type="f8", float_minimum=True)
        return
    options: dict[str, Any] = {
        "bits": bits,
        "group_size": group_size,
        "symmetric": scheme == "symmetric",
        "float_minimum": scheme == "minimum",
        "scale_type": scale_type,
        "code_type": code_type,
    }
    save_file({"layer.weight": WEIGHTS}, tmp_path / "model.safetensors")
    bs.quantize(tmp_path / "model.safetensors", tmp_path / "x.parquet", **options)
    (row,) = pq.read_table(tmp_path / "x.parquet").to_pylist()
    quantized = quant.quantize_array(WEIGHTS, **options)
    assert parts(quantized) == (row["codes"], row["scales"], row["offsets"])
    assert (quantized.scheme, quantized.scale_type) == (row["scheme"], row["scale_type"])
    assert quantized.code_type == row["code_type"] == code_type
    assert quantized.scale_unit == (row["scale_unit"] or 1.0)
    assert (row["columns"], row["group_axis"]) == (WEIGHTS.shape[1], 1)
    assert quantized.group_size == group_size
    for figure in ("sqnr", "relative_error", "cosine", "largest_error"):
        assert getattr(quantized, figure) == row[figure]
    assert quantized.nbytes == sum(len(part) for part in parts(quantized))
    assert quantized.bits_per_weight == 8 * quantized.nbytes / WEIGHTS.size
    scales = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "f8": np.int8}[scale_type]
    groups = 5 if group_size == 16 else 1
    assert quantized.scales.dtype == scales
    assert quantized.scales.shape == (24, groups)
    assert quantized.codes.shape == (24, 10 * bits)
    if scheme == "minimum":
        assert quantized.offsets.dtype == scales
    back = quant.dequantize(quantized)
    assert np.array_equal(back, bs.QuantizedModel(tmp_path / "x.parquet").read("layer.weight"))


def test_quadratic_codes_and_scales_of_eight_bits_are_what_is_documented() -> None:
    quantized = quant.quantize_array(
        WEIGHTS, bits=4, group_size=16, symmetric=True, scale_type="f8", code_type="quadratic"
    )
    codes = quant.unpack(quantized.codes.reshape(-1), 4, WEIGHTS.size).reshape(WEIGHTS.shape)
    above = codes.astype(np.float32) - 8
    levels = above * (1 + np.abs(above) / 8)
    units = quantized.scales.astype(np.float32)
    scales = np.float32(quantized.scale_unit) * (units * np.abs(units))
    expected = levels * np.repeat(scales, 16, axis=1)
    assert np.array_equal(quant.dequantize(quantized), expected)
    assert quantized.bits_per_weight == 4.5
    halves = quant.quantize_array(WEIGHTS, bits=4, group_size=32, symmetric=True)
    assert quantized.sqnr > halves.sqnr


def test_arrays_of_any_kind_and_layout() -> None:
    expected = parts(quant.quantize_array(WEIGHTS))
    wide = np.zeros((24, 160), np.float32)
    wide[:, ::2] = WEIGHTS
    lists = pa.FixedSizeListArray.from_arrays(pa.array(WEIGHTS.ravel()), 80)
    doubled = pa.concat_arrays([lists, lists])
    forms = [
        WEIGHTS.astype(np.float64),
        np.asfortranarray(WEIGHTS),
        wide[:, ::2],
        WEIGHTS.astype(">f4"),
        WEIGHTS.tolist(),
        lists,
        doubled.slice(24),
        pa.chunked_array([doubled.slice(24, 5), doubled.slice(5, 19)]),
        lists.cast(pa.list_(pa.float64(), 80)),
        pa.table({"w": doubled}).column("w").slice(24),
    ]
    assert [parts(quant.quantize_array(form)) for form in forms] == [expected] * len(forms)
    halves = WEIGHTS.astype(np.float16)
    of_halves = parts(quant.quantize_array(halves.astype(np.float32)))
    assert parts(quant.quantize_array(halves)) == of_halves
    assert (
        parts(quant.quantize_array(pa.FixedSizeListArray.from_arrays(pa.array(halves.ravel()), 80)))
        == of_halves
    )


def test_the_first_axis_are_the_channels() -> None:
    cube = WEIGHTS.reshape(24, 5, 4, 4)
    nested = pa.FixedSizeListArray.from_arrays(
        pa.FixedSizeListArray.from_arrays(pa.array(WEIGHTS.ravel()), 16), 5
    )
    for form, shape in ((cube, (24, 5, 4, 4)), (nested, (24, 5, 16))):
        quantized = quant.quantize_array(form)
        assert quantized.shape == shape
        assert parts(quantized) == parts(quant.quantize_array(WEIGHTS))
        assert quant.dequantize(quantized).shape == shape
    row = quant.quantize_array(WEIGHTS[3])
    assert row.shape == (80,)
    assert (
        parts(row)
        == parts(quant.quantize_array(WEIGHTS[3:4]))
        == parts(quant.quantize_array(pa.array(WEIGHTS[3])))
    )
    for shape in ((), (1,), (0,), (0, 5), (5, 0), (2, 0, 3)):
        quantized = quant.quantize_array(np.ones(shape))
        assert quantized.shape == shape
        back = quant.dequantize(quantized)
        assert back.shape == shape
        assert np.allclose(back, 1, atol=1e-3)
        assert quantized.bits_per_weight == (8 * quantized.nbytes if back.size else 0)


def test_singles_are_not_copied() -> None:
    large = RANDOM.standard_normal((512, 1024)).astype(np.float32)
    tracemalloc.start()
    quant.quantize_array(large, bits=2, method="nearest")
    plain = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    quant.quantize_array(large.T, bits=2, method="nearest")
    transposed = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plain < large.nbytes / 8
    assert transposed > large.nbytes / 2


def test_more_types_on_the_way_back() -> None:
    quantized = quant.quantize_array(WEIGHTS, bits=8)
    singles = quant.dequantize(quantized)
    assert singles.dtype == np.float32
    halves = quant.dequantize(quantized, dtype="f16")
    assert halves.dtype == np.float16
    assert np.array_equal(halves, singles.astype(np.float16))
    upper = quant.dequantize(quantized, dtype="bf16", threads=1)
    bits = singles.view(np.uint32)
    assert upper.dtype == np.uint16
    assert upper.shape == singles.shape
    with pytest.raises(bs.UsageError, match="dtype"):
        quant.dequantize(quantized, dtype="f8")  # type: ignore[arg-type]
    assert np.array_equal(upper, ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16))


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("shape", [(24, 80), (3, 8, 5, 16), (1920,), (0, 80)])
def test_numbers_stand_where_they_are_asked_for(
    shape: tuple[int, ...], dtype: Literal["f32", "f16", "bf16"]
) -> None:
    count = int(np.prod(shape))
    quantized = quant.quantize_array(WEIGHTS.reshape(-1)[:count].reshape(shape), bits=3)
    expected = quant.dequantize(quantized, dtype=dtype)
    around = np.full(count + 2, 77, expected.dtype)
    out = around[1:-1].reshape(shape)
    assert quant.dequantize(quantized, dtype=dtype, out=out, threads=2) is out
    assert np.array_equal(out, expected)
    assert (around[0], around[-1]) == (77, 77)


def test_room_that_does_not_fit_is_refused_and_stays() -> None:
    quantized = quant.quantize_array(WEIGHTS)
    read_only = np.ones(WEIGHTS.shape, np.float32)
    read_only.setflags(write=False)
    misaligned = np.frombuffer(bytearray(WEIGHTS.nbytes + 1), np.float32, offset=1).reshape(WEIGHTS.shape)
    refused: list[tuple[Any, Any, type[Exception], str]] = [
        ([0.0], "f32", TypeError, "expected an array of numpy, got list"),
        (
            np.ones(WEIGHTS.shape),
            "f32",
            bs.UsageError,
            'array of float32 for dtype "f32", got one of float64',
        ),
        (np.ones(WEIGHTS.shape, ">f4"), "f32", bs.UsageError, "got one of >f4"),
        (np.ones(WEIGHTS.shape, np.float32), "f16", bs.UsageError, 'float16 for dtype "f16", got one of'),
        (np.ones(WEIGHTS.shape, np.float16), "bf16", bs.UsageError, 'uint16 for dtype "bf16", got one of'),
        (np.ones((80, 24), np.float32), "f32", bs.UsageError, "of shape (24, 80), got (80, 24)"),
        (np.ones((80, 24), np.float32).T, "f32", bs.UsageError, "in one piece"),
        (np.ones((24, 160), np.float32)[:, ::2], "f32", bs.UsageError, "in one piece"),
        (misaligned, "f32", bs.UsageError, "in one piece"),
        (read_only, "f32", bs.UsageError, "read-only"),
    ]
    for out, dtype, error, message in refused:
        before = np.array(out)
        with pytest.raises(error, match=f"out: .*{re.escape(message)}"):
            quant.dequantize(quantized, dtype=dtype, out=out)
        assert np.array_equal(out, before)


def test_room_that_is_read_from_is_refused() -> None:
    quantized = quant.quantize_array(WEIGHTS, bits=8)
    memory = np.zeros(WEIGHTS.size, np.float32)
    for part in ("codes", "scales", "offsets"):
        own = getattr(quantized, part)
        shared = memory.view(np.uint8)[-own.nbytes :].view(own.dtype).reshape(own.shape)
        shared[:] = own
        with pytest.raises(bs.UsageError, match="memory of its own, got that of codes, scales or offsets"):
            quant.dequantize(
                dataclasses.replace(quantized, **{part: shared}), out=memory.reshape(WEIGHTS.shape)
            )
        assert np.array_equal(shared, own)


def test_importance_moves_the_error() -> None:
    importance = np.ones(80)
    importance[::8] = 1e4

    def error(quantized: quant.QuantizedArray) -> float:
        return float((((quant.dequantize(quantized) - WEIGHTS) ** 2) * importance).sum())

    plain, weighted = (
        quant.quantize_array(WEIGHTS, bits=2, importance=given) for given in (None, importance)
    )
    assert error(weighted) < 0.8 * error(plain)
    assert weighted.sqnr < plain.sqnr
    assert parts(weighted) == parts(quant.quantize_array(WEIGHTS, bits=2, importance=pa.array(importance)))


def test_what_is_made_cannot_be_changed() -> None:
    quantized = quant.quantize_array(WEIGHTS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        quantized.bits = 2  # type: ignore[misc]
    for array in (quantized.codes, quantized.scales, quantized.offsets, quant.dequantize(quantized)):
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("array", "options", "error", "message"),
    [
        (WEIGHTS, {"bits": 5}, bs.UsageError, "`bits` cannot be 5"),
        (WEIGHTS, {"group_size": 20}, bs.UsageError, "group_size"),
        (WEIGHTS, {"method": "best"}, bs.UsageError, "method"),
        (WEIGHTS, {"scale_type": "f4"}, bs.UsageError, "scale_type"),
        (WEIGHTS, {"code_type": "cubic"}, bs.UsageError, "code_type"),
        (WEIGHTS, {"symmetric": True, "float_minimum": True}, bs.UsageError, "float_minimum"),
        (WEIGHTS, {"threads": 0}, bs.UsageError, "threads"),
        (WEIGHTS, {"importance": [1.0]}, bs.UsageError, "1 where 80 are expected"),
        (WEIGHTS, {"importance": [-1.0] * 80}, bs.UsageError, "importance"),
        (WEIGHTS, {"importance": [1.0] * 80, "method": "nearest"}, bs.UsageError, "importance"),
        (WEIGHTS * np.float32(np.nan), {}, bs.DataError, "1920 of the weights are NaN"),
        (np.full((2, 2), 1e300), {}, bs.DataError, "4 are infinite"),
        (WEIGHTS * 1e6, {"bits": 2}, bs.DataError, "does not fit f16"),
        (np.ones((2, 2), np.int64), {}, TypeError, "expected floats, got int64"),
        ("weights", {}, TypeError, "expected floats"),
        (pa.array([1, 2]), {}, bs.UsageError, "got Int64"),
        (pa.array([1.0, None]), {}, bs.UsageError, "no nulls"),
        (pa.array([[1.0], None], pa.list_(pa.float32(), 1)), {}, bs.UsageError, "no nulls"),
        (
            pa.FixedSizeListArray.from_arrays(pa.array([1.0, 2.0]), 1, mask=pa.array([False, True])),
            {},
            bs.UsageError,
            "no nulls",
        ),
        (pa.array([[1.0], [2.0, 3.0]]), {}, bs.UsageError, "got List"),
        (pa.table({"w": [1.0]}), {}, bs.UsageError, "got Struct"),
    ],
)
def test_arrays_that_cannot_be(
    array: object, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        quant.quantize_array(array, **options)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (24, 81)},
        {"shape": (2**40, 2**40)},
        {"bits": 2},
        {"bits": 5},
        {"group_size": 256},
        {"scheme": "symmetric"},
        {"scheme": "odd"},
        {"scale_type": "f32"},
        {"scale_type": "f8"},
        {"scale_type": "f4"},
        {"scale_unit": 0.0},
        {"code_type": "cubic"},
        {"codes": np.zeros((24, 39), np.uint8)},
        {"codes": np.zeros((24, 39), np.uint8), "scales": np.zeros(60, np.float16)},
        {"offsets": np.zeros((24, 0), np.uint8)},
    ],
)
def test_parts_that_do_not_belong_together(change: dict[str, Any]) -> None:
    quantized = dataclasses.replace(quant.quantize_array(WEIGHTS), **change)
    with pytest.raises(bs.UsageError):
        quant.dequantize(quantized)


def test_other_threads_run_meanwhile_and_ctrl_c_ends_it() -> None:
    large = RANDOM.standard_normal((4096, 4096)).astype(np.float32)
    started = time.monotonic()
    quant.quantize_array(large[:256], bits=2, threads=1)
    sixteenth = time.monotonic() - started
    beats = []

    def beat() -> None:
        for _ in range(20):
            time.sleep(0.01)
            beats.append(time.monotonic())

    with interrupted(after=beat) as begun:
        started = time.monotonic()
        begun.set()
        with pytest.raises(KeyboardInterrupt):
            quant.quantize_array(large, bits=2, threads=1)
        took = time.monotonic() - started
    assert len(beats) == 20
    assert took < 8 * sixteenth + 0.5


def test_threads_do_not_change_it() -> None:
    large = RANDOM.standard_normal((300, 512)).astype(np.float32)
    one, three = (quant.quantize_array(large, threads=threads) for threads in (1, 3))
    assert parts(one) == parts(three)
    assert one.sqnr == three.sqnr
    assert np.array_equal(quant.dequantize(one, threads=1), quant.dequantize(one, threads=3))


def test_every_parameter_is_described_and_every_example_runs(tmp_path: Path) -> None:
    functions = [quant.pack, quant.unpack, quant.quantize_array, quant.dequantize, quant.validate]
    for function in functions:
        text = inspect.cleandoc(function.__doc__ or "")
        arguments = text.split("Args:\n")[1].split("\n\n")[0]
        assert re.findall(r"^    (\w+): ", arguments, re.M) == list(inspect.signature(function).parameters)
        assert all(f"{section}:\n" in text for section in ("Returns", "Raises", "Examples"))
    model = {"block.attn.weight": np.sin(np.arange(32 * 48, dtype=np.float32)).reshape(32, 48)}
    save_file({**model, "block.norm.weight": np.ones(48, np.float32)}, tmp_path / "model.safetensors")
    failed, ran = doctest.testmod(quant, extraglobs={"bs": bs, "np": np, "folder": tmp_path})
    assert failed == 0
    assert ran > 12
