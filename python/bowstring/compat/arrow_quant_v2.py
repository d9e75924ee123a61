"""The calls of the earlier `arrow_quant_v2`.

Weights become codes of a few bits: a weight is `(code - zero_point) * scale`, with a scale and a zero point
for each group of neighbours in a row.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from arro3.core import Array, DataType, Field, RecordBatch, list_array
from arro3.core import Table as ArrowTable

import bowstring as bs
from bowstring import quant
from bowstring._sample_gate import literal
from bowstring._tables import AnyTable, Path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "ArrowQuantV2",
    "AsyncArrowQuantV2",
    "DiffusionQuantConfig",
    "ShardedSafeTensorsLoader",
    "load_sharded_safetensors",
]

Progress: TypeAlias = Callable[[str, float], object]

# Bits, time groups and group size of each profile.
_PROFILES = {"edge": (2, 5, 256), "local": (4, 10, 128), "cloud": (8, 20, 64)}
# What a layer gets that is too far off with as many bits.
_WIDER = {2: 4, 3: 4, 4: 8}
_MIB = 2**20


class DiffusionQuantConfig:
    """How a model is quantized.

    Weights are the same at every timestep. What has to do with time, or with samples, needs a calibration:
    without one it is not done, and results say so under `not_applied`.

    Args:
        bit_width: Bits of a weight: 2, 3, 4 or 8; those of the profile when `None`.
        num_time_groups: How many groups of timesteps share the ranges of activations; as many as in the
            profile when `None`.
        group_size: How many neighbouring weights share a scale: a multiple of 8 from 16 to 256; that of the
            profile when `None`.
        enable_time_aware: Whether ranges of 8-bit activations are found for each group of timesteps of the
            calibration; they come as `activation_ranges`.
        enable_spatial: Whether scales are to be moved between layers that follow each other, which cannot be
            done without knowing which ones do: results say that it was not. `bs.quant.equalize` is told.
        min_accuracy: The least cosine, of a layer's weights and what its codes stand for, that there may be.
        calibration_samples: How many inputs a calibration must have of each of its layers.
        deployment_profile: `"edge"`, `"local"` or `"cloud"`: what is `None` above is as there.
        fail_fast: Whether a layer below `min_accuracy` is an error at once; it gets 4 and then 8 bits
            otherwise, and is an error when they do not do either.
        num_threads: How many threads work; all cores when 0.
        calibration: A file that `bs.quant.Calibrator` has saved: errors then count as much as the inputs of
            their channel are large.

    Raises:
        UsageError: For a value that cannot be.
    """

    def __init__(
        self,
        bit_width: int | None = None,
        num_time_groups: int | None = None,
        group_size: int | None = None,
        enable_time_aware: bool = True,
        enable_spatial: bool = True,
        min_accuracy: float = 0.85,
        calibration_samples: int = 128,
        deployment_profile: str = "local",
        fail_fast: bool = False,
        num_threads: int = 0,
        *,
        calibration: Path | None = None,
    ) -> None:
        """Fill in what the profile says, and refuse what cannot be."""
        _one_of("deployment_profile", deployment_profile, _PROFILES)
        bits, groups, size = _PROFILES[deployment_profile]
        self.bit_width = bits if bit_width is None else _width(bit_width)
        self.num_time_groups = groups if num_time_groups is None else num_time_groups
        self.group_size = size if group_size is None else group_size
        self.enable_time_aware = enable_time_aware
        self.enable_spatial = enable_spatial
        self.min_accuracy = min_accuracy
        self.calibration_samples = calibration_samples
        self.deployment_profile = deployment_profile
        self.fail_fast = fail_fast
        self.num_threads = num_threads
        self.calibration = calibration
        if not 0 <= min_accuracy <= 1:
            raise bs.UsageError(f"min_accuracy: expected a cosine from 0 to 1, got {min_accuracy}")
        for name, least in (("num_time_groups", 1), ("calibration_samples", 1), ("num_threads", 0)):
            if getattr(self, name) < least:
                raise bs.UsageError(f"{name}: expected at least {least}, got {getattr(self, name)}")

    @classmethod
    def from_profile(cls, profile: str) -> DiffusionQuantConfig:
        """Give what is usual for a place where a model shall run: `"edge"`, `"local"` or `"cloud"`."""
        return cls(deployment_profile=profile)

    def __repr__(self) -> str:
        """Show every field."""
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"DiffusionQuantConfig({fields})"

    def _options(self, promoted: Mapping[str, int]) -> dict[str, Any]:
        """Give what `bs.quantize` is asked for, where some layers get more bits than the others."""
        return {
            "bits": self.bit_width,
            "group_size": self.group_size,
            "method": "mse" if self.calibration is None else "weighted",
            "calibration": self.calibration,
            "policy": {literal(name): bits for name, bits in promoted.items()},
            "threads": self.num_threads or None,
        }

    def _seen(self) -> quant.Calibrator | None:
        """Give what a calibration has seen, of which there has to be enough."""
        if self.calibration is None:
            return None
        seen = quant.Calibrator.open(self.calibration)
        counts: dict[str, int] = {}
        for layer, count in zip(*(seen.table[name].to_pylist() for name in ("layer", "count")), strict=True):
            counts[layer] = counts.get(layer, 0) + count
        for layer, count in counts.items():
            if count < self.calibration_samples:
                raise bs.DataError(
                    f"`{self.calibration}` has {count} inputs of `{layer}`, and {self.calibration_samples} "
                    "are wanted\n\nhint: calibrate with more, or ask for fewer `calibration_samples`"
                )
        return seen

    def _ranges(self, seen: quant.Calibrator | None) -> quant.ActivationRanges | None:
        """Give the ranges of activations for each group of timesteps, where timesteps were seen."""
        if not self.enable_time_aware or seen is None or None in seen.table["timestep"].to_pylist():
            return None
        groups = quant.TimeGroups.cluster(seen, self.num_time_groups)
        return quant.ActivationRanges.of(seen, groups, threads=self.num_threads or None)

    def _not_applied(self, ranges: quant.ActivationRanges | None) -> dict[str, str]:
        """Say which fields had no effect, why, and what does what they ask for."""
        said: dict[str, str] = {}
        if self.enable_time_aware and ranges is None:
            said["enable_time_aware"] = (
                "weights do not change with time, and ranges of activations have no "
                f"{self.num_time_groups} groups of timesteps without a `calibration` by "
                "bs.quant.Calibrator that knows timesteps"
            )
        if self.enable_spatial:
            said["enable_spatial"] = (
                "scales can be moved only between layers that are known to follow each other, and a file of "
                "weights does not say which do: name them to bs.quant.equalize, and quantize what it writes"
            )
        if self.calibration is None:
            said["calibration_samples"] = (
                "no calibration was given: save one with bs.quant.Calibrator, and name it as `calibration`"
            )
        return said


class ArrowQuantV2:
    """Quantizes models, arrays and tables of layers.

    Args:
        mode: `"diffusion"`, or `"base"` where no diffusion models are quantized.

    Raises:
        UsageError: For another mode.
    """

    def __init__(self, mode: str = "diffusion") -> None:
        """Remember the mode."""
        _one_of("mode", mode, ("diffusion", "base"))
        self.mode = mode

    def quantize_diffusion_model(
        self,
        model_path: Path,
        output_path: Path,
        config: DiffusionQuantConfig | None = None,
        progress_callback: Progress | None = None,
    ) -> dict[str, Any]:
        """Write the weights of a model with fewer bits.

        Args:
            model_path: As for `bs.quantize`.
            output_path: A file whose name ends in `.parquet` or `.safetensors`, or else a folder, in which
                `model.parquet` is written. It appears as a whole or not at all.
            config: That of the profile `"local"` when `None`.
            progress_callback: Called with what is done and how much of it, from 0 to 1; from the start again
                when layers get more bits. What it raises ends the work and is raised here.

        Returns:
            `quantized_path`; `compression_ratio` of all tensors; `cosine_similarity` of the layers with fewer
            bits in the mean, `min_cosine_similarity` of the worst; `model_size_mb` in units of 2^20 bytes;
            `modality`, as far as the model's configuration says it, or `"unknown"`; `bit_width`;
            `quantization_time_s`; `promoted`, the layers that got more bits, and how many; `not_applied`, the
            fields of the configuration that had no effect, and why; with a calibration that knows timesteps,
            `activation_ranges`, a `bs.quant.ActivationRanges`.

        Raises:
            UsageError: When the mode is another, or an option cannot be.
            NotFoundError: When there is no such model.
            DataError: When the model is malformed, or has numbers that are not finite; when a calibration has
                too few inputs.
            WorkflowError: When layers are below `min_accuracy`; nothing is written.
        """
        self._needs_diffusion("quantize_diffusion_model")
        return _quantized(model_path, output_path, config, progress_callback)

    def quantize_from_safetensors(
        self,
        safetensors_path: Path,
        output_path: Path,
        config: DiffusionQuantConfig | None = None,
        progress_callback: Progress | None = None,
    ) -> dict[str, Any]:
        """Do as `quantize_diffusion_model` does, whatever the mode."""
        return _quantized(safetensors_path, output_path, config, progress_callback)

    def quantize_batch(
        self,
        weights: Mapping[str, npt.ArrayLike],
        bit_width: int | None = None,
        continue_on_error: bool = False,
    ) -> dict[str, dict[str, Any]]:
        """Quantize arrays by name, in groups of 128.

        Args:
            weights: Arrays of floats; the first axis are the output channels.
            bit_width: 2, 3, 4 or 8; 4 when `None`.
            continue_on_error: Whether layers that cannot be quantized have `error`, what is wrong with them,
                in place of their codes; the first of them is raised otherwise.

        Returns:
            For each layer `quantized_data`, the packed codes; `scales` and `zero_points`, lists of floats;
            `shape` and `bit_width`.

        Raises:
            TypeError: When an array has no floats.
            UsageError: For another width.
            DataError: When numbers are NaN or infinite.
        """
        bits = _width(4 if bit_width is None else bit_width)
        done: dict[str, dict[str, Any]] = {}
        for name, array in weights.items():
            try:
                made = quant.quantize_array(array, bits=bits, group_size=128, scale_type="f32")
            except (bs.BowstringError, TypeError) as error:
                if not continue_on_error:
                    error.add_note(f"of layer {name!r}")
                    raise
                done[name] = {"error": str(error)}
                continue
            zero_points = _zero_points(made.offsets.tobytes(), made.scales.size, made.scales.shape[0], bits)
            done[name] = {
                "quantized_data": made.codes.tobytes(),
                "scales": made.scales.ravel().tolist(),
                "zero_points": zero_points.tolist(),
                "shape": list(made.shape),
                "bit_width": bits,
            }
        return done

    def quantize_arrow(self, table: AnyTable, bit_width: int | None = None) -> bs.Table:
        """Quantize layers that are rows of a table, in groups of 128.

        Args:
            table: Columns `layer_name`, `weights` and, where layers are not vectors, `shape`, as
                `bs.quant.quantize_table` takes them.
            bit_width: 2, 3, 4 or 8; 4 when `None`.

        Returns:
            A row for each layer: `layer_name`; `quantized_data`, the packed codes; `scales` and
            `zero_points`, lists of floats; `shape` and `bit_width`.

        Raises:
            UsageError: For another width, or other columns.
            DataError: When a layer cannot be quantized; the message has its row and name.
        """
        bits = _width(4 if bit_width is None else bit_width)
        packed = quant.quantize_table(table, bits=bits, group_size=128, scale_type="f32")
        return bs.Table(ArrowTable.from_batches([_earlier(batch) for batch in packed.batches]))

    def quantize_arrow_batch(self, record_batch: AnyTable, bit_width: int | None = None) -> RecordBatch:
        """Do as `quantize_arrow` does, with one batch of rows, and give one."""
        return self.quantize_arrow(record_batch, bit_width).batches[0]

    def validate_quality(self, original_path: Path, quantized_path: Path) -> dict[str, Any]:
        """Measure how far quantized weights are from the model that they were made of.

        Args:
            original_path: The model.
            quantized_path: What `quantize_diffusion_model` was given as `output_path`.

        Returns:
            `cosine_similarity` of the layers with fewer bits in the mean, `min_cosine_similarity` of the
            worst, and `per_layer_accuracy` of each; `compression_ratio` of all tensors; `model_size_mb`.

        Raises:
            NotFoundError: When there is no such model, or file.
            DataError: When the file is damaged, or was made of another model.
        """
        path = _file(quantized_path)
        return _measured(quant.validate(path, original_path).tensors, path)

    def _needs_diffusion(self, call: str) -> None:
        if self.mode != "diffusion":
            raise bs.UsageError(
                f"{call} needs the mode `diffusion`, and this is `{self.mode}`\n\n"
                "hint: ask for it, or call quantize_from_safetensors"
            )


class AsyncArrowQuantV2:
    """The calls that take long, to be awaited; a task that is cancelled ends the work, and leaves no file.

    Args:
        mode: As for `ArrowQuantV2`.
        max_memory: How much memory there is for several models at once: bytes, or a text such as `"4GB"`.
            4 GB when `None`, or what the largest of them needs.

    Raises:
        UsageError: For another mode, or what is no size.
    """

    def __init__(self, mode: str = "diffusion", max_memory: int | str | None = None) -> None:
        """Remember the mode, and the memory."""
        self._quantizer = ArrowQuantV2(mode)
        self._bound = None if max_memory is None else quant.MemoryBound(max_memory)

    @property
    def mode(self) -> str:
        """As that of `ArrowQuantV2`."""
        return self._quantizer.mode

    async def quantize_diffusion_model_async(
        self,
        model_path: Path,
        output_path: Path,
        config: DiffusionQuantConfig | None = None,
        progress_callback: Progress | None = None,
    ) -> dict[str, Any]:
        """Do as `ArrowQuantV2.quantize_diffusion_model`; `progress_callback` is called on another thread."""
        self._quantizer._needs_diffusion("quantize_diffusion_model_async")
        return await _quantized_async(model_path, output_path, config, progress_callback)

    async def quantize_multiple_models_async(
        self,
        models: Sequence[tuple[Path, Path] | tuple[Path, Path, DiffusionQuantConfig | None]],
        progress_callback: Progress | None = None,
    ) -> list[dict[str, Any]]:
        """Quantize several models at once, as many as there is memory for.

        Args:
            models: Of each the model, where it is written, and its configuration.
            progress_callback: Called on other threads, as for one model.

        Returns:
            The result of each, in the same order.

        Raises:
            UsageError: When two of them would be written to the same place.
            LimitError: When one of them needs more memory than there is.
            BowstringError: What is wrong with one of them, which ends the others.
        """
        self._quantizer._needs_diffusion("quantize_multiple_models_async")
        wanted = [(model, out, rest[0] if rest else None) for model, out, *rest in models]
        places = [_file(out).absolute() for _, out, _ in wanted]
        for place in places:
            if places.count(place) > 1:
                raise bs.UsageError(f"two models would be written to `{place}`")
        bound = self._bound
        if bound is None:
            needs = [await asyncio.to_thread(quant.memory_needed, model) for model, _, _ in wanted]
            bound = quant.MemoryBound(max([4_000_000_000, *needs]))

        async def one(model: Path, out: Path, config: DiffusionQuantConfig | None) -> dict[str, Any]:
            async with bound.room_for(model):
                return await _quantized_async(model, out, config, progress_callback)

        tasks = [asyncio.ensure_future(one(*model)) for model in wanted]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def validate_quality_async(self, original_path: Path, quantized_path: Path) -> dict[str, Any]:
        """Do as `ArrowQuantV2.validate_quality`."""
        path = _file(quantized_path)
        found = await quant.validate_async(path, original_path)
        return _measured(found.tensors, path)


class ShardedSafeTensorsLoader:
    """Reads the tensors of a model in one file or several, and remembers those that it has read.

    Args:
        path: A `.safetensors` file, the index of several, or the folder that has them.

    Raises:
        NotFoundError: When there is no such model.
        DataError: When it is malformed.
    """

    def __init__(self, path: Path) -> None:
        """Open the files, and read no tensor."""
        self._model = quant.Model(path)
        self._read: dict[str, npt.NDArray[Any]] = {}

    @property
    def num_shards(self) -> int:
        """How many files there are."""
        return len(self._model.metadata)

    def tensor_names(self) -> list[str]:
        """Give the names of all tensors, in order."""
        return list(self._model)

    def get_tensor(self, name: str) -> npt.NDArray[Any]:
        """Read a tensor, as `bs.quant.Model.read` does, unless it was read before."""
        if name not in self._read:
            self._read[name] = self._model.read(name)
        return self._read[name]

    def get_all_tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Read all tensors, by name."""
        return {name: self.get_tensor(name) for name in self._model}

    def clear_cache(self) -> None:
        """Forget the tensors that were read."""
        self._read.clear()

    def __len__(self) -> int:
        """Say how many tensors there are."""
        return len(self._model)

    def __contains__(self, name: object) -> bool:
        """Say whether there is a tensor of this name."""
        return name in self._model


def load_sharded_safetensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all tensors of a model in one file or several, by name."""
    return ShardedSafeTensorsLoader(path).get_all_tensors()


@dataclass(frozen=True)
class _Pass:
    """What `bs.quantize` is to be called with."""

    model: Path
    out: pathlib.Path
    options: dict[str, Any]
    on_progress: Callable[[str, int, int], object] | None


_Passes: TypeAlias = Generator[_Pass, bs.QuantizationReport, dict[str, Any]]


def _quantized(
    model: Path, out: Path, config: DiffusionQuantConfig | None, progress: Progress | None
) -> dict[str, Any]:
    with closing(_passes(model, out, config or DiffusionQuantConfig(), progress)) as passes:
        asked = next(passes)
        while True:
            report = bs.quantize(asked.model, asked.out, **asked.options, on_progress=asked.on_progress)
            try:
                asked = passes.send(report)
            except StopIteration as done:
                return _result(done)


async def _quantized_async(
    model: Path, out: Path, config: DiffusionQuantConfig | None, progress: Progress | None
) -> dict[str, Any]:
    with closing(_passes(model, out, config or DiffusionQuantConfig(), progress)) as passes:
        asked = next(passes)
        while True:
            report = await quant.quantize_async(
                asked.model, asked.out, **asked.options, on_progress=asked.on_progress
            )
            try:
                asked = passes.send(report)
            except StopIteration as done:
                return _result(done)


def _result(done: StopIteration) -> dict[str, Any]:
    result: dict[str, Any] = done.value
    return result


def _passes(model: Path, out: Path, config: DiffusionQuantConfig, progress: Progress | None) -> _Passes:
    """Quantize a model again, with more bits for what is too far off, until nothing is.

    It stands at its place once it is as it should be, and never before.
    """
    began = time.perf_counter()
    seen = config._seen()
    ranges = config._ranges(seen)
    path = _file(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    promoted: dict[str, int] = {}
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True) as folder:
        made = pathlib.Path(folder) / path.name
        while True:
            report = yield _Pass(model, made, config._options(promoted), _telling(progress))
            layers = _layers(report.tensors)
            failing = {
                name: (bits, cosine)
                for name, (bits, cosine) in layers.items()
                if not cosine >= config.min_accuracy
            }
            if not failing:
                break
            if config.fail_fast or any(bits not in _WIDER for bits, _ in failing.values()):
                raise bs.WorkflowError(_too_far(failing, config))
            promoted |= {name: _WIDER[bits] for name, (bits, _) in failing.items()}
        made.replace(path)
    return {
        "quantized_path": str(path),
        **_measured(report.tensors, path, of_layers=False),
        "modality": _modality(pathlib.Path(model)),
        "bit_width": config.bit_width,
        "quantization_time_s": time.perf_counter() - began,
        "promoted": promoted,
        "not_applied": config._not_applied(ranges),
        **({} if ranges is None else {"activation_ranges": ranges}),
    }


def _telling(progress: Progress | None) -> Callable[[str, int, int], object] | None:
    if progress is None:
        return None
    return lambda name, done, count: progress(f"quantized {name}", done / count)


def _too_far(failing: Mapping[str, tuple[int, float]], config: DiffusionQuantConfig) -> str:
    worst = sorted(failing.items(), key=lambda layer: layer[1][1])
    named = ", ".join(f"`{name}` ({cosine:.4f} with {bits} bits)" for name, (bits, cosine) in worst[:5])
    more = f", and {len(worst) - 5} more" if len(worst) > 5 else ""
    hint = "leave `fail_fast` out, so that they get more bits" if config.fail_fast else "lower `min_accuracy`"
    return (
        f"{len(worst)} layers are below `min_accuracy`, which is {config.min_accuracy}: {named}{more}\n\n"
        f"hint: {hint}"
    )


def _layers(tensors: bs.Table) -> dict[str, tuple[int, float]]:
    """Give bits and cosine of the layers that have fewer bits."""
    columns = (tensors[column].to_pylist() for column in ("name", "bits", "cosine"))
    return {name: (bits, cosine) for name, bits, cosine in zip(*columns, strict=True) if bits is not None}


def _measured(tensors: bs.Table, path: pathlib.Path, *, of_layers: bool = True) -> dict[str, Any]:
    cosines = {name: cosine for name, (_, cosine) in _layers(tensors).items()}
    before, after = (sum(tensors[column].to_pylist()) for column in ("bytes_before", "bytes"))
    figures: dict[str, Any] = {
        "compression_ratio": before / after if after else 1.0,
        "cosine_similarity": sum(cosines.values()) / len(cosines) if cosines else 1.0,
        "min_cosine_similarity": min(cosines.values(), default=1.0),
        "model_size_mb": path.stat().st_size / _MIB,
    }
    return {**figures, "per_layer_accuracy": cosines} if of_layers else figures


def _file(path: Path) -> pathlib.Path:
    """Give the file that a path means, which may be a folder."""
    path = pathlib.Path(path)
    return path if path.suffix in (".parquet", ".safetensors") else path / "model.parquet"


# What the classes of a model's configuration have in their names.
_MODALITIES = {
    "audio": ("audio", "1d", "music", "speech", "wav2vec", "whisper"),
    "image": ("2d", "autoencoder", "dit", "diffusion", "flux", "image", "vit"),
    "text": ("bert", "causallm", "gpt", "maskedlm", "t5", "text"),
}


def _modality(model: pathlib.Path) -> str:
    folder = model if model.is_dir() else model.parent
    for name in ("model_index.json", "config.json"):
        try:
            config = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not isinstance(config, dict):
            continue
        if isinstance(said := config.get("modality"), str):
            return said
        named = " ".join(str(config.get(key, "")) for key in ("_class_name", "architectures", "model_type"))
        for modality, words in _MODALITIES.items():
            if any(word in named.lower() for word in words):
                return modality
    return "unknown"


def _one_of(name: str, value: str, known: Sequence[str] | Mapping[str, object]) -> None:
    if value not in known:
        names = ", ".join(f"`{word}`" for word in known)
        raise bs.UsageError(f"{name}: `{value}` is none of {names}")


def _width(bits: int) -> int:
    if bits not in (2, 3, 4, 8):
        raise bs.UsageError(f"bit_width: expected 2, 3, 4 or 8, got {bits}")
    return bits


def _zero_points(packed: bytes, groups: int, rows: int, bits: int) -> npt.NDArray[np.float32]:
    """Take zero points apart, which begin with a byte of their own in each row."""
    import numpy as np

    if groups == 0:
        return np.empty(0, np.float32)
    flat = np.unpackbits(np.frombuffer(packed, np.uint8).reshape(rows, -1), axis=1, bitorder="little")
    of_code = flat[:, : groups // rows * bits].reshape(groups, bits)
    return (of_code @ (1 << np.arange(bits))).astype(np.float32)


def _earlier(packed: RecordBatch) -> RecordBatch:
    """Name and shape the columns of packed layers as they were."""
    import numpy as np

    columns = {name: packed[name].to_pylist() for name in ("bits", "scales", "offsets", "shape")}
    scales = [np.frombuffer(scales, "<f4") for scales in columns["scales"]]
    zero_points = [
        _zero_points(offsets, len(scales), shape[0] if len(shape) > 1 else min(len(scales), 1), bits)
        for offsets, scales, shape, bits in zip(
            columns["offsets"], scales, columns["shape"], columns["bits"], strict=True
        )
    ]
    shapes = [np.asarray(shape, np.int64) for shape in columns["shape"]]
    codes = packed["codes"]
    return RecordBatch.from_pydict(
        {
            "layer_name": packed["layer_name"],
            "quantized_data": codes.cast(DataType.binary()) if codes.nbytes < 2**31 else codes,
            "scales": _lists(scales, DataType.float32()),
            "zero_points": _lists(zero_points, DataType.float32()),
            "shape": _lists(shapes, DataType.int64()),
            "bit_width": packed["bits"],
        }
    )


def _lists(rows: Sequence[npt.NDArray[Any]], item: DataType) -> Array:
    import numpy as np

    ends = np.cumsum([0, *(row.size for row in rows)])
    # Without rows, or items in them, the items are of no type.
    items = Array(np.concatenate(rows)) if ends[-1] else Array([], item)
    if ends[-1] < 2**31:
        return list_array(ends.astype(np.int32), items, type=DataType.list(Field("item", item)))
    return list_array(ends, items, type=DataType.large_list(Field("item", item)))
