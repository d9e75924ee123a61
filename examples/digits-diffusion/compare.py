"""Quantize the example's networks at several widths, and say what that does to their samples.

    python compare.py --bits 8 4 3 2 --group-size 16 64

Needs bowstring, numpy, pyarrow and safetensors.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pyarrow as pa
from evaluate import DATA, digits, frechet_distance, path_kl, psnr, step_divergences
from networks import load
from sampling import load_sampler, sample

import bowstring as bs

NETWORKS = ["unet", "transformer"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4, 3, 2])
    parser.add_argument("--group-size", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    count, seed = arguments.samples, arguments.seed
    deterministic = load_sampler(DATA / "scheduler", steps=arguments.steps, kind="ddim")
    noisy = load_sampler(DATA / "scheduler", steps=arguments.steps, kind="ddpm")
    real = digits()
    print(f"{count} samples in {arguments.steps} steps, seed {seed}; intervals of 95 %; path KL in nats")
    print("| network | bits | group | bytes | SQNR, dB | PSNR, dB | path KL | Fréchet distance |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in arguments.network:
        network = load(DATA / name)
        reference = sample(network, deterministic, count, seed).samples
        walked = sample(network, noisy, count, seed)
        size = (DATA / name / "diffusion_pytorch_model.safetensors").stat().st_size
        print(f"| {name} | 32 | | {size:,} | | | | {frechet_distance(reference, real)} |", flush=True)
        for bits in arguments.bits:
            for group in arguments.group_size:
                with tempfile.TemporaryDirectory() as folder:
                    packed = Path(folder) / "packed.parquet"
                    report = bs.quantize(DATA / name, packed, bits=bits, group_size=group)
                    model = bs.QuantizedModel(packed)
                    quantized = load(DATA / name, {tensor: model.read(tensor) for tensor in model})
                samples = sample(quantized, deterministic, count, seed).samples
                divergences = step_divergences(quantized, noisy, walked)
                print(
                    f"| {name} | {bits} | {group} | {report.bytes_after:,} | {least(report):.1f} "
                    f"| {psnr(samples, reference)} | {path_kl(divergences)} "
                    f"| {frechet_distance(samples, real)} |",
                    flush=True,
                )


def least(report: bs.QuantizationReport) -> float:
    """Give the ratio of signal to noise of the packed tensor that has the lowest, in decibels."""
    rows = pa.table(report.tensors).to_pylist()
    return min(float(row["sqnr"]) for row in rows if row["bits"] is not None)


if __name__ == "__main__":
    main()
