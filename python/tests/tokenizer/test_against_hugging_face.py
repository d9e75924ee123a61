"""The shipped tokenizers give what Hugging Face's `tokenizers` gives, on code points and odd strings.

`make test-tokenizers` does the same for many more tokenizers and texts, see `everything.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import odd
import pytest
from compare import ENOUGH, SETTINGS, Pair, chunks, everything, ids, random_ids, shipped

PAIRS = {name: Pair.load(name, definition) for name, definition in shipped().items()}


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Each of the shipped tokenizers."""
    return PAIRS[request.param]


def check(faults: Iterator[str]) -> None:
    """Show the first of what differs."""
    assert not list(islice(faults, ENOUGH))


def test_tokenizers_of_all_kinds_are_there() -> None:
    assert {"gpt2", "bert-uncased", "qwen2.5"} <= set(PAIRS)


def test_code_points(pair: Pair) -> None:
    points = [point for point in odd.code_points() if ord(point) < 0x3400 or ord(point) % 97 == 0]
    check(ids(pair, points))
    check(ids(pair, [f"a{point} {point}b{point}{point}" for point in points]))


@pytest.mark.parametrize("special", [False, True])
def test_ids_of_odd_strings(pair: Pair, special: bool) -> None:
    check(ids(pair, odd.strings(1, 4_000, parts=10, repeats=1), special=special))


def test_everything_about_odd_strings(pair: Pair) -> None:
    texts = odd.strings(2, 150 * len(SETTINGS), parts=6)
    for texts_of_one, setting in zip(chunks(texts, 150), SETTINGS, strict=True):
        check(everything(pair, texts_of_one, *setting))


def test_text_of_random_ids(pair: Pair) -> None:
    check(random_ids(pair, 3, 500))
