"""Calibration along a diffusion model's own path, its schedule, and how far the paths of two diverge."""

from __future__ import annotations

import doctest
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bowstring as bs
from bowstring import _activations, _calibrator, _diffusion, _hooks, quant

DIGITS = Path(__file__).parents[3] / "examples" / "digits-diffusion"
sys.path.insert(0, str(DIGITS))

from networks import Network, load  # noqa: E402
from sampling import Kind, Sampler, betas_of, linear, load_sampler, sample  # noqa: E402

Array = npt.NDArray[np.float32]
RANDOM = np.random.default_rng(8)
SCHEDULER = DIGITS / "data" / "scheduler"
STRIDES = {
    "unet": {"down_blocks.*.downsamplers.*.weight": 2},
    "transformer": {"pos_embed.proj.weight": 2},
}


def watched(name: str, calibrator: quant.Calibrator) -> Network:
    """One of the example's networks, whose inputs are seen."""
    weights = load(DIGITS / "data" / name).weights
    return load(DIGITS / "data" / name, on_input=calibrator.on_input(weights, strides=STRIDES[name]))


def rows(calibrator: quant.Calibrator) -> list[dict[str, Any]]:
    return pa.table(calibrator.table).to_pylist()


@pytest.mark.parametrize("name", ["unet", "transformer"])
def test_what_is_seen_has_the_order_of_the_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    energies: dict[str, float] = {}
    plain = Network.layer

    def layer(self: Network, layer: str, x: Array, stride: int = 1) -> Array:
        outputs = plain(self, layer, x, stride)
        products = outputs.astype(np.float64) - self.weights[f"{layer}.bias"]
        energies[f"{layer}.weight"] = float(np.square(products).sum())
        return outputs

    monkeypatch.setattr(Network, "layer", layer)
    calibrator = quant.Calibrator(moments="full")
    network = watched(name, calibrator)
    network(RANDOM.standard_normal((3, 1, 8, 8), np.float32), [7, 40, 150])
    calibrator.save(tmp_path / "seen.parquet")
    moments = {
        row["layer"]: np.reshape(row["moments"], (row["channels"], row["channels"]))
        for row in pq.read_table(tmp_path / "seen.parquet").to_pylist()
    }
    assert list(moments) == list(energies)
    assert {name for name in energies if network.weights[name].ndim == 4} != set(), "convolutions, too"
    for name, energy in energies.items():
        weights = network.weights[name].reshape(len(network.weights[name]), -1).astype(np.float64)
        assert np.einsum("oi,ij,oj", weights, moments[name], weights) == pytest.approx(energy, rel=1e-4), name


def test_windows_are_those_of_a_slow_convolution() -> None:
    x = RANDOM.standard_normal((2, 7, 6, 3)).astype(np.float32)
    for kernel, stride, padding in [((3, 3), 1, None), ((2, 2), 2, None), ((3, 1), 2, 2), ((5, 5), 3, 0)]:
        windows = _hooks.numpy_windows(x, kernel, stride, padding)
        edges = [size // 2 if size % 2 else 0 for size in kernel] if padding is None else [padding] * 2
        padded = np.pad(x, ((0, 0), *((edge, edge) for edge in edges), (0, 0)))
        for row in range(windows.shape[1]):
            for column in range(windows.shape[2]):
                top, left = row * stride, column * stride
                part = padded[:, top : top + kernel[0], left : left + kernel[1]]
                assert np.array_equal(windows[:, row, column], part.transpose(0, 3, 1, 2))
        assert windows.shape[1:3] == tuple(
            (length + 2 * edge - size) // stride + 1
            for length, edge, size in zip(x.shape[1:3], edges, kernel, strict=True)
        )


def test_large_inputs_are_seen_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    x = RANDOM.standard_normal((3, 6, 6, 2)).astype(np.float32)
    weights = {"conv.weight": np.ones((4, 2, 3, 3))}

    def seen() -> list[dict[str, Any]]:
        calibrator = quant.Calibrator()
        assert calibrator.on_input(weights)("conv", x) is x
        return rows(calibrator)

    whole = seen()
    for most in (1, 100, 300, 700):
        monkeypatch.setattr(_hooks, "MOST_NUMBERS", most)
        assert [len(piece) for piece in _hooks.pieces(np.ones((3, 6, 6, 18)), 3)] != [108]
        found = seen()
        assert found[0].pop("mean_square") == pytest.approx(whole[0]["mean_square"])
        assert found == [{key: whole[0][key] for key in found[0]}]


def test_the_timestep_is_told_once_for_all_that_comes() -> None:
    calibrator = quant.Calibrator()
    with calibrator.at(5):
        calibrator.observe("a.weight", np.ones((1, 2)))
        with calibrator.at(3):
            calibrator.observe("a.weight", np.ones((2, 2)))
        calibrator.observe("a.weight", np.ones((3, 2)), timestep=9)
        assert calibrator.timestep == 5
    with pytest.raises(KeyError), calibrator.at(4):
        raise KeyError
    assert calibrator.timestep is None
    calibrator.observe("a.weight", np.ones((4, 2)))
    assert [(row["timestep"], row["count"]) for row in rows(calibrator)] == [
        (None, 4),
        (3, 2),
        (5, 1),
        (9, 3),
    ]
    for wrong in (-1, 2**32):
        with pytest.raises(bs.UsageError, match="timestep"), calibrator.at(wrong):
            pass
    with pytest.raises(TypeError, match="timestep: expected a whole number, got float"), calibrator.at(0.5):  # type: ignore[arg-type]
        pass


def test_the_weight_of_a_timestep_counts_among_moments(tmp_path: Path) -> None:
    calibrator = quant.Calibrator(moments="full")
    with calibrator.at(1, weight=0.5):
        calibrator.observe("a.weight", np.ones((4, 2)))
    with calibrator.at(0, weight=3):
        calibrator.observe("a.weight", np.ones((1, 2)))
    calibrator.save(tmp_path / "seen.parquet")
    assert pq.read_table(tmp_path / "seen.parquet")["weight"].to_pylist() == [5.0, None]


def test_a_timestep_without_inputs_is_named_and_nothing_is_saved(tmp_path: Path) -> None:
    calibrator = quant.Calibrator(timesteps=[0, 10, 20])
    with pytest.raises(bs.DataError, match="nothing was seen of any layer"):
        calibrator.save(tmp_path / "seen.parquet")
    for layer, timestep in [("a.weight", 0), ("a.weight", 10), ("a.weight", 20), ("b.weight", 10)]:
        calibrator.observe(layer, np.ones((1, 2)), timestep=timestep)
    calibrator.observe("b.weight", np.ones((0, 2)), timestep=0)
    with pytest.raises(bs.DataError, match=r"`b\.weight` at timestep 0, `b\.weight` at timestep 20\n"):
        calibrator.save(tmp_path / "seen.parquet")
    assert not list(tmp_path.iterdir())
    calibrator.observe("b.weight", np.ones((1, 2)), timestep=0)
    calibrator.observe("b.weight", np.ones((1, 2)), timestep=20)
    calibrator.save(tmp_path / "seen.parquet")
    again = quant.Calibrator.open(tmp_path / "seen.parquet")
    again.check()
    again.observe("c.weight", np.ones((1, 2)), timestep=10)
    with pytest.raises(bs.DataError, match=r"`c.weight` at timestep 0, `c.weight` at timestep 20"):
        again.check()
    again.expect(range(100, 120))
    with pytest.raises(bs.DataError, match=r"`a\.weight` at timestep 104, and 55 more"):
        again.check()
    with pytest.raises(bs.UsageError, match="at least one"):
        again.expect([])


def test_a_layer_that_is_to_blame_is_named() -> None:
    calibrator = quant.Calibrator()
    see = calibrator.on_input({"a.weight": np.ones((3, 2))})
    with pytest.raises(bs.DataError) as error, calibrator.at(7):
        see("a", np.array([[1.0, np.inf]]))
    assert error.value.__notes__ == ["at layer `a.weight`, timestep 7"]
    with pytest.raises(bs.UsageError, match=r"none of layer `b`: `b.weight`"):
        see("b", np.ones((1, 2)))


def test_torch_is_not_imported_for_what_is_none_of_its_modules() -> None:
    code = """
import sys, bowstring as bs
try:
    bs.quant.Calibrator().attach(sum)
except TypeError as error:
    print(error, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "model: expected a torch.nn.Module, got builtin_function_or_method False\n"


@pytest.mark.parametrize(("kind", "eta"), [("ddpm", None), ("ddim", None), ("ddim", 0.4)])
@pytest.mark.parametrize("count", [None, 17])
def test_steps_are_those_of_the_sampler(kind: Kind, eta: float | None, count: int | None) -> None:
    schedule = quant.Schedule.from_config(SCHEDULER)
    sampler = Sampler(linear(200, 0.0005, 0.1), count, kind, eta or 0.0)
    steps = schedule.steps(count, kind=kind, eta=eta)
    assert np.array_equal(steps.timesteps, sampler.timesteps)
    assert np.allclose(steps.variances, sampler.variances, rtol=1e-9, atol=1e-15)
    x, noise = RANDOM.standard_normal((2, 3, 1, 8, 8), np.float32)
    for step in range(len(steps)):
        assert np.allclose(steps.mean(step, x, noise), sampler.mean(step, x, noise), rtol=1e-4, atol=1e-4)
    weights = steps.divergence_weights(least_variance=1e-3)
    variances = np.maximum(steps.variances, 1e-3)
    assert np.allclose(weights, steps.output**2 / (2 * variances))


def test_schedules_are_those_of_their_betas(tmp_path: Path) -> None:
    def config(text: str) -> quant.Schedule:
        (tmp_path / "scheduler").mkdir(exist_ok=True)
        path = tmp_path / "scheduler" / "scheduler_config.json"
        path.write_text(text)
        found = [quant.Schedule.from_config(place) for place in (path, path.parent, tmp_path)]
        assert all(np.array_equal(one.alpha_bars, found[0].alpha_bars) for one in found)
        return found[0]

    keys = {"num_train_timesteps": 30, "beta_start": 0.01, "beta_end": 0.04, "trained_betas": None}
    pairs = [
        (quant.Schedule.linear(30, 0.01, 0.04), {**keys, "beta_schedule": "linear"}),
        (quant.Schedule.scaled_linear(30, 0.01, 0.04), {**keys, "beta_schedule": "scaled_linear"}),
        (quant.Schedule.cosine(30), {**keys, "beta_schedule": "squaredcos_cap_v2"}),
        (quant.Schedule.from_betas([0.1, 0.2]), {"num_train_timesteps": 2, "trained_betas": [0.1, 0.2]}),
    ]
    for schedule, described in pairs:
        assert np.allclose(schedule.alpha_bars, np.cumprod(1 - betas_of(described)), rtol=1e-12)
        text = str(described).replace("'", '"').replace("None", "null")
        assert np.allclose(config(text).alpha_bars, schedule.alpha_bars, rtol=1e-12)
    assert config('{"prediction_type": "v_prediction"}').prediction == "v_prediction"
    assert quant.Schedule.linear(5, prediction="sample").prediction == "sample"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: quant.Schedule.linear(0), bs.UsageError, "num_train_timesteps"),
        (lambda: quant.Schedule.from_betas([0.1, 1.5]), bs.DataError, "β 1 cannot be 1.5"),
        (lambda: quant.Schedule.cosine(9, prediction="noise"), bs.UsageError, "prediction_type"),  # type: ignore[arg-type]
        (lambda: quant.Schedule.cosine(9).steps(10), bs.UsageError, "expected 1 to 9 steps, got 10"),
        (lambda: quant.Schedule.cosine(9).steps([3, 5]), bs.UsageError, "timesteps"),
        (lambda: quant.Schedule.cosine(9).steps([]), bs.UsageError, "at least one timestep"),
        (lambda: quant.Schedule.cosine(9).steps(3, eta=0.5), bs.UsageError, "eta"),
        (lambda: quant.Schedule.cosine(9).steps(3, kind="ddim", eta=2), bs.UsageError, "eta"),
        (lambda: quant.Schedule.cosine(9).steps(3, kind="euler"), bs.UsageError, "kind"),  # type: ignore[arg-type]
        (
            lambda: quant.Schedule.cosine(9).steps(3, kind="ddim").divergence_weights(),
            bs.UsageError,
            "least_variance",
        ),
        (lambda: quant.Schedule.from_config(DIGITS / "none"), bs.NotFoundError, "none"),
        (lambda: quant.Schedule.from_config(DIGITS / "README.md"), bs.DataError, "configuration"),
    ],
)
def test_what_a_schedule_cannot_be(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_paths_diverge_by_weighted_squared_distances() -> None:
    steps = quant.Schedule.from_config(SCHEDULER).steps(6)
    original, other = RANDOM.standard_normal((2, 6, 4, 1, 3, 3))
    found = quant.path_kl(steps, original, other)
    squared = np.square(original.astype(np.float32) - other.astype(np.float32), dtype=np.float64)
    expected = steps.divergence_weights() * squared.reshape(6, 4, -1).sum(axis=2).mean(axis=1)
    assert found.steps == pytest.approx(expected.tolist(), rel=1e-5)
    assert found.total == pytest.approx(expected.sum(), rel=1e-5)
    assert quant.path_kl(steps, original, original) == quant.PathKl((0.0,) * 6, 0.0)
    with pytest.raises(bs.UsageError, match="same shape"):
        quant.path_kl(steps, original, other[:, :3])
    with pytest.raises(bs.UsageError, match="6 steps"):
        quant.path_kl(steps, original[:5], other[:5])
    with pytest.raises(bs.UsageError, match="no paths"):
        quant.path_kl(steps, original[:, :0], other[:, :0])
    with pytest.raises(bs.DataError):
        quant.path_kl(steps, original, other * np.nan)
    with pytest.raises(bs.DataError, match="weight"):
        quant.path_kl([-1.0] * 6, original, other)


def test_choices_diverge_by_their_logits() -> None:
    original, other = RANDOM.standard_normal((2, 5, 3, 7), np.float32)
    p, q = (np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True) for logits in (original, other))
    expected = (p * np.log(p / q)).sum(axis=2)
    assert np.allclose(quant.categorical_kl(original, other), expected, atol=1e-6)
    assert quant.categorical_kl(np.zeros((4, 0, 7)), np.zeros((4, 0, 7))).shape == (4, 0)
    never = np.array([0.0, -np.inf])
    assert quant.categorical_kl(never, np.zeros(2)) == pytest.approx(np.log(2))
    assert quant.categorical_kl(np.zeros(2), never) == np.inf
    with pytest.raises(bs.UsageError, match="same shape"):
        quant.categorical_kl(original, other[:4])
    with pytest.raises(bs.DataError):
        quant.categorical_kl(original * np.nan, other)


def test_timesteps_are_chosen_from_every_part_of_the_path() -> None:
    steps = quant.Schedule.from_config(SCHEDULER).steps(30)
    chosen = quant.stratified_timesteps(steps, 6, per_group=2, seed=3)
    parts = np.array_split(steps.timesteps, 6)
    assert [len(set(chosen) & set(part.tolist())) for part in parts] == [2] * 6
    assert list(chosen) == sorted(chosen, reverse=True)
    assert chosen == quant.stratified_timesteps(steps.timesteps.tolist(), 6, per_group=2, seed=3)
    assert chosen != quant.stratified_timesteps(steps, 6, per_group=2, seed=4)
    assert quant.stratified_timesteps(7, 7) == (6, 5, 4, 3, 2, 1, 0)
    for options in (
        {"num_time_groups": 31},
        {"num_time_groups": 0},
        {"num_time_groups": 6, "per_group": 6},
        {"num_time_groups": 6, "per_group": 0},
    ):
        with pytest.raises(bs.UsageError):
            quant.stratified_timesteps(steps, **options)


@pytest.mark.parametrize("name", ["unet", "transformer"])
def test_calibration_walks_the_path_of_the_model(name: str) -> None:
    calibrator, plain = quant.Calibrator(), quant.Calibrator()
    steps = quant.Schedule.from_config(SCHEDULER).steps(8)
    chosen = quant.stratified_timesteps(steps, 4)
    made = quant.calibrate(
        watched(name, calibrator),
        steps,
        calibrator,
        shape=(1, 8, 8),
        samples=5,
        batch_size=2,
        timesteps=chosen,
        seed=4,
    )
    again = watched(name, plain)

    def network(x: Array, t: int) -> Array:
        with plain.at(t) if t in chosen else plain.paused():
            return again(x, t)

    expected = sample(network, load_sampler(SCHEDULER, steps=8), 5, 4)
    assert np.allclose(made, expected.samples, atol=1e-3)
    found, wanted = rows(calibrator), rows(plain)
    assert {row["timestep"] for row in found} == set(chosen)
    assert len(found) == len(wanted) == 4 * len(load(DIGITS / "data" / name)._matrices)
    for one, other in zip(found, wanted, strict=True):
        assert (one["layer"], one["timestep"], one["channels"]) == (
            other["layer"],
            other["timestep"],
            other["channels"],
        )
        # The embedding of a timestep is made once for a batch, of which there are three here.
        assert one["count"] == (3 if "time_emb" in one["layer"] or other["count"] == 1 else other["count"])
        assert one["least"] == pytest.approx(other["least"], abs=1e-2)
        assert one["greatest"] == pytest.approx(other["greatest"], abs=1e-2)


def test_a_calibration_that_sees_nothing_is_an_error() -> None:
    steps = quant.Schedule.from_config(SCHEDULER).steps(3)
    calibrator = quant.Calibrator()

    def run(network: Callable[[Array, int], Any], **options: object) -> object:
        return quant.calibrate(network, steps, calibrator, shape=(4,), **options)

    see = calibrator.on_input({"a.weight": np.ones((4, 4))})
    with pytest.raises(bs.DataError, match="nothing was seen of any layer"):
        run(lambda x, _: x)
    assert np.array_equal(run(lambda x, _: (see("a", x), None)), run(lambda x, _: see("a", x)))
    with pytest.raises(bs.DataError, match=r"`b.weight` at timestep 0\n"):
        run(lambda x, t: calibrator.observe("b.weight", x) or x if t else x)
    with pytest.raises(bs.DataError, match=r"expected an output of shape \(16, 4\), got \(16, 8\)"):
        run(lambda x, _: np.concatenate([x, x], axis=1))
    with pytest.raises(bs.DataError, match="at timestep 199 is not finite"):
        run(lambda x, _: x * np.nan)
    for options, message in [
        ({"timesteps": [5]}, "timesteps: 5 is none of the sampler's"),
        ({"weights": [1.0]}, "weights: expected one for each of 3 steps"),
        ({"samples": 0}, "samples"),
        ({"layers": ["a"]}, "layers"),
    ]:
        with pytest.raises(bs.UsageError, match=message):
            run(lambda x, _: x, **options)
    assert calibrator.timestep is None


def test_steps_weigh_as_much_as_they_are_said_to(tmp_path: Path) -> None:
    steps = quant.Schedule.from_config(SCHEDULER).steps(3)
    calibrator = quant.Calibrator(moments="full")
    see = calibrator.on_input({"a.weight": np.ones((4, 4))})
    quant.calibrate(
        lambda x, _: see("a", x), steps, calibrator, shape=(4,), samples=2, weights=[0.25, 0.0, 2.0]
    )
    calibrator.save(tmp_path / "seen.parquet")
    assert pq.read_table(tmp_path / "seen.parquet")["weight"].to_pylist() == [4.5, None, None]


def members() -> list[tuple[str, Any]]:
    """All public functions and methods of what diffusion models need."""
    found = []
    for module in (_hooks, _calibrator, _diffusion, _activations):
        for name in quant.__all__:
            thing = getattr(quant, name)
            if thing.__module__ != module.__name__:
                continue
            found.append((name, thing))
            if inspect.isclass(thing):
                found += [
                    (f"{name}.{own}", getattr(thing, own))
                    for own, value in vars(thing).items()
                    if not own.startswith("_")
                    and (inspect.isfunction(value) or isinstance(value, classmethod))
                ]
    return found


@pytest.mark.parametrize(("name", "member"), members())
def test_every_parameter_is_described(name: str, member: object) -> None:
    text = inspect.cleandoc(member.__doc__ or "")
    arguments = text.split("Args:\n")[1].split("\n\n")[0] if "Args:\n" in text else ""
    if inspect.isclass(member) and not arguments:
        # Fields say themselves what they are.
        return
    parameters = [one for one in inspect.signature(member).parameters if one != "self"]
    assert re.findall(r"^    (\w+): ", arguments, re.M) == parameters
    assert "Examples:\n" in text


@pytest.mark.parametrize("module", [_hooks, _calibrator, _diffusion, _activations])
def test_every_example_runs(module: ModuleType, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    model = {"block.attn.weight": np.sin(np.arange(32 * 48, dtype=np.float32)).reshape(32, 48)}
    save_file({**model, "block.norm.weight": np.ones(48, np.float32)}, tmp_path / "model.safetensors")
    failed, ran = doctest.testmod(module, extraglobs={"bs": bs, "np": np, "folder": tmp_path})
    assert failed == 0
    assert ran > 1
