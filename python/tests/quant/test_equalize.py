"""Does a model compute what it did, from channels of more even sizes?"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file, save_file

import bowstring as bs

DIGITS = Path(__file__).parents[3] / "examples" / "digits-diffusion"
sys.path.insert(0, str(DIGITS))

from networks import load  # noqa: E402

UNET = DIGITS / "data" / "unet"
NORM = "mid_block.attentions.0.group_norm"
COUPLE = bs.quant.Couple(
    [f"{NORM}.weight", f"{NORM}.bias"],
    [f"mid_block.attentions.0.to_{part}.weight" for part in "qkv"],
)
RANDOM = np.random.default_rng(3)


@pytest.fixture
def spiked(tmp_path: Path) -> Path:
    """The example's U-Net with channels of very different sizes after a norm, which computes the same."""
    weights = load_file(UNET / "diffusion_pytorch_model.safetensors")
    sizes = np.float32(2.0) ** RANDOM.integers(-4, 5, 32)
    for name in COUPLE.writers:
        weights[name] = weights[name] * sizes
    for name in COUPLE.readers:
        weights[name] = weights[name] / sizes
    save_file(weights, tmp_path / "spiked.safetensors")
    return tmp_path / "spiked.safetensors"


def seen(path: Path, out: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Calibrate, and give what the layers of the couple were given."""
    weights = load_file(path)
    calibrator = bs.quant.Calibrator()
    see = calibrator.on_input(weights, strides={"down_blocks.*.downsamplers.*.weight": 2})
    inputs = {}

    def on_input(layer: str, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        inputs[f"{layer}.weight"] = x.copy()
        return see(layer, x)

    network = load(UNET, weights, on_input)
    network(np.random.default_rng(7).standard_normal((4, 1, 8, 8), np.float32), [10, 60, 110, 160])
    calibrator.save(out)
    return {name: inputs[name] for name in COUPLE.readers}


def test_a_network_computes_the_same_to_the_bit(spiked: Path, tmp_path: Path) -> None:
    before = seen(spiked, tmp_path / "seen.parquet")
    found = bs.quant.equalize(
        spiked, tmp_path / "even.safetensors", couples=[COUPLE], calibration=tmp_path / "seen.parquet"
    )
    assert found.limited == (0,)
    factors = np.array(found.factors[0], np.float32)
    assert set(np.log2(factors) % 1) == {0.0}
    assert len(set(factors)) > 3
    x = np.random.default_rng(11).standard_normal((3, 1, 8, 8), np.float32)
    networks = [load(UNET, load_file(path)) for path in (spiked, tmp_path / "even.safetensors")]
    outputs = [network(x, [5, 50, 150]) for network in networks]
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-5
    after = seen(tmp_path / "even.safetensors", tmp_path / "again.parquet")
    for name in COUPLE.readers:
        assert np.array_equal(before[name], after[name] * factors), name


def test_rounded_inputs_lose_less(spiked: Path, tmp_path: Path) -> None:
    before = seen(spiked, tmp_path / "seen.parquet")
    bs.quant.equalize(
        spiked, tmp_path / "even.safetensors", couples=[COUPLE], calibration=tmp_path / "seen.parquet"
    )
    after = seen(tmp_path / "even.safetensors", tmp_path / "again.parquet")
    errors = []
    for path, inputs in ((spiked, before), (tmp_path / "even.safetensors", after)):
        weights = load_file(path)
        error = 0.0
        for name, x in inputs.items():
            step = (x.max() - x.min()) / 255
            rounded = np.round(x / step) * step
            error += float(np.square((rounded - x) @ weights[name].T).sum())
        errors.append(error)
    assert errors[1] < errors[0] / 4


def test_what_is_no_couple(spiked: Path, tmp_path: Path) -> None:
    seen(spiked, tmp_path / "seen.parquet")
    out = tmp_path / "even.safetensors"

    def equalize(*couples: object) -> None:
        bs.quant.equalize(spiked, out, couples=couples, calibration=tmp_path / "seen.parquet")  # type: ignore[arg-type]

    with pytest.raises(bs.UsageError, match="the model has no tensor `x`"):
        equalize(bs.quant.Couple(["x"], COUPLE.readers))
    with pytest.raises(bs.UsageError, match=r"couple 0: `conv_in.weight` has 1 channels where"):
        equalize(bs.quant.Couple(COUPLE.writers, ["conv_in.weight"]))
    with pytest.raises(TypeError, match=r"expected bs\.quant\.Couple, got tuple"):
        equalize((COUPLE.writers, COUPLE.readers))
    with pytest.raises(TypeError, match="expected lists of names, got the str 'a'"):
        equalize(bs.quant.Couple("a", ["b"]))
    with pytest.raises(bs.UsageError, match="`strength` cannot be 2"):
        bs.quant.equalize(spiked, out, couples=[COUPLE], calibration=tmp_path / "seen.parquet", strength=2.0)
    assert not out.exists()


@pytest.mark.asyncio
async def test_the_same_to_be_awaited(spiked: Path, tmp_path: Path) -> None:
    seen(spiked, tmp_path / "seen.parquet")
    options = {"couples": [COUPLE], "calibration": tmp_path / "seen.parquet"}
    one = bs.quant.equalize(spiked, tmp_path / "a.safetensors", **options)  # type: ignore[arg-type]
    other = await bs.quant.equalize_async(spiked, tmp_path / "b.safetensors", **options)  # type: ignore[arg-type]
    assert one == other
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
