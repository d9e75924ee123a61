"""How a diffusion model samples, how far the samples of two models diverge, and calibration along the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bowstring import _bowstring
from bowstring._arrays import floats
from bowstring._calibrator import Calibrator
from bowstring._errors import DataError, UsageError
from bowstring._hooks import TorchModule, is_torch, whole
from bowstring._tables import Path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Output: TypeAlias = Any
"""What a network says: an array or a tensor, alone, as the first of a tuple, or as `.sample`."""


class Schedule:
    """How much noise there is at each timestep that a model was trained on, and what the model says.

    Made by `linear`, `scaled_linear`, `cosine`, `from_betas` or `from_config`. A model says the noise
    (`"epsilon"`), the sample without it (`"sample"`) or a mixture (`"v_prediction"`, Salimans and Ho 2022).

    Examples:
        >>> schedule = bs.quant.Schedule.linear(1000)
        >>> len(schedule), schedule.prediction
        (1000, 'epsilon')
    """

    def __init__(self, native: _bowstring.NativeSchedule) -> None:
        self._native = native

    @classmethod
    def linear(
        cls,
        timesteps: int = 1000,
        start: float = 0.0001,
        end: float = 0.02,
        *,
        prediction: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
    ) -> Schedule:
        """Make one whose betas grow evenly (Ho et al. 2020).

        Args:
            timesteps: How many there are.
            start: The first beta.
            end: The last.
            prediction: What the model says.

        Returns:
            The schedule.

        Raises:
            UsageError: When there are not 1 to 1,000,000 timesteps, or there is no such prediction.
            DataError: When a beta is not more than 0 and at most 1.

        Examples:
            >>> round(float(bs.quant.Schedule.linear(1000).alpha_bars[499]), 6)
            0.078587
        """
        return cls(_bowstring.NativeSchedule.linear(timesteps, start, end, prediction))

    @classmethod
    def scaled_linear(
        cls,
        timesteps: int = 1000,
        start: float = 0.00085,
        end: float = 0.012,
        *,
        prediction: Literal["epsilon", "sample", "v_prediction"] = "epsilon",
    ) -> Schedule:
        """Make one the roots of whose betas grow evenly (Rombach et al. 2022).

        Args:
            timesteps: How many there are.
            start: The first beta.
            end: The last.
            prediction: What the model says.

        Returns:
            The schedule.

        Raises:
            UsageError: When there are not 1 to 1,000,000 timesteps, or there is no such prediction.
            DataError: When a beta is not more than 0 and at most 1.

        Examples:
            >>> round(float(bs.quant.Schedule.scaled_linear(1000).alpha_bars[-1]), 6)
            0.00466
        """
        return cls(_bowstring.NativeSchedule.scaled_linear(timesteps, start, end, prediction))

    @classmethod
    def cosine(
        cls, timesteps: int = 1000, *, prediction: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    ) -> Schedule:
        """Make one whose signal falls as a squared cosine, no beta over 0.999 (Nichol and Dhariwal 2021).

        Args:
            timesteps: How many there are.
            prediction: What the model says.

        Returns:
            The schedule.

        Raises:
            UsageError: When there are not 1 to 1,000,000 timesteps, or there is no such prediction.

        Examples:
            >>> round(float(bs.quant.Schedule.cosine(1000).alpha_bars[499]), 6)
            0.493844
        """
        return cls(_bowstring.NativeSchedule.cosine(timesteps, prediction))

    @classmethod
    def from_betas(
        cls, betas: Iterable[float], *, prediction: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    ) -> Schedule:
        """Make one of its betas.

        Args:
            betas: The noise that each timestep adds, the first of them that with the least noise.
            prediction: What the model says.

        Returns:
            The schedule.

        Raises:
            UsageError: When there are not 1 to 1,000,000, or there is no such prediction.
            DataError: When one is not more than 0 and at most 1.

        Examples:
            >>> bs.quant.Schedule.from_betas([0.5, 0.5]).alpha_bars.tolist()
            [0.5, 0.25]
        """
        return cls(_bowstring.NativeSchedule.of_betas([float(beta) for beta in betas], prediction))

    @classmethod
    def from_config(cls, path: Path) -> Schedule:
        """Read that of a model from its `scheduler_config.json`.

        Args:
            path: The file, the folder that has it, or that of a diffusers pipeline.

        Returns:
            The schedule.

        Raises:
            NotFoundError: When there is no such file.
            DataError: When it is no configuration of a scheduler with betas.
            UsageError: When it asks for a schedule or prediction that is not known here.

        Examples:
            >>> _ = (folder / "scheduler_config.json").write_text('{"beta_schedule": "squaredcos_cap_v2"}')
            >>> len(bs.quant.Schedule.from_config(folder))
            1000
        """
        return cls(_bowstring.NativeSchedule.from_config(path))

    @property
    def alpha_bars(self) -> npt.NDArray[np.float64]:
        """How much of a sample's variance is left at each timestep.

        Returns:
            Numbers that fall from nearly 1. They cannot be written to.

        Examples:
            >>> bs.quant.Schedule.linear(3, 0.5, 0.5).alpha_bars.tolist()
            [0.5, 0.25, 0.125]
        """
        return self._native.alpha_bars()

    @property
    def prediction(self) -> Literal["epsilon", "sample", "v_prediction"]:
        """What the model says.

        Returns:
            Its name in diffusers.

        Examples:
            >>> bs.quant.Schedule.cosine(10, prediction="sample").prediction
            'sample'
        """
        return self._native.prediction()

    def __len__(self) -> int:
        return len(self.alpha_bars)

    def __repr__(self) -> str:
        return f"<bowstring.quant.Schedule of {len(self)} timesteps, {self.prediction}>"

    def steps(
        self,
        count: int | Iterable[int] | None = None,
        *,
        kind: Literal["ddpm", "ddim"] = "ddpm",
        eta: float | None = None,
    ) -> ReverseSteps:
        """Give the steps of the reverse process, from noise to sample. `x_0` is not clipped.

        Args:
            count: How many, evenly from the last timestep to the first; or the timesteps, the noisiest first.
                All when `None`.
            kind: `"ddpm"` draws all noise that Ho et al. (2020) draw, with the smaller of their variances;
                `"ddim"` a share of it (Song et al. 2021).
            eta: That share. For `"ddim"` 0 when `None`, which is deterministic; for `"ddpm"` 1.

        Returns:
            The steps.

        Raises:
            UsageError: When there are not 1 to as many steps as timesteps, timesteps do not fall or are none
                of the schedule's, or the share is not 0 to 1.

        Examples:
            >>> steps = bs.quant.Schedule.linear(200, 0.0005, 0.1).steps(5, kind="ddim")
            >>> steps.timesteps.tolist(), steps.variances.tolist()
            ([199, 149, 100, 50, 0], [0.0, 0.0, 0.0, 0.0, 0.0])
        """
        import numpy as np

        if kind not in ("ddpm", "ddim"):
            raise UsageError(f'kind: expected "ddpm" or "ddim", got {kind!r}')
        share = (1.0 if kind == "ddpm" else 0.0) if eta is None else float(eta)
        if kind == "ddpm" and share != 1:
            raise UsageError(f'eta: expected 1 or None with "ddpm", got {eta!r}\n\nhint: "ddim" takes others')
        if isinstance(count, Iterable):
            visited = [whole("timesteps", timestep) for timestep in count]
            if not visited:
                raise UsageError("count: expected at least one timestep")
        else:
            number = len(self) if count is None else whole("count", count)
            if not 1 <= number <= len(self):
                raise UsageError(f"count: expected 1 to {len(self)} steps, got {number}")
            visited = np.linspace(len(self) - 1, 0, number).round().astype(np.int64).tolist()
        sample, output, variances = self._native.reverse(visited, share)
        return ReverseSteps(
            np.array(visited, np.int64), np.array(sample), np.array(output), np.array(variances)
        )


@dataclass(frozen=True, eq=False)
class ReverseSteps:
    """Steps of the reverse process: Gaussians with means linear in the state and in what the model says.

    An error `d` of what the model says in a step moves its mean by `output * d`.
    """

    timesteps: npt.NDArray[np.int64]
    """The timestep that each step begins at, the noisiest first."""
    sample: npt.NDArray[np.float64]
    """The factor of the state."""
    output: npt.NDArray[np.float64]
    """The factor of what the model says."""
    variances: npt.NDArray[np.float64]
    """The variance of each number; 0 where no noise is added, as in the last step."""

    def __len__(self) -> int:
        return len(self.timesteps)

    def mean(self, step: int, x: npt.ArrayLike, output: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Give the mean that a step draws from.

        Args:
            step: Which step, counted from 0.
            x: The state: floats of any shape.
            output: What the model says of it, of the same shape.

        Returns:
            The mean, of that shape.

        Examples:
            >>> steps = bs.quant.Schedule.linear(200, 0.0005, 0.1).steps(5)
            >>> steps.mean(4, [[1.0]], [[0.0]])
            array([[1.0002501]], dtype=float32)
        """
        import numpy as np

        x, output = np.asarray(x, np.float32), np.asarray(output, np.float32)
        return np.asarray(
            np.float32(self.sample[step]) * x + np.float32(self.output[step]) * output, np.float32
        )

    def divergence_weights(self, *, least_variance: float = 0.0) -> npt.NDArray[np.float64]:
        """Say what a squared distance of outputs counts in each step, so that it becomes the divergence.

        That is `output**2 / (2 * variance)`. Steps without noise count nothing.

        Args:
            least_variance: What steps have at least, so that those without noise count too: what DDIM needs.

        Returns:
            A weight for each step.

        Raises:
            UsageError: When `least_variance` is not a number of at least 0, or is 0 where no step adds noise.

        Examples:
            >>> steps = bs.quant.Schedule.linear(200, 0.0005, 0.1).steps(5)
            >>> steps.divergence_weights().round(4).tolist()
            [49.0731, 12.5573, 6.1917, 950.8497, 0.0]
        """
        import numpy as np

        return np.array(
            _bowstring.divergence_weights(self.output.tolist(), self.variances.tolist(), least_variance)
        )


@dataclass(frozen=True)
class PathKl:
    """How far the paths of two models diverge, in nats."""

    steps: tuple[float, ...]
    """Of each step, on average over the paths."""
    total: float
    """Of whole paths: the sum."""


def path_kl(weights: ReverseSteps | Sequence[float], original: object, other: object) -> PathKl:
    """Compare a diffusion model with another along the first one's paths: the sum of the steps' divergences.

    Steps are Gaussians of the same variance, so each diverges by its weight times the squared distance of
    what both models say of the same states, those of the original's paths.

    Args:
        weights: The steps, or what a squared distance counts in each, as `divergence_weights` says.
        original: What the original says: floats by step, path, and anything.
        other: What the other says of the same states.

    Returns:
        The divergence of each step and of whole paths.

    Raises:
        TypeError: When they are no floats.
        UsageError: When shapes differ, there are no paths, or not as many steps as weights.
        DataError: When a number is NaN or infinite, or a weight less than 0.

    Examples:
        >>> outputs = np.zeros((2, 3, 4), np.float32)
        >>> bs.quant.path_kl([0.5, 0.25], outputs, outputs + 1)
        PathKl(steps=(2.0, 1.0), total=3.0)
    """
    import numpy as np

    of_steps = weights.divergence_weights() if isinstance(weights, ReverseSteps) else weights
    listed = [float(weight) for weight in of_steps]
    ours, theirs = np.asarray(original), np.asarray(other)
    if ours.shape != theirs.shape or ours.ndim < 2 or len(ours) != len(listed):
        raise UsageError(
            f"original and other: expected the same shape, {len(listed)} steps and then paths, got"
            f" {ours.shape} and {theirs.shape}"
        )
    if ours.shape[1] == 0:
        raise UsageError("original and other: there are no paths")
    flat, flat_other = floats(ours, "original")[0], floats(theirs, "other")[0]
    steps, total = _bowstring.path_kl(listed, flat, flat_other, ours.shape[1])
    return PathKl(tuple(steps), total)


def categorical_kl(original: object, other: object) -> npt.NDArray[np.float64]:
    """Compare what two models choose: the divergence of each choice of one of several tokens, in nats.

    That of an autoregressive or masked model's path is the sum over its tokens, on average over texts of the
    original.

    Args:
        original: The original's logits, a token for each place on the last axis. One of minus infinity
            cannot be chosen.
        other: The other's, of the same shape.

    Returns:
        A divergence for each choice, of the shape without the last axis; infinite where only the original
        can choose a token.

    Raises:
        TypeError: When they are no floats.
        UsageError: When shapes differ.
        DataError: When a logit is NaN or infinite, or all of a choice are minus infinity.

    Examples:
        >>> bs.quant.categorical_kl([[0.0, 0.0], [1.0, 2.0]], [[0.0, 0.0], [1.0, 0.0]]).round(4)
        array([0.    , 0.4621])
    """
    import numpy as np

    ours, theirs = np.asarray(original), np.asarray(other)
    if ours.shape != theirs.shape or ours.ndim < 1:
        raise UsageError(f"original and other: expected the same shape, got {ours.shape} and {theirs.shape}")
    flat, flat_other = floats(ours, "original")[0], floats(theirs, "other")[0]
    if ours.size == 0:
        return np.zeros(ours.shape[:-1])
    return _bowstring.categorical_kl(flat, flat_other, ours.shape[-1]).reshape(ours.shape[:-1])


def stratified_timesteps(
    timesteps: ReverseSteps | Iterable[int] | int, num_time_groups: int, *, per_group: int = 1, seed: int = 0
) -> tuple[int, ...]:
    """Choose timesteps to calibrate at: as many, by chance, from each of so many parts of the path.

    Inputs of layers change along it, so all parts have to be seen (Li et al. 2023, "Q-Diffusion"; Shang et
    al. 2023, "Post-training Quantization on Diffusion Models").

    Args:
        timesteps: Those of the sampler; or how many there are, from 0 on.
        num_time_groups: How many parts of about the same size.
        per_group: How many timesteps of each.
        seed: Of what is drawn. The same one chooses the same.

    Returns:
        The timesteps, the noisiest first.

    Raises:
        UsageError: When a part has fewer timesteps.

    Examples:
        >>> chosen = bs.quant.stratified_timesteps(200, 4, per_group=2)
        >>> [sum(start <= timestep < start + 50 for timestep in chosen) for start in (150, 100, 50, 0)]
        [2, 2, 2, 2]
    """
    import numpy as np

    visited = _listed(timesteps)
    sizes = _bowstring.uniform_groups(len(visited), num_time_groups)
    number = whole("per_group", per_group)
    if not 1 <= number <= min(sizes):
        raise UsageError(f"per_group: expected 1 to {min(sizes)}, the size of a part, got {per_group}")
    drawn = np.random.default_rng(seed)
    chosen: list[int] = []
    first = 0
    for size in sizes:
        places = np.sort(drawn.choice(size, number, replace=False))
        chosen += [visited[first + int(place)] for place in places]
        first += size
    return tuple(chosen)


def _listed(timesteps: ReverseSteps | Iterable[int] | int) -> list[int]:
    """Give each timestep once, the noisiest first."""
    if isinstance(timesteps, ReverseSteps):
        return _listed(timesteps.timesteps.tolist())
    if not isinstance(timesteps, Iterable):
        timesteps = range(whole("timesteps", timesteps))
    return sorted({whole("timesteps", timestep) for timestep in timesteps}, reverse=True)


def calibrate(
    network: Callable[..., Any],
    steps: ReverseSteps,
    calibrator: Calibrator,
    *,
    shape: Sequence[int],
    samples: int = 16,
    timesteps: Iterable[int] | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    batch_size: int = 64,
    layers: Sequence[str] | None = None,
    skip: Sequence[str] = (),
    prefix: str = "",
) -> npt.NDArray[np.float32]:
    """Let a diffusion model make samples out of noise, and see what its layers are given on the way.

    These are inputs as the model meets them when it is used. A torch module gets hooks while it runs; it is
    given its states on the device and in the type of its first parameter, timesteps as an array of whole
    numbers, and no gradients. Any other network is called with a numpy array and a number, and tells the
    calibrator itself, by `calibrator.on_input`.

    Args:
        network: Called with states, batch first, and their timestep; says what the schedule's `prediction`
            names, alone, as the first of a tuple or as `.sample`.
        steps: Those of the sampler.
        calibrator: What sees the inputs; it is told the timesteps.
        shape: That of a sample.
        samples: How many there are.
        timesteps: Those at which inputs are seen, such as `stratified_timesteps` chooses; all when `None`.
        weights: How much the inputs of each step count among `"full"` second moments, such as
            `steps.divergence_weights()`; all the same when `None`.
        seed: Of all noise.
        batch_size: How many samples the network is given at once.
        layers: Of a torch module: patterns for the names of the weights of layers that are looked at.
        skip: Of a torch module: patterns for those that are not.
        prefix: Of a torch module: what stands before the names.

    Returns:
        The samples.

    Raises:
        DataError: When a layer has no inputs at one of the timesteps, or the network says something that is
            not finite or of another shape.
        UsageError: When an option cannot be.

    Examples:
        >>> calibrator = bs.quant.Calibrator()
        >>> see = calibrator.on_input({"linear.weight": np.eye(3)})
        >>> steps = bs.quant.Schedule.linear(200, 0.0005, 0.1).steps(10)
        >>> made = bs.quant.calibrate(lambda x, t: see("linear", x), steps, calibrator, shape=(3,))
        >>> made.shape, calibrator.table.num_rows
        ((16, 3), 10)
    """
    import numpy as np

    visited = steps.timesteps.tolist()
    chosen = set(visited if timesteps is None else _listed(timesteps))
    if strange := sorted(chosen - set(visited)):
        raise UsageError(f"timesteps: {strange[0]} is none of the sampler's")
    if weights is not None and len(weights) != len(steps):
        raise UsageError(f"weights: expected one for each of {len(steps)} steps, got {len(weights)}")
    number, size = whole("samples", samples), whole("batch_size", batch_size)
    if number < 1 or size < 1:
        raise UsageError("samples and batch_size: expected at least 1")
    torch = is_torch(network)
    if not torch and (layers is not None or skip or prefix):
        raise UsageError("layers, skip and prefix: the network is no torch.nn.Module")
    run = _torch_run(network) if torch else network
    drawn = np.random.default_rng(seed)
    x = drawn.standard_normal((number, *shape), np.float32)
    hooks = calibrator.attach(network, layers=layers, skip=skip, prefix=prefix) if torch else nullcontext()
    with hooks:
        for step, timestep in enumerate(visited):
            weight = 1.0 if weights is None else float(weights[step])
            seen = calibrator.at(timestep, weight=weight) if timestep in chosen else calibrator.paused()
            with seen:
                batches = [x[first : first + size] for first in range(0, number, size)]
                output = np.concatenate([_said(run, batch, timestep) for batch in batches])
            noise = drawn.standard_normal(x.shape, np.float32)
            x = steps.mean(step, x, output) + np.float32(steps.variances[step] ** 0.5) * noise
    calibrator.expect(chosen)
    calibrator.check()
    return x


def _said(
    run: Callable[[npt.NDArray[np.float32], int], Any], x: npt.NDArray[np.float32], timestep: int
) -> npt.NDArray[np.float32]:
    import numpy as np

    output = np.asarray(_alone(run(x, timestep)), np.float32)
    if output.shape != x.shape:
        raise DataError(f"network: expected an output of shape {x.shape}, got {output.shape}")
    if not np.isfinite(output).all():
        raise DataError(f"network: what it says at timestep {timestep} is not finite")
    return output


def _alone(output: Output) -> Output:
    """Give what a network says, which may come as the first of a tuple or as `.sample`."""
    return output[0] if isinstance(output, tuple) else getattr(output, "sample", output)


def _torch_run(module: TorchModule) -> Callable[[npt.NDArray[np.float32], int], Output]:
    import sys

    torch: Any = sys.modules["torch"]
    like = next(module.parameters())

    def run(x: npt.NDArray[np.float32], timestep: int) -> Output:
        t = torch.full((len(x),), timestep, dtype=torch.int64, device=like.device)
        with torch.no_grad():
            output = _alone(module(torch.from_numpy(x).to(like.device, like.dtype), t))
        return output.to("cpu", torch.float32).numpy()

    return run
