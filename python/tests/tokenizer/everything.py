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


def faults(pair: Pair, number: int, options: argparse.Namespace) -> Iterator[str]:
    """All that differs, for the tokenizer of this number."""

    def share(things: Iterable[T]) -> Iterator[T]:
        return islice(things, number % options.share, None, options.share)

    yield from own_setting(pair)
    pair = pair.bare()
    for corpus in CORPORA:
        path = options.corpora / f"{corpus}.txt"
        for texts in chunks(share(documents(path, options.bytes)), CHUNK):
            yield from ids(pair, texts)
        length = min(options.bytes, 20_000_000) // options.share
        with path.open("rb") as opened:
            opened.seek(length * (number % options.share))
            yield from ids(pair, [opened.read(length).decode("utf-8", "ignore")], special=True)
    for points in chunks(share(odd.code_points()), 50_000):
        yield from ids(pair, points)
        # Neighbours show what a code point does to others.
        yield from ids(pair, [f"a{point} {point}b" for point in points])
    yield from ids(pair, odd.strings(77 + number, 2_000, parts=6, repeats=20))
    yield from random_ids(pair, number, 20_000 // options.share)
    pool = odd.strings(number, POOL, parts=1, own=pair.own)
    for seed in range(options.strings // options.share // CHUNK):
        texts = odd.mixed(number << 20 | seed, CHUNK, pool, parts=10)
        yield from ids(pair, texts, special=seed % 2 == 0)
    for seed in range(options.whole // options.share // FEW):
        texts = odd.mixed(number << 20 | 1 << 19 | seed, FEW, pool, parts=7)
        setting = SETTINGS[seed // 2 % len(SETTINGS)]
        yield from everything(pair, texts, *setting, special=seed % 2 == 0)


def own_setting(pair: Pair) -> Iterator[str]:
    """All that differs with the truncation and padding that the file itself asks for."""
    for special in (True, False):
        for few in chunks(odd.strings(5, 400, parts=150, own=pair.own), FEW):
            yield from whole(pair, few, special=special)


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
