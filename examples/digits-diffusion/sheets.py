"""The step of `workflow.yaml` that samples from packed networks, and shows their images beside each other.

bowstring run workflow.yaml --import sheets
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from evaluate import digits, frechet_distance, path_kl, psnr, step_divergences
from networks import Network, load
from sampling import Array, load_sampler, sample

import bowstring as bs

SHADES = " ░▒▓█"
"""From black to white."""

SHOWN = 8
"""How many images of each network stand in the sheet."""


@bs.step("digits.compare")
def compare(
    *,
    network: str,
    scheduler: str,
    packed: list[str],
    sheet: str,
    samples: int,
    sampling_steps: int,
    seed: int,
) -> pa.Table:
    """Compare packed networks with the full one, on the same noise; write a sheet of images of each."""
    folder = Path(network)
    deterministic = load_sampler(Path(scheduler), steps=sampling_steps, kind="ddim")
    noisy = load_sampler(Path(scheduler), steps=sampling_steps, kind="ddpm")
    full = load(folder)
    reference = sample(full, deterministic, samples, seed).samples
    walked = sample(full, noisy, samples, seed)
    real = digits()
    size = (folder / "diffusion_pytorch_model.safetensors").stat().st_size
    rows = [row("full", size, None, None, frechet_distance(reference, real).value)]
    images = {"full": reference}
    for path in map(Path, packed):
        quantized, stored = unpacked(folder, path)
        made = sample(quantized, deterministic, samples, seed).samples
        divergence = path_kl(step_divergences(quantized, noisy, walked)).value
        distance = frechet_distance(made, real).value
        rows.append(row(path.stem, stored, psnr(made, reference).value, divergence, distance))
        images[path.stem] = made
    Path(sheet).write_text(sheet_of(images), encoding="utf-8")
    return pa.Table.from_pylist(rows)


def row(
    name: str, size: int, nearness: float | None, divergence: float | None, distance: float
) -> dict[str, object]:
    """Name the figures of a network."""
    figures = {"psnr": nearness, "path_kl": divergence, "frechet_distance": distance}
    return {"network": name, "bytes": size, **figures}


def unpacked(folder: Path, path: Path) -> tuple[Network, int]:
    """Load a network with packed weights; say how many bytes they take."""
    model = bs.QuantizedModel(path)
    stored = sum(int(size) for size in model.tensors["bytes"].to_pylist())
    return load(folder, {tensor: model.read(tensor) for tensor in model}), stored


def sheet_of(images: dict[str, Array]) -> str:
    """Draw the first images of each network, two characters for each pixel."""
    lines = []
    for name, made in images.items():
        lines.append(f"{name}:")
        levels = ((made[:SHOWN, 0].clip(-1, 1) + 1) / 2 * (len(SHADES) - 1)).round().astype(int)
        for line in range(made.shape[2]):
            cells = ["".join(2 * SHADES[level] for level in image[line]) for image in levels]
            lines.append("  ".join(cells).rstrip())
        lines.append("")
    return "\n".join(lines)
