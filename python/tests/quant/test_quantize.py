"""Models with fewer bits: what is written, what is read back, and what is refused."""

from __future__ import annotations

import asyncio
import doctest
import inspect
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from interrupts import interrupted
from safetensors.numpy import save_file

import bowstring as bs
from bowstring import _quant

RANDOM = np.random.default_rng(8)

TENSORS = {
    "block.attn.weight": RANDOM.standard_t(4, (32, 48)).astype(np.float32),
    "block.conv.weight": RANDOM.standard_normal((8, 3, 5, 5)).astype(np.float16),
    "block.flat.weight": np.zeros((4, 16), np.float32),
    "block.norm.weight": np.ones(48, np.float32),
    # Large enough for several threads.
    "block.up.weight": RANDOM.standard_normal((300, 512)).astype(np.float32),
    "embeddings.position_ids": np.arange(7),
    "lm_head.weight": RANDOM.standard_normal((10, 12)).astype(np.float32),
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model in a file that the safetensors package has written."""
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    return path


def listed(report: bs.QuantizationReport) -> list[dict[str, Any]]:
    """Give the rows of a report."""
    return pa.table(report.tensors).to_pylist()


def unpacked(data: bytes, rows: int, count: int, bits: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Take codes apart as the documentation of the files says."""
    flat = np.unpackbits(np.frombuffer(data, np.uint8).reshape(rows, -1), axis=1, bitorder="little")
    codes = flat[:, : count * bits].reshape(rows, count, bits) << np.arange(bits, dtype=np.uint8)
    return codes.sum(axis=2).astype(np.float32)


def weights(row: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Make of a row of a file what it stands for, as the documentation says."""
    if row["scheme"] == "f16":
        return np.frombuffer(row["codes"], "<f2").astype(np.float32)
    bits, columns = row["bits"], row["columns"]
    rows, size = row["count"] // columns, row["group_size"] or columns
    groups = -(-columns // size)
    of_group = np.arange(columns) // size

    def numbers(data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.frombuffer(data, "<f2").astype(np.float32).reshape(rows, groups)[:, of_group]

    codes, scales = unpacked(row["codes"], rows, columns, bits), numbers(row["scales"])
    match row["scheme"]:
        case "symmetric":
            values = (codes - np.float32(2 ** (bits - 1))) * scales
        case "zero_point":
            values = (codes - unpacked(row["offsets"], rows, groups, bits)[:, of_group]) * scales
        case _:
            values = codes * scales + numbers(row["offsets"])
    return values.ravel()


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("scheme", ["zero_point", "symmetric", "minimum"])
@pytest.mark.parametrize("group_size", [16, 64, "channel"])
def test_numpy_reads_what_the_documentation_says(
    model: Path, tmp_path: Path, bits: int, scheme: str, group_size: int | Literal["channel"]
) -> None:
    out = tmp_path / "packed.parquet"
    report = bs.quantize(
        model,
        out,
        bits=bits,
        group_size=group_size,
        symmetric=scheme == "symmetric",
        float_minimum=scheme == "minimum",
    )
    assert report.file_bytes == out.stat().st_size
    packed = bs.QuantizedModel(out)
    assert sorted(packed) == sorted(TENSORS)
    rows = pq.read_table(out).to_pylist()
    told = {row["name"]: row for row in listed(report)}
    for row in rows:
        before = TENSORS[row["name"]]
        if row["scheme"] == "kept":
            assert row["codes"] == before.tobytes()
            continue
        expected = weights(row)
        found = packed.read(row["name"])
        assert found.shape == before.shape
        assert np.array_equal(found.ravel(), expected)
        before = before.astype(np.float64).ravel()
        assert row["largest_error"] == np.abs(before - expected).max()
        assert told[row["name"]]["largest_error"] == row["largest_error"]
        if (before - expected).any():
            ratio = 10 * np.log10((before**2).sum() / ((before - expected) ** 2).sum())
            assert row["sqnr"] == pytest.approx(ratio, abs=1e-6)
    packed_rows = [row for row in rows if row["bits"] is not None]
    assert {row["name"] for row in packed_rows} == {
        "block.attn.weight",
        "block.conv.weight",
        "block.flat.weight",
        "block.up.weight",
    }
    assert {row["scheme"] for row in packed_rows} == {scheme}
    assert report.bytes_before == sum(tensor.nbytes for tensor in TENSORS.values())
    assert report.bytes_after == sum(
        len(row["codes"]) + len(row["scales"] or b"") + len(row["offsets"] or b"") for row in rows
    )


def test_more_bits_and_the_search_come_closer(model: Path, tmp_path: Path) -> None:
    def ratio(options: dict[str, Any]) -> float:
        tensors = listed(bs.quantize(model, tmp_path / "x.parquet", **options))
        return next(row["sqnr"] for row in tensors if row["name"] == "block.attn.weight")

    ratios = [ratio({"bits": bits}) for bits in (2, 3, 4, 8)]
    assert ratios == sorted(ratios)
    for bits in (2, 3, 4):
        assert ratio({"bits": bits}) >= ratio({"bits": bits, "method": "nearest"})
    assert ratio({"profile": "cloud"}) == ratio({"bits": 8, "group_size": 64})
    assert ratio({"profile": "edge", "bits": 3}) == ratio({"bits": 3, "group_size": 256})


def test_a_policy_decides_by_name(model: Path, tmp_path: Path) -> None:
    policy = {"*.attn.*": 8, "*.conv.*": "keep", "*.flat.*": "half"}
    tensors = listed(bs.quantize(model, tmp_path / "x.parquet", policy=policy))
    stored = {row["name"]: (row["stored"], row["bits"]) for row in tensors}
    assert stored["block.attn.weight"] == ("zero_point", 8)
    assert stored["block.conv.weight"] == ("kept", None)
    assert stored["block.flat.weight"] == ("f16", None)


def test_a_policy_decides_by_kind_and_shape(model: Path, tmp_path: Path) -> None:
    tensors = listed(bs.quantize(model, tmp_path / "x.parquet"))
    shape, kind = tensors[0]["shape"], tensors[-1]["kind"]
    policy = {f"shape:{'x'.join(map(str, shape))}": "keep", f"kind:{kind}": "half", "*.absent": 8, "*a": 8}
    report = bs.quantize(model, tmp_path / "x.parquet", policy=policy)
    assert report.unused == ("*.absent", "*a")
    for row in listed(report):
        kept = row["shape"] == shape
        assert kept or row["kind"] != kind or row["stored"] in {"f16", "bf16", "kept"}
        assert not kept or row["stored"] == "kept"


def test_threads_do_not_change_the_file(model: Path, tmp_path: Path) -> None:
    files = [tmp_path / "one.parquet", tmp_path / "three.parquet"]
    bs.quantize(model, files[0], threads=1)
    bs.quantize(model, files[1], threads=3)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_folder_of_several_files_has_the_weights_of_one(model: Path, tmp_path: Path) -> None:
    one = bs.quantize(model, tmp_path / "one.parquet", bits=3)
    report = bs.quantize(model, tmp_path / "packed", bits=3, shard_size="20kB")
    files = sorted((tmp_path / "packed").iterdir())
    assert [file.name for file in files] == [f"model-0000{n}-of-00003.parquet" for n in (1, 2, 3)]
    assert listed(report) == listed(one)
    assert report.file_bytes == sum(file.stat().st_size for file in files)
    whole = pq.read_table(tmp_path / "one.parquet").to_pylist()
    assert [row for file in files for row in pq.read_table(file).to_pylist()] == whole
    packed, single = bs.QuantizedModel(tmp_path / "packed"), bs.QuantizedModel(tmp_path / "one.parquet")
    assert list(packed) == list(single)
    assert packed.metadata == single.metadata
    assert all(np.array_equal(packed.read(name), single.read(name)) for name in packed)
    assert bs.quant.validate(tmp_path / "packed", model).passed
    for name, path in (("packed", "a.safetensors"), ("one.parquet", "b.safetensors")):
        config = {"model": str(tmp_path / name), "path": str(tmp_path / path)}
        assert bs.Workflow("dense").step("dense", "dequantize", config).run()
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()

    again = asyncio.run(bs.quant.quantize_async(model, tmp_path / "again", bits=3, shard_size=20_000))
    assert again.file_bytes == report.file_bytes
    with pytest.raises(bs.StorageError, match="packed"):
        bs.quantize(model, tmp_path / "packed", shard_size=20_000)
    for out, size in (("x.parquet", "2kB"), ("x", "0"), ("x", -1), ("x", "much")):
        with pytest.raises((bs.UsageError, TypeError)):
            bs.quantize(model, tmp_path / out, shard_size=size)
    with pytest.raises(bs.UsageError, match="shard_size: expected None beside `min_psnr`"):
        bs.quantize(model, tmp_path / "x", shard_size=1, min_psnr=20, psnr=lambda _: 0)
    files[0].unlink()
    with pytest.raises(bs.DataError, match=r"model-00001-of-00003\.parquet` is missing"):
        bs.QuantizedModel(tmp_path / "packed")


def test_what_is_not_finite_is_refused_or_kept(tmp_path: Path) -> None:
    odd = TENSORS["block.attn.weight"].copy()
    odd[3, 4] = np.nan
    model = tmp_path / "odd.safetensors"
    save_file({"block.attn.weight": odd}, model)
    out = tmp_path / "x.parquet"
    with pytest.raises(bs.DataError, match=r"1 of the weights are NaN") as raised:
        bs.quantize(model, out)
    assert "block.attn.weight" in str(raised.value)
    assert not out.exists()
    report = bs.quantize(model, out, keep_non_finite=True)
    assert listed(report)[0]["not_finite"] == 1
    assert np.array_equal(bs.QuantizedModel(out).read("block.attn.weight"), odd, equal_nan=True)


def test_progress_is_told_and_may_end_the_work(model: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    out = tmp_path / "x.parquet"
    bs.quantize(model, out, on_progress=lambda *each: told.append(each))
    assert [number for _, number, _ in told] == list(range(1, len(TENSORS) + 1))
    assert {count for *_, count in told} == {len(TENSORS)}
    assert {name for name, *_ in told} == set(TENSORS)
    before = out.read_bytes()

    def stop(name: str, number: int, count: int) -> None:
        if number == 2:
            raise KeyError(name)

    with pytest.raises(KeyError):
        bs.quantize(model, out, bits=2, on_progress=stop)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors", "x.parquet"]


@pytest.mark.parametrize("ending", ["parquet", "safetensors"])
def test_floats_are_read_as_any_type(tmp_path: Path, ending: str) -> None:
    # More rows than are read at once.
    large = RANDOM.standard_normal((1500, 1024)).astype(np.float32)
    save_file({**TENSORS, "block.large.weight": large}, tmp_path / "model.safetensors")
    out = tmp_path / f"packed.{ending}"
    bs.quantize(tmp_path / "model.safetensors", out, method="nearest")
    packed = bs.QuantizedModel(out)
    for name in packed:
        singles, halves = packed.read(name), packed.read(name, dtype="f16")
        upper = packed.read(name, dtype="bf16")
        assert singles.shape == halves.shape == upper.shape
        if singles.dtype != np.float32:
            assert singles.dtype == halves.dtype == upper.dtype == np.int64
            assert np.array_equal(singles, upper)
            continue
        assert (halves.dtype, upper.dtype) == (np.float16, np.uint16)
        assert np.array_equal(halves, singles.astype(np.float16))
        bits = singles.view(np.uint32)
        assert np.array_equal(upper, ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16))
    unknown: Any = "f8"
    with pytest.raises(bs.UsageError, match="dtype"):
        packed.read("block.up.weight", dtype=unknown)


def test_a_callback_that_blocks_is_left_by_a_second_ctrl_c(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    out.write_bytes(b"old")
    let_go = threading.Event()
    started = time.monotonic()
    with interrupted(times=2) as begun:

        def block(*_: object) -> None:
            begun.set()
            let_go.wait(60)

        with pytest.raises(KeyboardInterrupt):
            bs.quantize(model, out, on_progress=block)
    assert time.monotonic() - started < 30, "the callback had let go"
    assert out.read_bytes() == b"old"
    let_go.set()
    # What still ran notices that it was left, and takes away what it had begun.
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) > 2:
        assert time.monotonic() < deadline, list(tmp_path.iterdir())
        time.sleep(0.05)
    assert out.read_bytes() == b"old"


def test_ctrl_c_ends_it_and_leaves_the_old_file(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).standard_normal((4096, 2048)).astype(np.float32)
    model = tmp_path / "model.safetensors"
    save_file({f"{index}.weight": weights for index in range(6)}, model)
    out = tmp_path / "x.parquet"
    out.write_bytes(b"old")
    started = time.monotonic()
    with interrupted() as begun:

        def tell(*_: object) -> None:
            begun.set()
            time.sleep(0.2)

        with pytest.raises(KeyboardInterrupt):
            bs.quantize(model, out, bits=2, threads=1, on_progress=tell)
    assert time.monotonic() - started < 60
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bits": 5}, bs.UsageError, "bits"),
        ({"bits": "4"}, TypeError, "bits"),
        ({"bits": 2**40}, bs.UsageError, "bits"),
        ({"group_size": 20}, bs.UsageError, "group_size"),
        ({"group_size": 1.5}, TypeError, "group_size"),
        ({"method": "best"}, bs.UsageError, "method"),
        ({"scale_type": "f4"}, bs.UsageError, "scale_type"),
        ({"scale_type": "f8", "float_minimum": True}, bs.UsageError, "beside float minima"),
        ({"code_type": "cubic"}, bs.UsageError, "code_type"),
        ({"profile": "moon"}, bs.UsageError, "profile"),
        ({"policy": ["*"]}, TypeError, "policy"),
        ({"policy": {"*": 16}}, bs.UsageError, "policy"),
        ({"policy": {"*": 1.5}}, TypeError, "policy"),
        ({"policy": {"[": 4}}, bs.UsageError, "pattern"),
        ({"policy": {"kind:norm": 4}}, bs.UsageError, "the kinds are"),
        ({"promote": True}, bs.UsageError, "promote"),
        ({"promote": True, "min_sqnr": 20, "budget": "20%"}, bs.UsageError, "promote"),
        ({"promote": 1, "min_sqnr": 20}, TypeError, "promote"),
        ({"symmetric": True, "float_minimum": True}, bs.UsageError, "float_minimum"),
        ({"threads": 0}, bs.UsageError, "threads"),
        ({"on_progress": 3}, TypeError, "on_progress"),
    ],
)
def test_options_that_cannot_be(
    model: Path, tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        bs.quantize(model, tmp_path / "x.parquet", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_files_that_cannot_be(model: Path, tmp_path: Path) -> None:
    with pytest.raises(bs.NotFoundError):
        bs.quantize(tmp_path / "nothing.safetensors", tmp_path / "x.parquet")
    with pytest.raises(bs.UsageError, match="parquet"):
        bs.quantize(model, tmp_path / "x.bin")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(model.read_bytes()[:900])
    with pytest.raises(bs.DataError, match="cut"):
        bs.quantize(cut, tmp_path / "x.parquet")
    pickled = tmp_path / "model.bin"
    pickled.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(bs.DataError, match="pickle"):
        bs.quantize(pickled, tmp_path / "x.parquet")
    with pytest.raises(bs.DataError):
        bs.QuantizedModel(model)
    with pytest.raises(bs.NotFoundError):
        bs.QuantizedModel(tmp_path / "nothing.parquet")
    bs.quantize(model, tmp_path / "x.parquet")
    packed = bs.QuantizedModel(tmp_path / "x.parquet")
    with pytest.raises(bs.UsageError, match=r"block\.attn\.weight"):
        packed.read("block.attn.weights")
    assert np.array_equal(packed.read("embeddings.position_ids"), np.arange(7))
    assert "block.attn.weight" in packed
    assert "other" not in packed
    assert len(packed) == len(TENSORS)


def test_a_damaged_byte_is_found_or_changes_nothing(model: Path, tmp_path: Path) -> None:
    path, damaged = tmp_path / "x.parquet", tmp_path / "y.parquet"
    bs.quantize(model, path)
    whole = bytearray(path.read_bytes())
    names = list(bs.QuantizedModel(path))
    expected = {name: bs.QuantizedModel(path).read(name) for name in names}
    found = 0
    for at in range(4, len(whole), len(whole) // 80):
        whole[at] ^= 1
        damaged.write_bytes(whole)
        whole[at] ^= 1
        try:
            packed = bs.QuantizedModel(damaged)
            assert all(np.array_equal(packed.read(name), expected[name]) for name in names), at
        except (bs.DataError, bs.UsageError):
            found += 1
    assert found > 20
    damaged.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(bs.DataError):
        bs.QuantizedModel(damaged)


def test_a_forked_process_quantizes_too(model: Path, tmp_path: Path) -> None:
    bs.quantize(model, tmp_path / "parent.parquet")
    child = os.fork()
    if child == 0:
        try:
            bs.quantize(model, tmp_path / "child.parquet")
            bs.QuantizedModel(tmp_path / "child.parquet").read("block.up.weight")
        finally:
            os._exit(0)
    deadline = time.monotonic() + 60
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            pytest.fail("the child waits for ever")
        time.sleep(0.01)
    assert (tmp_path / "child.parquet").read_bytes() == (tmp_path / "parent.parquet").read_bytes()


def test_every_parameter_is_described_and_every_example_runs(tmp_path: Path) -> None:
    text = inspect.cleandoc(bs.quantize.__doc__ or "")
    arguments = text.split("Args:\n")[1].split("\n\n")[0]
    assert re.findall(r"^    (\w+): ", arguments, re.M) == list(inspect.signature(bs.quantize).parameters)
    weight = np.sin(np.arange(32 * 48, dtype=np.float32)).reshape(32, 48)
    model = {"block.attn.weight": weight, "block.norm.weight": np.ones(48, np.float32)}
    save_file(model, tmp_path / "model.safetensors")
    failed, ran = doctest.testmod(_quant, extraglobs={"bs": bs, "folder": tmp_path})
    assert failed == 0
    assert ran > 8
