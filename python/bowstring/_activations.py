"""Which timesteps share the ranges of activations, which ranges they are, and what rounding by them does."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from bowstring import _bowstring
from bowstring._arrays import floats
from bowstring._bowstring import Table
from bowstring._calibrator import Calibrator
from bowstring._diffusion import ReverseSteps, _listed
from bowstring._errors import DataError, UsageError
from bowstring._hooks import Hooks, Tensor, Timed, TorchModule, attach, choose, torch_layers, whole
from bowstring._tables import Path, read_parquet, write_parquet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_VERSION_KEY = "bowstring.activation_ranges"
"""What a file says its version under."""
_VERSION = "1"


@dataclass(frozen=True)
class TimeGroups:
    """Neighbouring timesteps of a sampler that share the ranges of activations.

    Args:
        timesteps: All of them, the noisiest first.
        sizes: How many of them each group has, in that order.

    Raises:
        UsageError: When timesteps do not fall, or the sizes are not those of groups of them.

    Examples:
        >>> groups = bs.quant.TimeGroups((199, 149, 100, 50, 0), (2, 3))
        >>> groups.groups
        ((199, 149), (100, 50, 0))
    """

    timesteps: tuple[int, ...]
    """All of them, the noisiest first."""
    sizes: tuple[int, ...]
    """How many of them each group has, in that order."""

    def __post_init__(self) -> None:
        for name in ("timesteps", "sizes"):
            numbers = tuple(whole(name, number) for number in getattr(self, name))
            object.__setattr__(self, name, numbers)
        if any(earlier <= later for earlier, later in pairwise(self.timesteps)):
            raise UsageError("timesteps: expected each to be less than the one before")
        if not self.sizes or min(self.sizes) < 1 or sum(self.sizes) != len(self.timesteps):
            raise UsageError(
                f"sizes: expected numbers of at least 1 with the sum {len(self.timesteps)}, got {self.sizes}"
            )

    @classmethod
    def uniform(cls, timesteps: ReverseSteps | Iterable[int] | int, num_time_groups: int) -> TimeGroups:
        """Make groups of about the same size.

        Args:
            timesteps: Those of the sampler; or how many there are, from 0 on.
            num_time_groups: How many groups.

        Returns:
            The groups, whose sizes differ by one at the most.

        Raises:
            UsageError: When there are not 1 to as many groups as timesteps.

        Examples:
            >>> bs.quant.TimeGroups.uniform(10, 3).sizes
            (4, 3, 3)
        """
        visited = _listed(timesteps)
        return cls(tuple(visited), tuple(_bowstring.uniform_groups(len(visited), num_time_groups)))

    @classmethod
    def cluster(
        cls, calibrator: Calibrator, num_time_groups: int, *, timesteps: Iterable[int] | None = None
    ) -> TimeGroups:
        """Cut where the layers' inputs change: groups within which their extremes differ the least.

        The least and the greatest input of each layer, as a share of the layer's largest, have the least
        squared distance in sum from the means of their groups, found by dynamic programming (Fisher 1958).

        Args:
            calibrator: What was seen of the layers.
            num_time_groups: How many groups.
            timesteps: Those that are grouped; all that were seen when `None`.

        Returns:
            The groups.

        Raises:
            DataError: When a timestep has no inputs of some layer; the message names it.
            UsageError: When there are not 1 to as many groups as timesteps.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> for timestep, size in enumerate([1.0, 1.1, 5.0, 5.2, 5.1]):
            ...     calibrator.observe("linear.weight", np.full((2, 3), size), timestep=timestep)
            >>> bs.quant.TimeGroups.cluster(calibrator, 2).groups
            ((4, 3, 2), (1, 0))
        """
        visited = _listed(calibrator._native.timesteps() if timesteps is None else timesteps)
        layers = calibrator._native.layers()
        calibrator._require(layers, visited)
        return cls(
            tuple(visited),
            tuple(_bowstring.clustered_groups(calibrator._native, layers, visited, num_time_groups)),
        )

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The timesteps of each group.

        Returns:
            A tuple for each, the noisiest first.

        Examples:
            >>> bs.quant.TimeGroups.uniform(5, 2).groups
            ((4, 3, 2), (1, 0))
        """
        cuts = [0, *accumulate(self.sizes)]
        return tuple(self.timesteps[start:end] for start, end in pairwise(cuts))

    def of(self, timestep: int) -> int:
        """Find the group of a timestep: that of the nearest of the timesteps, the noisier one of two.

        So ranges that were found at some timesteps of a path hold for those between them.

        Args:
            timestep: Any timestep.

        Returns:
            Its group, counted from 0.

        Raises:
            UsageError: When it is less than 0.

        Examples:
            >>> groups = bs.quant.TimeGroups((90, 60, 30), (1, 2))
            >>> [groups.of(timestep) for timestep in (99, 75, 74, 0)]
            [0, 0, 1, 1]
        """
        at = whole("timestep", timestep)
        near = min(range(len(self.timesteps)), key=lambda place: abs(self.timesteps[place] - at))
        return next(group for group, end in enumerate(accumulate(self.sizes)) if near < end)

    def __len__(self) -> int:
        return len(self.sizes)


class ActivationRanges(Timed):
    """From where to where the inputs of each layer have codes, in each group of timesteps.

    Weights stay as they are; what goes into a layer is rounded to 2^bits values evenly between the ends, 0
    one of them, and what is beyond is clipped. `of` finds ranges, `attach` and `on_input` round while a
    model runs.

    Args:
        layers: The names of the layers' weights.
        groups: Which timesteps share a range.
        least: Where ranges begin, at most 0: a row for each layer, a column for each group.
        greatest: Where they end, at least 0.
        bits: Bits of a code: 2, 3, 4 or 8.

    Raises:
        UsageError: When ends are not there for each layer and group, or are not finite numbers around 0.

    Examples:
        >>> groups = bs.quant.TimeGroups.uniform(10, 2)
        >>> ranges = bs.quant.ActivationRanges(["linear.weight"], groups, [[-1, -2]], [[1, 2]], bits=4)
        >>> ranges.simulate("linear.weight", [-9.0, 0.0, 9.0], timestep=0).round(2)
        array([-1.87,  0.  ,  2.13], dtype=float32)
    """

    def __init__(
        self,
        layers: Sequence[str],
        groups: TimeGroups,
        least: npt.ArrayLike,
        greatest: npt.ArrayLike,
        *,
        bits: int = 8,
    ) -> None:
        import numpy as np

        super().__init__()
        self.layers = tuple(layers)
        """The names of the layers' weights."""
        self.groups = groups
        """Which timesteps share a range."""
        self.bits = bits
        """Bits of a code."""
        self.least = np.array(least, np.float32)
        """Where ranges begin: a row for each layer, a column for each group. It cannot be written to."""
        self.greatest = np.array(greatest, np.float32)
        """Where they end."""
        shape = (len(self.layers), len(groups))
        for name, ends in (("least", self.least), ("greatest", self.greatest)):
            if ends.shape != shape:
                raise UsageError(f"{name}: expected an array of shape {shape}, got {ends.shape}")
            ends.flags.writeable = False
        if len(set(self.layers)) != len(self.layers):
            raise UsageError("layers: expected each name once")
        _bowstring.range_jumps(self._ends(), len(groups))
        self._rows = {layer: row for row, layer in enumerate(self.layers)}
        self._groups: dict[int, int] = {}
        _bowstring.round_activations(np.zeros(1, np.float32), (0.0, 0.0), bits)

    @classmethod
    def of(
        cls,
        calibrator: Calibrator,
        groups: TimeGroups,
        *,
        bits: int = 8,
        method: Literal["mse", "minmax"] = "mse",
        layers: Sequence[str] | None = None,
        skip: Sequence[str] = (),
        threads: int | None = None,
    ) -> ActivationRanges:
        """Find ranges by what was seen.

        Args:
            calibrator: What was seen of the layers.
            groups: Which timesteps share a range.
            bits: Bits of a code: 2, 3, 4 or 8.
            method: `"mse"` for the least squared error that is found, which clips what is rare; `"minmax"`
                for all that was seen.
            layers: Patterns for the names of layers that get ranges; all when `None`.
            skip: Patterns for those that do not.
            threads: How many threads work; all cores when `None`. They do not change the result.

        Returns:
            The ranges.

        Raises:
            DataError: When a timestep of the groups has no inputs of some layer; the message names it.
            UsageError: When an option cannot be, or a pattern fits no layer.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> calibrator.observe("linear.weight", np.array([[-1.0, 2.0]]), timestep=0)
            >>> groups = bs.quant.TimeGroups.uniform(1, 1)
            >>> ranges = bs.quant.ActivationRanges.of(calibrator, groups, method="minmax")
            >>> ranges.least.tolist(), ranges.greatest.tolist()
            ([[-1.0]], [[2.0]])
        """
        seen = calibrator._native.layers()
        calibrator._require(seen, groups.timesteps)
        chosen = choose("layers", seen, layers, skip)
        options = {"bits": bits, "method": method, "threads": threads}
        ends = _bowstring.activation_ranges(
            calibrator._native, chosen, groups.timesteps, groups.sizes, options
        )
        return cls._of_ends(chosen, groups, ends, bits)

    @classmethod
    def _of_ends(
        cls, layers: Sequence[str], groups: TimeGroups, ends: tuple[list[float], list[float]], bits: int
    ) -> ActivationRanges:
        import numpy as np

        least, greatest = (np.array(end, np.float32).reshape(len(layers), len(groups)) for end in ends)
        return cls(layers, groups, least, greatest, bits=bits)

    def _ends(self) -> tuple[list[float], list[float]]:
        return self.least.ravel().tolist(), self.greatest.ravel().tolist()

    @property
    def jumps(self) -> tuple[float, ...]:
        """How far ranges jump from each group to the next: a sign of too few groups, no measure of harm.

        Returns:
            By how much both ends move, as a share of the wider of the two ranges, on average over the
            layers: 0 to 2, one number less than groups.

        Examples:
            >>> groups = bs.quant.TimeGroups.uniform(4, 2)
            >>> bs.quant.ActivationRanges(["linear.weight"], groups, [[-1, -2]], [[1, 2]]).jumps
            (0.5,)
        """
        return tuple(_bowstring.range_jumps(self._ends(), len(self.groups)))

    @property
    def table(self) -> Table:
        """All ranges: a row for each layer and group.

        Returns:
            `layer`, `timesteps` (a list, the noisiest first), `least`, `greatest`, `bits`.

        Examples:
            >>> groups = bs.quant.TimeGroups.uniform(4, 2)
            >>> ranges = bs.quant.ActivationRanges(["linear.weight"], groups, [[-1, -2]], [[1, 2]])
            >>> ranges.table["timesteps"].to_pylist()
            [[3, 2], [1, 0]]
        """
        import arro3.core as arrow
        import numpy as np

        layers = [layer for layer in self.layers for _ in self.groups.sizes]
        starts = np.cumsum((0, *self.groups.sizes * len(self.layers)), dtype=np.int32)
        timesteps = np.array(self.groups.timesteps * len(self.layers), np.uint32)
        columns: dict[str, Any] = {
            "layer": arrow.Array(layers, type=arrow.DataType.utf8()),
            "timesteps": arrow.list_array(arrow.Array.from_numpy(starts), arrow.Array.from_numpy(timesteps)),
            "least": arrow.Array.from_numpy(self.least.ravel()),
            "greatest": arrow.Array.from_numpy(self.greatest.ravel()),
            "bits": arrow.Array.from_numpy(np.full(len(layers), self.bits, np.uint8)),
        }
        return Table(arrow.Table.from_pydict(columns, metadata={_VERSION_KEY: _VERSION}))

    def save(self, path: Path) -> None:
        """Write all ranges into a Parquet file, which appears as a whole or not at all.

        Args:
            path: The file.

        Raises:
            UsageError: When there are no layers.
            StorageError: When it cannot be written.

        Examples:
            >>> groups = bs.quant.TimeGroups.uniform(4, 2)
            >>> ranges = bs.quant.ActivationRanges(["linear.weight"], groups, [[-1, -2]], [[1, 2]])
            >>> ranges.save(folder / "ranges.parquet")
        """
        if not self.layers:
            raise UsageError("layers: expected at least one to save")
        write_parquet(self.table, path)

    @classmethod
    def open(cls, path: Path) -> ActivationRanges:
        """Read a file that `save` has written.

        Args:
            path: The file.

        Returns:
            The ranges.

        Raises:
            NotFoundError: When there is no such file.
            DataError: When it has no ranges, or some that cannot be.

        Examples:
            >>> groups = bs.quant.TimeGroups.uniform(4, 2)
            >>> ranges = bs.quant.ActivationRanges(["linear.weight"], groups, [[-1, -2]], [[1, 2]])
            >>> ranges.save(folder / "ranges.parquet")
            >>> bs.quant.ActivationRanges.open(folder / "ranges.parquet").range("linear.weight", timestep=0)
            (-2.0, 2.0)
        """
        import arro3.core as arrow
        import numpy as np

        table = read_parquet(path)
        version = table.schema.metadata.get(_VERSION_KEY.encode())
        types = {name: table.schema.field(name).type for name in table.column_names}
        expected: dict[str, Callable[[arrow.DataType], bool]] = {
            "layer": arrow.DataType.is_string,
            "timesteps": lambda of: of.value_type is not None and arrow.DataType.is_uint32(of.value_type),
            "least": arrow.DataType.is_float32,
            "greatest": arrow.DataType.is_float32,
            "bits": arrow.DataType.is_uint8,
        }
        if (
            version != _VERSION.encode()
            or list(types) != list(expected)
            or not all(fits(types[name]) for name, fits in expected.items())
        ):
            raise DataError(
                f"`{path}` is no file of ranges of activations of version {_VERSION}\n\n"
                "hint: name a file that `ActivationRanges.save` has written"
            )

        def damaged(why: object) -> DataError:
            return DataError(f"`{path}` is damaged: {why}\n\nhint: save the ranges again")

        if any(table[name].null_count for name in expected):
            raise damaged("it has nulls")
        if not table.num_rows:
            raise damaged("it has no rows")
        columns: list[list[Any]] = [list(table[name].to_pylist()) for name in expected]
        layers, timesteps, least, greatest, bits = columns
        count = layers.count(layers[0])
        rows = len(layers) // count
        named, groups = layers[::count], timesteps[:count]
        if (
            layers != [layer for layer in named for _ in range(count)]
            or timesteps != groups * rows
            or len(set(bits)) != 1
        ):
            raise damaged("it has not the same groups and bits for each layer")
        try:
            visited = tuple(timestep for group in groups for timestep in group)
            ends = (np.array(end, np.float32).reshape(rows, count) for end in (least, greatest))
            return cls(named, TimeGroups(visited, tuple(map(len, groups))), *ends, bits=bits[0])
        except (UsageError, TypeError) as error:
            raise damaged(error) from error

    def range(self, layer: str, *, timestep: int | None = None) -> tuple[float, float]:
        """Give the range of a layer at a timestep.

        Args:
            layer: The name of its weights.
            timestep: The timestep; that of `at` when `None`.

        Returns:
            Where it begins and ends.

        Raises:
            UsageError: When there is no such layer, or nothing says the timestep.

        Examples:
            >>> groups = bs.quant.TimeGroups.uniform(4, 2)
            >>> ranges = bs.quant.ActivationRanges(["linear.weight"], groups, [[-1, -2]], [[1, 2]])
            >>> ranges.range("linear.weight", timestep=0)
            (-2.0, 2.0)
        """
        row = self._rows.get(layer)
        if row is None:
            raise UsageError(f"layer: there is no range of `{layer}`")
        at = self._timestep if timestep is None else timestep
        if at is None:
            raise UsageError("timestep: nothing says which it is\n\nhint: `with ranges.at(timestep):`")
        group = self._groups.get(at)
        if group is None:
            group = self._groups[at] = self.groups.of(at)
        return float(self.least[row, group]), float(self.greatest[row, group])

    def simulate(
        self, layer: str, inputs: npt.ArrayLike, *, timestep: int | None = None
    ) -> npt.NDArray[np.float32]:
        """Round inputs of a layer.

        Args:
            layer: The name of its weights.
            inputs: Floats of any shape.
            timestep: The timestep; that of `at` when `None`.

        Returns:
            The values that they have in codes, of the same shape. They cannot be written to.

        Raises:
            TypeError: When they are no floats.
            DataError: When some of them are NaN or infinite.
            UsageError: When there is no such layer, or nothing says the timestep.

        Examples:
            >>> groups = bs.quant.TimeGroups.uniform(1, 1)
            >>> ranges = bs.quant.ActivationRanges(["linear.weight"], groups, [[0]], [[3]], bits=2)
            >>> ranges.simulate("linear.weight", [0.4, 1.6, 7.0], timestep=0)
            array([0., 2., 3.], dtype=float32)
        """
        import numpy as np

        found = self.range(layer, timestep=timestep)
        numbers = np.asarray(inputs)
        try:
            rounded = _bowstring.round_activations(floats(numbers, "inputs")[0], found, self.bits)
        except DataError as error:
            error.add_note(f"at layer `{layer}`")
            raise
        return rounded.reshape(numbers.shape)

    def at(self, timestep: int) -> AbstractContextManager[None]:
        """Say at which timestep the model runs, inside of `with`.

        Args:
            timestep: The timestep.

        Returns:
            What stands after `with`. After that it is as before, also when the body raises.

        Raises:
            UsageError: When the timestep is less than 0.

        Examples:
            >>> groups = bs.quant.TimeGroups.uniform(4, 2)
            >>> ranges = bs.quant.ActivationRanges(["linear.weight"], groups, [[-1, -2]], [[1, 2]])
            >>> with ranges.at(3):
            ...     ranges.range("linear.weight")
            (-1.0, 1.0)
        """
        return self._at(timestep, 1.0)

    def on_input(
        self, *, prefix: str = ""
    ) -> Callable[[str, npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
        """Round what goes into the layers of a model that runs in numpy, at the timestep that `at` says.

        Args:
            prefix: What stands before the names of layers in the ranges.

        Returns:
            A function for the model to call with the name of a layer, without `.weight`, and its input, which
            gives the rounded one. Layers without ranges get their input as it is.

        Examples:
            >>> groups = bs.quant.TimeGroups.uniform(1, 1)
            >>> ranges = bs.quant.ActivationRanges(["linear.weight"], groups, [[0]], [[3]], bits=2)
            >>> rounds = ranges.on_input()
            >>> with ranges.at(0):
            ...     [rounds(layer, np.array([1.6], np.float32)).item() for layer in ("linear", "other")]
            [2.0, 1.600000023841858]
        """

        def see(layer: str, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            name = f"{prefix}{layer}.weight"
            return self.simulate(name, inputs) if name in self._rows else inputs

        return see

    def attach(self, model: TorchModule, *, timestep: int | str | None = None, prefix: str = "") -> Hooks:
        """Round what goes into the layers of a torch module whenever it runs.

        Layers without ranges get their input as it is.

        Args:
            model: The module, which has every layer that there are ranges of.
            timestep: The timestep of what the model is given: a number, or the name of the argument of the
                model that has it. As `at` says when `None`.
            prefix: What stands before the names of layers in the ranges.

        Returns:
            The hooks, to be removed: `with ranges.attach(model):` does so at its end, also when the body
            raises.

        Raises:
            TypeError: When it is no torch module.
            UsageError: When the module has no such layer or argument.

        Examples:
            >>> with ranges.attach(network, timestep="t"):  # doctest: +SKIP
            ...     rounded = network(x, t)
        """
        import sys

        modules = torch_layers(model, self.layers, (), prefix)
        torch: Any = sys.modules["torch"]

        def see(name: str, _: TorchModule, given: Tensor) -> Tensor:
            numbers = given.detach().to("cpu", torch.float32).numpy()
            rounded = self.simulate(name, numbers)
            return torch.from_numpy(rounded.copy()).to(given.device, given.dtype)

        return attach(model, modules, see, timestep, self.at)

    def __repr__(self) -> str:
        return (
            f"<bowstring.quant.ActivationRanges of {self.bits} bits for {len(self.layers)} layers,"
            f" {len(self.groups)} groups>"
        )


@dataclass(frozen=True)
class OptimizerConfig:
    """How long `TransitionOptimizer.optimize_params` searches."""

    rounds: int = 8
    """How often both ends of each range are searched at the most."""


@dataclass(frozen=True)
class ThermodynamicLoss:
    """What ranges cost: how far the model's paths diverge, as estimated from the errors of its layers.

    The sum over layers and timesteps of sensitivity, weight and the mean squared error of the layer's rounded
    inputs.
    """

    bits: int = 8
    """Bits of an activation's code."""
    weights: Sequence[float] | None = None
    """What a squared error counts in each timestep of the groups, such as
    `ReverseSteps.divergence_weights`; all the same when `None`."""
    sensitivities: Mapping[str, float] | None = None
    """By how much a layer's squared error is multiplied on its way to the output, by the names of weights; 1
    for layers that are not named."""

    def of(self, calibrator: Calibrator, ranges: ActivationRanges) -> float:
        """Say what ranges cost.

        Args:
            calibrator: What was seen of the layers.
            ranges: The ranges.

        Returns:
            The loss.

        Raises:
            DataError: When a timestep has no inputs of some layer, or a weight or sensitivity is less than 0
                or not finite.
            UsageError: When there are not as many weights as timesteps, a sensitivity is of no layer, or
                ranges are of other bits.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> calibrator.observe("linear.weight", np.array([[0.0, 1.0, 2.0, 3.0]]), timestep=0)
            >>> groups = bs.quant.TimeGroups.uniform(1, 1)
            >>> near, far = (
            ...     bs.quant.ActivationRanges(["linear.weight"], groups, [[0]], [[end]], bits=2)
            ...     for end in (3, 9)
            ... )
            >>> loss = bs.quant.ThermodynamicLoss(bits=2)
            >>> loss.of(calibrator, near) < loss.of(calibrator, far)
            True
        """
        groups = ranges.groups
        return _bowstring.ranges_loss(
            calibrator._native,
            ranges.layers,
            groups.timesteps,
            groups.sizes,
            ranges._ends(),
            self._options(calibrator, ranges),
        )

    def _options(self, calibrator: Calibrator, ranges: ActivationRanges) -> dict[str, object]:
        if ranges.bits != self.bits:
            raise UsageError(f"bits: ranges have {ranges.bits}, the loss {self.bits}")
        calibrator._require(ranges.layers, ranges.groups.timesteps)
        given = self.sensitivities or {}
        choose("sensitivities", ranges.layers, list(given) or None, ())
        weights = [1.0] * len(ranges.groups.timesteps) if self.weights is None else self.weights
        return {
            "bits": self.bits,
            "weights": [float(weight) for weight in weights],
            "sensitivities": [float(given.get(layer, 1.0)) for layer in ranges.layers],
        }


@dataclass(frozen=True)
class Optimized:
    """What a `TransitionOptimizer` found."""

    ranges: ActivationRanges
    """None of them costs more than at the start."""
    history: tuple[float, ...]
    """The loss at the start and after each round; it never grows."""


Choice = TypeVar("Choice", bound=Hashable)


@dataclass(frozen=True)
class Choices(Generic[Choice]):
    """Which of its choices each tensor takes."""

    choices: dict[str, Choice]
    """By the names of tensors."""
    bytes: int
    """What they take together."""
    cost: float
    """What they cost together."""
    bound: float
    """Nothing within the budget costs less, but for rounding."""
    exact: bool
    """Whether that is the cost: there is nothing better."""


@dataclass(frozen=True)
class TransitionOptimizer:
    """Refines the ranges of time groups, and spends bytes, so that a diffusion model's paths diverge less.

    It holds what it was told and nothing else, and may be used from several threads.
    """

    config: OptimizerConfig = OptimizerConfig()
    """How long it searches."""
    loss: ThermodynamicLoss = ThermodynamicLoss()
    """What it makes less."""

    def optimize_params(
        self,
        calibrator: Calibrator,
        ranges: ActivationRanges,
        *,
        threads: int | None = None,
    ) -> Optimized:
        """Refine ranges from given ones, end by end, by searches that keep nothing worse.

        Args:
            calibrator: What was seen of the layers.
            ranges: Where to start; they stay as they are.
            threads: How many threads work; all cores when `None`. They do not change the result.

        Returns:
            The ranges and the loss along the way: never worse than the start.

        Raises:
            DataError: When a timestep has no inputs of some layer, or a weight or sensitivity is less than 0
                or not finite.
            UsageError: When there are not as many weights as timesteps, a sensitivity is of no layer, or
                ranges are of other bits.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> calibrator.observe("linear.weight", np.sin(np.arange(99.0))[None] ** 5, timestep=0)
            >>> groups = bs.quant.TimeGroups.uniform(1, 1)
            >>> start = bs.quant.ActivationRanges(["linear.weight"], groups, [[-9]], [[9]], bits=4)
            >>> optimizer = bs.quant.TransitionOptimizer(loss=bs.quant.ThermodynamicLoss(bits=4))
            >>> found = optimizer.optimize_params(calibrator, start)
            >>> found.history[-1] < found.history[0]
            True
        """
        groups = ranges.groups
        options = self.loss._options(calibrator, ranges)
        ends, history = _bowstring.optimize_ranges(
            calibrator._native,
            ranges.layers,
            groups.timesteps,
            groups.sizes,
            ranges._ends(),
            {**options, "rounds": self.config.rounds, "threads": threads},
        )
        found = ActivationRanges._of_ends(ranges.layers, groups, ends, self.loss.bits)
        return Optimized(found, tuple(history))

    def allocate(
        self,
        costs: Mapping[str, Mapping[Choice, float]],
        sizes: Mapping[str, Mapping[Choice, int]],
        *,
        budget: int,
    ) -> Choices[Choice]:
        """Choose for each tensor, so that all of them fit into a budget of bytes and cost the least together.

        Costs are any measure of harm that adds up over tensors, such as the divergence of paths that was
        measured with one tensor quantized. This knapsack problem is solved exactly, or with a bound where
        that would take too many states.

        Args:
            costs: What each tensor costs by its choices, such as bits.
            sizes: How many bytes it takes by the same choices.
            budget: How many bytes all of them may take.

        Returns:
            The choices; of equal ones the first.

        Raises:
            UsageError: When even the smallest choices take more; the message says how much. When a tensor has
                no choices, or others in `sizes`.
            DataError: When a cost is not a finite number of at least 0.

        Examples:
            >>> optimizer = bs.quant.TransitionOptimizer()
            >>> costs = {"a.weight": {2: 9.0, 4: 1.0}, "b.weight": {2: 2.0, 4: 0.5}}
            >>> sizes = {"a.weight": {2: 100, 4: 200}, "b.weight": {2: 100, 4: 200}}
            >>> optimizer.allocate(costs, sizes, budget=300).choices
            {'a.weight': 4, 'b.weight': 2}
        """
        if costs.keys() != sizes.keys():
            strange = sorted(costs.keys() ^ sizes.keys())
            raise UsageError(f"sizes: expected the tensors of costs; `{strange[0]}` is in one of them")
        tensors = []
        for name, by_choice in costs.items():
            if by_choice.keys() != sizes[name].keys() or not by_choice:
                raise UsageError(f"sizes: expected the choices that `{name}` has in costs, at least one")
            tensors.append(
                [
                    (whole("sizes", sizes[name][choice], most=2**63), float(cost))
                    for choice, cost in by_choice.items()
                ]
            )
        places, taken, cost, bound, exact = _bowstring.allocate_candidates(
            tensors, whole("budget", budget, most=2**63)
        )
        choices = {
            name: list(by_choice)[place]
            for (name, by_choice), place in zip(costs.items(), places, strict=True)
        }
        return Choices(choices, taken, cost, bound, exact)
