"""Quantisers side by side: `python benchmarks/quant/run.py --out FILE.json`, then `table.py FILE.json`.

For every setting of a peer, ours is the one with the smallest groups that takes no more bits for each weight,
once for each way of ours to write a matrix. Where none is as near, or none takes so few bits, ours is what a
budget of as many bits comes to, which gives matrices widths and groups of their own. Bits are those of codes,
scales, and zero points or minima of all matrices of a material together, and of the unit of scales of 8 bits;
so is the error.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import table
import torch
from contenders import PACKAGES, SETTINGS, Cannot, Setting
from material import DIGITS, MADE, Matrices, prepare

import bowstring as bs

sys.path.append(str(Path(__file__).resolve().parent.parent / "graph"))
import process

WIDTHS = (8, 4, 3, 2)
OFFSETS = {"zero points": {}, "minima": {"float_minimum": True}, "symmetric": {"symmetric": True}}
TYPES = {
    "": {},
    ", f8": {"scale_type": "f8"},
    ", quadratic": {"code_type": "quadratic"},
    ", quadratic, f8": {"scale_type": "f8", "code_type": "quadratic"},
}
# What the search is asked for; scales of 8 bits have no minima beside them.
WAYS = {
    f"{offset}{types}": {"method": "mse", **OFFSETS[offset], **TYPES[types]}
    for types in TYPES
    for offset in OFFSETS
    if not ("f8" in types and offset == "minima")
}
DENSE = "symmetric, quadratic, f8"
WAYS["nearest"] = {"method": "nearest"}
GROUPS = (*range(16, 257, 8), "channel")
THREADS = 2


class Error:
    """Squared errors of matrices, added up."""

    def __init__(self) -> None:
        self.signal, self.noise, self.worst = 0.0, 0.0, (float("inf"), "")

    def add(self, name: str, weights: np.ndarray, values: np.ndarray) -> None:
        assert values.shape == weights.shape
        assert np.isfinite(values).all()
        wide = weights.astype(np.float64)
        signal, noise = float(np.sum(wide**2)), float(np.sum((wide - values) ** 2))
        self.signal, self.noise = self.signal + signal, self.noise + noise
        self.worst = min(self.worst, (decibels(signal, noise), name))

    def row(self) -> dict:
        sqnr = decibels(self.signal, self.noise)
        return {"sqnr": sqnr, "worst": self.worst[0], "worst_layer": self.worst[1]}


def decibels(signal: float, noise: float) -> float:
    return float("inf") if noise == 0.0 else 10 * float(np.log10(signal / noise))


def count(matrices: Matrices) -> int:
    return sum(matrix.size for matrix in matrices.values())


def peer(setting: Setting, bits: int, group: int | None, matrices: Matrices) -> dict:
    """Bits and error of a peer over all matrices."""
    error, used, kept = Error(), 0, 0
    for name, matrix in matrices.items():
        stored = setting.write(torch.from_numpy(matrix), bits, group)
        used += stored.bits(bits, matrix.size)
        kept += stored.kept()
        error.add(name, matrix, stored.values().numpy())
    weights = count(matrices)
    return {"bits_per_weight": used / weights, "kept_per_weight": kept / weights} | error.row()


class Ours:
    """Bowstring over a material; each way is run once."""

    def __init__(self, matrices: Matrices, path: Path, folder: Path) -> None:
        self.matrices, self.path, self.out, self.found = matrices, path, folder / "packed.parquet", {}

    def bits(self, way: str, bits: int, group: int | str) -> float:
        """Bits for each weight by the layout that the reference documents."""
        options, total = WAYS[way], 0
        scale = 1 if options.get("scale_type") == "f8" else 2
        for matrix in self.matrices.values():
            rows, columns = matrix.shape
            groups = 1 if group == "channel" else -(-columns // group)
            if options.get("symmetric"):
                offsets = 0
            else:
                offsets = scale * groups if options.get("float_minimum") else -(-groups * bits // 8)
            total += 8 * rows * (-(-columns * bits // 8) + scale * groups + offsets)
        return (total + self.units(way)) / count(self.matrices)

    def units(self, way: str) -> int:
        """Bits of what scales of 8 bits count in, a single for each matrix."""
        return 32 * len(self.matrices) if WAYS[way].get("scale_type") == "f8" else 0

    def within(self, limit: float, way: str, bits: int) -> dict | None:
        """The one with the smallest groups that takes at most so many bits."""
        fitting = (group for group in GROUPS if self.bits(way, bits, group) <= limit)
        group = next(fitting, None)
        if group is None:
            return None
        key = (way, bits, group)
        if key not in self.found:
            self.found[key] = self.run(*key)
            assert self.found[key]["bits_per_weight"] <= limit
        return self.found[key]

    def run(self, way: str, bits: int, group: int | str) -> dict:
        options = {"bits": bits, "group_size": group, **WAYS[way]}
        report = bs.quantize(self.path, self.out, threads=THREADS, **options)
        assert set(report.tensors["bits"].to_pylist()) == {bits}
        return {"group": group} | self.errors(way, report)

    def spent(self, limit: float) -> dict:
        """Widths and groups of each matrix by a budget of so many bits for each weight."""
        budget = int(limit * count(self.matrices) - self.units(DENSE)) // 8
        report = bs.quantize(self.path, self.out, threads=THREADS, budget=budget, **WAYS[DENSE])
        found = {"group": "mixed"} | self.errors(DENSE, report)
        assert found["bits_per_weight"] <= limit
        return found

    def errors(self, way: str, report: bs.QuantizationReport) -> dict:
        model, error = bs.QuantizedModel(self.out), Error()
        for name, matrix in self.matrices.items():
            error.add(name, matrix, model.read(name))
        bits_per_weight = (8 * report.bytes_after + self.units(way)) / count(self.matrices)
        return {"bits_per_weight": bits_per_weight} | error.row()


def compared(name: str, kept: dict, options: argparse.Namespace) -> tuple[str, dict]:
    """The short name of a material, and all its rows."""
    name, matrices, path = prepare(name, options.kept)
    ours = Ours(matrices, path, options.kept)
    rows, cannot = [], []
    places = ("bits", "library", "setting", "group")
    before = {tuple(row[place] for place in places): row for row in kept.get(name, {}).get("rows", [])}
    for bits in WIDTHS:
        for setting in SETTINGS:
            groups = setting.groups.get(bits, ())
            for group in groups[len(groups) // 2 :][:1] if options.quick else groups:
                key = (bits, setting.library, setting.name, group)
                row = dict(zip(places, key, strict=True))
                try:
                    row |= before.get(key) or peer(setting, bits, group, matrices)
                except Cannot as why:
                    cannot.append(row | {"why": str(why)})
                    continue
                limit = row["bits_per_weight"]
                row["ours"] = {way: own for way in WAYS if (own := ours.within(limit, way, bits))}
                lead = table.lead(row, table.best(row))
                if lead is None or lead < 0:
                    row["ours"]["budget"] = ours.spent(limit)
                rows.append(row)
        print(f"{name}: {bits} bits", file=sys.stderr)
    return name, {"layers": len(matrices), "weights": count(matrices), "rows": rows, "cannot": cannot}


def speed(options: argparse.Namespace) -> dict:
    """In a process of its own with two cores."""
    script = str(Path(__file__).with_name("speed.py"))
    command, environment = process.kept_to(THREADS, script, *(["--quick"] if options.quick else []))
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--materials", nargs="+", default=["minilm", *MADE, *DIGITS], help="those of ours, or files"
    )
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "bowstring-quant")
    parser.add_argument("--out", type=Path, required=True, help="what was found, as JSON")
    parser.add_argument("--quick", action="store_true", help="one group size of each peer, three rounds")
    parser.add_argument(
        "--keep-peers", action="store_true", help="peers' errors that OUT has are taken as they are"
    )
    parser.add_argument("--parts", nargs="+", default=["errors", "speed"], choices=["errors", "speed"])
    parser.add_argument("--threads", type=int, default=THREADS, help="of torch, where no time is taken")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    # quanto builds an extension with the ninja that is installed beside this interpreter.
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    found = json.loads(options.out.read_text()) if options.out.exists() else {"materials": {}}
    found["versions"] = {
        "bowstring": version("bowstring"),
        **{name: version(package) for name, package in PACKAGES.items()},
    }
    if "errors" in options.parts:
        for material in options.materials:
            with torch.no_grad():
                name, rows = compared(material, found["materials"] if options.keep_peers else {}, options)
            found["materials"][name] = rows
            options.out.write_text(json.dumps(found, indent=1))
    if "speed" in options.parts:
        found["speed"] = speed(options)
        options.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
