"""How far are the samples of one network from those of another, and from digits?

Every figure comes with an interval of 95 %.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from sampling import Array, Network, Numbers, Sampler, Trajectories, estimate

import bowstring as bs
from bowstring.quant import Estimate

DATA = Path(__file__).parent / "data"


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
    spread = 1.96 * paths.std() / len(paths) ** 0.5
    return Estimate(float(paths.mean()), float(paths.mean() - spread), float(paths.mean() + spread))


def psnr(samples: Array, reference: Array) -> Estimate:
    """Estimate how near images are to those of another network from the same noise, in decibels."""
    return bs.quant.psnr(samples, reference, span=2.0)


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


def frechet_distance(images: Array, reference: Array) -> Estimate:
    """Estimate the Fréchet distance of the features of images from those of a reference, which is fixed.

    It is larger the fewer images there are: only figures of equally many can be compared.
    """
    return bs.quant.frechet_distance(features(images), features(reference))
