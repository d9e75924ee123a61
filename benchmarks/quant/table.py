"""What did a sitting find? `python benchmarks/quant/table.py FOUND.json [--out FILE.md]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections import defaultdict
from pathlib import Path

# The search as it is where nothing is said, and the one that is the best of ours most often.
DEFAULT, DENSE, NEAREST_WAY = "zero points", "symmetric, quadratic, f8", "nearest"
# GB/s of single precision with two threads, and times HQQ's.
NEAREST, SEARCHED, READ = 4.0, 10.0, 8.0

ERRORS = """\
SQNR is 10 log₁₀(Σw² / Σ(w − ŵ)²) in decibels, of all weights of a material together, and of the layer where
it is the least. Bits are those of codes, scales, and zero points or minima for each weight; where a peer
fills up bytes or words with more, only the width of its codes counts, and what it keeps stands beside.
Scales have 16 bits in every library that leaves the choice. Ours is the one with the smallest groups that
takes no more bits than the peer, with its group and its bits in brackets. **LOST** is where ours is below,
or has no groups that take so few bits. All of ours are of the search, but for the nearest: the default, with
zero points and scales of 16 bits; symmetric with quadratic codes and scales of 8 bits; and the best of ten
ways: zero points, minima or symmetric, linear or quadratic codes, scales of 16 bits or 8 (not with minima).
Where none of these is as near as the peer, or takes so few bits, it is a budget of the peer's bits, by which
matrices have widths and groups of their own; it has the layer with the least of all.

A group that does not divide a row is the largest multiple of 8 below it that does, or the row where there
is none. Bits that a library does not have: quanto 3, and 8 by groups; bitsandbytes 2 and 3. torchao's GGUF
type keeps its codes and scales as floats that are not rounded, and its bit-packed uintx needs a GPU:
neither is here.
"""
SPEED = """\
In memory, no files: torchao's codes stay a byte each, the others' are packed. GB/s of single precision, the
median of the rounds; how many times ours is as fast, the median of the ratios within a round; the SQNR of
what was timed."""


def best(row: dict) -> dict | None:
    """Our search in whichever way serves best."""
    found = [own | {"way": way} for way, own in row["ours"].items() if way != NEAREST_WAY]
    return max(found, key=lambda one: one["sqnr"], default=None)


def lead(row: dict, own: dict | None, figure: str = "sqnr") -> float | None:
    return own and own[figure] - row[figure]


def _group(group: int | str | None) -> str:
    return "row" if group in (None, "channel") else str(group)


def _own(own: dict | None) -> str:
    if own is None:
        return "–"
    way = f"; {own['way']}" if "way" in own else ""
    return f"{own['sqnr']:.2f} ({_group(own['group'])}; {own['bits_per_weight']:.3f}{way})"


def _lead(value: float | None) -> str:
    if value is None:
        return "**LOST**"
    return f"**LOST** {value:+.2f}" if value < 0 else f"{value:+.2f}"


def _row(row: dict) -> str:
    own, ours = best(row), row["ours"]
    cells = [
        f"{row['library']}: {row['setting']}",
        _group(row["group"]),
        f"{row['bits_per_weight']:.3f}",
        f"{row['kept_per_weight']:.3f}",
        f"{row['sqnr']:.2f}",
        f"{row['worst']:.2f}",
        *(_own(ours.get(way)) for way in (NEAREST_WAY, DEFAULT, DENSE)),
        _own(own),
        _lead(lead(row, own)),
        _lead(lead(row, ours.get(DEFAULT))),
        _lead(lead(row, own, "worst")),
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "peer",
    "group",
    "bits",
    "as kept",
    "SQNR",
    "worst layer",
    "ours: nearest",
    "ours: default",
    f"ours: {DENSE}",
    "ours: best",
    "best of ours − peer",
    "default − peer",
    "worst layer: best − peer",
)


def _summary(materials: dict) -> list[str]:
    lines = [
        "| material | bits | settings of peers | best of ours below | default below | worst layer below |"
    ]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name, material in materials.items():
        widths = defaultdict(list)
        for row in material["rows"]:
            widths[row["bits"]].append(row)
        for bits, rows in widths.items():
            below = [
                [row for row in rows if (value := lead(row, own(row), figure)) is None or value < 0]
                for own, figure in (
                    (best, "sqnr"),
                    (lambda row: row["ours"].get(DEFAULT), "sqnr"),
                    (best, "worst"),
                )
            ]
            lines.append(f"| {name} | {bits} | {len(rows)} | {' | '.join(str(len(one)) for one in below)} |")
    return [*lines, ""]


def _errors(materials: dict) -> list[str]:
    lines = []
    for name, material in materials.items():
        layers = f"{material['layers']} matrices, {material['weights'] / 1e6:.1f} million weights"
        for bits in sorted({row["bits"] for row in material["rows"]}, reverse=True):
            lines += [f"## {name}, {bits} bits", "", f"{layers}.", ""]
            lines += [f"| {' | '.join(HEAD)} |", "| --- |" + " ---: |" * (len(HEAD) - 1)]
            lines += [_row(row) for row in material["rows"] if row["bits"] == bits]
            refused = [row for row in material["cannot"] if row["bits"] == bits]
            lines += ["", "Not run: "] if refused else []
            lines += [
                f"- {row['library']}: {row['setting']}, {_group(row['group'])}: {row['why']}"
                for row in refused
            ]
            lines.append("")
    return lines


def speed(found: dict) -> list[str]:
    rows, columns = found["shape"]
    lines = [
        "## Speed",
        "",
        f"A matrix of {rows} × {columns} in single precision, {found['bits']} bits in groups of "
        f"{found['group']}, {found['threads']} threads on as many cores.",
        SPEED,
        "",
        "| contender | quantise, GB/s | to our nearest | to our search | dequantise, GB/s | to ours | SQNR |",
        "| --- |" + " ---: |" * 6,
    ]
    by_name = defaultdict(dict)
    for row in found["rows"]:
        by_name[row["name"]][row["operation"]] = row
    ours_first = sorted(by_name, key=lambda name: not name.startswith("bowstring"))
    for name, both in ((name, by_name[name]) for name in ours_first):
        cells = []
        for operation, ratios in (
            ("quantise", ("bowstring nearest", "bowstring mse")),
            ("dequantise", ("bowstring mse",)),
        ):
            row = both.get(operation, {})
            cells.append(f"{row['rate']:.3g}" if "rate" in row else "wrong" if row else "–")
            cells += [f"{row[ours]:.2f} ×" if ours in row else "–" for ours in ratios]
        lines.append(f"| {name} | {' | '.join(cells)} | {both['dequantise']['sqnr']:.2f} |")
    rates = {(row["name"], row["operation"]): row for row in found["rows"]}
    nearest = rates["bowstring nearest", "quantise"].get("rate", 0.0)
    searched = rates["HQQ", "quantise"].get("bowstring mse", 0.0)
    read = rates["bowstring mse", "dequantise"].get("rate", 0.0)
    again = rates["bowstring mse, with `out`", "dequantise"].get("rate", 0.0)
    goals = [
        (f"round to nearest, {nearest:.2f} GB/s of at least {NEAREST:.0f}", nearest >= NEAREST),
        (f"search, {searched:.1f} times HQQ of at least {SEARCHED:.0f}", searched >= SEARCHED),
        (f"dequantise into memory in use, {again:.2f} GB/s of at least {READ:.0f}", again >= READ),
        (f"dequantise into new memory, {read:.2f} GB/s of at least {READ:.0f}", read >= READ),
    ]
    return [*lines, "", "Goals:", *(f"- {goal}: {'held' if held else 'missed'}" for goal, held in goals), ""]


def sitting(script: str, versions: dict) -> str:
    """What was run, where."""
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"`python benchmarks/quant/{script}`, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}. Versions: {listed}."
    )


def markdown(found: dict) -> str:
    lines = [
        "# Quantisers side by side",
        "",
        sitting("run.py", found["versions"]),
        "",
        ERRORS,
        *_summary(found["materials"]),
        *_errors(found["materials"]),
        *(speed(found["speed"]) if "speed" in found else []),
    ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("found", type=Path, help="what `run.py` wrote")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    written = markdown(json.loads(options.found.read_text()))
    print(written)
    if options.out:
        options.out.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
