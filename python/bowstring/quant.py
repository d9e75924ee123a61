"""Beneath `quantize`: codes, single layers, calibration, diffusion models, and whether a file is right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

from bowstring import _bowstring
from bowstring._activations import (
    ActivationRanges,
    Choices,
    Optimized,
    OptimizerConfig,
    ThermodynamicLoss,
    TimeGroups,
    TransitionOptimizer,
)
from bowstring._arrays import column, floats, given_column
from bowstring._bowstring import Table
from bowstring._calibrator import Calibrator
from bowstring._diffusion import (
    PathKl,
    ReverseSteps,
    Schedule,
    calibrate,
    categorical_kl,
    path_kl,
    stratified_timesteps,
)
from bowstring._equalize import Couple, Equalized, equalize, equalize_async
from bowstring._errors import UsageError
from bowstring._hooks import Hooks
from bowstring._html import html_report
from bowstring._layers import dequantize_table, quantize_table
from bowstring._memory import MemoryBound, memory_needed
from bowstring._model import Model
from bowstring._quant import Allocation, QuantizationReport, QuantizedModel
from bowstring._sample_gate import SampleGate, staged
from bowstring._samples import Estimate, SampleReport, compare_samples, frechet_distance, psnr
from bowstring._tables import Path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "ActivationRanges",
    "Allocation",
    "Calibrator",
    "Choices",
    "Couple",
    "Equalized",
    "Estimate",
    "Hooks",
    "MemoryBound",
    "Model",
    "Optimized",
    "OptimizerConfig",
    "PathKl",
    "QuantizedArray",
    "ReverseSteps",
    "SampleReport",
    "Schedule",
    "ThermodynamicLoss",
    "TimeGroups",
    "TransitionOptimizer",
    "ValidationReport",
    "calibrate",
    "categorical_kl",
    "compare_samples",
    "dequantize",
    "dequantize_table",
    "equalize",
    "equalize_async",
    "frechet_distance",
    "html_report",
    "memory_needed",
    "pack",
    "path_kl",
    "psnr",
    "quantize_array",
    "quantize_async",
    "quantize_table",
    "stratified_timesteps",
    "unpack",
    "validate",
    "validate_async",
]


def pack(codes: object, bits: int) -> npt.NDArray[np.uint8]:
    """Write codes one after the other, the least significant bit of each byte first.

    Args:
        codes: Whole numbers from 0 to 2^bits - 1: anything that numpy makes an array of one dimension of, or
            an Arrow array.
        bits: How many each of them has: 2, 3, 4 or 8.

    Returns:
        The bytes, as many as the bits need; what is left of the last one is 0. They cannot be written to.

    Raises:
        TypeError: When the codes are no whole numbers, or have several dimensions.
        UsageError: When one of them does not fit, or there is no such width.

    Examples:
        >>> bs.quant.pack([1, 2, 3], bits=4)
        array([33,  3], dtype=uint8)
    """
    return _bowstring.pack_codes(column("codes", codes), bits)


def unpack(packed: object, bits: int, count: int) -> npt.NDArray[np.uint8]:
    r"""Read codes that were packed.

    Args:
        packed: The bytes: `bytes` and the like, an array of numpy, or one of Arrow.
        bits: How many each code has: 2, 3, 4 or 8.
        count: How many codes there are.

    Returns:
        The codes, which cannot be written to.

    Raises:
        UsageError: When so many codes take another number of bytes, or there is no such width.

    Examples:
        >>> bs.quant.unpack(b"\x21\x03", bits=4, count=3)
        array([1, 2, 3], dtype=uint8)
    """
    import numpy as np

    if isinstance(packed, (bytes, bytearray, memoryview)):
        packed = np.frombuffer(packed, np.uint8)
    return _bowstring.unpack_codes(column("packed", packed), bits, count)


@dataclass(frozen=True, eq=False)
class QuantizedArray:
    """An array with a few bits for each number, as `quantize_array` makes it.

    The parts have a row for each output channel, and stand as in [the files](quantized-models.md).
    """

    shape: tuple[int, ...]
    """The length of each axis. The first are the output channels, the others together their inputs; a vector
    is one channel."""
    bits: int
    """Bits of a code."""
    group_size: int | Literal["channel"]
    """How many neighbours of a channel share a scale."""
    scheme: Literal["symmetric", "zero_point", "minimum"]
    """Where codes begin."""
    scale_type: Literal["f32", "f16", "bf16", "f8"]
    """How scales are stored, and minima."""
    scale_unit: float
    """What scales of `f8` count in: one of `u` is `u * abs(u)` of them. 1 for others."""
    code_type: Literal["linear", "quadratic"]
    """Which values codes stand for."""
    codes: npt.NDArray[np.uint8] = field(repr=False)
    """The packed codes."""
    scales: npt.NDArray[Any] = field(repr=False)
    """A scale for each group, `float32` or `float16`, or `int8` for `f8`; of `bf16`, which numpy does not
    have, the bits as `uint16`, which are the upper half of those of a `float32`."""
    offsets: npt.NDArray[Any] = field(repr=False)
    """The packed zero points of the groups, or minima as `scales`; none where the scheme is symmetric."""
    sqnr: float
    """10 log10(sum w^2 / sum (w - v)^2) of the weights w and the values v, in decibels; infinite where
    nothing is off."""
    relative_error: float
    """The norm of w - v in relation to that of w."""
    cosine: float
    """That of the angle between w and v."""
    largest_error: float
    """The largest |w - v|."""

    @property
    def nbytes(self) -> int:
        """How many bytes codes, scales and offsets take.

        Returns:
            The sum.

        Examples:
            >>> bs.quant.quantize_array(np.ones((10, 128)), bits=4, float_minimum=True).nbytes
            720
        """
        return self.codes.nbytes + self.scales.nbytes + self.offsets.nbytes

    @property
    def bits_per_weight(self) -> float:
        """How many bits of all parts a number takes.

        Returns:
            Their ratio; 0 where there are no numbers.

        Examples:
            >>> bs.quant.quantize_array(np.ones((10, 128)), bits=4, float_minimum=True).bits_per_weight
            4.5
        """
        import math

        count = math.prod(self.shape)
        return 8 * self.nbytes / count if count else 0.0


def quantize_array(
    array: object,
    *,
    bits: int = 4,
    group_size: int | Literal["channel"] = 64,
    symmetric: bool = False,
    float_minimum: bool = False,
    method: Literal["nearest", "mse", "weighted", "gptq"] = "mse",
    scale_type: Literal["f32", "f16", "bf16", "f8"] = "f16",
    code_type: Literal["linear", "quadratic"] = "linear",
    importance: object | None = None,
    second_moments: npt.ArrayLike | None = None,
    damping: float | None = None,
    order: Literal["largest", "natural"] | None = None,
    threads: int | None = None,
) -> QuantizedArray:
    """Write an array with a few bits for each number, each output channel by itself.

    Args:
        array: Floats: anything that numpy makes an array of, or an Arrow array of floats or of lists of a
            fixed size, in one piece or several. The first axis are the output channels; a vector is one.
            Floats of 32 bits are taken without a copy where they stand in memory in the order of the axes,
            in one piece; others are copied, and become the nearest of 32 bits.
        bits: Bits of a code: 2, 3, 4 or 8.
        group_size: How many neighbouring weights of an output channel share a scale: a multiple of 8 from
            16 to 256, or `"channel"` for all of them.
        symmetric: Whether the middle code is 0, and no zero points are stored.
        float_minimum: Whether each group has a float minimum in place of an integer zero point, so that 0
            need not stay exactly 0.
        method: How scales are chosen: `"nearest"` over the whole range (Jacob et al. 2018); `"mse"` by a
            search for the least squared error, which clips (Banner et al. 2019) and fits grids to their codes
            by least squares (Lloyd 1982); `"weighted"` by one that needs `importance`; `"gptq"` so that the
            layer's outputs stay the nearest, which needs `second_moments` (Frantar et al. 2022).
        scale_type: How scales are stored: in 32 or 16 bits, or, without float minima, as `"f8"` in 8.
        code_type: Which values codes stand for: `"linear"`, all as far from one another, or `"quadratic"`,
            nearer to one another near 0, which most often loses less from 3 bits on.
        importance: How much an error counts in each input: the mean square of what the layer gets there.
            All count the same when `None`; only for a method that searches.
        second_moments: For `"gptq"`: the matrix `X.T @ X` of the layer's inputs `X`, a row for each.
        damping: For `"gptq"`: what is added to the diagonal of second moments, as a part of its mean. 0.01
            when `None`.
        order: For `"gptq"`: whether the channels with the `"largest"` inputs are rounded first, as when
            `None`, or all in their `"natural"` order.
        threads: How many threads work; all cores when `None`. They do not change the result.

    Returns:
        The codes and scales, and how far off they are.

    Raises:
        TypeError: When the array has no floats.
        DataError: When some of them are NaN or infinite, in 32 bits.
        UsageError: When an option cannot be, or Arrow's values are no floats, or null; when second moments
            are not those of any inputs.

    Examples:
        >>> weights = np.sin(np.arange(32 * 48, dtype=np.float32)).reshape(32, 48)
        >>> quantized = bs.quant.quantize_array(weights, bits=4)
        >>> quantized.codes.shape, quantized.scales.shape, quantized.bits_per_weight
        ((32, 24), (32, 1), 4.5)
        >>> quantized.sqnr > 25
        True
    """
    options = {
        "bits": bits,
        "group_size": group_size,
        "symmetric": symmetric,
        "float_minimum": float_minimum,
        "method": method,
        "scale_type": scale_type,
        "code_type": code_type,
        "importance": given_column("importance", importance),
        "second_moments": _flat(second_moments),
        "damping": damping,
        "order": order,
        "threads": threads,
    }
    fields = _bowstring.quantize_array(*floats(array), options)
    return QuantizedArray(**{**fields, "shape": tuple(fields["shape"])})


def dequantize(
    quantized: QuantizedArray,
    *,
    dtype: Literal["f32", "f16", "bf16"] = "f32",
    out: npt.NDArray[Any] | None = None,
    threads: int | None = None,
) -> npt.NDArray[Any]:
    """Give an array back: what its codes stand for.

    Args:
        quantized: What `quantize_array` has made.
        dtype: The type of the numbers, the nearest ones of 16 bits for `"f16"` and `"bf16"`, which may be
            infinite. As numpy has no bf16, its bits come as `uint16`; torch takes them with
            `torch.from_numpy(bits).view(torch.bfloat16)`.
        out: Where the numbers are to stand: an array of this type, of the shape that the array had, in one
            piece in the order of the axes, which nothing else uses until the call returns. Memory that is
            used again is filled in a fraction of the time that the system takes to give new memory. After
            an error or Ctrl-C it has some of the numbers, and after a second Ctrl-C, which does not wait for
            the work, may still be given more.
        threads: How many threads work; all cores when `None`. They do not change the result.

    Returns:
        The numbers, of the shape that the array had: `out`, or an array that cannot be written to.

    Raises:
        TypeError: When `out` is no array of numpy.
        UsageError: When an option cannot be, `out` has another type or shape, is not in one piece or cannot
            be written to, or a part has another length than the shape and the scheme say.

    Examples:
        >>> quantized = bs.quant.quantize_array([[0.0, 1.0, 2.0], [3.0, 0.0, -3.0]], bits=2)
        >>> bs.quant.dequantize(quantized).shape
        (2, 3)
        >>> room = np.empty((2, 3), np.float32)
        >>> bs.quant.dequantize(quantized, out=room) is room
        True
    """
    import numpy as np

    parts = [
        np.ascontiguousarray(part).reshape(-1).view(np.uint8)
        for part in (quantized.codes, quantized.scales, quantized.offsets)
    ]
    options = {
        "bits": quantized.bits,
        "group_size": quantized.group_size,
        "scheme": quantized.scheme,
        "scale_type": quantized.scale_type,
        "scale_unit": quantized.scale_unit,
        "code_type": quantized.code_type,
        "dtype": dtype,
        "threads": threads,
    }
    if out is None:
        return _bowstring.dequantize_array(quantized.shape, parts, options, None).reshape(quantized.shape)
    _bowstring.dequantize_array(quantized.shape, parts, options, _room(out, quantized.shape, dtype))
    return out


def _room(out: object, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Make of an array to write to what the engine takes."""
    import numpy as np

    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: expected an array of numpy, got {type(out).__name__}")
    kind = np.dtype({"f32": np.float32, "f16": np.float16}.get(dtype, np.uint16))
    if out.dtype != kind:
        raise UsageError(f'out: expected an array of {kind} for dtype "{dtype}", got one of {out.dtype}')
    if out.shape != shape:
        raise UsageError(f"out: expected an array of shape {shape}, got {out.shape}")
    if not (out.flags.c_contiguous and out.flags.aligned):
        raise UsageError(
            "out: expected an array in one piece in the order of its axes\n\nhint: np.empty(shape, dtype)"
        )
    if not out.flags.writeable:
        raise UsageError("out: expected an array that can be written to, got one that is read-only")
    flat: npt.NDArray[Any] = out.reshape(-1)
    return flat if dtype == "f32" else flat.view(np.uint16)


async def quantize_async(
    model: Path,
    out: Path,
    *,
    bits: int | None = None,
    budget: int | str | None = None,
    allocation: Literal["uniform", "squared_error", "entropy", "path_kl"] | None = None,
    widths: Sequence[int] | None = None,
    schedule: Path | None = None,
    sensitivities: Mapping[str, float] | None = None,
    measure: Callable[[str, npt.NDArray[np.float32], int, int | Literal["channel"]], float] | None = None,
    group_size: int | Literal["channel"] | None = None,
    symmetric: bool = False,
    float_minimum: bool = False,
    method: Literal["nearest", "mse", "weighted", "gptq"] = "mse",
    calibration: Path | None = None,
    damping: float | None = None,
    order: Literal["largest", "natural"] | None = None,
    scale_type: Literal["f32", "f16", "bf16", "f8"] = "f16",
    code_type: Literal["linear", "quadratic"] = "linear",
    policy: Mapping[str, int | str] | None = None,
    profile: Literal["edge", "local", "cloud"] | None = None,
    keep_non_finite: bool = False,
    resume: bool = False,
    shard_size: int | str | None = None,
    min_sqnr: float | None = None,
    max_rel_error: float | None = None,
    min_psnr: float | None = None,
    psnr: Callable[[QuantizedModel], SupportsFloat] | None = None,
    promote: bool = False,
    threads: int | None = None,
    on_progress: Callable[[str, int, int], object] | None = None,
) -> QuantizationReport:
    """As [`quantize`][bowstring.quantize], to be awaited.

    Cancelling the task stops the work, which leaves no file. `on_progress`, `measure` and `psnr` are
    called on another thread.
    """
    options = {
        "bits": bits,
        "budget": budget,
        "allocation": allocation,
        "widths": widths,
        "schedule": schedule,
        "sensitivities": None if sensitivities is None else dict(sensitivities),
        "measure": measure,
        "group_size": group_size,
        "symmetric": symmetric,
        "float_minimum": float_minimum,
        "method": method,
        "calibration": calibration,
        "damping": damping,
        "order": order,
        "scale_type": scale_type,
        "code_type": code_type,
        "policy": policy,
        "profile": profile,
        "keep_non_finite": keep_non_finite,
        "resume": resume,
        "shard_size": shard_size,
        "min_sqnr": min_sqnr,
        "max_rel_error": max_rel_error,
        "promote": promote,
        "threads": threads,
    }
    gate = SampleGate.of(min_psnr, psnr, options)
    if gate is None:
        return QuantizationReport._of(await _bowstring.quantize_async(model, out, options, on_progress))
    with staged(out) as path:
        while True:
            made = await _bowstring.quantize_async(model, path, gate.options(options), on_progress)
            report = QuantizationReport._of(made, before=gate.promoted)
            value = await asyncio.to_thread(gate.measure, QuantizedModel(path))
            if gate.passes(value, report):
                return report


@dataclass(frozen=True)
class ValidationReport:
    """What was found of a file of packed weights."""

    tensors: Table
    """A row for each tensor, as in `QuantizationReport.tensors`."""
    failing: tuple[str, ...]
    """The names of those that are further off than they may be, the worst first."""

    @property
    def passed(self) -> bool:
        """Whether no tensor is further off than it may be.

        Returns:
            Whether that is so.

        Examples:
            >>> _ = bs.quantize(folder / "model.safetensors", folder / "packed.parquet")
            >>> bs.quant.validate(folder / "packed.parquet", min_sqnr=20).passed
            True
        """
        return not self.failing


def validate(
    path: Path,
    model: Path | None = None,
    *,
    calibration: Path | None = None,
    min_sqnr: float | None = None,
    max_rel_error: float | None = None,
    threads: int | None = None,
) -> ValidationReport:
    """Read every tensor of a file of packed weights, and say which are too far off.

    Args:
        path: A file that `quantize` has written.
        model: The model that it was made of, which errors are measured against, and kept tensors compared
            with. Without it they are those that the file says.
        calibration: A file that `Calibrator` has saved, by which `output_error` tells how far off the outputs
            of the layers are; it needs the model.
        min_sqnr: The least ratio of signal to noise, in decibels, that tensors with fewer bits may have.
        max_rel_error: The largest error in relation to its size that they may have.
        threads: How many threads work; all cores when `None`.

    Returns:
        The tensors, and which of them are further off than they may be.

    Raises:
        NotFoundError: When there is no such file, or no such model.
        DataError: When the file is damaged: a tensor has other bytes than those that were written; or when
            its tensors are not those of the model.
        UsageError: When a limit is no number, or an error below 0; when there is a calibration without a
            model, or one of another model.

    Examples:
        >>> _ = bs.quantize(folder / "model.safetensors", folder / "packed.parquet")
        >>> bs.quant.validate(folder / "packed.parquet", folder / "model.safetensors", min_sqnr=40).failing
        ('block.attn.weight',)
    """
    options = {
        "calibration": calibration,
        "min_sqnr": min_sqnr,
        "max_rel_error": max_rel_error,
        "threads": threads,
    }
    tensors, failing = _bowstring.validate_quantized(path, model, options)
    return ValidationReport(tensors, tuple(failing))


async def validate_async(
    path: Path,
    model: Path | None = None,
    *,
    calibration: Path | None = None,
    min_sqnr: float | None = None,
    max_rel_error: float | None = None,
    threads: int | None = None,
) -> ValidationReport:
    """As [`validate`][bowstring.quant.validate], to be awaited.

    Cancelling the task stops the work.
    """
    options = {
        "calibration": calibration,
        "min_sqnr": min_sqnr,
        "max_rel_error": max_rel_error,
        "threads": threads,
    }
    tensors, failing = await _bowstring.validate_quantized_async(path, model, options)
    return ValidationReport(tensors, tuple(failing))


def _flat(matrix: npt.ArrayLike | None) -> npt.NDArray[np.float64] | None:
    import numpy as np

    return None if matrix is None else np.asarray(matrix, dtype=np.float64).reshape(-1)
