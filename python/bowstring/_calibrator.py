"""What a model's layers are given while it runs, kept for those who choose codes by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from bowstring import _bowstring
from bowstring._arrays import floats
from bowstring._bowstring import Table
from bowstring._errors import DataError, UsageError
from bowstring._hooks import (
    Hooks,
    Tensor,
    Timed,
    TorchModule,
    attach,
    numpy_windows,
    pieces,
    torch_inputs,
    torch_layers,
    whole,
)
from bowstring._tables import Path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NAMED = 5
"""How many are named of those of which nothing was seen."""


class Calibrator(Timed):
    """What a model's layers were given while it ran: what `method="weighted"` and `"gptq"` go by.

    Memory does not grow with the number of inputs: at most 24 KiB for a layer and timestep, 8 bytes for each
    of its channels, and `8 * channels**2` bytes for all second moments of a layer.

    Args:
        moments: Which second moments are kept: `"diagonal"`, of each channel with itself, or `"full"`, of
            each with each other one too, which `"gptq"` needs.
        timesteps: Those of which inputs have to be seen, as [`expect`][bowstring.quant.Calibrator.expect]
            says.

    Raises:
        UsageError: For other moments, or when timesteps are no whole numbers of at least 0.

    Examples:
        >>> inputs = np.sin(np.arange(100 * 48, dtype=np.float32)).reshape(100, 48)
        >>> calibrator = bs.quant.Calibrator(moments="full")
        >>> calibrator.observe("block.attn.weight", inputs)
        >>> calibrator.save(folder / "seen.parquet")
        >>> report = bs.quantize(
        ...     folder / "model.safetensors",
        ...     folder / "packed.parquet",
        ...     method="gptq",
        ...     calibration=folder / "seen.parquet",
        ... )
    """

    def __init__(
        self,
        *,
        moments: Literal["diagonal", "full"] = "diagonal",
        timesteps: Iterable[int] | None = None,
    ) -> None:
        if moments not in ("diagonal", "full"):
            raise UsageError(f'moments: expected "diagonal" or "full", got {moments!r}')
        self._begin(_bowstring.NativeCalibration(moments == "full"))
        if timesteps is not None:
            self.expect(timesteps)

    def _begin(self, native: _bowstring.NativeCalibration) -> None:
        super().__init__()
        self._native = native
        self._expected: tuple[int, ...] | None = None
        self._attached: dict[str, None] = {}
        self._paused = False

    @classmethod
    def open(cls, path: Path) -> Calibrator:
        """Read a file that a calibrator has saved; it can see more after that.

        Args:
            path: The file.

        Returns:
            The calibrator.

        Raises:
            NotFoundError: When there is no such file.
            DataError: When it is no calibration, or is damaged.

        Examples:
            >>> bs.quant.Calibrator().save(folder / "seen.parquet")
            >>> bs.quant.Calibrator.open(folder / "seen.parquet").table.num_rows
            0
        """
        calibrator = cls.__new__(cls)
        calibrator._begin(_bowstring.NativeCalibration.open(path))
        return calibrator

    def at(self, timestep: int | None, *, weight: float = 1.0) -> AbstractContextManager[None]:
        """Say at which timestep the model runs inside of `with`, where nothing else is said.

        Args:
            timestep: The timestep; `None` for a model without.
            weight: How much these inputs count among `"full"` second moments, such as
                `ReverseSteps.divergence_weights` says.

        Returns:
            What stands after `with`. After that it is as before, also when the body raises.

        Raises:
            UsageError: When the timestep is less than 0.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> with calibrator.at(10):
            ...     calibrator.observe("linear.weight", np.ones((4, 2)))
            >>> calibrator.table["timestep"].to_pylist()
            [10]
        """
        return self._at(timestep, weight)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the model run without looking: hooks see nothing inside of `with`; `observe` does.

        Returns:
            What stands after `with`.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> with calibrator.paused():
            ...     _ = calibrator.on_input({"linear.weight": np.ones((3, 2))})("linear", np.ones((4, 2)))
            >>> calibrator.table.num_rows
            0
        """
        before = self._paused
        self._paused = True
        try:
            yield
        finally:
            self._paused = before

    def observe(
        self, layer: str, inputs: object, *, timestep: int | None = None, weight: float | None = None
    ) -> None:
        """Add inputs of a layer.

        Args:
            layer: The name of the layer's weights in the model.
            inputs: Floats, the last axis as long as a row of the weights: inputs of a linear layer as they
                are, those of a convolution as patches, by channel, row and column of the kernel.
            timestep: The timestep of a diffusion model; that of `at` when `None`.
            weight: How much these inputs count among `"full"` second moments; as `at` says when `None`,
                and 1 without.

        Raises:
            TypeError: When they are no floats.
            DataError: When some of them are NaN or infinite; nothing is added.
            UsageError: When the layer had another number of channels before, or the weight is below 0.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> calibrator.observe("conv.weight", np.ones((2, 5, 27), np.float32), timestep=10)
            >>> calibrator.table["count"].to_pylist()
            [10]
        """
        flat, shape = floats(inputs, "inputs")
        timestep = self._timestep if timestep is None else whole("timestep", timestep)
        weight = self._weight if weight is None else weight
        try:
            self._native.observe(layer, timestep, flat, shape, weight)
        except (DataError, UsageError) as error:
            error.add_note(f"at layer `{layer}`" + ("" if timestep is None else f", timestep {timestep}"))
            raise

    def attach(
        self,
        model: TorchModule,
        *,
        layers: Sequence[str] | None = None,
        skip: Sequence[str] = (),
        timestep: int | str | None = None,
        prefix: str = "",
    ) -> Hooks:
        """See what goes into the linear layers and convolutions of a torch module whenever it runs.

        Inputs may be on any device and of any float type; they are kept as floats of 32 bits. Convolutions
        may have any stride, padding and dilation, but one group. Transposed ones are not looked at: the rows
        of their weights are inputs, not outputs.

        Args:
            model: The module.
            layers: Patterns for the names of the layers' weights, prefix included; `*` stands for any
                characters. All when `None`.
            skip: Patterns for those that are not looked at.
            timestep: The timestep of what the model is given: a number, or the name of the argument of the
                model that has it. As `at` says when `None`.
            prefix: What stands before the names: `"unet/"` for the U-Net of a pipeline that is quantized as
                a whole.

        Returns:
            The hooks, to be removed: `with calibrator.attach(model):` does so at its end, also when the body
            raises.

        Raises:
            TypeError: When it is no torch module.
            UsageError: When a pattern fits no layer, a convolution has several groups, or the model has no
                such argument.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> with calibrator.attach(network, timestep="t"):  # doctest: +SKIP
            ...     seen = network(x, t)
        """
        modules = torch_layers(model, layers, skip, prefix)

        def see(name: str, module: TorchModule, given: Tensor) -> None:
            if not self._paused:
                for inputs in torch_inputs(module, given):
                    self.observe(name, inputs)

        hooks = attach(model, modules, see, timestep, self._at_timestep)
        self._attached.update(dict.fromkeys(modules))
        return hooks

    def _at_timestep(self, timestep: int) -> AbstractContextManager[None]:
        return self._at(timestep, self._weight)

    def on_input(
        self,
        weights: Mapping[str, Any],
        *,
        strides: Mapping[str, int] | None = None,
        padding: Mapping[str, int] | None = None,
        prefix: str = "",
    ) -> Callable[[str, npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
        """See what goes into the layers of a model that runs in numpy.

        Args:
            weights: The model's arrays by their names; of convolutions with channels before the kernel's
                axes, as torch has them. Only their shapes matter.
            strides: Those of convolutions that are not 1, by patterns for the names of weights.
            padding: How many zeros a convolution puts around images, where that is not half of an odd
                kernel and none for an even one; by patterns for the names of weights.
            prefix: What stands before the names in what is kept.

        Returns:
            A function for the model to call with the name of a layer, without `.weight`, and its input, whose
            last axis are channels. It gives the input back.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> see = calibrator.on_input({"conv.weight": np.ones((4, 2, 3, 3))})
            >>> _ = see("conv", np.ones((1, 8, 8, 2), np.float32))
            >>> calibrator.table["channels"].to_pylist(), calibrator.table["count"].to_pylist()
            ([18], [64])
        """
        shapes = {name: tuple(weight.shape) for name, weight in weights.items()}

        def see(layer: str, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            if self._paused:
                return inputs
            name = f"{layer}.weight"
            if name not in shapes:
                raise UsageError(f"weights: there is none of layer `{layer}`: `{name}`")
            kernel = shapes[name][2:]
            stride = _by_pattern(strides, name)
            windows = numpy_windows(
                inputs, kernel, 1 if stride is None else stride, _by_pattern(padding, name)
            )
            for piece in pieces(windows, inputs.ndim - 1):
                self.observe(f"{prefix}{name}", piece)
            return inputs

        return see

    def expect(self, timesteps: Iterable[int]) -> None:
        """Say of which timesteps inputs have to be seen, of every layer, before anything is saved.

        Args:
            timesteps: Those of the sampler, or some of each part of them, as `stratified_timesteps` chooses.

        Raises:
            UsageError: When there are none, or one is less than 0.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> calibrator.expect([0, 10])
            >>> calibrator.observe("linear.weight", np.ones((4, 2)), timestep=10)
            >>> calibrator.save(folder / "seen.parquet")
            Traceback (most recent call last):
            bowstring._errors.DataError: nothing was seen of layer `linear.weight` at timestep 0
            <BLANKLINE>
            hint: run the model at each of these timesteps
        """
        expected = tuple(sorted({whole("timesteps", timestep) for timestep in timesteps}))
        if not expected:
            raise UsageError("timesteps: expected at least one")
        self._expected = expected

    def check(self) -> None:
        """Check that every layer has inputs at every timestep that is expected, or that any layer has.

        Layers are those that were seen, and those that hooks were attached to.

        Raises:
            DataError: When one has none; the message names it.

        Examples:
            >>> calibrator = bs.quant.Calibrator(timesteps=[10])
            >>> calibrator.observe("linear.weight", np.ones((4, 2)), timestep=10)
            >>> calibrator.check()
        """
        layers = list(dict.fromkeys([*self._native.layers(), *self._attached]))
        expected = self._native.timesteps() if self._expected is None else list(self._expected)
        self._require(layers, expected)

    def _require(self, layers: Sequence[str], timesteps: Sequence[int]) -> None:
        if not layers:
            raise DataError("nothing was seen of any layer\n\nhint: run the model with hooks attached")
        missing = self._native.missing(layers, timesteps)
        if missing:
            listed = ", ".join(f"`{layer}` at timestep {timestep}" for layer, timestep in missing[:NAMED])
            more = f", and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
            of = "layer" if len(missing) == 1 else "layers"
            raise DataError(
                f"nothing was seen of {of} {listed}{more}\n\nhint: run the model at each of these timesteps"
            )

    @property
    def table(self) -> Table:
        """What was seen: a row for each layer and timestep, in the order in which they came.

        Returns:
            `layer`, `timestep`, `channels`; `count` of inputs, and of all their numbers `least`, `greatest`
            and `mean_square`.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> calibrator.observe("conv.weight", np.array([[3.0, -4.0]]))
            >>> calibrator.table["mean_square"].to_pylist()
            [12.5]
        """
        return self._native.table()

    def save(self, path: Path) -> None:
        """Write all of it into a file, which appears as a whole or not at all.

        Args:
            path: The file.

        Raises:
            DataError: When a timestep that is [expected][bowstring.quant.Calibrator.expect] has no inputs of
                some layer; nothing is written.
            StorageError: When it cannot be written.

        Examples:
            >>> bs.quant.Calibrator().save(folder / "seen.parquet")
        """
        if self._expected is not None:
            self.check()
        self._native.save(path)


def _by_pattern(values: Mapping[str, int] | None, name: str) -> int | None:
    return next((value for pattern, value in (values or {}).items() if fnmatchcase(name, pattern)), None)
