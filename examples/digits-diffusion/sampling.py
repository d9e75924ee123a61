"""How do images come out of noise? Schedules and the reverse process, step by step.

Each step is a Gaussian kernel: the mean depends on what the network sees, the variance does not. DDPM is
that of Ho et al. (2020) with the smaller of their variances, DDIM that of Song et al. (2021).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]
Kind = Literal["ddpm", "ddim"]
Network = Callable[[Array, int], Array]
"""Gives the noise in images at a time step that all of them share."""

CHUNK = 64
"""How many images a network is given at once: few enough for the caches."""


def linear(steps: int, start: float, end: float) -> Numbers:
    """Give betas that grow evenly (Ho et al. 2020)."""
    return np.linspace(start, end, steps)


def scaled_linear(steps: int, start: float, end: float) -> Numbers:
    """Give betas whose roots grow evenly (Rombach et al. 2022)."""
    return np.linspace(start**0.5, end**0.5, steps) ** 2


def cosine(steps: int) -> Numbers:
    """Give betas, none over 0.999, of a signal that falls as a squared cosine (Nichol and Dhariwal 2021)."""
    kept = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    betas: Numbers = np.minimum(1 - kept[1:] / kept[:-1], 0.999)
    return betas


def betas_of(config: Mapping[str, Any]) -> Numbers:
    """Give the betas that a `scheduler_config.json` asks for.

    Raises:
        ValueError: When it asks for something that is not known here.
    """
    for key, known in [("prediction_type", "epsilon"), ("variance_type", "fixed_small")]:
        if config.get(key, known) != known:
            raise ValueError(f"{key} `{config[key]}` is not `{known}`")
    steps = config["num_train_timesteps"]
    if (trained := config.get("trained_betas")) is not None:
        if len(trained) != steps:
            raise ValueError(f"{len(trained)} trained betas for {steps} time steps")
        return np.asarray(trained, np.float64)
    match config["beta_schedule"]:
        case "linear":
            return linear(steps, config["beta_start"], config["beta_end"])
        case "scaled_linear":
            return scaled_linear(steps, config["beta_start"], config["beta_end"])
        case "squaredcos_cap_v2":
            return cosine(steps)
        case other:
            raise ValueError(f"beta_schedule `{other}` is not linear, scaled_linear or squaredcos_cap_v2")


@dataclass(frozen=True)
class Sampler:
    """A reverse process.

    Attributes:
        betas: The noise that each time step of training adds.
        steps: How many of them are walked, evenly from the last to the first; all when `None`.
        kind: How the mean follows from the noise that the network sees.
        eta: What share of the noise of DDPM a step of DDIM adds; none is deterministic.
        clip: Whether the image that a step expects is clipped to what pixels can be.
    """

    betas: Numbers
    steps: int | None = None
    kind: Kind = "ddpm"
    eta: float = 0.0
    clip: bool = False

    @property
    def timesteps(self) -> npt.NDArray[np.int64]:
        """The time steps, from noise to image."""
        count = len(self.betas)
        return np.linspace(count - 1, 0, self.steps or count).round().astype(np.int64)

    @property
    def signals(self) -> tuple[Numbers, Numbers]:
        """The share of an image's variance that is left before each step, and after it."""
        kept: Numbers = np.cumprod(1 - self.betas, dtype=np.float64)
        before = kept[self.timesteps]
        after: Numbers = np.append(before[1:], 1.0)
        return before, after

    @property
    def variances(self) -> Numbers:
        """The variance of each step; that of the last is 0."""
        before, after = self.signals
        smaller: Numbers = (1 - after) / (1 - before) * (1 - before / after)
        return smaller if self.kind == "ddpm" else self.eta**2 * smaller

    def mean(self, step: int, x: Array, noise: Array) -> Array:
        """Give the mean of a step from its state and the noise that a network sees in it."""
        signals, variances = self.signals, self.variances
        before, after = signals[0][step], signals[1][step]
        image = (x - (1 - before) ** 0.5 * noise) / before**0.5
        if self.clip:
            image = image.clip(-1, 1)
        if self.kind == "ddpm":
            added = 1 - before / after
            ours = after**0.5 * added / (1 - before)
            theirs = (before / after) ** 0.5 * (1 - after) / (1 - before)
            mean: Array = ours * image + theirs * x
        else:
            mean = after**0.5 * image + (1 - after - variances[step]) ** 0.5 * noise
        return np.asarray(mean, np.float32)


@dataclass(frozen=True)
class Trajectories:
    """What became of each image, step by step.

    Attributes:
        states: The noise, and what each step made of it: step, image, channel, row, column.
        means: The means of the steps' kernels: one less than states.
    """

    states: Array
    means: Array

    @property
    def samples(self) -> Array:
        """The images."""
        samples: Array = self.states[-1]
        return samples


def load_sampler(folder: Path, steps: int | None = None, kind: Kind = "ddpm", eta: float = 0.0) -> Sampler:
    """Make the sampler that a folder's `scheduler_config.json` asks for, with the options of `Sampler`."""
    config = json.loads((folder / "scheduler_config.json").read_text(encoding="utf-8"))
    return Sampler(betas_of(config), steps, kind, eta, config["clip_sample"])


def estimate(network: Network, x: Array, t: int) -> Array:
    """Apply a network to any number of images."""
    return np.concatenate([network(x[first : first + CHUNK], t) for first in range(0, len(x), CHUNK)])


def sample(
    network: Network, sampler: Sampler, count: int, seed: int, shape: tuple[int, int, int] = (1, 8, 8)
) -> Trajectories:
    """Make images out of noise.

    Args:
        network: Which noise is in images at a time step.
        sampler: How to walk.
        count: How many images.
        seed: Of all noise: that in the beginning, and that which steps add. The same one gives the same noise
            to any network.
        shape: Of an image: channels, rows, columns.

    Returns:
        The images and how they came to be.
    """
    drawn = np.random.default_rng(seed)
    x = drawn.standard_normal((count, *shape), np.float32)
    states, means = [x], []
    for step, (t, variance) in enumerate(zip(sampler.timesteps, sampler.variances, strict=True)):
        means.append(sampler.mean(step, x, estimate(network, x, int(t))))
        noise = drawn.standard_normal(x.shape, np.float32)
        x = means[-1] + np.float32(variance**0.5) * noise
        states.append(x)
    return Trajectories(np.stack(states), np.stack(means))
