"""What hooks see of torch modules is what the layers were given, and they leave nothing behind."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import bowstring as bs
from bowstring import _activations, _calibrator, _hooks, quant

DIGITS = Path(__file__).parents[3] / "examples" / "digits-diffusion"
sys.path.insert(0, str(DIGITS))

import train  # noqa: E402
from networks import load  # noqa: E402

NETWORKS = {"unet": train.UNet, "transformer": train.Transformer}
STRIDES = {"down_blocks.*.downsamplers.*.weight": 2, "pos_embed.proj.weight": 2}
RANDOM = np.random.default_rng(10)
X = RANDOM.standard_normal((5, 1, 8, 8), np.float32)


def trained(name: str) -> nn.Module:
    """One of the example's networks, in torch, with the weights that are shipped."""
    network: nn.Module = NETWORKS[name]()
    network.load_state_dict(load_file(DIGITS / "data" / name / "diffusion_pytorch_model.safetensors"))
    return network.eval()


def run(network: nn.Module, t: int = 40) -> np.ndarray:
    with torch.no_grad():
        outputs: np.ndarray = network(torch.from_numpy(X), torch.full((len(X),), t)).numpy()
    return outputs


def hooks_of(model: nn.Module) -> int:
    return sum(
        len(module._forward_pre_hooks) + len(module._forward_hooks) + len(module._forward_hooks_always_called)
        for module in model.modules()
    )


def rows(calibrator: quant.Calibrator) -> list[dict[str, Any]]:
    return pa.table(calibrator.table).to_pylist()


def moments(calibrator: quant.Calibrator, path: Path) -> dict[str, np.ndarray]:
    """All second moments, by the names of layers."""
    calibrator.save(path)
    return {
        row["layer"]: np.reshape(row["moments"], (row["channels"], row["channels"]))
        for row in pq.read_table(path).to_pylist()
        if row["moments"] is not None
    }


@pytest.fixture(params=["unet", "transformer"])
def name(request: pytest.FixtureRequest) -> str:
    torch.set_num_threads(1)
    return request.param


def test_numpy_gives_what_torch_gives(name: str) -> None:
    for t in (0, 40, 199):
        found = load(DIGITS / "data" / name)(X, np.full(len(X), t))
        assert np.abs(found - run(trained(name), t)).max() < 2e-5


def test_hooks_see_what_the_plain_pass_sees(name: str, tmp_path: Path) -> None:
    hooked, plain = quant.Calibrator(moments="full"), quant.Calibrator(moments="full")
    network = trained(name)
    with hooked.attach(network, timestep="t") as hooks:
        for t in (150, 20):
            run(network, t)
    weights = load(DIGITS / "data" / name).weights
    again = load(DIGITS / "data" / name, on_input=plain.on_input(weights, strides=STRIDES))
    for t in (150, 20):
        with plain.at(t):
            again(X, np.full(len(X), t))
    assert set(hooks.layers) == {row["layer"] for row in rows(plain)}
    assert set(hooks.layers) <= set(network.state_dict())
    theirs = {(row["layer"], row["timestep"]): row for row in rows(plain)}
    assert len(theirs) == 2 * len(hooks.layers)
    for row in rows(hooked):
        other = theirs.pop((row["layer"], row["timestep"]))
        assert (row["channels"], row["count"]) == (other["channels"], other["count"]), row["layer"]
        for figure in ("least", "greatest", "mean_square"):
            assert row[figure] == pytest.approx(other[figure], rel=1e-4, abs=1e-4), row["layer"]
    assert not theirs
    ours, others = moments(hooked, tmp_path / "a.parquet"), moments(plain, tmp_path / "b.parquet")
    assert set(ours) == set(hooks.layers)
    for layer, found in ours.items():
        assert np.abs(found - others[layer]).max() <= 1e-4 * np.abs(found).max(), layer


CONVOLUTIONS = [
    nn.Conv2d(3, 4, 3),
    nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
    nn.Conv2d(3, 4, 4, padding="same", dilation=2),
    nn.Conv2d(3, 4, 3, padding="valid"),
    nn.Conv2d(3, 4, 3, padding=2, padding_mode="reflect"),
    nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="circular"),
    nn.Conv2d(3, 4, 1, stride=3),
    nn.Conv1d(3, 4, 5, stride=2, padding=3, padding_mode="replicate"),
    nn.Conv3d(3, 4, (2, 3, 1), stride=(1, 2, 2), padding=1),
]


@pytest.mark.parametrize("convolution", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("most", [1 << 24, 200])
def test_patches_are_laid_out_as_rows_of_weights(
    convolution: nn.Conv2d, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hooks, "MOST_NUMBERS", most)
    axes = len(convolution.kernel_size)
    x = torch.from_numpy(RANDOM.standard_normal((2, 3, *[11, 9, 7][:axes])).astype(np.float32))
    windows = np.concatenate(list(_hooks.torch_inputs(convolution, x)))
    weights, bias = (
        part.detach().numpy().astype(np.float64) for part in (convolution.weight, convolution.bias)
    )
    with torch.no_grad():
        outputs = convolution(x).movedim(1, -1).numpy()
    assert np.allclose(windows @ weights.reshape(4, -1).T + bias, outputs.reshape(-1, 4), atol=1e-5)
    calibrator = quant.Calibrator(moments="full")
    with calibrator.attach(convolution, prefix="unet/"), torch.no_grad():
        convolution(x)
        convolution(input=x[0])
    found = moments(calibrator, tmp_path / "seen.parquet")
    twice = np.concatenate([windows, windows[: len(windows) // 2]]).astype(np.float64)
    assert list(found) == ["unet/weight"]
    assert np.allclose(found["unet/weight"], twice.T @ twice, rtol=1e-5, atol=1e-5)


def test_hooks_are_gone_when_the_body_raises() -> None:
    network, calibrator = trained("unet"), quant.Calibrator()

    def fail() -> None:
        assert hooks_of(network) > 20
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), calibrator.attach(network, timestep="t"):
        fail()
    assert hooks_of(network) == 0
    run(network)
    assert rows(calibrator) == []


def test_hooks_are_gone_when_the_model_raises() -> None:
    network, calibrator = trained("unet"), quant.Calibrator()
    hooks = calibrator.attach(network, timestep="t")
    with pytest.raises(bs.DataError) as error, torch.no_grad():
        network(torch.full((1, 1, 8, 8), torch.nan), torch.tensor([7]))
    assert error.value.__notes__ == ["at layer `conv_in.weight`, timestep 7"]
    assert calibrator.timestep is None
    run(network, 9)
    assert {row["timestep"] for row in rows(calibrator)} == {7, 9}, "the first layers of 7 were seen"
    hooks.remove()
    hooks.remove()
    assert hooks_of(network) == 0


def test_nothing_is_attached_when_a_pattern_fits_nothing() -> None:
    network, calibrator = trained("transformer"), quant.Calibrator()

    def refused(error: type[Exception], message: str, **options: object) -> None:
        with pytest.raises(error, match=message):
            calibrator.attach(network, **options)
        assert hooks_of(network) == 0

    refused(bs.UsageError, r"did you mean `norm_out.linear.weight`", layers=["norm_out.linear.weigth"])
    refused(bs.UsageError, r"skip: there is no layer `\*.conv.\*`", skip=["*.conv.*"])
    refused(bs.UsageError, "no layer to look at", skip=["*"])
    refused(bs.UsageError, "has no argument `timestep`", timestep="timestep")
    refused(TypeError, "expected a list of str", layers="proj_out.weight")
    with calibrator.attach(network, layers=["*.to_q.*", "proj_out.weight"], skip=["*.3.*"]) as hooks:
        run(network)
    assert hooks.layers == (
        *(f"transformer_blocks.{block}.attn1.to_q.weight" for block in range(3)),
        "proj_out.weight",
    )
    assert [row["layer"] for row in rows(calibrator)] == list(hooks.layers)


def test_the_timestep_is_that_of_the_model() -> None:
    network, calibrator = trained("transformer"), quant.Calibrator()
    with calibrator.attach(network, layers=["proj_out.weight"], timestep="t"):
        with pytest.raises(bs.DataError, match=r"`t` is 3, 4, not one timestep"), torch.no_grad():
            network(torch.from_numpy(X[:2]), torch.tensor([3, 4]))
        with torch.no_grad():
            network(torch.from_numpy(X), t=torch.tensor([60.0]))
        assert calibrator.timestep is None
    with calibrator.attach(network, layers=["proj_out.weight"], timestep=11):
        run(network)
    with calibrator.attach(network, layers=["proj_out.weight"]), calibrator.at(12):
        run(network)
        with calibrator.paused():
            run(network)
    assert [(row["timestep"], row["count"]) for row in rows(calibrator)] == [(11, 80), (12, 80), (60, 80)]


def test_a_layer_that_never_ran_is_named() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            outputs: torch.Tensor = self.used(x)
            return outputs

    half, calibrator = Half(), quant.Calibrator(timesteps=[0])
    with calibrator.attach(half, timestep=0):
        half(torch.ones(3, 2))
    with pytest.raises(bs.DataError, match=r"nothing was seen of layer `idle\.weight` at timestep 0"):
        calibrator.check()


def test_a_convolution_of_groups_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 2, 1))
    calibrator = quant.Calibrator()
    with pytest.raises(
        bs.UsageError, match=r"layer `0.weight` is a convolution of 2 groups(.|\n)*skip=\['0.weight'\]"
    ):
        calibrator.attach(model)
    with calibrator.attach(model, skip=["0.weight"]):
        model(torch.ones(1, 4, 5, 5))
    assert [(row["layer"], row["channels"], row["count"]) for row in rows(calibrator)] == [("1.weight", 4, 9)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_inputs_are_of_any_float_type(dtype: torch.dtype) -> None:
    model, calibrator = nn.Linear(3, 2).to(dtype), quant.Calibrator()
    x = torch.from_numpy(RANDOM.standard_normal((4, 5, 3))).to(dtype)
    with calibrator.attach(model):
        model(x.requires_grad_())
        model(x[0, 0])
    assert rows(calibrator)[0]["count"] == 21
    assert rows(calibrator)[0]["greatest"] == np.float32(x.max().item())


def test_weights_that_are_shared_have_the_first_of_their_names() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    calibrator = quant.Calibrator()
    with calibrator.attach(model) as hooks:
        model(torch.ones(4, 3))
    assert hooks.layers == ("0.weight",)
    assert rows(calibrator)[0]["count"] == 8


def test_calibration_runs_a_torch_module(name: str) -> None:
    steps = quant.Schedule.from_config(DIGITS / "data" / "scheduler").steps(6)
    ours, theirs = quant.Calibrator(), quant.Calibrator()
    network = trained(name)
    options: dict[str, Any] = {"shape": (1, 8, 8), "samples": 4, "timesteps": steps.timesteps[::2], "seed": 1}
    made = quant.calibrate(network, steps, ours, layers=["*.to_q.*", "*.to_out.*"], prefix="net/", **options)
    assert hooks_of(network) == 0
    see = theirs.on_input(load(DIGITS / "data" / name).weights, strides=STRIDES)
    expected = quant.calibrate(load(DIGITS / "data" / name, on_input=see), steps, theirs, **options)
    assert np.allclose(made, expected, atol=1e-3)
    wanted = {(f"net/{row['layer']}", row["timestep"]): row for row in rows(theirs)}
    assert {row["timestep"] for row in rows(ours)} == set(steps.timesteps[::2].tolist())
    for row in rows(ours):
        other = wanted[row["layer"], row["timestep"]]
        assert row["count"] == other["count"]
        assert row["mean_square"] == pytest.approx(other["mean_square"], rel=1e-2)


def test_activations_are_rounded_as_in_the_plain_pass(name: str) -> None:
    steps = quant.Schedule.from_config(DIGITS / "data" / "scheduler").steps(6)
    calibrator, network = quant.Calibrator(), trained(name)
    quant.calibrate(network, steps, calibrator, shape=(1, 8, 8), samples=4)
    groups = quant.TimeGroups.cluster(calibrator, 3)
    ranges = quant.ActivationRanges.of(calibrator, groups, bits=8)
    with ranges.attach(network, timestep="t"):
        found = run(network, 199)
    assert hooks_of(network) == 0
    plain = load(DIGITS / "data" / name, on_input=ranges.on_input())
    with ranges.at(199):
        expected = plain(X, np.full(len(X), 199))
    exact = run(network, 199)
    off = np.square(found - exact).mean()
    # What is halfway between two codes may go either way, and more than that in layers after it.
    assert np.square(found - expected).mean() < 0.5 * off
    assert 1e-8 < off < 1e-2
    with pytest.raises(bs.UsageError, match="no layer"):
        ranges.attach(nn.Linear(2, 2))
    one = quant.ActivationRanges(["weight"], quant.TimeGroups.uniform(1, 1), [[0]], [[3]], bits=2)
    linear = nn.Linear(2, 1, bias=False)
    with one.attach(linear, timestep=0), torch.no_grad():
        expected_output = linear.weight @ torch.tensor([1.0, 3.0])
        assert torch.equal(linear(torch.tensor([1.4, 99.0])), expected_output)
        assert torch.equal(linear(input=torch.tensor([1.4, 99.0])), expected_output)


def test_every_example_with_torch_runs() -> None:
    steps = quant.Schedule.from_config(DIGITS / "data" / "scheduler").steps(3)
    network, seen = trained("unet"), quant.Calibrator()
    quant.calibrate(network, steps, seen, shape=(1, 8, 8), samples=1)
    known = {
        "bs": bs,
        "network": network,
        "x": torch.from_numpy(X),
        "t": torch.full((len(X),), int(steps.timesteps[0])),
        "ranges": quant.ActivationRanges.of(seen, quant.TimeGroups.uniform(steps, 1)),
    }
    ran = 0
    for module in (_hooks, _calibrator, _activations):
        for test in doctest.DocTestFinder().find(module, extraglobs=known):
            if any(example.options.pop(doctest.SKIP, False) for example in test.examples):
                for example in test.examples:
                    example.options.pop(doctest.SKIP, None)
                # What the model says is not shown.
                runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
                assert runner.run(test, out=lambda _: None).failed == 0, test.name
                ran += 1
    assert ran == 3
