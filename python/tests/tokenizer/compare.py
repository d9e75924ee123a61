"""Does Bowstring say of texts what Hugging Face's `tokenizers` says? What differs is returned, as text."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import tokenizers

import bowstring as bs

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "crates" / "bowstring-tokenizer" / "fixtures"
T = TypeVar("T")

# Enough of what differs to see what it is.
ENOUGH = 20


@dataclass
class Pair:
    """A tokenizer as both libraries have it, without truncation and padding."""

    name: str
    ours: bs.Tokenizer
    theirs: tokenizers.Tokenizer

    @classmethod
    def load(cls, name: str, definition: bytes) -> Pair:
        """Take away what the file itself says of truncation and padding."""
        theirs = tokenizers.Tokenizer.from_str(definition.decode())
        theirs.no_truncation()
        theirs.no_padding()
        ours = bs.Tokenizer.from_bytes(definition).without_truncation().without_padding()
        return cls(name, ours, theirs)

    @property
    def pad(self) -> dict[str, Any]:
        """A token to pad with that the tokenizer has."""
        return {"id": 1, "token": self.theirs.id_to_token(1), "type_id": 1}


def shipped() -> dict[str, bytes]:
    """The tokenizers that the repository ships."""
    return {
        path.name.removesuffix(".json.gz"): gzip.decompress(path.read_bytes())
        for path in sorted(FIXTURES.glob("*.json.gz"))
    }


def chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give so many at a time."""
    rest = iter(things)
    while chunk := list(islice(rest, size)):
        yield chunk


def flat(rows: object) -> tuple[np.ndarray, np.ndarray]:
    """Ids one after the other, and how many each row has."""
    column = pa.chunked_array(rows).combine_chunks()
    return column.flatten().to_numpy(), column.value_lengths().to_numpy()


def ids(pair: Pair, texts: Sequence[str], *, special: bool = False) -> Iterator[str]:
    """Compare the ids of whole batches, given as a list and as an Arrow column, and their number."""
    wanted = [found.ids for found in pair.theirs.encode_batch_fast(list(texts), add_special_tokens=special)]
    lengths = np.fromiter(map(len, wanted), np.int64, len(wanted))
    whole = np.fromiter((token for row in wanted for token in row), np.uint32, int(lengths.sum()))
    for given in (list(texts), pa.array(texts, pa.large_string())):
        found, found_lengths = flat(pair.ours.encode_batch(given, add_special_tokens=special).ids)
        if not (np.array_equal(found_lengths, lengths) and np.array_equal(found, whole)):
            rows = np.split(found, np.cumsum(found_lengths)[:-1])
            for text, row, right in zip(texts, rows, wanted, strict=True):
                if row.tolist() != right:
                    yield f"{pair.name}: ids of {around(text, row.tolist(), right)}"
    counts = np.asarray(pair.ours.count(texts, add_special_tokens=special))
    for at in np.flatnonzero(counts != lengths):
        yield f"{pair.name}: {counts[at]} tokens counted in {texts[at][:200]!r}, not {lengths[at]}"


def around(text: str, found: list[int], right: list[int]) -> str:
    """Show the text where it is short, and the ids from the first that differs."""
    same = next((at for at, (one, other) in enumerate(zip(found, right, strict=False)) if one != other), None)
    at = min(len(found), len(right)) if same is None else same
    return f"{text[:300]!r}: {found[at : at + 8]}, not {right[at : at + 8]}, from number {at} of {len(right)}"


class _Whole(Protocol):
    """An encoding of either library."""

    @property
    def overflowing(self) -> Sequence[_Whole]:
        """What was cut off."""


def _parts(found: _Whole) -> list[_Whole]:
    return list(found.overflowing)


FIELDS = ("ids", "tokens", "offsets", "attention_mask", "type_ids", "special_tokens_mask", "word_ids")


def encodings(found: _Whole, wanted: _Whole) -> Iterator[str]:
    """Compare all that is known of an encoded text."""
    for name in FIELDS:
        one, other = list(getattr(found, name)), list(getattr(wanted, name))
        if one != other:
            yield f"{name}: {one}, not {other}"
    if len(_parts(found)) != len(_parts(wanted)):
        yield f"{len(_parts(found))} parts of overflow, not {len(_parts(wanted))}"
    for one, other in zip(_parts(found), _parts(wanted), strict=False):
        yield from (f"overflow: {fault}" for fault in encodings(one, other))


# Truncation and padding as both libraries are asked for them.
SETTINGS: list[tuple[dict[str, Any] | None, dict[str, Any] | None]] = [
    (None, None),
    # With the four special tokens of XLM-R around a pair, each text of it gets more than the stride.
    ({"max_length": 11, "stride": 2}, None),
    ({"max_length": 8, "side": "left"}, {"pad_to_multiple_of": 8}),
    ({"max_length": 13, "strategy": "only_first", "stride": 3}, {"length": 16, "side": "left"}),
    (None, {"side": "left", "pad_to_multiple_of": 4}),
    ({"max_length": 40}, {"length": 24}),
]


def configured(pair: Pair, truncation: dict[str, Any] | None, padding: dict[str, Any] | None) -> Pair:
    """Set truncation and padding of both."""
    ours, theirs = pair.ours, pair.theirs
    theirs.no_truncation()
    theirs.no_padding()
    if truncation:
        ours = ours.with_truncation(**truncation)
        renamed = {{"side": "direction"}.get(name, name): value for name, value in truncation.items()}
        theirs.enable_truncation(**renamed)
    if padding is not None:
        ours = ours.with_padding(**padding, **pair.pad)
        renamed = {{"side": "direction"}.get(name, name): value for name, value in padding.items()}
        renamed |= {f"pad_{name}": value for name, value in pair.pad.items()}
        theirs.enable_padding(**renamed)
    return Pair(pair.name, ours, theirs)


def everything(
    pair: Pair, texts: Sequence[str], truncation: dict | None, padding: dict | None
) -> Iterator[str]:
    """Compare whole encodings of a batch, of some pairs, and the way back to text."""
    both = configured(pair, truncation, padding)
    case = f"{pair.name}, {truncation}, {padding}"
    for special in (True, False):
        wanted = both.theirs.encode_batch(list(texts), add_special_tokens=special)
        batch = both.ours.encode_batch(
            texts, add_special_tokens=special, offsets=True, word_ids=True, attention_mask=True
        )
        for text, one, other in zip(texts, batch, wanted, strict=True):
            yield from (f"{case}: {text[:300]!r}: {fault}" for fault in encodings(one, other))
        if truncation is None:
            for skip in (True, False):
                rows = [found.ids for found in wanted]
                decoded = pa.array(both.ours.decode_batch(rows, skip_special_tokens=skip)).to_pylist()
                for row, one, other in zip(
                    rows, decoded, both.theirs.decode_batch(rows, skip_special_tokens=skip), strict=True
                ):
                    if one != other:
                        yield f"{case}: the text of {row[:100]}: {one[:300]!r}, not {other[:300]!r}"
    if truncation is None or truncation.get("strategy") is None:
        for first, second in chunks(texts[: len(texts) // 10 * 2], 2):
            found = both.ours.encode(first, second)
            wanted_pair = both.theirs.encode(first, second)
            yield from (
                f"{case}: {first[:200]!r} and {second[:200]!r}: {fault}"
                for fault in encodings(found, wanted_pair)
            )
    pair.theirs.no_truncation()
    pair.theirs.no_padding()


def random_ids(pair: Pair, seed: int, count: int) -> Iterator[str]:
    """Compare the texts of ids that no text has."""
    rng = random.Random(seed)  # noqa: S311 - the same texts each time, no secret
    known = sorted(pair.theirs.get_vocab(with_added_tokens=True).values())
    rows = [rng.choices(known, k=rng.randint(0, 12)) for _ in range(count)]
    for skip in (True, False):
        found = pa.array(pair.ours.decode_batch(rows, skip_special_tokens=skip)).to_pylist()
        for row, one, other in zip(
            rows, found, pair.theirs.decode_batch(rows, skip_special_tokens=skip), strict=True
        ):
            if one != other:
                yield f"{pair.name}: the text of {row}: {one!r}, not {other!r}"


def definition(path: Path) -> bytes:
    """A tokenizer's file, looked through for what would make its ids random."""
    data = path.read_bytes()
    assert json.loads(data)["model"].get("dropout") is None
    return data
