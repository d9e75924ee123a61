"""Does a model take no more than it may, and do the tensors that need bits get them?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

import bowstring as bs

DIGITS = Path(__file__).parents[3] / "examples" / "digits-diffusion" / "data"
UNET = DIGITS / "unet"


def widths(report: bs.QuantizationReport) -> dict[str, int]:
    rows = pa.table(report.tensors).to_pylist()
    return {row["name"]: row["bits"] for row in rows if row["bits"] is not None}


@pytest.mark.parametrize("ending", ["parquet", "safetensors"])
def test_budgets_are_kept_and_more_loses_less(tmp_path: Path, ending: str) -> None:
    costs = []
    for percent in (12, 16, 25):
        report = bs.quantize(UNET, tmp_path / f"out.{ending}", budget=f"{percent}%")
        assert report.bytes_after <= report.bytes_before * percent / 100
        found = report.allocation
        assert found is not None
        assert (found.by, found.bytes) == ("squared_error", report.bytes_after)
        assert found.budget == int(report.bytes_before * percent / 100)
        assert found.bound <= found.cost
        costs.append(found.cost)
    assert costs == sorted(costs, reverse=True)
    assert bs.QuantizedModel(tmp_path / f"out.{ending}").metadata["bowstring.budget"] == str(found.budget)


def test_an_allocation_beats_the_same_bits_for_all(tmp_path: Path) -> None:
    found = {}
    for allocation in ("uniform", "squared_error", "entropy"):
        report = bs.quantize(UNET, tmp_path / "out.parquet", budget="12%", allocation=allocation)
        assert report.allocation is not None
        weights = load_file(UNET / "diffusion_pytorch_model.safetensors")
        model = bs.QuantizedModel(tmp_path / "out.parquet")
        found[allocation] = sum(
            float(np.square(weights[name].astype(np.float64) - model.read(name)).sum())
            for name in widths(report)
        )
        if allocation != "entropy":
            assert report.allocation.cost == pytest.approx(found[allocation])
    assert found["squared_error"] < found["uniform"]
    assert len(set(widths(report).values())) > 1


def test_a_measure_decides(tmp_path: Path) -> None:
    asked: list[tuple[str, int, int | str]] = []
    favourite = "mid_block.attentions.0.to_q.weight"
    weights = load_file(UNET / "diffusion_pytorch_model.safetensors")

    def measure(name: str, values: npt.NDArray[np.float32], bits: int, group: int | str) -> float:
        asked.append((name, bits, group))
        assert values.shape == weights[name].shape
        assert 0 < np.abs(values - weights[name]).max() < np.abs(weights[name]).max()
        return (1e6 if name == favourite else 1.0) / 4**bits

    steps: list[int] = []
    report = bs.quantize(
        UNET,
        tmp_path / "out.parquet",
        budget="12%",
        widths=[2, 4],
        group_size=64,
        measure=measure,
        on_progress=lambda _, done, count: steps.append(count - done),
    )
    assert widths(report)[favourite] == 4
    assert report.allocation is not None
    assert report.allocation.by == "measured"
    assert len(asked) == 2 * len(widths(report))
    assert {group for _, _, group in asked} == {64}
    assert steps == list(range(len(steps) - 1, -1, -1))
    assert len(steps) == 2 * report.tensors.num_rows


def test_what_a_measure_cannot_say(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"

    def raises(*_: object) -> float:
        raise KeyError("gone")

    def quantize(measure: object) -> None:
        bs.quantize(UNET, out, budget="10%", measure=measure)  # type: ignore[arg-type]

    with pytest.raises(KeyError, match="gone"):
        quantize(raises)
    with pytest.raises(TypeError, match=r"measure: expected a number for `.*`, got str"):
        quantize(lambda *_: "much")
    with pytest.raises(bs.DataError, match="what was measured of scheme 0 cannot be NaN"):
        quantize(lambda *_: float("nan"))
    with pytest.raises(TypeError, match="measure: expected a function, got int"):
        quantize(1)
    with pytest.raises(bs.UsageError, match="`measure` cannot be given without a budget"):
        bs.quantize(UNET, out, measure=lambda *_: 1.0)
    assert list(tmp_path.iterdir()) == []


def test_budgets_that_cannot_be(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(bs.UsageError, match="a budget of 1000 bytes cannot be met") as met:
        bs.quantize(UNET, out, budget=1000)
    assert "the least possible is 115842 bytes" in str(met.value)
    with pytest.raises(bs.UsageError, match="`budget` cannot be `lots`"):
        bs.quantize(UNET, out, budget="lots")
    with pytest.raises(bs.UsageError, match="`bits` cannot be given beside a budget"):
        bs.quantize(UNET, out, budget="20%", bits=4)
    with pytest.raises(TypeError, match="sensitivities: expected a dict of numbers"):
        bs.quantize(UNET, out, budget="20%", sensitivities={"a": "b"})  # type: ignore[dict-item]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.asyncio
async def test_a_budget_may_be_awaited(tmp_path: Path) -> None:
    report = await bs.quant.quantize_async(UNET, tmp_path / "out.parquet", budget="20%", allocation="uniform")
    assert report.allocation is not None
    assert len(set(widths(report).values())) == 1


def calibrated(path: Path, sizes: dict[str, float]) -> None:
    weights = load_file(UNET / "diffusion_pytorch_model.safetensors")
    calibrator = bs.quant.Calibrator()
    for name, weight in weights.items():
        if weight.ndim > 1:
            for timestep in (0, 80, 160):
                inputs = np.full((2, weight[0].size), sizes.get(name, 1.0), np.float32)
                calibrator.observe(name, inputs, timestep=timestep)
    calibrator.save(path)


def test_paths_decide_where_there_is_a_schedule(tmp_path: Path) -> None:
    favourite = "mid_block.attentions.0.to_q.weight"
    schedule = DIGITS / "scheduler" / "scheduler_config.json"
    found = []
    for size, sensitivity in ((1.0, 1.0), (1000.0, 1.0), (1.0, 1e6)):
        calibrated(tmp_path / "seen.parquet", {favourite: size})
        report = bs.quantize(
            UNET,
            tmp_path / "out.parquet",
            budget="13%",
            calibration=tmp_path / "seen.parquet",
            schedule=schedule,
            sensitivities={favourite: sensitivity},
        )
        assert report.allocation is not None
        assert report.allocation.by == "path_kl"
        found.append(widths(report)[favourite])
    assert found[0] < found[1] == found[2] == 8
