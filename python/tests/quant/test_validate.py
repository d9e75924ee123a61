"""Whether a file of packed weights is what it should be, and work that an event loop waits for."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file

import bowstring as bs
from bowstring import quant

RANDOM = np.random.default_rng(12)
TENSORS = {
    "block.attn.weight": RANDOM.standard_t(4, (32, 48)).astype(np.float32),
    "block.norm.weight": RANDOM.standard_normal(48).astype(np.float32),
    "block.up.weight": RANDOM.standard_normal((24, 64)).astype(np.float32),
    "ids": np.arange(7),
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    return path


@pytest.fixture
def packed(model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "packed.parquet"
    bs.quantize(model, path)
    return path


def test_limits_name_the_worst_first(model: Path, packed: Path) -> None:
    rows = pa.table(bs.QuantizedModel(packed).tensors).to_pylist()
    ratios = {row["name"]: row["sqnr"] for row in rows if row["sqnr"] is not None}
    for path in (None, model):
        report = quant.validate(packed, path)
        assert report.passed
        assert report.failing == ()
        found = pa.table(report.tensors).to_pylist()
        assert {row["name"]: row["sqnr"] for row in found if row["sqnr"] is not None} == pytest.approx(ratios)
        for least in (0.0, 30.0, 200.0):
            failing = sorted((name for name in ratios if ratios[name] < least), key=lambda name: ratios[name])
            report = quant.validate(packed, path, min_sqnr=least, threads=1)
            assert report.failing == tuple(failing)
            assert report.passed == (not failing)
        relative = {row["name"]: row["relative_error"] for row in rows if row["sqnr"] is not None}
        most = sorted(relative.values())[1] * 1.0001
        failing = [name for name in relative if relative[name] > most]
        assert quant.validate(packed, path, max_rel_error=most).failing == tuple(failing)


@pytest.fixture
def seen(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A calibration of one of the layers, and the inputs that it has seen."""
    inputs = RANDOM.standard_normal((300, 48)).astype(np.float32) @ RANDOM.standard_normal((48, 48))
    calibrator = quant.Calibrator(moments="full")
    calibrator.observe("block.attn.weight", inputs.astype(np.float32))
    calibrator.save(tmp_path / "seen.parquet")
    return tmp_path / "seen.parquet", inputs.astype(np.float32).astype(np.float64)


def output_errors(tensors: bs.Table) -> dict[str, float]:
    rows = pa.table(tensors).to_pylist()
    return {row["name"]: row["output_error"] for row in rows if row["output_error"] is not None}


@pytest.mark.parametrize("method", ["mse", "weighted", "gptq"])
def test_outputs_are_off_by_what_numpy_says(
    model: Path, tmp_path: Path, seen: tuple[Path, np.ndarray], method: Literal["mse", "weighted", "gptq"]
) -> None:
    calibration, inputs = seen
    out = tmp_path / "packed.safetensors"
    given = None if method == "mse" else calibration
    report = bs.quantize(model, out, bits=3, method=method, calibration=given)
    weights = TENSORS["block.attn.weight"].astype(np.float64)
    off = weights - bs.QuantizedModel(out).read("block.attn.weight")
    expected = np.sum((inputs @ off.T) ** 2) / np.sum((inputs @ weights.T) ** 2)
    found = output_errors(quant.validate(out, model, calibration=calibration).tensors)
    assert found == {"block.attn.weight": pytest.approx(expected, rel=1e-4)}
    assert output_errors(report.tensors) == ({} if method == "mse" else pytest.approx(found))
    assert output_errors(quant.validate(out, model).tensors) == {}


async def test_a_calibration_is_that_of_the_model(
    model: Path, packed: Path, seen: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    calibration, _ = seen
    found = await quant.validate_async(packed, model, calibration=calibration)
    again = quant.validate(packed, model, calibration=calibration, threads=1)
    assert pa.table(found.tensors) == pa.table(again.tensors)
    with pytest.raises(bs.UsageError, match="calibration"):
        quant.validate(packed, calibration=calibration)
    with pytest.raises(bs.UsageError, match="calibration"):
        await quant.validate_async(packed, calibration=calibration)
    with pytest.raises(bs.NotFoundError):
        quant.validate(packed, model, calibration=tmp_path / "nothing.parquet")
    other = quant.Calibrator()
    other.observe("block.up.weight", np.ones((3, 10), np.float32))
    other.save(calibration)
    with pytest.raises(bs.UsageError, match="10 where 64 are expected"):
        quant.validate(packed, model, calibration=calibration)


def test_another_model_and_damage_are_found(model: Path, packed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    for change in ({"ids": np.arange(7) + 1}, {"more": np.ones(3)}, {"ids": np.arange(8)}):
        save_file({**TENSORS, **change}, other)
        with pytest.raises(bs.DataError, match=f"not made of this model: tensor `{next(iter(change))}`"):
            quant.validate(packed, other)
    save_file({**TENSORS, "block.up.weight": -TENSORS["block.up.weight"]}, other)
    assert quant.validate(packed, other, min_sqnr=10).failing == ("block.up.weight",)
    whole = bytearray(packed.read_bytes())
    at = whole.index(TENSORS["ids"].tobytes())
    whole[at] ^= 1
    packed.write_bytes(whole)
    with pytest.raises(bs.DataError, match="`ids` has other bytes"):
        quant.validate(packed)
    with pytest.raises(bs.NotFoundError):
        quant.validate(tmp_path / "nothing.parquet")
    with pytest.raises(bs.NotFoundError):
        quant.validate(packed, tmp_path / "nothing.safetensors")


def test_limits_that_cannot_be(packed: Path) -> None:
    with pytest.raises(bs.UsageError, match="min_sqnr"):
        quant.validate(packed, min_sqnr=float("nan"))
    with pytest.raises(bs.UsageError, match="max_rel_error"):
        quant.validate(packed, max_rel_error=-1)
    with pytest.raises(TypeError, match="min_sqnr"):
        quant.validate(packed, min_sqnr="20")  # type: ignore[arg-type]
    with pytest.raises(bs.UsageError, match="threads"):
        quant.validate(packed, threads=0)


def test_a_model_too_far_off_is_not_written(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "x.parquet"
    with pytest.raises(bs.WorkflowError, match="2 tensors are further off than allowed: `block") as raised:
        bs.quantize(model, out, bits=2, min_sqnr=40)
    assert isinstance(raised.value, bs.BowstringError)
    assert not out.parent.exists()
    assert bs.quantize(model, out, bits=8, min_sqnr=30, max_rel_error=0.1).file_bytes == out.stat().st_size


async def test_the_twins_do_the_same(model: Path, packed: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    out = tmp_path / "x.parquet"
    report = await quant.quantize_async(model, out, bits=4, on_progress=lambda *each: told.append(each))
    assert out.read_bytes() == packed.read_bytes()
    assert [number for _, number, _ in told] == [1, 2, 3, 4]
    assert report.file_bytes == out.stat().st_size
    found = await quant.validate_async(out, model, min_sqnr=30)
    assert found.failing == quant.validate(out, model, min_sqnr=30).failing
    assert pa.table(found.tensors) == pa.table(quant.validate(out, model).tensors)
    with pytest.raises(bs.UsageError, match="bits"):
        await quant.quantize_async(model, out, bits=5)
    with pytest.raises(bs.WorkflowError, match="further off"):
        await quant.quantize_async(model, tmp_path / "y.parquet", bits=2, min_sqnr=40)
    with pytest.raises(bs.NotFoundError):
        await quant.validate_async(tmp_path / "y.parquet")

    def stop(*_: object) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        await quant.quantize_async(model, tmp_path / "y.parquet", on_progress=stop)
    assert not (tmp_path / "y.parquet").exists()


async def test_a_cancelled_task_ends_the_work_and_leaves_no_file(tmp_path: Path) -> None:
    weights = RANDOM.standard_normal((2048, 2048)).astype(np.float32)
    save_file({f"{index}.weight": weights for index in range(20)}, tmp_path / "model.safetensors")
    out = tmp_path / "new" / "x.parquet"
    told: list[float] = []

    def tell(*_: object) -> None:
        told.append(time.monotonic())

    work = quant.quantize_async(tmp_path / "model.safetensors", out, bits=2, threads=1, on_progress=tell)
    task = asyncio.create_task(work)
    while not told:
        await asyncio.sleep(0.01)
    assert out.parent.exists()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    deadline = time.monotonic() + 60
    while out.parent.exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert len(told) < 20


def test_whole_numbers_are_read_in_their_own_type(tmp_path: Path) -> None:
    kinds = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]
    tensors = {kind: RANDOM.integers(0, 2, (3, 5)).astype(kind) for kind in kinds}
    tensors["i8"][0, 0] = np.iinfo(np.int64).min
    tensors["odd"] = np.array([0, 1, 2], np.uint8).view(bool)
    tensors["one"] = np.array(7, np.int16)
    tensors["none"] = np.zeros((0, 4), np.uint32)
    tensors["half"] = RANDOM.standard_normal((3, 4)).astype(np.float16)
    save_file(tensors, tmp_path / "model.safetensors")
    bs.quantize(tmp_path / "model.safetensors", tmp_path / "x.parquet", policy={"half": "keep"})
    packed = bs.QuantizedModel(tmp_path / "x.parquet")
    for name, tensor in tensors.items():
        found = packed.read(name)
        expected = tensor.astype(np.float32) if name == "half" else tensor
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert np.array_equal(found, expected)
    assert packed.read("odd").tobytes() == bytes([0, 1, 1])
