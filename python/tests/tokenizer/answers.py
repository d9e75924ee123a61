"""What a tokenizer answered, in a form that is compared in bulk: numbers one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

# What an encoding says of each token.
FIELDS = (
    "ids",
    "tokens",
    "offsets",
    "attention_mask",
    "type_ids",
    "special_tokens_mask",
    "word_ids",
    "sequence_ids",
)
# What a batch has a column of.
COLUMNS = ("ids", "offsets", "attention_mask", "type_ids", "special_tokens_mask", "word_ids")
# Of a row that differs, so many entries from the first that does.
SHOWN = 8
# A line of what is kept: two digests. One that was not written to its end has less.
WIDTH = 65


@dataclass
class Rows:
    """Rows of one thing or several: which text each is of, how long it is, and what is in them."""

    texts: np.ndarray
    lengths: np.ndarray
    # Under each name an entry for every token of every row.
    fields: dict[str, np.ndarray]

    @classmethod
    def of_ids(cls, rows: Sequence[Sequence[int]]) -> Rows:
        """One row of ids for each text."""
        lengths = _lengths(rows)
        return cls(np.arange(len(rows)), lengths, {"ids": _flat(rows, np.int64, lengths)})

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> Rows:
        """One text for each row of ids."""
        ones = np.ones(len(texts), np.int64)
        return cls(np.arange(len(texts)), ones, {"text": np.array([*texts, ""], object)[:-1]})

    @classmethod
    def of_column(cls, name: str, column: object, texts: object = None) -> Rows:
        """An Arrow column of lists; `texts` is the column that says which text each row is of."""
        lists = pa.chunked_array(column).combine_chunks()
        values = lists.flatten()
        if name == "offsets":
            values = values.flatten()
        lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
        own = np.arange(len(lists)) if texts is None else np.asarray(pa.chunked_array(texts))
        return cls(
            own.astype(np.int64), lengths, {name: _shaped(name, values.to_numpy(zero_copy_only=False))}
        )

    @classmethod
    def of_batch(cls, batch: Any) -> Rows:  # noqa: ANN401 - only the engine makes one
        """All columns of a batch, taken to have rows of the lengths that the ids have."""
        columns = [cls.of_column(name, getattr(batch, name), batch.sample) for name in COLUMNS]
        fields = {name: values for column in columns for name, values in column.fields.items()}
        return cls(columns[0].texts, columns[0].lengths, fields)

    @classmethod
    def of_encodings(cls, encodings: Sequence[Any], names: Sequence[str] = FIELDS) -> Rows:
        """Every encoding, each followed by what was cut off; one that was refused is `None`."""
        parts = [(at, part) for at, whole in enumerate(encodings) for part in _parts(whole)]
        rows = [part for _, part in parts]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        fields = {name: _field(name, rows, lengths) for name in names}
        return cls(np.array([at for at, _ in parts], np.int64), lengths, fields)

    def heads(self) -> Rows:
        """The first row of each text: without what was cut off."""
        first = np.diff(self.texts, prepend=-1) != 0
        inside = np.repeat(first, self.lengths)
        fields = {name: values[inside] for name, values in self.fields.items()}
        return Rows(self.texts[first], self.lengths[first], fields)

    def digest(self) -> str:
        """A digest of all of it: what has the same one is the same."""
        sum_ = hashlib.blake2b(digest_size=16)
        for name, values in [("texts", self.texts), ("lengths", self.lengths), *sorted(self.fields.items())]:
            is_text = values.dtype == object
            numbers = b"" if is_text else np.ascontiguousarray(values, np.float64).tobytes()
            sum_.update(f"{name} {values.shape} ".encode())
            sum_.update(json.dumps(values.tolist()).encode() if is_text else numbers)
        return sum_.hexdigest()

    def different(self, wanted: Rows, texts: Sequence[str]) -> Iterator[str]:
        """Say what of this is not what is wanted, and in which text; `wanted` may know more."""
        if not (np.array_equal(self.texts, wanted.texts) and np.array_equal(self.lengths, wanted.lengths)):
            text = next(self._unlike(wanted), 0)
            one, other = (rows.lengths[rows.texts == text].tolist() for rows in (self, wanted))
            yield f"{texts[text][:300]!r}: rows with {one} of {', '.join(self.fields)}, not with {other}"
            return
        for name, values in self.fields.items():
            unlike = _places(values, wanted.fields[name])
            if not len(unlike):
                continue
            ends = np.cumsum(self.lengths)
            rows = np.searchsorted(ends, unlike, side="right")
            for row in dict.fromkeys(rows.tolist()):
                first = int(unlike[np.searchsorted(rows, row)])
                part = slice(first, min(int(ends[row]), first + SHOWN))
                number = first - int(ends[row] - self.lengths[row])
                yield (
                    f"{texts[self.texts[row]][:300]!r}: {name}: {values[part].tolist()}, not "
                    f"{wanted.fields[name][part].tolist()}, from number {number} of {self.lengths[row]}"
                )

    def _unlike(self, wanted: Rows) -> Iterator[int]:
        """Name the texts that have rows of other lengths, or another number of them."""
        for text in np.union1d(self.texts, wanted.texts).tolist():
            one, other = (rows.lengths[rows.texts == text].tolist() for rows in (self, wanted))
            if one != other:
                yield text


def _lengths(rows: Sequence[Sequence[Any]]) -> np.ndarray:
    return np.fromiter(map(len, rows), np.int64, len(rows))


def _flat(rows: Sequence[Sequence[Any]], kind: type, lengths: np.ndarray) -> np.ndarray:
    """Put rows one after the other."""
    return np.fromiter(chain.from_iterable(rows), kind, int(lengths.sum()))


def _parts(whole: Any) -> list[Any]:  # noqa: ANN401 - of either library
    """An encoding and what was cut off from it."""
    if whole is None:
        return []
    return [whole, *(inner for part in whole.overflowing for inner in _parts(part))]


def _field(name: str, rows: Sequence[Any], lengths: np.ndarray) -> np.ndarray:
    lists = [getattr(row, name) for row in rows]
    assert np.array_equal(_lengths(lists), lengths), f"not as many {name} as tokens"
    if name == "tokens":
        return np.array([*chain.from_iterable(lists), ""], object)[:-1]
    if name in ("word_ids", "sequence_ids"):
        return np.array(list(chain.from_iterable(lists)), np.float64)
    if name == "offsets":
        return _shaped(name, _flat(list(chain.from_iterable(lists)), np.int64, 2 * lengths))
    return _flat(lists, np.int64, lengths)


def _shaped(name: str, values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 2) if name == "offsets" else values


def _places(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where two arrays of one length differ."""
    unlike = values != wanted
    if values.dtype != object:
        unlike &= ~(np.isnan(values) & np.isnan(wanted))
    return np.flatnonzero(unlike.any(axis=1) if unlike.ndim == 2 else unlike)


class Kept:
    """Digests of what the reference answered, so that it is asked every question once."""

    def __init__(self, path: Path | None) -> None:
        """Read the file, if there is one; what is learnt is written to its end."""
        self.path = path
        self.known: dict[str, str] = {}
        if path is not None and path.exists():
            self.known = dict(line.split() for line in path.read_text().splitlines() if len(line) == WIDTH)

    def right(self, question: Sequence[object], found: Rows, ask: Callable[[], Rows]) -> Rows:
        """The right answer: `found` itself where it has its digest, and else what the reference says."""
        if self.path is None:
            return ask()
        key = _digest(question)
        if self.known.get(key) == found.digest():
            return found
        wanted = ask()
        with self.path.open("a") as opened:
            opened.write(f"{key} {wanted.digest()}\n")
        return wanted


def _digest(question: Sequence[object]) -> str:
    sum_ = hashlib.blake2b(digest_size=16)
    for part in question:
        data = part.encode() if isinstance(part, str) else repr(part).encode()
        sum_.update(len(data).to_bytes(8, "little"))
        sum_.update(data)
    return sum_.hexdigest()
