"""How far are the samples of one model from those of another, and from real ones?

Every figure comes with an interval: what 95 % of a normal distribution cover that has the standard deviation
of the figure over bootstrap resamples of the samples (Efron 1979, "Bootstrap Methods").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bowstring._errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RESAMPLES = 100


@dataclass(frozen=True)
class Estimate:
    """A figure, and where it could as well be."""

    value: float
    """The figure."""
    low: float
    """Where its interval of 95 % begins."""
    high: float
    """Where it ends."""

    def __str__(self) -> str:
        """Show both.

        Examples:
            >>> str(bs.quant.Estimate(12.34567, 12.0, 12.7))
            '12.35 (12 to 12.7)'
        """
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class SampleReport:
    """How far samples are from those of another model, and from real ones."""

    count: int
    """How many samples there are."""
    psnr: Estimate
    """How near each is to the one that the other model makes of the same noise, in decibels."""
    frechet: Estimate | None = None
    """The Fréchet distance of features, where there is a function for them."""
    path_kl: Estimate | None = None
    """The divergence of paths in nats, where it is known."""


def compare_samples(
    samples: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    span: float,
    features: Callable[[npt.NDArray[np.float32]], npt.ArrayLike] | None = None,
    real: npt.ArrayLike | None = None,
    divergences: npt.ArrayLike | None = None,
    seed: int = 0,
) -> SampleReport:
    """Compare samples with those that another model makes of the same noise.

    Args:
        samples: Those of a quantised model: samples, then any axes.
        reference: Those of the original from the same noise, of the same shape.
        span: From the least to the greatest value that there is, as 2 for pixels of -1 to 1.
        features: What makes features of samples, a row for each, for the Fréchet distance; none is given
            without it.
        real: What features are compared with; the reference when `None`.
        divergences: What each step of each path diverges, in nats: step, sample.
        seed: Of the resamples.

    Returns:
        The figures.

    Raises:
        UsageError: When shapes differ or there are fewer than 2 samples, and as `psnr` and
            `frechet_distance`.
        DataError: When a number is NaN or infinite.

    Examples:
        >>> reference = np.zeros((4, 1, 8, 8), np.float32)
        >>> report = bs.quant.compare_samples(reference + 0.2, reference, span=2.0)
        >>> report.count, round(report.psnr.value, 2), report.frechet
        (4, 20.0, None)
    """
    import numpy as np

    ours, theirs = _checked("samples", samples), _checked("reference", reference)
    nearness = psnr(ours, theirs, span=span, seed=seed)
    distance = None
    if features is not None:
        compared = theirs if real is None else _checked("real", real)
        distance = frechet_distance(
            features(ours.astype(np.float32)), features(compared.astype(np.float32)), seed=seed
        )
    elif real is not None:
        raise UsageError("real: given without a function for `features`")
    paths = None
    if divergences is not None:
        of_paths = _checked("divergences", divergences)
        if of_paths.ndim != 2 or of_paths.shape[1] != len(ours):
            raise UsageError(f"divergences: expected step, {len(ours)} samples, got {of_paths.shape}")
        sums = of_paths.sum(axis=0)
        paths = _bootstrap(lambda rows: float(sums[rows].mean()), len(sums), seed)
    return SampleReport(len(ours), nearness, distance, paths)


def psnr(samples: npt.ArrayLike, reference: npt.ArrayLike, *, span: float, seed: int = 0) -> Estimate:
    """Say how near samples are to others, one by one: the peak ratio of signal to noise.

    Args:
        samples: Samples, then any axes.
        reference: Others of the same shape.
        span: From the least to the greatest value that there is.
        seed: Of the resamples.

    Returns:
        `10 log10(span² / mean squared error)` in decibels; infinite when they are equal.

    Raises:
        UsageError: When shapes differ, there are fewer than 2 samples, or the span is not more than 0.
        DataError: When a number is NaN or infinite.

    Examples:
        >>> bs.quant.psnr(np.full((3, 2), 0.1), np.zeros((3, 2)), span=1.0).value.__round__(6)
        20.0
    """
    import numpy as np

    ours, theirs = _checked("samples", samples), _checked("reference", reference)
    if ours.shape != theirs.shape:
        raise UsageError(f"reference: expected the shape of samples, {ours.shape}, got {theirs.shape}")
    if not (np.isfinite(span) and span > 0):
        raise UsageError(f"span: expected a number of more than 0, got {span}")
    errors = np.square(ours - theirs).reshape(len(ours), -1).mean(axis=1)

    def decibels(rows: npt.NDArray[np.int64]) -> float:
        error = errors[rows].mean()
        return float(10 * np.log10(span**2 / error)) if error else np.inf

    return _bootstrap(decibels, len(errors), seed)


def frechet_distance(features: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int = 0) -> Estimate:
    """Give the Fréchet distance of the normal distributions of features (Heusel et al. 2017).

    With their means m and covariances C it is `‖m − m'‖² + tr(C + C' − 2(CC')^½)`. It is larger the fewer
    samples there are: only figures of equally many can be compared. The reference is taken as fixed.

    Args:
        features: A row for each sample.
        reference: A row for each real one, with as many features.
        seed: Of the resamples.

    Returns:
        The distance, whose interval begins at 0 at least.

    Raises:
        UsageError: When they are no tables of as many columns, or there are fewer than 2 rows.
        DataError: When a number is NaN or infinite.

    Examples:
        >>> rows = np.random.default_rng(0).standard_normal((500, 3))
        >>> bs.quant.frechet_distance(rows + [1, 0, 0], rows).value.__round__(6)
        1.0
    """
    import numpy as np

    ours, theirs = _checked("features", features), _checked("reference", reference)
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1]:
        raise UsageError(
            f"features: expected tables with as many columns, got {ours.shape} and {theirs.shape}"
        )
    mean, covariance = theirs.mean(axis=0), np.atleast_2d(np.cov(theirs, rowvar=False))
    values, vectors = np.linalg.eigh(covariance)
    root: npt.NDArray[np.float64] = vectors * np.sqrt(values.clip(0)) @ vectors.T

    def distance(rows: npt.NDArray[np.int64]) -> float:
        chosen = ours[rows]
        own = np.atleast_2d(np.cov(chosen, rowvar=False))
        # (CC')^½ and (C'^½ C C'^½)^½ have the same eigenvalues, and the latter is symmetric.
        crossed = np.sqrt(np.linalg.eigvalsh(root @ own @ root).clip(0)).sum()
        apart = np.square(chosen.mean(axis=0) - mean).sum()
        return float(max(apart + np.trace(own + covariance) - 2 * crossed, 0.0))

    found = _bootstrap(distance, len(ours), seed)
    return Estimate(found.value, max(found.low, 0.0), found.high)


def _checked(name: str, numbers: npt.ArrayLike) -> npt.NDArray[np.float64]:
    import numpy as np

    array = np.asarray(numbers)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected numbers, got {array.dtype}")
    if array.ndim < 1 or len(array) < (1 if name == "divergences" else 2):
        raise UsageError(
            f"{name}: expected at least 2 samples, got {len(array) if array.ndim else 'a number'}"
        )
    checked = array.astype(np.float64)
    if not np.isfinite(checked).all():
        raise DataError(f"{name}: some are NaN or infinite")
    return checked


def _bootstrap(statistic: Callable[[npt.NDArray[np.int64]], float], count: int, seed: int) -> Estimate:
    """Estimate a figure of `count` samples, which `statistic` gives for any choice of them.

    A figure that is not finite has no interval: both ends are the figure.
    """
    import numpy as np

    value = statistic(np.arange(count))
    if not np.isfinite(value):
        return Estimate(value, value, value)
    drawn = np.random.default_rng(seed)
    spread = 1.96 * np.std([statistic(drawn.integers(0, count, count)) for _ in range(RESAMPLES)])
    return Estimate(value, float(value - spread), float(value + spread))
