"""The shipped tokenizers give what Hugging Face's `tokenizers` gives, on code points and odd strings.

`make test-tokenizers` does the same for many more tokenizers and texts, see `everything.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import odd
import pytest
from compare import ENOUGH, SETTINGS, Pair, chunks, definition, everything, ids, random_ids, shipped, whole

PAIRS = {name: Pair.load(name, definition(path)).bare() for name, path in shipped().items()}


@pytest.fixture(params=PAIRS)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Each of the shipped tokenizers."""
    return PAIRS[request.param]


def check(faults: Iterator[str]) -> None:
    """Show the first of what differs."""
    assert not list(islice(faults, ENOUGH))


def test_tokenizers_of_all_kinds_are_there() -> None:
    assert set(PAIRS) == {"gpt2", "qwen2.5", "bert-uncased", "t5-4k"}
    assert all(pair.ours.backend.startswith("fast") for pair in PAIRS.values())


def test_code_points(pair: Pair) -> None:
    points = [point for point in odd.code_points() if ord(point) < 0x3400 or ord(point) % 97 == 0]
    check(ids(pair, points))
    check(ids(pair, [f"a{point} {point}b{point}{point}" for point in points]))


@pytest.mark.parametrize("special", [False, True])
def test_ids_of_odd_strings(pair: Pair, special: bool) -> None:
    check(ids(pair, odd.strings(1, 4_000, parts=10, repeats=1), special=special))


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("setting", SETTINGS)
def test_everything_about_odd_strings(pair: Pair, setting: tuple[dict | None, ...], special: bool) -> None:
    for texts in chunks(odd.strings(2, 100, parts=6, own=pair.own), 50):
        check(everything(pair, texts, *setting, special=special))
    assert pair.seen["decoded"] > 0


def test_what_a_file_says_of_truncation_and_padding() -> None:
    own = Pair.load("bert-uncased", definition(shipped()["bert-uncased"]))
    assert own.ours.truncation is not None
    assert own.ours.padding is not None
    check(whole(own, odd.strings(5, 200, parts=150), special=True))
    assert own.seen["parts cut off"] > 0


def test_text_of_random_ids(pair: Pair) -> None:
    check(random_ids(pair, 3, 500))
