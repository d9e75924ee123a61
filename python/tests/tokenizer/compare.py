"""Does Bowstring say of texts what Hugging Face's `tokenizers` says? What differs is returned, as text."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import tokenizers
from answers import COLUMNS, Kept, Rows

import bowstring as bs

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "crates" / "bowstring-tokenizer" / "fixtures"
T = TypeVar("T")

# Enough of what differs to see what it is.
ENOUGH = 20
# Of so many texts of a batch one is compared as an item too.
SOME = 5


@dataclass
class Pair:
    """A tokenizer as both libraries have it."""

    name: str
    ours: bs.Tokenizer
    theirs: tokenizers.Tokenizer
    # What is asked of them both, but for the texts.
    case: tuple[object, ...]
    kept: Kept
    # How much was compared.
    seen: Counter[str] = field(default_factory=Counter)

    @classmethod
    def load(cls, name: str, definition: bytes, kept: Path | None = None) -> Pair:
        """Load it with what its file itself says of truncation and padding; answers are kept in a file."""
        theirs = tokenizers.Tokenizer.from_str(definition.decode())
        case = (tokenizers.__version__, hashlib.sha256(definition).hexdigest())
        return cls(name, bs.Tokenizer.from_bytes(definition), theirs, case, Kept(kept))

    def bare(self) -> Pair:
        """Take away what its file says of truncation and padding."""
        self.theirs.no_truncation()
        self.theirs.no_padding()
        return replace(self, ours=self.ours.without_truncation().without_padding(), case=(*self.case, "bare"))

    @property
    def pad(self) -> dict[str, Any]:
        """A token to pad with that the tokenizer has."""
        return {"id": 1, "token": self.theirs.id_to_token(1), "type_id": 1}

    @property
    def own(self) -> list[str]:
        """Texts that the tokenizer knows: its added tokens, and some of its vocabulary."""
        added = [token.content for token in self.theirs.get_added_tokens_decoder().values()]
        rng = random.Random(0)  # noqa: S311 - the same texts each time, no secret
        rows = [[rng.randrange(self.theirs.get_vocab_size())] for _ in range(2_000)]
        words = self.theirs.decode_batch(rows, skip_special_tokens=False)
        return rng.choices(added, k=2_000 if added else 0) + [word for word in words if word]


def shipped() -> dict[str, Path]:
    """The tokenizers that the repository ships."""
    return {path.name.removesuffix(".json.gz"): path for path in sorted(FIXTURES.glob("*.json.gz"))}


def chunks(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give so many at a time."""
    rest = iter(things)
    while chunk := list(islice(rest, size)):
        yield chunk


def faults(pair: Pair, what: str, found: Rows, wanted: Rows, texts: Sequence[str]) -> Iterator[str]:
    """Say what differs, of which tokenizer and which call."""
    return (f"{pair.name}, {what}: {fault}" for fault in found.different(wanted, texts))


def ids(pair: Pair, texts: Sequence[str], *, special: bool = False) -> Iterator[str]:
    """Compare the ids alone of whole batches, given as a list and as an Arrow column, and their number."""

    def asked() -> Rows:
        encodings = pair.theirs.encode_batch_fast(list(texts), add_special_tokens=special)
        return Rows.of_ids([found.ids for found in encodings])

    listed = listed_ids(pair, texts, special=special)
    wanted = pair.kept.right((*pair.case, "ids", special, *texts), listed, asked)
    yield from same_ids(pair, texts, listed, wanted, special=special)


def listed_ids(pair: Pair, texts: Sequence[str], *, special: bool) -> Rows:
    """Our ids of a list."""
    return Rows.of_column("ids", pair.ours.encode_batch(list(texts), add_special_tokens=special).ids)


def same_ids(pair: Pair, texts: Sequence[str], listed: Rows, wanted: Rows, *, special: bool) -> Iterator[str]:
    """Compare the ids of a list, those of a column, and their number."""
    given = pa.array(texts, pa.large_string())
    column = Rows.of_column("ids", pair.ours.encode_batch(given, add_special_tokens=special).ids)
    count = np.asarray(pair.ours.count(given, add_special_tokens=special)).astype(np.int64)
    one_each = np.arange(len(texts)), np.ones(len(texts), np.int64)
    counted, lengths = (Rows(*one_each, {"count": counts}) for counts in (count, wanted.lengths))
    yield from faults(pair, f"ids of a list, {special=}", listed, wanted, texts)
    yield from faults(pair, f"ids of a column, {special=}", column, wanted, texts)
    yield from faults(pair, f"number of ids, {special=}", counted, lengths, texts)
    pair.seen["texts"] += len(texts)
    pair.seen["bytes"] += sum(len(text.encode()) for text in texts)


# Truncation and padding as both libraries are asked for them.
SETTINGS: list[tuple[dict[str, Any] | None, dict[str, Any] | None]] = [
    # With the four special tokens of XLM-R around a pair, each text of it gets more than the stride.
    ({"max_length": 11, "stride": 2}, None),
    ({"max_length": 8, "side": "left"}, {"pad_to_multiple_of": 8}),
    ({"max_length": 13, "strategy": "only_first", "stride": 3}, {"length": 16, "side": "left"}),
    (None, {"side": "left", "pad_to_multiple_of": 4}),
    ({"max_length": 40}, {"length": 24}),
    ({"max_length": 21, "strategy": "only_second", "side": "left"}, {}),
    ({"max_length": 12, "stride": 1, "side": "left"}, {"side": "left"}),
]


@contextmanager
def configured(
    pair: Pair, truncation: dict[str, Any] | None, padding: dict[str, Any] | None
) -> Iterator[Pair]:
    """Set truncation and padding of both, until it ends."""
    ours, theirs = pair.ours, pair.theirs
    if truncation:
        ours = ours.with_truncation(**truncation)
        renamed = {{"side": "direction"}.get(name, name): value for name, value in truncation.items()}
        theirs.enable_truncation(**renamed)
    if padding is not None:
        ours = ours.with_padding(**padding, **pair.pad)
        renamed = {{"side": "direction"}.get(name, name): value for name, value in padding.items()}
        renamed |= {f"pad_{name}": value for name, value in pair.pad.items()}
        theirs.enable_padding(**renamed)
    try:
        yield replace(pair, ours=ours, case=(*pair.case, truncation, padding))
    finally:
        theirs.no_truncation()
        theirs.no_padding()


def whole(pair: Pair, texts: Sequence[str], *, special: bool) -> Generator[str, None, Rows]:
    """Compare all that is known of texts, as columns, with what is cut off; and of some as items.

    Gives back what is right.
    """
    encoded = cache(lambda: pair.theirs.encode_batch(list(texts), add_special_tokens=special))
    question = (*pair.case, special, *texts)
    what = f"{pair.case[3:]}, {special=}"
    asked = {name: True for name in COLUMNS if name != "ids"}
    batch = pair.ours.encode_batch(texts, add_special_tokens=special, overflow=True, **asked)
    wanted = pair.kept.right(
        ("columns", *question), Rows.of_batch(batch), lambda: Rows.of_encodings(encoded(), COLUMNS)
    )
    for name in COLUMNS:
        column = Rows.of_column(name, getattr(batch, name), batch.sample)
        yield from faults(pair, f"columns, {what}", column, wanted, texts)
    plain = pair.ours.encode_batch(texts, add_special_tokens=special)
    column = Rows.of_column("ids", plain.ids)
    yield from faults(pair, f"without overflow, {what}", column, wanted.heads(), texts)
    items = Rows.of_encodings(plain[::SOME])
    wanted_items = pair.kept.right(("items", *question), items, lambda: Rows.of_encodings(encoded()[::SOME]))
    yield from faults(pair, f"items, {what}", items, wanted_items, texts[::SOME])
    pair.seen["encodings"] += len(texts)
    pair.seen["parts cut off"] += len(wanted.lengths) - len(texts)
    return wanted


def rectangles(pair: Pair, texts: Sequence[str], padding: dict[str, Any], *, special: bool) -> Iterator[str]:
    """Compare rows of the length of the longest."""

    def rows(ids: object, mask: object) -> Rows:
        ids, mask = np.array(ids), np.array(mask)
        fields = {"ids": ids.ravel(), "attention_mask": mask.ravel()}
        return Rows(np.arange(len(ids)), np.full(len(ids), ids.shape[1]), fields)

    def asked() -> Rows:
        encodings = pair.theirs.encode_batch(list(texts), add_special_tokens=special)
        return rows([one.ids for one in encodings], [one.attention_mask for one in encodings])

    found = rows(*pair.ours.encode_batch_with_padding(texts, add_special_tokens=special, **padding, id=1))
    wanted = pair.kept.right((*pair.case, "rectangle", special, *texts), found, asked)
    yield from faults(pair, f"rows of one length, {pair.case[3:]}, {special=}", found, wanted, texts)


def alone(pair: Pair, texts: Sequence[str], *, special: bool) -> Iterator[str]:
    """Compare without truncation and padding: whole encodings, ids alone, their number, and the way back."""
    wanted = yield from whole(pair, texts, special=special)
    yield from same_ids(pair, texts, listed_ids(pair, texts, special=special), wanted, special=special)
    rows = pair.ours.encode_batch(texts, add_special_tokens=special).ids
    for skip in (True, False):
        yield from decoded(pair, rows, skip=skip)


def decoded(pair: Pair, rows: object, *, skip: bool) -> Iterator[str]:
    """Compare the texts of an Arrow column of lists of ids."""
    ids = pa.chunked_array(rows).to_pylist()
    found = Rows.of_texts(pa.array(pair.ours.decode_batch(rows, skip_special_tokens=skip)).to_pylist())
    wanted = pair.kept.right(
        (*pair.case, "decode", skip, json.dumps(ids)),
        found,
        lambda: Rows.of_texts(pair.theirs.decode_batch(ids, skip_special_tokens=skip)),
    )
    yield from faults(pair, f"decode, {skip=}", found, wanted, [str(row) for row in ids])
    pair.seen["decoded"] += len(ids)


def pairs(pair: Pair, texts: Sequence[tuple[str, str]], *, special: bool) -> Iterator[str]:
    """Compare all that is known of pairs of texts, those that are refused included."""

    def ours(first: str, second: str) -> object:
        try:
            return pair.ours.encode(first, second, add_special_tokens=special)
        except bs.UsageError:
            return None

    def theirs(first: str, second: str) -> object:
        try:
            return pair.theirs.encode(first, second, add_special_tokens=special)
        except Exception as error:
            if not str(error).startswith("Truncation error"):
                raise
            return None

    found = Rows.of_encodings([ours(*both) for both in texts])
    question = (*pair.case, "pairs", special, *(text for both in texts for text in both))
    wanted = pair.kept.right(question, found, lambda: Rows.of_encodings([theirs(*both) for both in texts]))
    shown = [f"{first[:200]}, {second[:200]}" for first, second in texts]
    yield from faults(pair, f"pairs, {pair.case[3:]}, {special=}", found, wanted, shown)
    pair.seen["pairs"] += len(texts)
    pair.seen["refused pairs"] += len(texts) - len(np.unique(wanted.texts))


def everything(
    pair: Pair, texts: Sequence[str], truncation: dict | None, padding: dict | None, *, special: bool
) -> Iterator[str]:
    """Compare texts as they are, and texts and pairs with truncation and padding."""
    yield from alone(pair, texts, special=special)
    with configured(pair, truncation, padding) as both:
        # A text alone has no second one to shorten.
        if truncation is None or truncation.get("strategy") != "only_second":
            yield from whole(both, texts, special=special)
            if padding is not None and "length" not in padding:
                yield from rectangles(both, texts, padding, special=special)
    if truncation and "strategy" in truncation:
        # The reference panics where the text that is shortened has less room than the stride.
        truncation = {**truncation, "stride": 0}
    with configured(pair, truncation, padding) as both:
        # Both are cut into parts, and every part of one stands with every part of the other.
        few = [text[:30] for text in texts[: len(texts) // 50 * 2]]
        yield from pairs(both, list(zip(few[::2], few[1::2], strict=True)), special=special)


def random_ids(pair: Pair, seed: int, count: int) -> Iterator[str]:
    """Compare the texts of ids that no text has."""
    rng = random.Random(seed)  # noqa: S311 - the same texts each time, no secret
    known = sorted(pair.theirs.get_vocab(with_added_tokens=True).values())
    rows = pa.array([rng.choices(known, k=rng.randint(0, 12)) for _ in range(count)], pa.list_(pa.uint32()))
    for skip in (True, False):
        yield from decoded(pair, rows, skip=skip)


def definition(path: Path) -> bytes:
    """A tokenizer's file, looked through for what would make its ids random."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert json.loads(data)["model"].get("dropout") is None
    return data
