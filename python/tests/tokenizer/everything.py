"""All that is promised of ids: `python python/tests/tokenizer/everything.py --corpora DIR --tokenizers DIR`.

For each tokenizer the ids of english.txt, code.txt, multilingual.txt and odd.txt (190 MB, in documents, and
the first 20 MB of each as one text), of every code point by itself and beside others, of a million odd
strings; and everything about a hundred thousand more: whole encodings as columns and items, with all ways of
truncation and padding, pairs, and their texts again. With `--share N` each tokenizer gets an Nth of all that,
and each another one. Says how much was compared, and ends with 1 when anything differs from what PyPI's
`tokenizers` gives.

With `--kept DIR` digests of the reference's answers are kept there, so that it is asked once: what agrees
with them needs no reference, and for what does not it is asked again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import odd
from compare import (
    ENOUGH,
    SETTINGS,
    Pair,
    chunks,
    definition,
    everything,
    ids,
    random_ids,
    shipped,
    whole,
)

CORPORA = ("english", "code", "multilingual", "odd")
# Texts at a time; the memory of both libraries' answers. Of whole encodings, padded to the longest, fewer.
CHUNK, FEW = 2_000, 100
# How many parts odd strings are put together from.
POOL = 50_000
T = TypeVar("T")


def documents(path: Path, limit: int) -> Iterator[str]:
    """The lines of a corpus in documents of about 5 KB."""
    lines: list[str] = []
    size = read = 0
    with path.open(encoding="utf-8", newline="") as opened:
        for line in opened:
            lines.append(line)
            size += len(line)
            if size >= 5_000:
                read += len("".join(lines).encode())
                yield "".join(lines)
                if read >= limit:
                    return
                lines, size = [], 0
    yield "".join(lines)


def own_setting(pair: Pair) -> Iterator[str]:
    """All that differs with the truncation and padding that the file itself asks for."""
    for special in (True, False):
        for texts in chunks(odd.strings(5, 400, parts=150, own=pair.own), FEW):
            yield from whole(pair, texts, special=special)


@dataclass
class Share:
    """What one tokenizer is compared on: an Nth of everything, another one for each number."""

    pair: Pair
    number: int
    options: argparse.Namespace

    def of(self, things: Iterable[T]) -> Iterator[T]:
        """Take an Nth of many things."""
        return islice(things, self.number % self.options.share, None, self.options.share)

    def mixed(self, kind: int, count: int, size: int, parts: int) -> Iterator[tuple[int, list[str]]]:
        """Make an Nth of so many odd strings, so many at a time, and number these."""
        pool = odd.strings(self.number, POOL, parts=1, own=self.pair.own)
        for turn in range(count // self.options.share // size):
            yield turn, odd.mixed(self.number << 24 | kind << 20 | turn, size, pool, parts)

    def whole(self) -> Iterator[str]:
        """All that is known of odd strings, in every way of truncation and padding; and the way back."""
        for turn, texts in self.mixed(1, self.options.whole, FEW, parts=7):
            setting = SETTINGS[turn // 2 % len(SETTINGS)]
            yield from everything(self.pair, texts, *setting, special=turn % 2 == 0)
        yield from random_ids(self.pair, self.number, 20_000 // self.options.share)

    def points(self) -> Iterator[str]:
        """Ids of code points."""
        for points in chunks(self.of(odd.code_points()), 50_000):
            yield from ids(self.pair, points)
            # Neighbours show what a code point does to others.
            yield from ids(self.pair, [f"a{point} {point}b" for point in points])

    def strings(self) -> Iterator[str]:
        """Ids of odd strings."""
        for turn, texts in self.mixed(2, self.options.strings, CHUNK, parts=10):
            yield from ids(self.pair, texts, special=turn % 2 == 0)
        yield from ids(self.pair, odd.strings(77 + self.number, 2_000, parts=6, repeats=20))

    def corpora(self) -> Iterator[str]:
        """Ids of documents, and of texts of many megabytes."""
        for corpus in CORPORA:
            path = self.options.corpora / f"{corpus}.txt"
            for texts in chunks(self.of(documents(path, self.options.bytes)), CHUNK):
                yield from ids(self.pair, texts)
            length = min(self.options.bytes, 20_000_000) // self.options.share
            with path.open("rb") as opened:
                opened.seek(length * (self.number % self.options.share))
                text = opened.read(length).decode("utf-8", "ignore")
            yield from ids(self.pair, [text], special=True)


# What can be asked for by its name.
PARTS = ("whole", "points", "strings", "corpora")


def faults(pair: Pair, number: int, options: argparse.Namespace) -> Iterator[str]:
    """All that differs, for the tokenizer of this number."""
    yield from own_setting(pair)
    share = Share(pair.bare(), number, options)
    for part in options.parts:
        yield from getattr(share, part)()


def definitions(folder: Path) -> dict[str, Path]:
    """Where the shipped tokenizers are, and those of a folder; one that is there twice is taken once."""
    known = {definition(path): (name, path) for name, path in shipped().items()}
    for path in sorted(folder.iterdir()):
        files = [path / place / "tokenizer.json" for place in ("models", ".")]
        file = next((file for file in files if file.exists()), files[0])
        known.setdefault(definition(file), (path.name, file))
    return dict(known.values())


def compared(options: argparse.Namespace, job: tuple[int, str, Path]) -> tuple[bool, str]:
    """Compare one tokenizer: whether all is the same, and what there is to say."""
    number, name, path = job
    if options.jobs > 1:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
    begin = time.monotonic()
    pair = Pair.load(name, definition(path), options.kept / f"{name}.txt" if options.kept else None)
    try:
        found = list(islice(faults(pair, number, options), ENOUGH))
    except Exception:
        # One that cannot be compared does not keep the others from being so.
        found = [traceback.format_exc()]
    seen = ", ".join(f"{count} {what}" for what, count in pair.seen.items())
    line = f"{'DIFFERS' if found else 'same'}  {name}  {pair.ours.backend}  {time.monotonic() - begin:.0f} s"
    return not found, "\n    ".join([f"{line}  {seen}", *found])


def main() -> int:
    """Say for each tokenizer what differs; 1 when anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--tokenizers", type=Path, required=True, help="a folder for each tokenizer")
    parser.add_argument("--names", nargs="+", default=[], help="only these")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="only these")
    parser.add_argument("--bytes", type=int, default=1 << 40, help="of each corpus at most")
    parser.add_argument("--strings", type=int, default=1_000_000, help="odd strings for each tokenizer")
    parser.add_argument("--whole", type=int, default=100_000, help="strings of which everything is compared")
    parser.add_argument("--share", type=int, default=1, help="compare an Nth for each tokenizer")
    parser.add_argument("--jobs", type=int, default=1, help="tokenizers at a time, each in a process")
    parser.add_argument("--kept", type=Path, help="where digests of the reference's answers are kept")
    options = parser.parse_args()
    if options.kept:
        options.kept.mkdir(parents=True, exist_ok=True)
    known = definitions(options.tokenizers)
    jobs = [(number, name, known[name]) for number, name in enumerate(options.names or known)]
    same = 0
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        for is_same, said in pool.imap_unordered(partial(compared, options), jobs):
            same += is_same
            print(said, flush=True)
    print(f"{same} of {len(jobs)} tokenizers give Hugging Face's answers")
    return int(same < len(jobs) or not jobs)


if __name__ == "__main__":
    sys.exit(main())
