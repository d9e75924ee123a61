"""What do bits, and who spends them, do to the samples of the digits' networks?

    python benchmarks/quant/samples.py measure --network unet --out unet.jsonl
    python benchmarks/quant/samples.py table unet.jsonl transformer.jsonl --out quant-samples.md

`measure` writes a line for each setting and seed, and goes on where it was stopped. Weights: at the bytes of
8, 4, 3 and 2 bits in groups of 64, six ways to spend them. Activations: of 8 bits at weights of 8 and 4, one
range for all timesteps or one for each of ten groups. Set OPENBLAS_NUM_THREADS=1 and run the networks beside
each other. Needs bowstring, numpy, pyarrow and safetensors.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import bowstring as bs

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits-diffusion"
sys.path.insert(0, str(EXAMPLE))

from evaluate import DATA, digits, frechet_distance, path_kl, psnr, step_divergences  # noqa: E402
from networks import OnInput, load  # noqa: E402
from sampling import Sampler, Trajectories, load_sampler, sample  # noqa: E402

Array = npt.NDArray[np.float32]

NETWORKS = ["unet", "transformer"]
BITS = [2, 3, 4, 8]
GROUP = 64
ALLOCATIONS = ["uniform", "squared_error", "entropy", "path_kl", "scaled", "measured"]
RANGES = ["none", "one", "groups", "refined"]
TIME_GROUPS = 10
STRIDES = {"down_blocks.*.downsamplers.*.weight": 2, "pos_embed.proj.weight": 2}
KEPT = ["conv_in.*", "conv_out.*", "time_embed*", "pos_embed.*", "proj_out.*", "norm_out.*"]
"""Layers of one network or the other whose inputs stay as they are, as their weights keep 16 bits."""


@dataclass(frozen=True)
class Setting:
    """How a network is quantised.

    Attributes:
        network: Which.
        bits: Those whose bytes all tensors may take.
        allocation: What the bytes are spent by.
        ranges: How activations are rounded to 8 bits: not at all, by one range for each layer, by one for
            each of ten groups of timesteps, or by those ranges after `TransitionOptimizer`.
    """

    network: str
    bits: int
    allocation: str
    ranges: str = "none"


def settings(network: str) -> Iterator[Setting]:
    """Give those of a network, the ones that tell the most first."""
    for bits in BITS:
        for allocation in ALLOCATIONS:
            yield Setting(network, bits, allocation)
        if bits in (4, 8):
            for ranges in RANGES[1:]:
                yield Setting(network, bits, "uniform", ranges)


class Bench:
    """A network, its samplers, and what is known of it before it is quantised.

    Args:
        name: Which network.
        steps: How many steps samplers walk.
        folder: For files on the way.
    """

    def __init__(self, name: str, steps: int, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.full = load(DATA / name)
        self.ddim = load_sampler(DATA / "scheduler", steps=steps, kind="ddim")
        self.ddpm = load_sampler(DATA / "scheduler", steps=steps, kind="ddpm")
        self.schedule = bs.quant.Schedule.from_config(DATA / "scheduler")
        self.steps = self.schedule.steps(steps)
        self.real = digits()
        self.calibrator = bs.quant.Calibrator()
        see = self.calibrator.on_input(self.full.weights, strides=STRIDES)
        watched = load(DATA / name, on_input=see)
        # Each image has a timestep of its own, so that layers of the time see one for each image, too.
        bs.quant.calibrate(
            lambda x, t: watched(x, np.full(len(x), t)),
            self.steps,
            self.calibrator,
            shape=(1, 8, 8),
            samples=64,
            seed=1000,
        )
        self.calibrator.save(folder / "seen.parquet")
        self.measured: dict[tuple[str, int, object], float] = {}

    def budget(self, bits: int) -> int:
        """How many bytes all tensors take at so many bits each, in groups of 64."""
        report = bs.quantize(DATA / self.name, self.folder / "uniform.parquet", bits=bits, group_size=GROUP)
        return report.bytes_after

    def packed(self, setting: Setting) -> tuple[dict[str, Array], int]:
        """Quantise the weights, and say how many bytes they take."""
        out = self.folder / f"{setting.allocation}.parquet"
        budget = self.budget(setting.bits)
        options: dict[str, Any] = {"budget": budget, "allocation": setting.allocation}
        match setting.allocation:
            case "uniform":
                options = {"bits": setting.bits, "group_size": GROUP}
            case "path_kl" | "scaled":
                options |= {
                    "allocation": "path_kl",
                    "measure": self.measure() if setting.allocation == "scaled" else None,
                    "calibration": self.folder / "seen.parquet",
                    "schedule": DATA / "scheduler" / "scheduler_config.json",
                }
            case "measured":
                options = {"budget": budget, "measure": self.measure()}
        report = bs.quantize(DATA / self.name, out, **options)
        assert report.bytes_after <= budget, setting
        model = bs.QuantizedModel(out)
        return {tensor: model.read(tensor) for tensor in model}, report.bytes_after

    def measure(self) -> Callable[[str, Array, int, int | str], float]:
        """Give the divergence of paths with one tensor quantised, of a few images; each is measured once."""
        walked = sample(self.full, self.ddpm, 24, 2000)

        def divergence(name: str, values: Array, bits: int, group: int | str) -> float:
            key = (name, bits, group)
            if key not in self.measured:
                network = load(DATA / self.name, {**self.full.weights, name: values})
                self.measured[key] = path_kl(step_divergences(network, self.ddpm, walked)).value
            return self.measured[key]

        return divergence

    def rounded(self, ranges: str) -> tuple[OnInput | None, bs.quant.ActivationRanges | None]:
        """Find the ranges of activations, and what rounds by them."""
        if ranges == "none":
            return None, None
        visited = self.steps.timesteps.tolist()
        groups = (
            bs.quant.TimeGroups.uniform(visited, 1)
            if ranges == "one"
            else bs.quant.TimeGroups.cluster(self.calibrator, TIME_GROUPS)
        )
        kept = [pattern for pattern in KEPT if fnmatch.filter(self.full.weights, pattern)]
        found = bs.quant.ActivationRanges.of(self.calibrator, groups, bits=8, skip=kept)
        if ranges == "refined":
            loss = bs.quant.ThermodynamicLoss(bits=8, weights=self.steps.divergence_weights())
            found = bs.quant.TransitionOptimizer(loss=loss).optimize_params(self.calibrator, found).ranges
        return found.on_input(), found

    def quantised(self, setting: Setting) -> tuple[Callable[[Array, int], Array], int]:
        """Give the quantised network."""
        weights, stored = self.packed(setting)
        on_input, ranges = self.rounded(setting.ranges)
        network = load(DATA / self.name, weights, on_input)
        if ranges is None:
            return network, stored

        def at(x: Array, t: int) -> Array:
            with ranges.at(int(t)):
                return network(x, t)

        return at, stored


@dataclass(frozen=True)
class Reference:
    """What the full network makes of a seed."""

    ddim: Array
    ddpm: Trajectories


def figures(
    network: Callable[[Array, int], Array], bench: Bench, reference: Reference, samples: int, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Sample and compare; each figure with the ends of its interval."""
    found = {}
    kernels = step_divergences(network, bench.ddpm, reference.ddpm)  # type: ignore[arg-type]
    found["path_kl"] = path_kl(kernels)
    samplers: list[tuple[str, Sampler, Array]] = [
        ("ddim", bench.ddim, reference.ddim),
        ("ddpm", bench.ddpm, reference.ddpm.samples),
    ]
    for kind, sampler, originals in samplers:
        made = sample(network, sampler, samples, seed).samples  # type: ignore[arg-type]
        found[f"{kind}_psnr"] = psnr(made, originals)
        found[f"{kind}_frechet"] = frechet_distance(made, bench.real)
    return {name: (one.value, one.low, one.high) for name, one in found.items()}


def measure(arguments: argparse.Namespace) -> None:
    done = set()
    if arguments.out.exists():
        for line in arguments.out.read_text().splitlines():
            row = json.loads(line)
            done.add((row["bits"], row["allocation"], row["ranges"], row["seed"]))
    wanted = [
        (setting, seed)
        for seed in arguments.seed
        for setting in settings(arguments.network)
        if setting.bits in arguments.bits
        and (setting.bits, setting.allocation, setting.ranges, seed) not in done
    ]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.network, arguments.steps, Path(folder))
        references: dict[int, Reference] = {}
        for setting, seed in wanted:
            if seed not in references:
                references = {
                    seed: Reference(
                        sample(bench.full, bench.ddim, arguments.samples, seed).samples,
                        sample(bench.full, bench.ddpm, arguments.samples, seed),
                    )
                }
            network, stored = bench.quantised(setting)
            row = {
                **asdict(setting),
                "seed": seed,
                "samples": arguments.samples,
                "steps": arguments.steps,
                "bytes": stored,
                **figures(network, bench, references[seed], arguments.samples, seed),
            }
            with arguments.out.open("a") as out:
                out.write(json.dumps(row) + "\n")
            print(setting, seed, row["path_kl"][0], flush=True)


FIGURES = ["path_kl", "ddim_psnr", "ddim_frechet", "ddpm_psnr", "ddpm_frechet"]
TITLES = ["path KL", "DDIM: PSNR", "DDIM: Fréchet", "DDPM: PSNR", "DDPM: Fréchet"]
HEADS = {"unet": "U-Net", "transformer": "DiT"}
Rows = list[dict[str, Any]]


def over_seeds(rows: Rows, figure: str) -> tuple[float, float]:
    """Give the mean of a figure over seeds, and half of its interval: seeds are independent."""
    halves = [(row[figure][2] - row[figure][1]) / 2 for row in rows]
    return float(np.mean([row[figure][0] for row in rows])), float(
        np.sqrt(np.square(halves).sum()) / len(rows)
    )


def table(files: list[Path]) -> str:
    """Write what was measured as Markdown."""
    rows = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    counts = sorted({(row["samples"], row["steps"]) for row in rows})
    (samples, steps) = counts[0]
    assert len(counts) == 1, counts
    lines = [
        "# Samples of quantised diffusion models",
        "",
        "`python benchmarks/quant/samples.py`. The U-Net and the DiT of `examples/digits-diffusion`;"
        f" {samples:,} images a seed in {steps} steps, from the same noise for all. With each figure stands"
        " half of its interval of 95 %, over images and seeds. Path KL is in nats (less is better), PSNR in"
        " decibels beside the full network's images (more is better), the Fréchet distance that of 32 "
        "features beside all 1,797 digits (less is better). In each column of a table the best is bold.",
        "",
        "All ways to spend bytes have those of the same bits for all tensors, in groups of 64: `uniform`;"
        " `squared_error` of weights; `entropy`; `path_kl`, estimated from a calibration of 64 images;"
        " `scaled`, that estimate times one measurement of each tensor (`measure` with `path_kl`);"
        " `measured`: each tensor by itself at each width and group, by the path KL of 24 images.",
    ]
    for network in NETWORKS:
        for bits in BITS:
            own = [row for row in rows if row["network"] == network and row["bits"] == bits]
            weights = [row for row in own if row["ranges"] == "none"]
            lines += section(
                f"{HEADS[network]}, the bytes of {bits} bits", weights, "allocation", ALLOCATIONS
            )
            rounded = [row for row in own if row["allocation"] == "uniform"]
            if any(row["ranges"] != "none" for row in rounded):
                lines += section(f"{HEADS[network]}, W{bits}A8", rounded, "ranges", RANGES)
    lines += verdict(rows)
    return "\n".join(lines) + "\n"


def section(title: str, rows: Rows, key: str, values: list[str]) -> list[str]:
    """Write a table of settings that differ in one thing."""
    lines = ["", f"## {title}", "", f"| {key} | seeds | bytes | {' | '.join(TITLES)} |"]
    lines.append("| --- | --- |" + " ---: |" * (len(TITLES) + 1))
    cells = {}
    for value in values:
        found = [row for row in rows if row[key] == value]
        if found:
            cells[value] = [over_seeds(found, figure) for figure in FIGURES]
    for value, own in cells.items():
        found = [row for row in rows if row[key] == value]
        shown = []
        for column, (figure, (mean, half)) in enumerate(zip(FIGURES, own, strict=True)):
            sign = -1 if "psnr" in figure else 1
            rivals = [other[column][0] * sign for name, other in cells.items() if name != "none"]
            text = f"{mean:.4g} ± {half:.2g}"
            shown.append(f"**{text}**" if value != "none" and mean * sign == min(rivals) else text)
        seeds = ", ".join(str(row["seed"]) for row in sorted(found, key=lambda row: int(row["seed"])))
        lines.append(f"| {value} | {seeds} | {found[0]['bytes']:,} | {' | '.join(shown)} |")
    return lines


def verdict(rows: Rows) -> list[str]:
    """Count where an allocation beats the same bits for all, and say by how much on average."""
    lines = ["", "## Against the same bits for all", ""]
    lines += [
        "The path KL of each way over that of `uniform`, by the geometric mean over networks and seeds, and"
        " in how many of them it is less.",
        "",
        "| bits | " + " | ".join(ALLOCATIONS[1:]) + " |",
        "| --- |" + " ---: |" * len(ALLOCATIONS[1:]),
    ]
    known = {
        (row["network"], row["bits"], row["seed"], row["allocation"]): row["path_kl"][0]
        for row in rows
        if row["ranges"] == "none"
    }
    for bits in BITS:
        cells = []
        for allocation in ALLOCATIONS[1:]:
            ratios = [
                value / known[network, width, seed, "uniform"]
                for (network, width, seed, own), value in known.items()
                if (own, width) == (allocation, bits) and (network, width, seed, "uniform") in known
            ]
            won = sum(ratio < 1 for ratio in ratios)
            mean = float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")
            cells.append(f"{mean:.3f} ({won} of {len(ratios)})")
        lines.append(f"| {bits} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--network", choices=NETWORKS, required=True)
    measuring.add_argument("--bits", type=int, nargs="+", default=BITS, choices=BITS)
    measuring.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2])
    measuring.add_argument("--samples", type=int, default=2000)
    measuring.add_argument("--steps", type=int, default=10)
    measuring.add_argument("--out", type=Path, required=True)
    measuring.set_defaults(run=measure)
    showing = commands.add_parser("table")
    showing.add_argument("files", type=Path, nargs="+")
    showing.add_argument("--out", type=Path, required=True)
    showing.set_defaults(run=lambda given: given.out.write_text(table(given.files)))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
