"""What calibrators see, what stands in their files, and what rounding by it does to outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

import bowstring as bs
from bowstring import quant

Method = Literal["nearest", "mse", "weighted", "gptq"]

RANDOM = np.random.default_rng(5)
MIXING = RANDOM.standard_normal((64, 64)) * np.where(np.arange(64) % 9 == 0, 9.0, 0.6)
INPUTS = (RANDOM.standard_normal((400, 64)) @ MIXING).astype(np.float32)
WEIGHTS = RANDOM.standard_t(5, (48, 64)).astype(np.float32)


def test_a_file_says_what_its_documentation_says(tmp_path: Path) -> None:
    calibrator = quant.Calibrator(moments="full")
    parts = {7: INPUTS[:100], 3: INPUTS[100:250], None: INPUTS[250:]}
    for timestep, part in parts.items():
        for some in np.array_split(part, 3):
            calibrator.observe("a.weight", some, timestep=timestep, weight=0.5)
    calibrator.save(tmp_path / "seen.parquet")
    table = pq.read_table(tmp_path / "seen.parquet")
    assert table.schema.metadata[b"bowstring.calibration"] == b"1"
    assert table.schema.metadata[b"bowstring.moments"] == b"full"
    rows = table.to_pylist()
    assert [row["timestep"] for row in rows] == [None, 3, 7]
    for row in rows:
        part = parts[row["timestep"]]
        assert (row["layer"], row["channels"], row["count"]) == ("a.weight", 64, len(part))
        assert (row["least"], row["greatest"]) == (part.min(), part.max())
        assert row["sum"] == pytest.approx(part.sum(dtype=np.float64))
        assert row["sum_of_squares"] == pytest.approx(np.square(part, dtype=np.float64).sum())
        assert row["squares"] == pytest.approx(np.square(part, dtype=np.float64).sum(axis=0))
        edges = (row["first_bin"] + np.arange(len(row["bins"]) + 1)) * 2.0 ** row["exponent"]
        assert len(row["bins"]) <= 2048
        assert row["bins"] == np.histogram(part, edges)[0].tolist()
    assert rows[0]["weight"] == 200
    double = INPUTS.astype(np.float64)
    moments = np.reshape(rows[0]["moments"], (64, 64))
    assert np.abs(moments - 0.5 * double.T @ double).max() < 1e-5 * np.abs(moments).max()
    assert all(row["weight"] is None and row["moments"] is None for row in rows[1:])

    again = quant.Calibrator.open(tmp_path / "seen.parquet")
    assert pa.table(again.table).equals(pa.table(calibrator.table))
    again.observe("b.weight", INPUTS)
    assert pa.table(again.table)["layer"].to_pylist() == ["a.weight"] * 3 + ["b.weight"]


def test_inputs_come_in_any_form() -> None:
    def seen(inputs: object) -> list[dict[str, Any]]:
        calibrator = quant.Calibrator()
        calibrator.observe("a", inputs)
        return pa.table(calibrator.table).to_pylist()

    expected = seen(INPUTS[:12])
    assert expected[0]["count"] == 12
    forms = [
        INPUTS[:12].astype(np.float64),
        np.asfortranarray(INPUTS[:12]),
        INPUTS[:12].reshape(3, 4, 64),
        pa.FixedSizeListArray.from_arrays(INPUTS[:12].ravel(), 64),
    ]
    assert [seen(form) for form in forms] == [expected] * 4
    assert seen(INPUTS[0])[0]["channels"] == 64


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_outputs_are_nearer_by_what_was_seen(tmp_path: Path, bits: int) -> None:
    save_file({"a.weight": WEIGHTS, "b.weight": WEIGHTS}, tmp_path / "model.safetensors")
    calibrator = quant.Calibrator(moments="full")
    calibrator.observe("a.weight", INPUTS)
    calibrator.save(tmp_path / "seen.parquet")

    def errors(method: Method, seen: Path | None = None) -> dict[str, float]:
        options: dict[str, Any] = {"bits": bits, "method": method, "calibration": seen}
        report = bs.quantize(tmp_path / "model.safetensors", tmp_path / "packed.parquet", **options)
        assert report.unseen == (() if seen is None else ("b.weight",))
        packed = bs.QuantizedModel(tmp_path / "packed.parquet")
        return {
            name: float(np.square(INPUTS @ (packed.read(name) - WEIGHTS).T, dtype=np.float64).sum())
            for name in packed
        }

    mse = errors("mse")
    weighted = errors("weighted", tmp_path / "seen.parquet")
    gptq = errors("gptq", tmp_path / "seen.parquet")
    assert gptq["a.weight"] < 0.8 * weighted["a.weight"] < 0.8 * mse["a.weight"]
    assert weighted["b.weight"] == gptq["b.weight"] == mse["b.weight"], "nothing was seen of it"


def test_an_array_is_rounded_by_the_moments_of_its_inputs() -> None:
    def error(options: dict[str, Any]) -> float:
        values = quant.dequantize(quant.quantize_array(WEIGHTS, bits=3, **options))
        return float(np.square(INPUTS @ (values - WEIGHTS).T, dtype=np.float64).sum())

    moments = INPUTS.astype(np.float64).T @ INPUTS
    weighted = error({"method": "weighted", "importance": np.diag(moments)})
    options = {"method": "gptq", "second_moments": moments}
    gptq = error(options)
    assert gptq < 0.8 * weighted < 0.8 * error({})
    assert error({**options, "order": "natural", "damping": 0.1}) != gptq


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gptq"}, "second_moments"),
        ({"method": "weighted"}, "importance"),
        ({"second_moments": np.eye(64)}, "second_moments"),
        ({"method": "gptq", "second_moments": np.eye(63)}, "3969 where 4096"),
        ({"method": "gptq", "second_moments": -np.eye(64)}, "second_moments"),
        ({"method": "gptq", "second_moments": np.eye(64), "damping": 0.0}, "damping"),
        ({"method": "gptq", "second_moments": np.eye(64), "order": "any"}, "order"),
    ],
)
def test_moments_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(bs.UsageError, match=message):
        quant.quantize_array(WEIGHTS, **options)


def test_inputs_that_do_not_fit_are_refused_and_add_nothing() -> None:
    calibrator = quant.Calibrator()
    with pytest.raises(bs.DataError, match="NaN"):
        calibrator.observe("a", np.array([[1.0, np.nan]]))
    with pytest.raises(TypeError, match="inputs: expected floats"):
        calibrator.observe("a", np.array([[1, 2]]))
    with pytest.raises(bs.UsageError, match="weight"):
        calibrator.observe("a", np.ones((1, 2)), weight=-1)
    assert pa.table(calibrator.table).num_rows == 0
    calibrator.observe("a", np.ones((1, 2)))
    with pytest.raises(bs.UsageError, match="3 where 2 are expected"):
        calibrator.observe("a", np.ones((1, 3)))
    with pytest.raises(bs.UsageError, match="moments"):
        quant.Calibrator(moments="some")  # type: ignore[arg-type]


def test_a_calibration_of_another_model_is_refused(tmp_path: Path) -> None:
    save_file({"a.weight": WEIGHTS}, tmp_path / "model.safetensors")

    def refused(layer: str, inputs: npt.NDArray[np.float32], method: Method) -> str:
        calibrator = quant.Calibrator()
        calibrator.observe(layer, inputs)
        calibrator.save(tmp_path / "seen.parquet")
        with pytest.raises(bs.BowstringError) as error:
            bs.quantize(
                tmp_path / "model.safetensors",
                tmp_path / "packed.parquet",
                method=method,
                calibration=tmp_path / "seen.parquet",
            )
        assert not (tmp_path / "packed.parquet").exists()
        return str(error.value)

    assert "a.weigt" in refused("a.weigt", INPUTS, "weighted")
    assert "32 where 64 are expected" in refused("a.weight", INPUTS[:, :32], "weighted")
    assert "moments" in refused("a.weight", INPUTS, "gptq")
    (tmp_path / "seen.parquet").write_bytes(b"PAR1")
    with pytest.raises(bs.DataError):
        quant.Calibrator.open(tmp_path / "seen.parquet")
    with pytest.raises(bs.NotFoundError):
        quant.Calibrator.open(tmp_path / "none.parquet")
