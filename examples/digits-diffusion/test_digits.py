"""The example's networks are those that torch trained, its formulas are the published ones, and it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluate import (
    DATA,
    digits,
    features,
    frechet_distance,
    path_kl,
    psnr,
    step_divergences,
)
from networks import Array, load
from safetensors.numpy import load_file
from sampling import Kind, Sampler, betas_of, cosine, linear, load_sampler, sample, scaled_linear

HERE = Path(__file__).parent
RANDOM = np.random.default_rng(6)
NETWORKS = ["unet", "transformer"]
BETAS = linear(200, 0.0005, 0.1)


def dark(x: Array, _t: int) -> Array:
    """Take all that is to be seen for noise."""
    return x


def hazy(x: Array, _t: int) -> Array:
    """See a little more of it in each pixel."""
    return x + np.float32(0.01)


@pytest.mark.parametrize("name", NETWORKS)
def test_numpy_gives_what_torch_gave(name: str) -> None:
    outputs = load_file(DATA / "torch-outputs.safetensors")
    found = load(DATA / name)(outputs["x"], outputs["t"])
    assert found.dtype == np.float32
    assert np.abs(found - outputs[name]).max() < 1e-5
    assert np.abs(outputs[name]).max() > 1


@pytest.mark.parametrize("name", NETWORKS)
def test_one_time_step_serves_all_images(name: str) -> None:
    network = load(DATA / name)
    x = RANDOM.standard_normal((3, 1, 8, 8), np.float32)
    assert np.allclose(network(x, 40), network(x, [40, 40, 40]), atol=1e-6)
    assert not np.allclose(network(x, 40), network(x, 60), atol=1e-2)


@pytest.mark.parametrize(("name", "last"), [("unet", "conv_out"), ("transformer", "proj_out")])
def test_every_input_of_a_layer_is_seen_and_may_be_replaced(name: str, last: str) -> None:
    seen: dict[str, int] = {}

    def on_input(layer: str, x: Array) -> Array:
        assert layer not in seen
        seen[layer] = x.shape[-1]
        return np.zeros_like(x) if layer == last else x

    network = load(DATA / name, on_input=on_input)
    found = network(RANDOM.standard_normal((2, 1, 8, 8), np.float32), 7)
    expected = {
        tensor.removesuffix(".weight"): array.shape[1]
        for tensor, array in network.weights.items()
        if tensor.endswith(".weight") and array.ndim > 1
    }
    assert seen == expected
    assert np.isin(found, network.weights[f"{last}.bias"]).all()


def test_other_weights_take_the_place_of_those_in_the_folder() -> None:
    weights = {name: 0 * array for name, array in load(DATA / "unet").weights.items()}
    assert not load(DATA / "unet", weights)(np.ones((1, 1, 8, 8), np.float32), 0).any()


def test_schedules_have_their_closed_forms() -> None:
    steps = np.arange(50)
    assert np.allclose(linear(50, 0.1, 0.2), 0.1 + steps * 0.1 / 49)
    assert np.allclose(np.sqrt(scaled_linear(50, 0.01, 0.04)), 0.1 + steps * 0.1 / 49)
    kept = np.cos((steps + 1.4) / 50.4 * np.pi / 2) ** 2 / np.cos(0.4 / 50.4 * np.pi / 2) ** 2
    assert np.allclose(np.cumprod(1 - cosine(50))[:-1], kept[:-1])
    assert cosine(50)[-1] == 0.999


def test_a_configuration_names_its_schedule() -> None:
    config = {"num_train_timesteps": 3, "beta_start": 0.1, "beta_end": 0.4, "trained_betas": None}

    def check(changes: dict[str, object], expected: list[float]) -> None:
        assert betas_of({**config, **changes}) == pytest.approx(expected)

    check({"beta_schedule": "linear"}, [0.1, 0.25, 0.4])
    check({"beta_schedule": "scaled_linear"}, [0.1, 0.225, 0.4])
    check({"beta_schedule": "squaredcos_cap_v2"}, list(cosine(3)))
    check({"beta_schedule": "linear", "trained_betas": [0.1, 0.2, 0.5]}, [0.1, 0.2, 0.5])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta_schedule": "sigmoid"}, "beta_schedule `sigmoid` is not linear"),
        ({"prediction_type": "v_prediction"}, "prediction_type `v_prediction` is not `epsilon`"),
        ({"variance_type": "learned"}, "variance_type `learned` is not `fixed_small`"),
        ({"trained_betas": [0.1]}, "1 trained betas for 3 time steps"),
    ],
)
def test_what_a_configuration_may_not_ask_for(changes: dict[str, object], message: str) -> None:
    config = {"num_train_timesteps": 3, "beta_start": 0.1, "beta_end": 0.4, "beta_schedule": "linear"}
    with pytest.raises(ValueError, match=message):
        betas_of({**config, **changes})


@pytest.mark.parametrize("steps", [None, 50])
def test_ddim_with_all_its_noise_is_ddpm(steps: int | None) -> None:
    ddpm, ddim = Sampler(BETAS, steps), Sampler(BETAS, steps, "ddim", eta=1.0)
    assert np.allclose(ddpm.variances, ddim.variances, rtol=1e-12)
    x, noise = RANDOM.standard_normal((2, 3, 1, 8, 8), np.float32)
    for step in range(len(ddpm.timesteps)):
        assert np.allclose(ddpm.mean(step, x, noise), ddim.mean(step, x, noise), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [None, 50])
def test_ddpm_is_the_posterior_by_bayes(steps: int | None) -> None:
    sampler = Sampler(BETAS, steps)
    x, noise = RANDOM.standard_normal((2, 3, 1, 8, 8), np.float32)
    for step, (before, after) in enumerate(zip(*sampler.signals, strict=True)):
        if after == 1:
            continue
        image = (x - np.sqrt(1 - before) * noise) / np.sqrt(before)
        ratio = before / after
        precision = 1 / (1 - after) + ratio / (1 - ratio)
        assert sampler.variances[step] == pytest.approx(1 / precision)
        mean = (np.sqrt(after) * image / (1 - after) + np.sqrt(ratio) * x / (1 - ratio)) / precision
        assert np.allclose(sampler.mean(step, x, noise), mean, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["ddpm", "ddim"])
def test_who_knows_the_image_arrives_there(kind: Kind) -> None:
    image = digits()[:1]
    signal = np.cumprod(1 - BETAS)

    def network(x: Array, t: int) -> Array:
        noise: Array = ((x - signal[t] ** 0.5 * image) / (1 - signal[t]) ** 0.5).astype(np.float32)
        return noise

    found = sample(network, load_sampler(DATA / "scheduler", steps=20, kind=kind), 70, 1)
    assert found.states.shape == (21, 70, 1, 8, 8)
    assert np.abs(found.samples - image).max() < 1e-4


def test_clipping_keeps_what_a_step_expects_among_pixels() -> None:
    x, noise = 9 * RANDOM.standard_normal((2, 3, 1, 8, 8), np.float32)
    last = len(BETAS) - 1
    assert np.abs(Sampler(BETAS, clip=True).mean(last, x, noise)).max() <= 1
    assert np.abs(Sampler(BETAS).mean(last, x, noise)).max() > 1


def test_a_seed_gives_any_network_the_same_noise() -> None:
    sampler = Sampler(BETAS, 10)
    ours, theirs, other = (
        sample(dark, sampler, 4, 3),
        sample(hazy, sampler, 4, 3),
        sample(dark, sampler, 4, 5),
    )
    assert np.array_equal(ours.states[0], theirs.states[0])
    assert np.allclose(ours.states[1:] - ours.means, theirs.states[1:] - theirs.means, atol=1e-5)
    assert not np.allclose(ours.states[0], other.states[0], atol=0.1)


def test_the_divergence_of_paths_has_its_closed_form() -> None:
    sampler = Sampler(BETAS)
    walked = sample(dark, sampler, 5, 2)
    signal = np.cumprod(1 - BETAS)
    of_noise = BETAS / np.sqrt((1 - BETAS) * (1 - signal))
    steps = (64 * (0.01 * of_noise) ** 2)[:0:-1] / (2 * sampler.variances[:-1])
    found = step_divergences(hazy, sampler, walked)
    assert found.shape == (199, 5)
    assert np.allclose(found, steps[:, None], rtol=1e-3)
    assert path_kl(found).value == pytest.approx(steps.sum(), rel=1e-3)
    assert not step_divergences(dark, sampler, walked).any()


def test_steps_without_noise_have_no_divergence() -> None:
    sampler = Sampler(BETAS, 4, "ddim")
    with pytest.raises(ValueError, match="a step without noise has no divergence"):
        step_divergences(dark, sampler, sample(dark, sampler, 1, 0))


def test_psnr_is_20_db_for_a_tenth_of_the_range() -> None:
    images = digits()[:9]
    found = psnr(images + np.float32(0.2), images)
    assert found.value == pytest.approx(20, abs=1e-4)
    assert psnr(images, images).value == np.inf


def test_intervals_of_a_mean_have_its_standard_error() -> None:
    values = RANDOM.standard_normal(400)
    found = path_kl(values[None])
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20)


def test_the_interval_of_a_distance_has_no_negative_end() -> None:
    images = digits()[:60]
    found = frechet_distance(images, images)
    assert found.value == pytest.approx(0, abs=1e-3)
    assert found.low == 0
    assert found.high > found.value


def test_the_features_tell_digits_apart() -> None:
    images, labels = digits(), load_file(DATA / "digits.safetensors")["labels"]
    assert images.shape == (1797, 1, 8, 8)
    assert (images.min(), images.max()) == (-1, 1)
    weights = load_file(DATA / "classifier.safetensors")
    found = (features(images) @ weights["5.weight"].T + weights["5.bias"]).argmax(axis=1)
    assert (found == labels).mean() > 0.98


@pytest.mark.parametrize("name", NETWORKS)
def test_samples_are_close_to_digits(name: str) -> None:
    sampler = load_sampler(DATA / "scheduler", steps=12, kind="ddim")
    found = sample(load(DATA / name), sampler, 60, 0)
    reached, began = (frechet_distance(images, digits()).value for images in (found.samples, found.states[0]))
    assert reached < 0.1 * began


def test_the_comparison_shows_that_fewer_bits_cost_more() -> None:
    options = ["--bits", "8", "2", "--group-size", "64", "--samples", "6", "--steps", "3"]
    done = subprocess.run(
        [sys.executable, HERE / "compare.py", *options],
        capture_output=True,
        text=True,
        check=False,
        # With matrices as small as these, threads only wait for one another.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[3:]]
    assert [row[:2] for row in rows] == [[name, bits] for name in NETWORKS for bits in ("32", "8", "2")]
    for eight, two in (rows[1:3], rows[4:6]):
        stored, least, nearness, divergence = (
            [float(row[column].split(" ")[0].replace(",", "")) for row in (eight, two)]
            for column in range(3, 7)
        )
        assert stored[0] > 2 * stored[1]
        assert least[0] > least[1] + 20
        assert nearness[0] > nearness[1] + 10
        assert divergence[0] < divergence[1] / 10


def test_the_workflow_compares_three_budgets(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("bowstring")
    command = [str(program), "run", str(HERE / "workflow.yaml"), "--import", "sheets"]
    paths = {"network": DATA / "unet", "scheduler": DATA / "scheduler", "out": tmp_path}
    params = {**paths, "samples": 8, "sampling_steps": 4}
    options = [text for name, value in params.items() for text in ("--param", f"{name}={value}")]
    done = subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(HERE)},
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "figures.md").read_text().splitlines()[2:]
    rows = {
        cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    }
    assert list(rows) == ["full", "quarter", "sixth", "eighth"]
    stored, nearness, divergence = (
        [float(rows[name][column]) for name in ("quarter", "sixth", "eighth")] for column in range(3)
    )
    for share, found in zip((0.25, 0.16, 0.12), stored, strict=True):
        assert found <= share * float(rows["full"][0])
    assert nearness == sorted(nearness, reverse=True)
    assert divergence == sorted(divergence)
    sheet = (tmp_path / "sheet.txt").read_text().splitlines()
    assert [line for line in sheet if line.endswith(":")] == ["full:", "quarter:", "sixth:", "eighth:"]
    assert len(sheet) == 4 * (1 + 8 + 1) - 1
