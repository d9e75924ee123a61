"""All that is promised of ids: `python python/tests/tokenizer/everything.py --corpora DIR --tokenizers DIR`.

For each tokenizer the ids of english.txt, code.txt, multilingual.txt and odd.txt (190 MB, in documents, and
the first 20 MB of each as one text), of every code point by itself, of a million odd strings; and everything
about some tens of thousands more, in all ways of truncation and padding, with their texts again. With
`--share N` each tokenizer gets an Nth of all that, and each another one. Ends with 1 when anything differs
from what PyPI's `tokenizers` gives.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import odd
from compare import ENOUGH, SETTINGS, Pair, chunks, definition, everything, ids, random_ids, shipped

CORPORA = ("english", "code", "multilingual", "odd")
# Texts at a time; the memory of both libraries' answers.
CHUNK = 2_000
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
    for seed in share(range(options.strings // 10_000)):
        yield from ids(pair, odd.strings(seed, 10_000, parts=10), special=seed % 2 == 1)
    yield from ids(pair, odd.strings(77 + number, 2_000, parts=6, repeats=20))
    for seed in share(range(options.whole // 200)):
        texts = odd.strings(1_000 + seed, 200, parts=7)
        yield from everything(pair, texts, *SETTINGS[seed // options.share % len(SETTINGS)])
    yield from random_ids(pair, number, 20_000 // options.share)


def definitions(folder: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The shipped tokenizers, and those of a folder."""
    paths = {path.name: path for path in sorted(folder.iterdir())} if folder else {}
    known = shipped()
    for name in names or [*known, *paths]:
        if name in known:
            yield name, known[name]
            continue
        for path in (paths[name] / "models" / "tokenizer.json", paths[name] / "tokenizer.json"):
            if path.exists():
                yield name, definition(path)
                break


def main() -> int:
    """Say for each tokenizer what differs; 1 when anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--tokenizers", type=Path, required=True, help="a folder for each tokenizer")
    parser.add_argument("--names", nargs="+", default=[], help="only these")
    parser.add_argument("--bytes", type=int, default=1 << 40, help="of each corpus at most")
    parser.add_argument("--strings", type=int, default=1_000_000, help="odd strings for each tokenizer")
    parser.add_argument("--share", type=int, default=1, help="compare an Nth for each tokenizer")
    parser.add_argument("--whole", type=int, default=54_000, help="strings of which everything is compared")
    options = parser.parse_args()
    wrong, count = 0, 0
    for number, (name, data) in enumerate(definitions(options.tokenizers, options.names)):
        begin = time.monotonic()
        pair = Pair.load(name, data)
        found = list(islice(faults(pair, number, options), ENOUGH))
        wrong, count = wrong + bool(found), count + 1
        print(
            f"{'DIFFERS' if found else 'same'}  {name}  {pair.ours.backend}  {time.monotonic() - begin:.0f} s"
        )
        print("\n".join(f"    {fault}" for fault in found), end="\n" if found else "", flush=True)
    print(f"{count - wrong} of {count} tokenizers give Hugging Face's answers")
    return int(wrong > 0 or count == 0)


if __name__ == "__main__":
    sys.exit(main())
