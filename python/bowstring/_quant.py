"""Model weights with fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat

from bowstring import _bowstring
from bowstring._bowstring import Table
from bowstring._sample_gate import SampleGate, staged
from bowstring._tables import Path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Allocation:
    """What became of a budget."""

    by: Literal["uniform", "squared_error", "entropy", "path_kl", "measured"]
    """What it was spent by."""
    budget: int
    """How many bytes all tensors might have taken as they are stored."""
    bytes: int
    """How many they take."""
    cost: float
    """What the bits and groups of all tensors cost together, in the units of what the budget was spent by."""
    bound: float
    """No choice within the budget costs less, but for rounding."""
    exact: bool
    """Whether it is proven that there is nothing better."""


@dataclass(frozen=True)
class QuantizationReport:
    """What became of a model."""

    tensors: Table
    """A row for each tensor: `name`, `kind`, `dtype` and `shape` in the model; `stored`: `kept`, `f16`,
    `bf16`, `symmetric`, `zero_point` or `minimum`; `bits`, `group_size` (0 for a whole channel) and
    `scale_type` and `code_type` of packed ones; `bytes_before` and `bytes`; `sqnr` in decibels,
    `relative_error`, `cosine` and `largest_error`, null where nothing changed; `output_error`: the mean
    square of what the layer's outputs are off in relation to that of the outputs, null without a calibration
    that has seen the layer; `not_finite`: how many numbers are NaN or infinite, null where they were not
    counted."""
    bytes_before: int
    """Bytes of all tensors in the model."""
    bytes_after: int
    """Bytes of all tensors as they are stored: codes, scales and zero points."""
    file_bytes: int
    """Bytes of the file."""
    allocation: Allocation | None = None
    """What became of the budget, where there was one."""
    promoted: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The bits that tensors would have had, and those that they got so that they, or samples, are near
    enough."""
    unseen: Sequence[str] = ()
    """The packed tensors of which the calibration of `"weighted"` or `"gptq"` has seen nothing, and which are
    done as by `"mse"`."""
    unused: Sequence[str] = ()
    """The patterns of the policy that fit no tensor."""

    @classmethod
    def _of(
        cls, made: Mapping[str, Any], before: Mapping[str, tuple[int, int]] | None = None
    ) -> QuantizationReport:
        """Make one of what the engine says, and of the bits that tensors got before it was asked."""
        promoted = dict(before or {})
        for name, (asked, now) in made["promoted"].items():
            promoted[name] = (promoted.get(name, (asked, asked))[0], now)
        spent = made["allocation"]
        own = {
            "allocation": None if spent is None else Allocation(**spent),
            "promoted": promoted,
            "unseen": tuple(made["unseen"]),
            "unused": tuple(made["unused"]),
        }
        return cls(**{**made, **own})


def quantize(
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
    """Write the weights of a model with fewer bits into a file, which appears as a whole or not at all.

    Matrices and convolutions between the first and the last layer are quantized, each output channel by
    itself; norms, biases, embeddings and those layers take 16 bits; whole numbers stay as they are.

    Args:
        model: A `.safetensors` file, the index of several, or the folder of a model or of a diffusers
            pipeline.
        out: The file, whose name ends in `.parquet` or `.safetensors`; folders above it are made.
        bits: Bits of a weight: 2, 3, 4 or 8. 4 when `None`, or the profile's.
        budget: How many bytes all tensors may take as they are stored, in place of `bits`: a number, a size
            such as `"12MB"`, or a share of what they take in the model such as `"25%"`. Each tensor of which
            the policy says nothing gets the bits and groups with which all of them fit and cost the least.
        allocation: What a budget is spent by: `"squared_error"` of the weights; `"path_kl"`, how far the
            paths of a diffusion model diverge, estimated from a calibration with timesteps, in nats;
            `"uniform"`, the same bits and groups for all; `"entropy"` of the weights, to compare with. When
            `None`, `"path_kl"` where there is a schedule; otherwise `"squared_error"`, or `"uniform"` where
            the budget has fewer than 2.5 bits for each weight that it is to be spent on.
        widths: The bits that a tensor may get by a budget. 2, 3, 4 and 8 when `None`.
        schedule: For `"path_kl"`: the `scheduler_config.json` of the model; that of its pipeline when `None`.
        sensitivities: For `"path_kl"`: by how much the squared error of a layer's output is multiplied on its
            way to the model's output, by the names of its weights; 1 where nothing is said.
        measure: What a budget is spent by in place of an `allocation`: a function that is given the name of a
            tensor, what it would become as an array of its shape, bits, and the size of groups, and returns
            what that costs, at least 0, such as the divergence of the model's paths with this tensor in the
            place of the original one. It is asked for each tensor that is quantized, each width and each size
            of groups, one after the other, on another thread. What it raises ends the work and is raised
            here. With `"path_kl"`, it is asked once for each tensor, at about 3 bits, and multiplies what is
            estimated.
        group_size: How many neighbouring weights of an output channel share a scale: a multiple of 8 from
            16 to 256, or `"channel"` for all of them. 64 when `None`, or the profile's; with a budget, each
            tensor may then have groups of 16, 32, 64 or 128.
        symmetric: Whether the middle code is 0, and no zero points are stored.
        float_minimum: Whether each group has a float minimum in place of an integer zero point, so that 0
            need not stay exactly 0.
        method: How scales are chosen: `"nearest"` over the whole range (Jacob et al. 2018); `"mse"` by a
            search for the least squared error, which clips (Banner et al. 2019) and fits grids to their codes
            by least squares (Lloyd 1982); `"weighted"` by one in which errors count as much as the inputs of
            their channel are large; `"gptq"` so that the layers' outputs stay the nearest (Frantar et al.
            2022). The last two need a calibration.
        calibration: A file that `bs.quant.Calibrator` has saved; layers of which it has seen nothing are
            done as by `"mse"`.
        damping: For `"gptq"`: what is added to the diagonal of second moments, as a part of its mean. 0.01
            when `None`.
        order: For `"gptq"`: whether the channels with the `"largest"` inputs are rounded first, as when
            `None`, or all in their `"natural"` order.
        scale_type: How scales are stored: in 32 or 16 bits, or, without float minima, as `"f8"` in 8.
        code_type: Which values codes stand for: `"linear"`, all as far from one another, or `"quadratic"`,
            nearer to one another near 0, which most often loses less from 3 bits on.
        policy: What becomes of tensors, by patterns for their names: `"keep"`, `"half"`, or bits, as in
            `{"*.attn.*": 8}`; `*` stands for any characters, and the first pattern that fits decides. After
            `shape:` it is a pattern for the lengths of the axes, as in `{"shape:*x3x3": 8}`; `kind:` and one
            of `vector`, `embedding`, `first`, `last` and `inner` is for all tensors of that kind.
        profile: Bits and groups for a place where the model shall run: `"edge"` has 2 and 256, `"local"` 4
            and 128, `"cloud"` 8 and 64.
        keep_non_finite: Whether tensors with numbers that are NaN or infinite are kept as they are, which
            is an error otherwise.
        resume: Whether packed tensors are kept in a folder beside the file, `OUT.parts`, until all are done,
            and those that a run which was stopped has left there are used.
        shard_size: Bytes, or a text such as `"2GB"`: `out` becomes a folder of Parquet files, each with whole
            tensors of no more bytes, or with one that takes more. Nothing may be there yet.
        min_sqnr: The least ratio of signal to noise, in decibels, that tensors with fewer bits may have.
        max_rel_error: The largest error in relation to its size that they may have.
        min_psnr: How near samples have to be, in decibels.
        psnr: Given the packed model, says how near its samples are, as `bs.quant.psnr` does for those of the
            same noise. What it raises ends the work and is raised here.
        promote: Whether what is further off than those three allow gets more bits, up to 8, before that is an
            error: packed tensors the next width; and while `psnr` says less, so does the worst eighth of
            them, by their ratio of signal to noise, and the file is made anew.
        threads: How many threads work; all cores when `None`. They do not change the file.
        on_progress: Called with each tensor's name, its number from 1 on, and how many there are; with a
            budget, once more for each while it is planned. What it raises ends the work and is raised here.

    Returns:
        What became of each tensor, and of all of them.

    Raises:
        NotFoundError: When there is no such model.
        DataError: When the model is malformed, or a tensor has numbers that are not finite; the message
            names it.
        UsageError: When an option cannot be.
        StorageError: When the file cannot be written.
        WorkflowError: When tensors are further off than they may be; the message names the worst, and no file
            is written. Also when samples are.

    Examples:
        >>> report = bs.quantize(folder / "model.safetensors", folder / "packed.parquet", bits=4)
        >>> report.bytes_before, report.bytes_after
        (6336, 960)
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
        return QuantizationReport._of(_bowstring.quantize(model, out, options, on_progress))
    with staged(out) as path:
        while True:
            made = _bowstring.quantize(model, path, gate.options(options), on_progress)
            report = QuantizationReport._of(made, before=gate.promoted)
            value = gate.measure(QuantizedModel(path))
            if gate.passes(value, report):
                return report


class QuantizedModel:
    """The packed weights of a model, read when they are asked for.

    Args:
        path: A file that `quantize` has written.

    Raises:
        NotFoundError: When there is no such file.
        DataError: When it is no file of packed weights, or is damaged.

    Examples:
        >>> _ = bs.quantize(folder / "model.safetensors", folder / "packed.parquet")
        >>> model = bs.QuantizedModel(folder / "packed.parquet")
        >>> list(model)
        ['block.attn.weight', 'block.norm.weight']
        >>> model.read("block.attn.weight").shape
        (32, 48)
    """

    def __init__(self, path: Path) -> None:
        self._native = _bowstring.NativeQuantizedModel.open(path)
        self._names = dict.fromkeys(self._native.names())

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __repr__(self) -> str:
        return f"<bowstring.QuantizedModel of {len(self)} tensors>"

    @property
    def tensors(self) -> Table:
        """A row for each tensor, as in `QuantizationReport.tensors`.

        Returns:
            The table.

        Examples:
            >>> _ = bs.quantize(folder / "model.safetensors", folder / "packed.parquet", bits=3)
            >>> bs.QuantizedModel(folder / "packed.parquet").tensors["bits"].to_pylist()
            [3, None]
        """
        return self._native.tensors()

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of how it was made.

        Returns:
            Texts by key.

        Examples:
            >>> _ = bs.quantize(folder / "model.safetensors", folder / "packed.parquet")
            >>> bs.QuantizedModel(folder / "packed.parquet").metadata["bowstring.method"]
            'mse'
        """
        return self._native.metadata()

    def read(self, name: str, *, dtype: Literal["f32", "f16", "bf16"] = "f32") -> npt.NDArray[Any]:
        """Read a tensor: what its codes stand for, or the numbers that it had.

        Args:
            name: The tensor.
            dtype: The type of floats, the nearest ones of 16 bits for `"f16"` and `"bf16"`, which may be
                infinite. As numpy has no bf16, its bits come as `uint16`; torch takes them with
                `torch.from_numpy(bits).view(torch.bfloat16)`.

        Returns:
            Floats of this type, whole numbers and flags in their own; of the tensor's shape in the model.
            They cannot be written to.

        Raises:
            UsageError: When there is no such tensor, or no such type.
            DataError: When its bytes are not those that were written.

        Examples:
            >>> _ = bs.quantize(folder / "model.safetensors", folder / "packed.parquet")
            >>> bs.QuantizedModel(folder / "packed.parquet").read("block.norm.weight")[:3]
            array([1., 1., 1.], dtype=float32)
        """
        return self._native.read(name, {"dtype": dtype})
