"""The networks of the example, whole and in several files."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import load_file, save_file

DATA = Path(__file__).parents[3] / "examples" / "digits-diffusion" / "data"
NETWORKS = {name: DATA / name / "diffusion_pytorch_model.safetensors" for name in ("unet", "transformer")}


def shards(folder: Path, count: int = 3) -> Path:
    """Write the U-Net into several files, as large models come, and give their folder."""
    tensors = load_file(NETWORKS["unet"])
    folder.mkdir()
    index: dict[str, str] = {}
    for shard in range(count):
        part = dict(list(tensors.items())[shard::count])
        name = f"model-{shard + 1:05}-of-{count:05}.safetensors"
        save_file(part, folder / name, {"shard": str(shard)})
        index |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder
