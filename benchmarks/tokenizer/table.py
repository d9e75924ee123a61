"""What did a sitting find? Who gave how many bytes a second with which ids, and who was the fastest."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from material import CORPORA, SHAPES, TOKENIZERS

OURS, COUNT, REFERENCE = "bowstring", "bowstring count", "HF 0.23"
# At least so many times the fastest peer, by the kind of tokenizer.
GOALS = dict.fromkeys(("gpt2", "gpt4", "gpt4o", "llama3", "qwen2_5"), 1.2)
GOALS |= dict.fromkeys(("llama2", "gemma2", "bert", "t5_like", "xlmr_like"), 2.0)


@dataclass
class Cell:
    """What a contender did with a corpus in a shape: bytes, the best seconds of each part, and its ids."""

    bytes: int = 0
    # By form: for each timed part the least seconds, of wall and of CPU.
    wall: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    texts: int = 0
    different: int | None = None

    def add(self, form: str, line: dict) -> None:
        self.bytes = line["bytes"]
        for kept, found in ((self.wall, line["wall"]), (self.cpu, line["cpu"])):
            kept[form] = [min(pair) for pair in zip(kept.get(form, found), found, strict=True)]
        if line["different"] is not None:
            self.texts = line["texts"]
            self.different = max(self.different or 0, line["different"])

    def rate(self, threads: int) -> float:
        """Millions of bytes a second: of CPU with one thread, of wall with more; by the fastest form."""
        times = self.cpu if threads == 1 else self.wall
        return self.bytes / 1e6 / min(sum(parts) for parts in times.values())

    def own_ids(self) -> bool:
        """Whether the ids are others than Hugging Face's, or were not compared."""
        return self.different != 0


@dataclass
class Found:
    """All of a sitting, as it is kept between sittings."""

    cells: dict[str, Cell] = field(default_factory=dict)
    # By contender and tokenizer: why it does not run it.
    cannot: dict[str, str] = field(default_factory=dict)
    loads: dict[str, dict] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def kept(cls, path: Path | None) -> Found:
        if path is None or not path.exists():
            return cls()
        rows = json.loads(path.read_text())
        return cls(**rows | {"cells": {key: Cell(**cell) for key, cell in rows["cells"].items()}})

    def keep(self, path: Path | None) -> None:
        if path is not None:
            path.write_text(json.dumps(asdict(self)))


def key(*parts: object) -> str:
    return "|".join(map(str, parts))


def _rate(rate: float) -> str:
    return f"{rate:.1f}" if rate < 10 else f"{rate:.0f}"


def _row(found: Found, names: list[str], tokenizer: str, corpus: str, shape: str, threads: int) -> str | None:
    cells = {name: found.cells.get(key(name, tokenizer, threads, corpus, shape)) for name in names}
    rates = {name: cell.rate(threads) for name, cell in cells.items() if cell}
    if not rates:
        return None
    right = {name: rate for name, rate in rates.items() if not cells[name].own_ids() and name != COUNT}
    fastest = max(right, key=right.__getitem__, default=None)
    shown = []
    for name in names:
        if name not in rates:
            shown.append("–")
            continue
        text = _rate(rates[name])
        if cells[name].own_ids():
            text = f"*{text}* ({cells[name].different}/{cells[name].texts})"
        shown.append(f"**{text}**" if name == fastest else text)
    ratios = ["–"] * 3
    peers = {name: rate for name, rate in right.items() if name != OURS}
    if OURS in right and peers:
        ratio = right[OURS] / max(peers.values())
        ratios[0] = f"{ratio:.2f} ({'held' if ratio >= GOALS[tokenizer] else 'missed'})"
        if REFERENCE in right:
            ratios[1] = f"{right[OURS] / right[REFERENCE]:.0f}"
    if OURS in rates and COUNT in rates:
        ratios[2] = f"{rates[COUNT] / rates[OURS]:.2f}"
    return f"| {corpus} | {shape} | {' | '.join(shown)} | {' | '.join(ratios)} |"


def _loads(found: Found, names: list[str]) -> list[str]:
    lines = ["## Loading `tokenizer.json`", ""]
    lines += [
        "Milliseconds of the best of three, and the MB that the loaded tokenizer keeps; after the arrow, with"
    ]
    lines += ["a part of the English documents encoded by one thread.", ""]
    lines += ["| tokenizer | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for tokenizer, shown in TOKENIZERS.items():
        row = []
        for name in names:
            load = found.loads.get(key(name, tokenizer))
            row.append(
                f"{load['seconds'] * 1e3:.0f} ms, {load['kept'] / 1e6:.0f} → {load['used'] / 1e6:.0f} MB"
                if load
                else "–"
            )
        if any(cell != "–" for cell in row):
            lines.append(f"| {shown} | " + " | ".join(row) + " |")
    return [*lines, ""]


def markdown(found: Found, threads: list[int]) -> str:
    names = list(found.versions)
    lines = [
        "# Tokenizers side by side",
        "",
        f"`python benchmarks/tokenizer/run.py`, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}. MB/s (10⁶ bytes of text): with one thread of CPU time, with two of",
        "wall time. No special tokens are added. Each contender meets each text once in a process, after a",
        "warm-up on other text of the same kind; the least time of each part over the rounds counts, and the",
        "fastest of a contender's calls. **Bold** is the fastest with Hugging Face's ids. *Italic* has other",
        "ids, in so many of the texts of this row. The goal is what Bowstring has to be of the fastest peer",
        "with the right ids: 1.2 times for byte-level BPE, 2 times otherwise.",
        "",
        f"Versions: {', '.join(' '.join(pair) for pair in found.versions.items())}.",
        "",
    ]
    for tokenizer, shown in TOKENIZERS.items():
        for count in threads:
            rows = [
                _row(found, names, tokenizer, corpus, shape, count) for corpus in CORPORA for shape in SHAPES
            ]
            if not any(rows):
                continue
            last = ["ours / fastest peer", "ours / HF 0.23", "count / encode"]
            lines += [f"## {shown}, {count} thread{'s' if count > 1 else ''}", ""]
            lines += ["| text | shape | " + " | ".join([*names, *last]) + " |"]
            lines += ["| --- | --- |" + " ---: |" * (len(names) + len(last))]
            lines += [row for row in rows if row] + [""]
        missing = [f"{name}: {why}" for name in names if (why := found.cannot.get(key(name, tokenizer)))]
        lines += ["Not run: " + "; ".join(missing) + ".", ""] if missing else []
    return "\n".join([*lines, *_loads(found, names)]).rstrip() + "\n"
