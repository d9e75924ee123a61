"""How fast is a matrix written with 4 bits in groups of 64, and read back? Prints JSON, or writes a table.

Single precision in memory to packed codes in memory, and back; no file is touched. Within the time is what a
library needs for that from its arguments to its answer, with memory for the answer, but where ours is given
some (`out`); torchao's codes stay a
byte each and its others' are packed. Rounds go through all contenders forwards and backwards in turn, so that
ratios are of calls that are near one another in time. What was timed is checked by its error. With `--out` it
keeps itself to as many cores as threads, and none of them is another's second half where the system says so.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import statistics
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import contenders
import numpy as np
import table
import torch

import bowstring as bs

SHAPE, BITS, GROUP, THREADS = (2048, 4096), 4, 64, 2
# A sample takes so many seconds at least; threads of OpenMP that wait awake are asleep after the pause.
SAMPLE, PAUSE = 0.1, 0.3
# Decibels that every answer reaches which is not wrong.
FLOOR = 14.0
PEERS = {
    "HQQ": contenders.hqq,
    "torchao intx symmetric": partial(contenders.torchao_intx, mapping="SYMMETRIC"),
    "torchao intx HQQ of scales": partial(
        contenders.torchao_intx, mapping="SYMMETRIC", algorithm="hqq_scale_only"
    ),
    "torchao float zero points": partial(contenders.torchao_tinygemm, search=False),
    "quanto MaxOptimizer": partial(contenders.quanto, optimizer="MaxOptimizer"),
    "quanto HqqOptimizer": partial(contenders.quanto, optimizer="HqqOptimizer"),
    "bitsandbytes nf4": partial(contenders.bitsandbytes_4bit, kind="nf4", double=False),
    "bitsandbytes nf4 double": partial(contenders.bitsandbytes_4bit, kind="nf4", double=True),
}


class Contender(NamedTuple):
    """The two calls that are timed: writing, and reading what was written, or the latter alone."""

    name: str
    write: Callable[[], object]
    read: Callable[[object], object]
    operations: tuple[str, ...] = ("quantise", "dequantise")


def all_contenders(matrix: np.ndarray) -> list[Contender]:
    if not hasattr(getattr(bs, "quant", None), "quantize_array"):
        sys.exit(
            "error: the installed bowstring has no `bs.quant.quantize_array` and no `bs.quant.dequantize`"
        )
    read = partial(bs.quant.dequantize, dtype="f32", threads=THREADS)
    options = {"bits": BITS, "group_size": GROUP, "threads": THREADS}
    found = [
        Contender(
            f"bowstring {method}", partial(bs.quant.quantize_array, matrix, method=method, **options), read
        )
        for method in ("nearest", "mse")
    ]
    again = partial(read, out=np.empty_like(matrix))
    found.append(Contender("bowstring mse, with `out`", found[-1].write, again, ("dequantise",)))
    tensor = torch.from_numpy(matrix)
    for name, write in PEERS.items():
        found.append(Contender(name, partial(write, tensor, BITS, GROUP), lambda stored: stored.values()))
    return found


def timed(call: Callable[[], object], repeats: int) -> tuple[float, object]:
    gc.collect()
    time.sleep(PAUSE)
    answer, begin = None, time.perf_counter()
    for _ in range(repeats):
        answer = call()
    return (time.perf_counter() - begin) / repeats, answer


def sqnr(matrix: np.ndarray, values: object) -> float:
    values = np.asarray(values)
    assert values.shape == matrix.shape
    assert values.dtype == np.float32
    wide = matrix.astype(np.float64)
    return float(10 * np.log10(np.sum(wide**2) / np.sum((wide - values) ** 2)))


def measured(all_found: list[Contender], operation: str, rounds: int, matrix: np.ndarray) -> list[dict]:
    found = [one for one in all_found if operation in one.operations]
    calls = {one.name: one.write for one in found}
    if operation == "dequantise":
        calls = {one.name: partial(one.read, one.write()) for one in found}
    repeats = {name: max(1, math.ceil(SAMPLE / timed(call, 1)[0])) for name, call in calls.items()}
    samples, errors = {name: [] for name in calls}, dict.fromkeys(calls, math.inf)
    for turn in range(rounds):
        for one in found if turn % 2 == 0 else reversed(found):
            seconds, answer = timed(calls[one.name], repeats[one.name])
            samples[one.name].append(seconds)
            values = one.read(answer) if operation == "quantise" else answer
            errors[one.name] = min(errors[one.name], sqnr(matrix, values))
        print(f"{operation}: round {turn + 1}", file=sys.stderr)
    rows = []
    for name, seconds in samples.items():
        row = {"name": name, "operation": operation, "sqnr": errors[name], "samples": seconds}
        if errors[name] >= FLOOR:
            row["rate"] = matrix.nbytes / 1e9 / statistics.median(seconds)
            for ours in ("bowstring nearest", "bowstring mse"):
                pairs = zip(seconds, samples[ours], strict=True)
                row[ours] = statistics.median(peer / own for peer, own in pairs)
        rows.append(row)
    return rows


def cores(count: int) -> list[int]:
    """Logical processors of as many cores, as far from one another as there are."""
    by_core = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        by_core.setdefault(siblings.read_text(encoding="utf-8") if siblings.exists() else cpu, cpu)
    found = list(by_core.values())
    return found[:: max(1, len(found) // count)][:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds, not seven")
    parser.add_argument("--out", type=Path, help="the table, as Markdown")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if options.out:
        os.sched_setaffinity(0, cores(THREADS))
        # quanto builds an extension with the ninja that is installed beside this interpreter.
        os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    torch.set_num_threads(THREADS)
    matrix = (np.random.default_rng(7).laplace(size=SHAPE) / math.sqrt(SHAPE[1])).astype(np.float32)
    with torch.no_grad():
        found = all_contenders(matrix)
        rows = [
            row
            for operation in ("quantise", "dequantise")
            for row in measured(found, operation, 3 if options.quick else 7, matrix)
        ]
    found = {"shape": SHAPE, "bits": BITS, "group": GROUP, "threads": THREADS, "rows": rows}
    if not options.out:
        print(json.dumps(found))
        return
    packages = {"bowstring": "bowstring", **contenders.PACKAGES}
    versions = {name: version(package) for name, package in packages.items()}
    lines = ["# Speed of quantisers", "", table.sitting("speed.py", versions), "", *table.speed(found)[2:]]
    options.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
