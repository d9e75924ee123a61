"""How much memory does a model of 4 GB take while it is quantised?

    python benchmarks/quant/memory.py --out memory.md

A model of single precision is written, shaped like one of language: embeddings, and layers of a quarter of
that each. Every row is a process of its own with two threads, and what the kernel says it had at the most,
the interpreter, the program and the pages of mapped files with it. The goal is at most 3 times the largest
tensor and 300 MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

sys.path.append(str(Path(__file__).resolve().parent.parent / "graph"))
import process

THREADS = 2
LARGEST, LAYER, LAYERS = (32_000, 2048), (8192, 2048), 56
WORK: dict[str, dict[str, Any]] = {
    "quantise, nearest": {"method": "nearest"},
    "quantise, mse": {},
    "quantise, mse, to safetensors": {"out": "packed.safetensors"},
    "quantise, mse, a budget of 15 % spent by squared error": {
        "budget": "15%",
        "allocation": "squared_error",
    },
    "evaluate against the model": {},
    "dequantise to single precision": {},
}


def write(path: Path) -> None:
    """Heavy-tailed weights; layers share their numbers, but each begins elsewhere in them."""
    random = np.random.default_rng(7)
    numbers = random.standard_normal(LAYER[0] * LAYER[1] + LAYERS, dtype=np.float32) ** 3
    tensors = {"embed.weight": random.standard_normal(LARGEST, dtype=np.float32)}
    for layer in range(LAYERS):
        part = numbers[layer : layer + LAYER[0] * LAYER[1]]
        tensors[f"layers.{layer}.mlp.weight"] = part.reshape(LAYER).copy()
    save_file(tensors, path)


def child(name: str, folder: Path) -> None:
    import bowstring as bs

    model, packed = folder / "model.safetensors", folder / "packed.parquet"
    match name:
        case "evaluate against the model":
            worst = min(bs.quant.validate(packed, model, threads=THREADS).tensors["sqnr"].to_pylist())
            assert 10 < worst < 40, worst
        case "dequantise to single precision":
            config = {"model": str(packed), "path": str(folder / "dense.safetensors")}
            assert bs.Workflow("dense").step("dense", "dequantize", config).run()
        case _:
            given = {"out": "packed.parquet"} | WORK[name]
            # Embeddings too, so that the largest tensor is among those that are packed.
            given |= {} if "budget" in given else {"policy": {"*": 4}}
            report = bs.quantize(model, folder / given.pop("out"), threads=THREADS, **given)
            assert report.bytes_after <= 0.15 * report.bytes_before, report
    print(json.dumps(process.peak()))


def table(model: Path, rows: list[tuple[str, float]]) -> str:
    """The rows as Markdown."""
    largest = 4 * LARGEST[0] * LARGEST[1]
    limit = 3 * largest + 300e6
    lines = [
        "# Memory of quantisers",
        "",
        f"`python benchmarks/quant/memory.py`, {THREADS} threads. A model of"
        f" {model.stat().st_size / 1e9:.2f} GB in single precision, {1 + LAYERS} tensors, the largest of"
        f" {largest / 1e6:.0f} MB, to 4 bits in groups of 64. The most that a process had, all of it: the"
        " interpreter, the program, and pages of mapped files. The goal is at most 3 times the largest tensor"
        f" and 300 MB, {limit / 1e6:.0f} MB.",
        "",
        "| work | peak, MB | in parts of the model | goal |",
        "| --- | ---: | ---: | --- |",
    ]
    for name, most in rows:
        part, verdict = most / model.stat().st_size, "held" if most <= limit else "missed"
        lines.append(f"| {name} | {most / 1e6:.0f} | {part:.3f} | {verdict} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        name, folder = options.child
        child(name, Path(folder))
        return
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.safetensors"
        write(model)
        rows = []
        for name in WORK:
            command, environment = process.kept_to(THREADS, __file__, "--child", name, folder)
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            rows.append((name, json.loads(done.stdout.splitlines()[-1])))
        text = table(model, rows)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
