"""Are samples compared by the figures that their names promise?"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

import bowstring as bs

RANDOM = np.random.default_rng(5)


def test_the_peak_ratio_is_that_of_its_definition() -> None:
    reference = RANDOM.uniform(-1, 1, (40, 1, 8, 8)).astype(np.float32)
    samples = reference + RANDOM.normal(0, 0.1, reference.shape).astype(np.float32)
    found = bs.quant.psnr(samples, reference, span=2.0)
    error = np.mean((samples.astype(np.float64) - reference) ** 2)
    assert found.value == pytest.approx(10 * np.log10(4 / error))
    assert found.low < found.value < found.high
    assert found == bs.quant.psnr(samples, reference, span=2.0), "the same seed gives the same interval"
    assert found.low != bs.quant.psnr(samples, reference, span=2.0, seed=1).low
    assert bs.quant.psnr(reference, reference, span=2.0).value == np.inf


def test_the_frechet_distance_is_that_of_its_definition() -> None:
    ours = RANDOM.standard_normal((300, 5)) @ RANDOM.standard_normal((5, 5)) + 1
    theirs = RANDOM.standard_normal((200, 5)) @ RANDOM.standard_normal((5, 5))
    covariances = np.cov(ours, rowvar=False), np.cov(theirs, rowvar=False)
    crossed = sqrtm(covariances[0] @ covariances[1]).real
    apart = np.square(ours.mean(axis=0) - theirs.mean(axis=0)).sum()
    expected = apart + np.trace(covariances[0] + covariances[1] - 2 * crossed)
    assert bs.quant.frechet_distance(ours, theirs).value == pytest.approx(expected)
    same = bs.quant.frechet_distance(theirs, theirs)
    assert same.value == pytest.approx(0, abs=1e-9)
    assert same.low >= 0


def test_an_interval_covers_the_figure_of_more_samples() -> None:
    reference = np.zeros((4000, 4))
    samples = RANDOM.normal(0, 1, reference.shape)
    exact = bs.quant.psnr(samples, reference, span=2.0).value
    covered = 0
    for first in range(0, 4000, 100):
        part = slice(first, first + 100)
        found = bs.quant.psnr(samples[part], reference[part], span=2.0)
        covered += found.low <= exact <= found.high
    assert covered >= 34, "of 40 intervals of 95 %"


def test_a_report_has_what_was_asked_for() -> None:
    reference = RANDOM.uniform(-1, 1, (30, 6)).astype(np.float32)
    samples = reference + np.float32(0.2)
    report = bs.quant.compare_samples(samples, reference, span=2.0)
    assert (report.count, report.frechet, report.path_kl) == (30, None, None)
    assert report.psnr.value == pytest.approx(20, abs=1e-4)
    report = bs.quant.compare_samples(
        samples, reference, span=2.0, features=lambda rows: rows[:, :2], divergences=np.ones((7, 30))
    )
    assert report.frechet is not None
    assert report.frechet.value == pytest.approx(2 * 0.04, rel=1e-3)
    assert report.path_kl == bs.quant.Estimate(7, 7, 7)
    against = bs.quant.compare_samples(
        samples, reference, span=2.0, features=lambda rows: rows[:, :2], real=samples
    )
    assert against.frechet is not None
    assert against.frechet.value == pytest.approx(0, abs=1e-6)


def test_what_cannot_be_compared() -> None:
    two = np.zeros((2, 3))
    with pytest.raises(
        bs.UsageError, match=r"reference: expected the shape of samples, \(2, 3\), got \(3, 3\)"
    ):
        bs.quant.psnr(two, np.zeros((3, 3)), span=1.0)
    with pytest.raises(bs.UsageError, match="span: expected a number of more than 0, got 0"):
        bs.quant.psnr(two, two, span=0)
    with pytest.raises(bs.UsageError, match="samples: expected at least 2 samples, got 1"):
        bs.quant.psnr(two[:1], two[:1], span=1.0)
    with pytest.raises(bs.DataError, match="reference: some are NaN or infinite"):
        bs.quant.psnr(two, two * np.nan, span=1.0)
    with pytest.raises(TypeError, match="samples: expected numbers, got <U1"):
        bs.quant.psnr(["a", "b"], two, span=1.0)  # type: ignore[list-item]
    with pytest.raises(bs.UsageError, match="features: expected tables with as many columns"):
        bs.quant.frechet_distance(two, np.zeros((2, 4)))
    with pytest.raises(bs.UsageError, match="real: given without a function for `features`"):
        bs.quant.compare_samples(two, two, span=1.0, real=two)
    with pytest.raises(bs.UsageError, match=r"divergences: expected step, 2 samples, got \(2, 3\)"):
        bs.quant.compare_samples(two, two, span=1.0, divergences=two)
