"""How far are the samples of one network from those of another, and from digits?

Every figure comes with an interval: what 95 % of a normal distribution cover that has the standard deviation
of the figure over bootstrap resamples of the images (Efron 1979).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from sampling import Array, Network, Numbers, Sampler, Trajectories, estimate

DATA = Path(__file__).parent / "data"
RESAMPLES = 100


@dataclass(frozen=True)
class Estimate:
    """A figure and where it could as well be."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Show both."""
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def bootstrap(statistic: Callable[[npt.NDArray[np.int64]], float], count: int, seed: int = 0) -> Estimate:
    """Estimate a figure of `count` images, which `statistic` gives for any choice of them.

    A figure that is not finite has no interval: both ends are the figure.
    """
    value = statistic(np.arange(count))
    if not np.isfinite(value):
        return Estimate(value, value, value)
    drawn = np.random.default_rng(seed)
    spread = 1.96 * np.std([statistic(drawn.integers(0, count, count)) for _ in range(RESAMPLES)])
    return Estimate(value, float(value - spread), float(value + spread))


def step_divergences(network: Network, sampler: Sampler, trajectories: Trajectories) -> Numbers:
    """Compare the kernels of a network with those of the one that walked the trajectories.

    Each step is a Gaussian whose mean the network moves, so that the divergence is ‖μ' − μ‖² / (2σ²). The
    last step adds no noise, and has none.

    Returns:
        The divergence in nats of each step but the last, and of each image: step, image.

    Raises:
        ValueError: When no step adds noise.
    """
    variances = sampler.variances[:-1]
    if not variances.all():
        raise ValueError("a step without noise has no divergence: sample by DDPM, or with an eta above 0")
    rows = []
    for step, variance in enumerate(variances):
        x = trajectories.states[step]
        moved = sampler.mean(step, x, estimate(network, x, int(sampler.timesteps[step])))
        distance = (moved - trajectories.means[step]).astype(np.float64)
        rows.append(np.square(distance).sum(axis=(1, 2, 3)) / (2 * variance))
    return np.stack(rows)


def path_kl(divergences: Numbers) -> Estimate:
    """Estimate the divergence of whole paths in nats: the mean over images of the sum over steps."""
    paths = divergences.sum(axis=0)
    return bootstrap(lambda rows: float(paths[rows].mean()), len(paths))


def psnr(samples: Array, reference: Array) -> Estimate:
    """Estimate how near images are to those of another network from the same noise.

    Returns:
        10 log₁₀(4 / mean squared error) in decibels, as pixels go from -1 to 1; infinite when they are equal.
    """
    errors = np.square(samples.astype(np.float64) - reference).mean(axis=(1, 2, 3))

    def decibels(rows: npt.NDArray[np.int64]) -> float:
        error = errors[rows].mean()
        return float(10 * np.log10(4 / error)) if error else np.inf

    return bootstrap(decibels, len(errors))


def digits() -> Array:
    """Give scikit-learn's digits, with pixels from -1 to 1: image, channel, row, column."""
    pixels = load_file(DATA / "digits.safetensors")["images"]
    images: Array = np.asarray(pixels[:, None] / 8 - 1, np.float32)
    return images


def features(images: Array) -> Array:
    """Give what the last hidden layer of the classifier in `data/` makes of images, 32 numbers for each."""
    weights: dict[str, Array] = load_file(DATA / "classifier.safetensors")
    x: Array = images.reshape(len(images), -1)
    for layer in ("1", "3"):
        x = (x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]).clip(0)
    return np.asarray(x, np.float32)


@dataclass(frozen=True)
class Normal:
    """The normal distribution of features that have these moments."""

    mean: Numbers
    covariance: Numbers

    @classmethod
    def of(cls, features: npt.ArrayLike) -> Normal:
        """Take the moments of features, a row for each image."""
        rows = np.asarray(features, np.float64)
        return cls(rows.mean(axis=0), np.cov(rows, rowvar=False))

    @cached_property
    def root(self) -> Numbers:
        """The symmetric square root of the covariance."""
        values, vectors = np.linalg.eigh(self.covariance)
        root: Numbers = vectors * np.sqrt(values.clip(0)) @ vectors.T
        return root


def frechet(ours: Normal, theirs: Normal) -> float:
    """Give the Fréchet distance of two normal distributions (Heusel et al. 2017).

    With their means m and covariances C it is ‖m − m'‖² + tr(C + C' − 2(CC')^½).
    """
    # (CC')^½ and (C'^½ C C'^½)^½ have the same eigenvalues, and the latter is symmetric.
    crossed = np.sqrt(np.linalg.eigvalsh(theirs.root @ ours.covariance @ theirs.root).clip(0)).sum()
    distance = np.square(ours.mean - theirs.mean).sum()
    return float(distance + np.trace(ours.covariance + theirs.covariance) - 2 * crossed)


def frechet_distance(images: Array, reference: Array) -> Estimate:
    """Estimate the Fréchet distance of the features of images from those of a reference, which is fixed.

    It is larger the fewer images there are: only figures of equally many can be compared. Its interval
    begins at 0 at least.
    """
    ours, theirs = features(images), Normal.of(features(reference))
    found = bootstrap(lambda rows: frechet(Normal.of(ours[rows]), theirs), len(ours))
    return replace(found, low=max(found.low, 0.0))
