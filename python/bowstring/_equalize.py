"""A model that computes the same from channels of more even sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bowstring import _bowstring

if TYPE_CHECKING:
    from bowstring._tables import Path


@dataclass(frozen=True)
class Couple:
    """What makes some channels, and what reads them.

    Nothing may stand between but what is linear for each channel by itself: the outputs of a norm that go to
    layers and nowhere else, say, and not those of an activation.
    """

    writers: Sequence[str]
    """The names of all tensors that the channels come from, whose first axis they are: a norm's weight and
    bias, or a layer's weights and bias."""
    readers: Sequence[str]
    """The names of the weights of all layers that read them, whose second axis they are."""


@dataclass(frozen=True)
class Equalized:
    """By what the channels of a model were divided."""

    factors: tuple[tuple[float, ...], ...]
    """For each couple, the factor of each channel: a power of two, by which writers are divided and readers
    multiplied."""
    limited: tuple[int, ...]
    """For each couple, of how many channels the factor is nearer to 1 than it would be, as a number would not
    have stayed exact."""


def equalize(
    model: Path,
    out: Path,
    *,
    couples: Sequence[Couple],
    calibration: Path,
    strength: float = 0.5,
) -> Equalized:
    """Write a model that computes the same, whose layers are given channels of more even sizes.

    Channel `j` of what a couple's layers read is divided by a power of two near `x[j]**strength /
    w[j]**(1 - strength)`, with the root mean square `x` of the inputs and the largest weights `w`, and the
    weights that it meets are multiplied by it (after SmoothQuant, Xiao et al. 2023). No number loses a bit,
    so that the model computes what it did as long as no result under- or overflows. Layers lose less then
    when their inputs are rounded. The calibration is of the model as it was: calibrate the new one again.

    Args:
        model: A `.safetensors` file, the index of several, or the folder of a model or of a diffusers
            pipeline.
        out: The `.safetensors` file to write, which appears as a whole or not at all.
        couples: What is evened out.
        calibration: A file that `Calibrator` has saved, which has seen every reader.
        strength: How much of the difficulty goes from inputs to weights, 0 to 1.

    Returns:
        The factors.

    Raises:
        NotFoundError: When there is no such model or calibration.
        DataError: When either is malformed, a reader was not seen, or a number is NaN or infinite.
        UsageError: When the model has no such tensor, or tensors of a couple do not have the same channels.
        StorageError: When the file cannot be written.

    Examples:
        >>> calibrator = bs.quant.Calibrator()
        >>> calibrator.observe("block.attn.weight", np.full((4, 48), 8.0))
        >>> calibrator.save(folder / "seen.parquet")
        >>> found = bs.quant.equalize(
        ...     folder / "model.safetensors",
        ...     folder / "even.safetensors",
        ...     couples=[bs.quant.Couple(["block.norm.weight"], ["block.attn.weight"])],
        ...     calibration=folder / "seen.parquet",
        ... )
        >>> len(found.factors[0]), found.limited
        (48, (0,))
    """
    found = _bowstring.equalize_model(model, out, _names(couples), calibration, strength)
    return _equalized(*found)


async def equalize_async(
    model: Path,
    out: Path,
    *,
    couples: Sequence[Couple],
    calibration: Path,
    strength: float = 0.5,
) -> Equalized:
    """As [`equalize`][bowstring.quant.equalize], to be awaited.

    Cancelling the task stops the work, which leaves no file.
    """
    found = await _bowstring.equalize_model_async(model, out, _names(couples), calibration, strength)
    return _equalized(*found)


def _names(couples: Sequence[Couple]) -> list[tuple[list[str], list[str]]]:
    for couple in couples:
        if not isinstance(couple, Couple):
            raise TypeError(f"couples: expected bs.quant.Couple, got {type(couple).__name__}")
        for names in (couple.writers, couple.readers):
            if isinstance(names, str):
                raise TypeError(f"couples: expected lists of names, got the str {names!r}")
    return [(list(couple.writers), list(couple.readers)) for couple in couples]


def _equalized(factors: list[list[float]], limited: list[int]) -> Equalized:
    return Equalized(tuple(map(tuple, factors)), tuple(limited))
