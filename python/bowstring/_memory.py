"""How do several models get quantized at once without more memory than there is?"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bowstring import _bowstring
from bowstring._errors import LimitError
from bowstring._model import Model
from bowstring._tables import Path

# What a run takes whatever its model is: threads, their buffers, and the writer's.
_CONSTANT = 64 << 20


def memory_needed(model: Path) -> int:
    """Say how much memory it takes at most to quantize a model.

    The numbers of one tensor at a time are in memory, in single precision, with what becomes of them. What a
    calibration has comes on top of it.

    Args:
        model: As for `bs.quantize`.

    Returns:
        Bytes: three times those of the largest tensor's numbers in single precision, and 64 MiB.

    Raises:
        NotFoundError: When there is no such model.
        DataError: When it is malformed.

    Examples:
        >>> bs.quant.memory_needed(folder / "model.safetensors") - 2**26 == 3 * 4 * 32 * 48
        True
    """
    tensors = Model(model)
    largest = max((math.prod(tensors.shape(name)) for name in tensors), default=0)
    return 3 * 4 * largest + _CONSTANT


class MemoryBound:
    """A bound of the memory in which several models are quantized at once, in one event loop.

    Who comes first goes first: a model that waits for room is not overtaken by smaller ones.

    Args:
        limit: How much memory there is for all of them: bytes, or a text such as `"4GB"` or `"512MiB"`.

    Raises:
        TypeError: When it is no number and no text.
        UsageError: When it is no size.

    Examples:
        >>> import asyncio
        >>> async def both():
        ...     bound = bs.quant.MemoryBound("1GB")
        ...
        ...     async def one(name):
        ...         async with bound.room_for(folder / "model.safetensors"):
        ...             return await bs.quant.quantize_async(folder / "model.safetensors", folder / name)
        ...
        ...     return await asyncio.gather(one("a.parquet"), one("b.parquet"))
        >>> [report.bytes_after for report in asyncio.run(both())]
        [960, 960]
    """

    def __init__(self, limit: int | str) -> None:
        self._limit = _bowstring.byte_size("limit", limit)
        self._free = self._limit
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def __repr__(self) -> str:
        return f"<bowstring.quant.MemoryBound of {self._limit} bytes, {self._free} of them free>"

    @property
    def limit(self) -> int:
        """How much memory there is.

        Returns:
            Bytes.

        Examples:
            >>> bs.quant.MemoryBound("2MiB").limit
            2097152
        """
        return self._limit

    @property
    def free(self) -> int:
        """How much of it is free now.

        Returns:
            Bytes.

        Examples:
            >>> bs.quant.MemoryBound("2MiB").free
            2097152
        """
        return self._free

    @asynccontextmanager
    async def room_for(self, model: Path) -> AsyncGenerator[int]:
        """Wait until there is room to quantize a model, and keep it until the block ends.

        A task that is cancelled meanwhile gives its place, and the room, back.

        Args:
            model: As for `bs.quantize`.

        Yields:
            How many bytes are kept for it: those of `memory_needed`.

        Raises:
            NotFoundError: When there is no such model.
            DataError: When it is malformed.
            LimitError: When it alone needs more than there is.

        Examples:
            >>> import asyncio
            >>> async def left():
            ...     bound = bs.quant.MemoryBound("1GB")
            ...     async with bound.room_for(folder / "model.safetensors") as kept:
            ...         return bound.free == bound.limit - kept
            >>> asyncio.run(left())
            True
        """
        needed = await asyncio.to_thread(memory_needed, model)
        if needed > self._limit:
            raise LimitError(
                f"`{model}` needs {needed} bytes of memory, and there are {self._limit} in all\n\n"
                f"hint: allow {needed} bytes at the least"
            )
        await self._room(needed)
        try:
            yield needed
        finally:
            self._give_back(needed)

    async def _room(self, needed: int) -> None:
        admitted = asyncio.get_running_loop().create_future()
        self._waiting.append((needed, admitted))
        self._admit()
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.cancelled():
                # One that waits no longer may have been what others waited behind.
                self._admit()
            else:
                self._give_back(needed)
            raise

    def _give_back(self, room: int) -> None:
        self._free += room
        self._admit()

    def _admit(self) -> None:
        """Let in those in front of the queue, as far as there is room."""
        while self._waiting:
            needed, admitted = self._waiting[0]
            if not admitted.cancelled():
                if needed > self._free:
                    return
                self._free -= needed
                admitted.set_result(None)
            self._waiting.popleft()
