"""The tensors of a model as it is, before anything is done to it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bowstring import _bowstring
from bowstring._bowstring import Table
from bowstring._tables import Path

if TYPE_CHECKING:
    import numpy.typing as npt


class Model:
    """The tensors of a model, read when they are asked for.

    Files are mapped into memory; whoever shortens one meanwhile makes the system end this process. The
    tensors of a pipeline have the component before their names, as in `unet/conv_in.weight`.

    Args:
        path: A `.safetensors` file, the index of several, or the folder of a model or of a diffusers
            pipeline.

    Raises:
        NotFoundError: When there is no such model.
        DataError: When it is malformed, a pickle, or has tensors of a type that is not read.

    Examples:
        >>> model = bs.quant.Model(folder / "model.safetensors")
        >>> list(model)
        ['block.attn.weight', 'block.norm.weight']
        >>> model.read("block.attn.weight").shape
        (32, 48)
    """

    def __init__(self, path: Path) -> None:
        self._native = _bowstring.NativeModel.open(path)
        self._names = dict.fromkeys(self._native.names())

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __repr__(self) -> str:
        return f"<bowstring.quant.Model of {len(self)} tensors>"

    @property
    def tensors(self) -> Table:
        """A row for each tensor, as in `QuantizationReport.tensors`; all of them are `kept`.

        Returns:
            The table.

        Examples:
            >>> bs.quant.Model(folder / "model.safetensors").tensors["kind"].to_pylist()
            ['inner', 'vector']
        """
        return self._native.tensors()

    @property
    def metadata(self) -> dict[pathlib.Path, dict[str, str]]:
        """What each file says of itself beside its tensors, in the order in which they are read.

        Returns:
            Texts by key, by file.

        Examples:
            >>> list(bs.quant.Model(folder / "model.safetensors").metadata.values())
            [{}]
        """
        return dict(self._native.metadata())

    def dtype(self, name: str) -> str:
        """Say of which type a tensor is.

        Args:
            name: The tensor.

        Returns:
            The type as safetensors calls it: `"F32"`, `"BF16"`, `"F8_E4M3"`, `"I64"`, …

        Raises:
            UsageError: When there is no such tensor.

        Examples:
            >>> bs.quant.Model(folder / "model.safetensors").dtype("block.attn.weight")
            'F32'
        """
        return self._native.described(name)[0]

    def shape(self, name: str) -> tuple[int, ...]:
        """Say how long each axis of a tensor is.

        Args:
            name: The tensor.

        Returns:
            The lengths; none for a single number.

        Raises:
            UsageError: When there is no such tensor.

        Examples:
            >>> bs.quant.Model(folder / "model.safetensors").shape("block.attn.weight")
            (32, 48)
        """
        return tuple(self._native.described(name)[1])

    def read(self, name: str) -> npt.NDArray[Any]:
        """Read a tensor.

        Args:
            name: The tensor.

        Returns:
            Its numbers, in its own type and of its shape; floats that numpy does not have, `BF16`,
            `F8_E4M3` and `F8_E5M2`, in single precision, which holds each of them. They cannot be written to.

        Raises:
            UsageError: When there is no such tensor.

        Examples:
            >>> bs.quant.Model(folder / "model.safetensors").read("block.norm.weight")[:3]
            array([1., 1., 1.], dtype=float32)
        """
        return self._native.read(name)
