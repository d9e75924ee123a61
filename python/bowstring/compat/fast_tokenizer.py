"""The calls of the earlier `fast_tokenizer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from bowstring import PaddedBatch, Tokenizer

if TYPE_CHECKING:
    from bowstring._tables import Path


class VocabSize(int):
    """A number of tokens, which can be called too: earlier releases had a method in its place."""

    __slots__ = ()

    def __call__(self) -> int:
        """Give the number."""
        return int(self)


class FastTokenizer:
    """Turns text into ids, and ids into text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wrap a tokenizer; `from_pretrained` loads one."""
        self._tokenizer = tokenizer

    @classmethod
    def from_pretrained(cls, model_path: Path) -> FastTokenizer:
        """Load the tokenizer of a file, a folder or a model in the local cache; nothing is downloaded."""
        return cls(Tokenizer.from_pretrained(model_path))

    def encode(self, text: str) -> list[int]:
        """Turn a text into ids."""
        return self._tokenizer.encode(text).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn texts into lists of ids."""
        return cast("list[list[int]]", self._tokenizer.encode_batch(texts).ids.to_pylist())

    def encode_batch_with_padding(
        self, texts: Sequence[str], max_length: int, pad_id: int = 0
    ) -> PaddedBatch:
        """Turn texts into rows of `max_length` ids: longer ones are cut off, shorter ones filled up.

        Returns:
            The ids and the attention mask, numpy arrays with a row for each text.
        """
        short = self._tokenizer.with_truncation(max_length)
        return short.encode_batch_with_padding(texts, length=max_length, id=pad_id)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Turn ids into a text."""
        return self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)

    @property
    def vocab_size(self) -> VocabSize:
        """How many tokens there are."""
        return VocabSize(self._tokenizer.vocab_size)
