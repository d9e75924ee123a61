"""A comparison that cannot fail proves nothing: each answer is told wrong once, and the fault is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from answers import COLUMNS, FIELDS
from compare import SOME, Pair, alone, configured, decoded, definition, ids, pairs, rectangles, shipped, whole

# So many that the last of them is compared as an item.
WORDS = ("art", "craft", "unaffable", "word", "piece", "mask")
TEXTS = [f"The {word} of naïve tokenizers, 東京 and {word}s again" for word in WORDS]
assert len(TEXTS) % SOME == 1
PAIRS = [(text, TEXTS[0]) for text in TEXTS]
SHORT = {"max_length": 9, "stride": 1}
FILE = shipped()["bert-uncased"]


@pytest.fixture
def pair() -> Pair:
    """One whose encodings have special tokens, type ids and words of several pieces."""
    return Pair.load("bert-uncased", definition(FILE)).bare()


class Liar:
    """Says what another says, but for the methods whose answers are turned into something else."""

    def __init__(self, honest: object, **lies: Callable[..., Any]) -> None:
        """Take for each such method a function of the right answer and of what was given."""
        self.honest, self.lies = honest, lies

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the other has
        method = getattr(self.honest, name)
        lie = self.lies.get(name, lambda answer, *_: answer)
        return lambda *given, **options: lie(method(*given, **options), *given)


class Copy:
    """An encoding, or a batch, whose parts can be others."""

    def __init__(self, honest: Any, **others: object) -> None:  # noqa: ANN401 - of either library
        """Take what is other."""
        self.honest = honest
        self.__dict__ |= others

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the other has
        return getattr(self.honest, name)

    def __len__(self) -> int:
        return len(self.honest)

    def __getitem__(self, at: object) -> Any:  # noqa: ANN401 - items of a batch
        return self.honest[at]


def changed(value: Any) -> Any:  # noqa: ANN401 - a number, a list or whatever else is in one
    """Another value of the same kind."""
    if isinstance(value, list):
        return [*value[:-1], changed(value[-1])]
    if isinstance(value, tuple):
        return (value[0], value[1] + 1)
    if isinstance(value, str):
        return value + "x"
    return 7 if value is None else value + 1


def with_field(encoding: Any, name: str, *, cut_off: bool) -> Copy:  # noqa: ANN401 - of either library
    """Change the last entry of a field, or of that field in the last part that was cut off."""
    if cut_off:
        *parts, last = encoding.overflowing
        return Copy(encoding, overflowing=[*parts, with_field(last, name, cut_off=False)])
    return Copy(encoding, **{name: changed(getattr(encoding, name))})


def test_what_is_right_is_no_fault(pair: Pair) -> None:
    assert list(alone(pair, TEXTS, special=True)) == []
    with configured(pair, SHORT, {}) as both:
        assert list(whole(both, TEXTS, special=True)) == []
        assert list(pairs(both, PAIRS, special=True)) == []
        assert list(rectangles(both, TEXTS, {}, special=True)) == []
    assert both.seen["parts cut off"] > len(TEXTS)
    assert pair.theirs.truncation is None


@pytest.mark.parametrize("cut_off", [False, True])
@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_compared(name: str, cut_off: bool, pair: Pair) -> None:
    with configured(pair, SHORT, None) as both:
        lies = {
            "encode_batch": lambda found, *_: [*found[:-1], with_field(found[-1], name, cut_off=cut_off)],
            "encode": lambda found, *_: with_field(found, name, cut_off=cut_off),
        }
        lied = replace(both, theirs=Liar(both.theirs, **lies))
        said = {fault.split(",")[1].strip() for fault in whole(lied, TEXTS, special=True)}
        assert said >= {"items", *(["columns"] if name in COLUMNS else [])}
        assert len(list(pairs(lied, PAIRS, special=True))) == len(PAIRS)


def test_rows_that_are_missing_are_found(pair: Pair) -> None:
    def cut(found: Any, *_: object) -> Copy:  # noqa: ANN401 - of either library
        return Copy(found, overflowing=found.overflowing[:-1])

    with configured(pair, SHORT, None) as both:
        for lie in (lambda found, *_: found[:-1], lambda found, *_: [*found[:-1], cut(found[-1])]):
            lied = replace(both, theirs=Liar(both.theirs, encode_batch=lie))
            assert len(list(whole(lied, TEXTS, special=True))) >= 1 + len(COLUMNS)
        for lie in (cut, lambda *_: None):
            lied = replace(both, theirs=Liar(both.theirs, encode=lie))
            assert list(pairs(lied, PAIRS, special=True))


def column_of(batch: Any, name: str) -> Copy:  # noqa: ANN401 - what only the engine makes
    """Change the last entry of a column."""
    return Copy(batch, **{name: pa.array(changed(pa.array(getattr(batch, name)).to_pylist()))})


@pytest.mark.parametrize("name", [*COLUMNS, "sample"])
def test_every_column_is_compared(name: str, pair: Pair) -> None:
    def lie(batch: Any, *_: object) -> Any:  # noqa: ANN401 - what only the engine makes
        return batch if batch.offsets is None else column_of(batch, name)

    with configured(pair, SHORT, None) as both:
        lied = replace(both, ours=Liar(both.ours, encode_batch=lie))
        found = list(whole(lied, TEXTS, special=True))
    assert len(found) == (len(COLUMNS) if name == "sample" else 1)
    assert all(f"columns, ({SHORT}, None)" in fault for fault in found)


def test_ids_without_overflow_are_compared(pair: Pair) -> None:
    def lie(batch: Any, *_: object) -> Any:  # noqa: ANN401 - what only the engine makes
        return batch if batch.offsets is not None else column_of(batch, "ids")

    with configured(pair, SHORT, None) as both:
        lied = replace(both, ours=Liar(both.ours, encode_batch=lie))
        (found,) = whole(lied, TEXTS, special=True)
    assert "without overflow" in found


LIES: dict[str, dict[str, Callable[..., Any]]] = {
    "ids of a list": {
        "encode_batch": lambda batch, given: column_of(batch, "ids") if isinstance(given, list) else batch
    },
    "ids of a column": {
        "encode_batch": lambda batch, given: batch if isinstance(given, list) else column_of(batch, "ids")
    },
    "number of ids": {"count": lambda counts, *_: np.asarray(counts) + 1},
}


@pytest.mark.parametrize("what", LIES)
def test_ids_are_compared_however_they_are_asked_for(what: str, pair: Pair) -> None:
    found = list(ids(replace(pair, ours=Liar(pair.ours, **LIES[what])), TEXTS))
    assert {fault.split(",")[1].strip() for fault in found} == {what}


def test_texts_of_ids_are_compared(pair: Pair) -> None:
    rows = pa.array([[2000], [2001]], pa.list_(pa.uint32()))
    ours = Liar(pair.ours, decode_batch=lambda texts, *_: changed(pa.array(texts).to_pylist()))
    assert len(list(decoded(replace(pair, ours=ours), rows, skip=True))) == 1


@pytest.mark.parametrize("name", [0, 1])
def test_rows_of_one_length_are_compared(name: int, pair: Pair) -> None:
    def lie(both: tuple[np.ndarray, np.ndarray], *_: object) -> tuple[np.ndarray, ...]:
        return tuple(rows + 1 if at == name else rows for at, rows in enumerate(both))

    with configured(pair, None, {}) as padded:
        lied = replace(padded, ours=Liar(padded.ours, encode_batch_with_padding=lie))
        assert len(list(rectangles(lied, TEXTS, {}, special=True))) == len(TEXTS)


def test_what_is_kept_is_not_asked_again_and_no_less_compared(tmp_path: Path) -> None:
    def loaded() -> Pair:
        return Pair.load("bert-uncased", definition(FILE), tmp_path / "kept.txt").bare()

    class Asked(Exception):
        """The reference was."""

    def refuse(*_: object) -> None:
        raise Asked

    assert list(ids(loaded(), TEXTS)) == []
    again = loaded()
    silent = replace(again, theirs=Liar(again.theirs, encode_batch_fast=refuse))
    assert list(ids(silent, TEXTS)) == []
    for given, options in ((TEXTS[:2], {}), (TEXTS, {"special": True})):
        with pytest.raises(Asked):
            list(ids(silent, given, **options))
    for lie in LIES.values():
        assert list(ids(replace(again, ours=Liar(again.ours, **lie)), TEXTS))
