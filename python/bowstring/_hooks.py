"""What goes into the layers of a model while it runs: hooks on torch modules, and what a layer does to it."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fnmatch import fnmatchcase
from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

from bowstring._errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

TorchModule: TypeAlias = Any
"""A `torch.nn.Module`. Torch is no dependency, so there is no name for its types."""

Tensor: TypeAlias = Any
"""A `torch.Tensor`."""

Windows: TypeAlias = Any
"""A tensor, or an array of numpy: both can be cut and laid out anew by the same words."""

Changed: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""What a module is called with instead."""

MOST_NUMBERS = 1 << 24
"""Patches are made of so many numbers at a time, and not of more unless one alone has them."""


class Timed:
    """Something that goes by the timestep at which a model runs."""

    def __init__(self) -> None:
        self._timestep: int | None = None
        self._weight = 1.0

    @property
    def timestep(self) -> int | None:
        """The timestep of what comes, as [`at`][bowstring.quant.Calibrator.at] says.

        Returns:
            The timestep; `None` outside of it.

        Examples:
            >>> calibrator = bs.quant.Calibrator()
            >>> with calibrator.at(10):
            ...     calibrator.timestep
            10
        """
        return self._timestep

    @contextmanager
    def _at(self, timestep: int | None, weight: float) -> Iterator[None]:
        before = self._timestep, self._weight
        self._timestep = None if timestep is None else whole("timestep", timestep)
        self._weight = weight
        try:
            yield
        finally:
            self._timestep, self._weight = before


class Hooks:
    """Hooks of a torch module. They are gone after `with`, also when its body raises, or by `remove`."""

    def __init__(self, layers: Iterable[str], handles: list[Any], running: list[ExitStack]) -> None:
        self.layers = tuple(layers)
        """The names of the layers' weights."""
        self._handles = handles
        self._running = running

    def remove(self) -> None:
        """Remove them; nothing is seen any more.

        Examples:
            >>> hooks = bs.quant.Calibrator().attach(network)  # doctest: +SKIP
            >>> hooks.remove()  # doctest: +SKIP
        """
        while self._handles:
            self._handles.pop().remove()
        while self._running:
            self._running.pop().close()

    def __enter__(self) -> Hooks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<bowstring.quant.Hooks on {len(self.layers)} layers>"


def is_torch(model: object) -> bool:
    """Tell whether it is a torch module; torch is not imported for that."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def torch_layers(
    model: TorchModule, layers: Sequence[str] | None, skip: Sequence[str], prefix: str
) -> dict[str, list[TorchModule]]:
    """Find the linear layers and convolutions of a torch module by the names of their weights."""
    if not is_torch(model):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    torch: Any = sys.modules["torch"]
    kinds = torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d
    names = {id(parameter): f"{prefix}{name}" for name, parameter in model.named_parameters()}
    found: dict[str, list[TorchModule]] = {}
    for path, module in model.named_modules():
        if isinstance(module, kinds):
            # A weight that several modules share has the name that stands first, as in files.
            weight = getattr(module, "weight", None)
            own = f"{prefix}{path}.weight" if path else f"{prefix}weight"
            found.setdefault(names.get(id(weight), own), []).append(module)
    chosen = choose("layers", list(found), layers, skip)
    for name in chosen:
        for module in found[name]:
            if getattr(module, "groups", 1) != 1:
                raise UsageError(
                    f"layer `{name}` is a convolution of {module.groups} groups, whose rows of weights have"
                    f" inputs of their own\n\nhint: leave it out: `skip=[{name!r}]`"
                )
    return {name: found[name] for name in chosen}


def choose(
    option: str, names: Sequence[str], patterns: Sequence[str] | None, skip: Sequence[str]
) -> list[str]:
    """Pick names by patterns, each of which has to fit one."""
    for what, given in ((option, patterns or ()), ("skip", skip)):
        if isinstance(given, str):
            raise TypeError(f"{what}: expected a list of str, got str")
        for pattern in given:
            if not any(_fits(name, pattern) for name in names):
                raise UsageError(f"{what}: there is no layer `{pattern}`{_hint(pattern, names)}")

    def some(name: str, patterns: Sequence[str]) -> bool:
        return any(_fits(name, pattern) for pattern in patterns)

    chosen = [name for name in names if (patterns is None or some(name, patterns)) and not some(name, skip)]
    if not chosen:
        raise UsageError(f"{option}: there is no layer to look at")
    return chosen


def _fits(name: str, pattern: str) -> bool:
    """Tell whether it is the pattern, which may have brackets in it, or fits it."""
    return name == pattern or fnmatchcase(name, pattern)


def _hint(given: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(given, names, 1)
    return f"\n\nhint: did you mean `{near[0]}`?" if near else ""


def attach(
    model: TorchModule,
    modules: Mapping[str, Sequence[TorchModule]],
    see: Callable[[str, TorchModule, Tensor], Tensor | None],
    timestep: int | str | None,
    at: Callable[[int], AbstractContextManager[None]],
) -> Hooks:
    """Call `see` with the name, module and input of a layer whenever it runs.

    What it returns goes into the layer instead, unless it is `None`. `timestep` is given to `at` while the
    model runs; a text is the argument of the model that has it.
    """
    import inspect

    handles: list[Any] = []
    running: list[ExitStack] = []
    hooks = Hooks(modules, handles, running)
    signature = inspect.signature(model.forward)
    if isinstance(timestep, str) and timestep not in signature.parameters:
        raise UsageError(
            f"timestep: the model has no argument `{timestep}`{_hint(timestep, signature.parameters)}"
        )

    def before(_: TorchModule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        running.append(ExitStack())
        value: Any = timestep
        if isinstance(timestep, str):
            value = signature.bind(*args, **kwargs).arguments.get(timestep)
            value = the_timestep(timestep, value)
        running[-1].enter_context(at(value))

    def after(*_: object) -> None:
        if running:
            running.pop().close()

    def hook(name: str) -> Callable[..., Changed | None]:
        def seen(module: TorchModule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Changed | None:
            given = args[0] if args else kwargs["input"]
            other = see(name, module, given)
            if other is None:
                return None
            return ((other, *args[1:]), kwargs) if args else (args, {**kwargs, "input": other})

        return seen

    try:
        if timestep is not None:
            # The first of all, so that the other end finds what this one has begun.
            handles.append(model.register_forward_pre_hook(before, prepend=True, with_kwargs=True))
            handles.append(model.register_forward_hook(after, always_call=True))
        for name, several in modules.items():
            for module in several:
                handles.append(module.register_forward_pre_hook(hook(name), with_kwargs=True))
    except BaseException:
        hooks.remove()
        raise
    return hooks


def the_timestep(argument: str, value: Tensor | npt.ArrayLike) -> int:
    """Give the one timestep of all inputs of a run."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu()
    several = np.unique(np.asarray(value)) if value is not None else np.empty(0)
    if several.dtype.kind not in "iuf" or len(several) == 0:
        raise UsageError(f"timestep: the model's argument `{argument}` has none: {value!r}")
    if len(several) > 1 or several[0] < 0 or several[0] != int(several[0]):
        listed = ", ".join(str(one) for one in several[:5])
        raise DataError(
            f"the model's argument `{argument}` is {listed}, not one timestep\n\n"
            "hint: run the model with inputs of one timestep at a time"
        )
    return int(several[0])


def whole(name: str, value: SupportsIndex, *, most: int = 2**32) -> int:
    """Check that a number is whole, not negative, and less than `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, got {type(value).__name__}") from None
    if not 0 <= number < most:
        raise UsageError(f"{name}: expected a whole number from 0 to {most - 1}, got {number}")
    return number


def torch_inputs(module: TorchModule, given: Tensor) -> Iterator[npt.NDArray[np.float32]]:
    """Cut what goes into a layer of torch into rows like those of its weights, some at a time."""
    torch: Any = sys.modules["torch"]
    if not given.is_floating_point():
        raise TypeError(f"inputs: expected floats, got {given.dtype}")
    x = given.detach()
    if isinstance(module, torch.nn.Linear):
        windows = x.reshape(-1, x.shape[-1])
        axes = 1
    else:
        windows, axes = _torch_windows(module, x), 1 + len(module.kernel_size)
    for piece in pieces(windows, axes):
        yield piece.to("cpu", torch.float32).numpy()


def _torch_windows(module: TorchModule, x: Tensor) -> Tensor:
    """Lay windows over images: batch, places, and then channel and place in the kernel."""
    torch: Any = sys.modules["torch"]
    sizes, dilations = module.kernel_size, module.dilation
    if x.ndim == len(sizes) + 1:
        x = x.unsqueeze(0)
    match module.padding:
        case "same":
            both = [dilation * (size - 1) for size, dilation in zip(sizes, dilations, strict=True)]
            edges = [(total // 2, total - total // 2) for total in both]
        case "valid":
            edges = [(0, 0)] * len(sizes)
        case padding:
            edges = [(edge, edge) for edge in padding]
    # Of the last axis first.
    flat = [edge for pair in reversed(edges) for edge in pair]
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    if any(flat):
        x = torch.nn.functional.pad(x, flat, mode=mode)
    for axis, (size, stride, dilation) in enumerate(zip(sizes, module.stride, dilations, strict=True)):
        x = x.unfold(2 + axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
    places, kernel = range(2, 2 + len(sizes)), range(2 + len(sizes), 2 + 2 * len(sizes))
    return x.permute([0, *places, 1, *kernel])


def numpy_windows(
    x: npt.NDArray[np.float32], kernel: Sequence[int], stride: int, padding: int | None
) -> npt.NDArray[np.float32]:
    """Lay windows over images with channels last, as `_torch_windows` does; none of a linear layer."""
    if not kernel:
        return x
    import numpy as np

    inner = tuple(range(x.ndim - 1 - len(kernel), x.ndim - 1))
    edges = [(0, 0)] * x.ndim
    for axis, size in zip(inner, kernel, strict=True):
        edge = (size // 2 if size % 2 else 0) if padding is None else padding
        edges[axis] = (edge, edge)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, edges), tuple(kernel), inner)
    strided = [slice(None, None, stride) if axis in inner else slice(None) for axis in range(x.ndim)]
    return windows[tuple(strided)]


def pieces(windows: Windows, axes: int) -> Iterator[Windows]:
    """Cut windows, the first `axes` of whose axes are inputs, into rows of not too many numbers at once."""
    each = math.prod(windows.shape[1:])
    if each > MOST_NUMBERS and axes > 1:
        for one in windows:
            yield from pieces(one, axes - 1)
        return
    width = math.prod(windows.shape[axes:])
    step = max(1, MOST_NUMBERS // max(each, 1))
    for first in range(0, len(windows), step):
        yield windows[first : first + step].reshape(-1, width)
