"""Train the example's models on scikit-learn's digits, and write all of `data/`.

    python train.py

Needs torch, scikit-learn and safetensors. What is written stands in PROVENANCE.md.
"""

# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return"

from __future__ import annotations

import argparse
import copy
import json
import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).parent
SIZE, STEPS, BATCH, EMA = 8, 3000, 128, 0.998

# By the names of diffusers; those that hold for both networks and for sampling.
SCHEDULER: dict[str, Any] = {
    "_class_name": "DDPMScheduler",
    "num_train_timesteps": 200,
    "beta_start": 0.0005,
    "beta_end": 0.1,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
    "clip_sample": False,
    "variance_type": "fixed_small",
}
UNET: dict[str, Any] = {
    "_class_name": "UNet2DModel",
    "sample_size": SIZE,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": [32, 32],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D"],
    "attention_head_dim": 8,
    "norm_num_groups": 8,
    "norm_eps": 1e-5,
    "act_fn": "silu",
    "time_embedding_type": "positional",
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "downsample_padding": 1,
}
TRANSFORMER: dict[str, Any] = {
    "_class_name": "DiT",
    "sample_size": SIZE,
    "in_channels": 1,
    "out_channels": 1,
    "patch_size": 2,
    "num_layers": 4,
    "num_attention_heads": 4,
    "attention_head_dim": 16,
    "mlp_ratio": 2,
    "norm_type": "ada_norm_zero",
    "norm_eps": 1e-6,
    "activation_fn": "gelu-approximate",
}


def angles(positions: Tensor, width: int) -> Tensor:
    """Cosines and sines of positions, with `width` numbers for each."""
    frequencies = torch.exp(-math.log(10_000) * torch.arange(width // 2) / (width // 2))
    turns = positions.float()[:, None] * frequencies
    return torch.cat([turns.cos(), turns.sin()], dim=1)


class TimestepEmbedding(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, inner)
        self.linear_2 = nn.Linear(inner, inner)

    def forward(self, t: Tensor) -> Tensor:
        return self.linear_2(functional.silu(self.linear_1(angles(t, self.width))))


class Attention(nn.Module):
    """Self-attention over tokens, or over the pixels of an image with a norm and a shortcut of its own."""

    def __init__(self, width: int, heads: int, group_norm: nn.GroupNorm | None = None) -> None:
        super().__init__()
        self.heads, self.group_norm = heads, group_norm
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def tokens(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        q, k, v = (
            project(x).view(batch, count, self.heads, -1).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.to_out[0](mixed.transpose(1, 2).reshape(batch, count, width))

    def forward(self, x: Tensor) -> Tensor:
        if self.group_norm is None:
            return self.tokens(x)
        return x + self.tokens(self.group_norm(x).flatten(2).transpose(1, 2)).transpose(1, 2).view_as(x)


class Resnet(nn.Module):
    def __init__(self, before: int, after: int, time: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(before), nn.Conv2d(before, after, 3, padding=1)
        self.time_emb_proj = nn.Linear(time, after)
        self.norm2, self.conv2 = norm(after), nn.Conv2d(after, after, 3, padding=1)
        self.conv_shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        inner = self.conv1(functional.silu(self.norm1(x))) + self.time_emb_proj(time)[:, :, None, None]
        return self.conv_shortcut(x) + self.conv2(functional.silu(self.norm2(inner)))


class Resampler(nn.Module):
    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(UNET["norm_num_groups"], width, eps=UNET["norm_eps"])


def block(**parts: nn.Module | list[nn.Module]) -> nn.ModuleDict:
    """Modules by name, so that parameters are called as in diffusers."""
    return nn.ModuleDict(
        {name: nn.ModuleList(part) if isinstance(part, list) else part for name, part in parts.items()}
    )


class UNet(nn.Module):
    """Two resolutions, with attention at the lower one; diffusers' `UNet2DModel` of this configuration."""

    def __init__(self) -> None:
        super().__init__()
        width = UNET["block_out_channels"][0]
        time = 4 * width
        self.time_embedding = TimestepEmbedding(width, time)
        self.conv_in = nn.Conv2d(1, width, 3, padding=1)
        self.down_blocks = nn.ModuleList(
            [
                block(resnets=[Resnet(width, width, time)], downsamplers=[Resampler(width, stride=2)]),
                block(resnets=[Resnet(width, width, time)]),
            ]
        )
        self.mid_block = block(
            resnets=[Resnet(width, width, time) for _ in range(2)],
            attentions=[Attention(width, width // UNET["attention_head_dim"], norm(width))],
        )
        self.up_blocks = nn.ModuleList(
            [
                block(
                    resnets=[Resnet(2 * width, width, time) for _ in range(2)],
                    upsamplers=[Resampler(width, stride=1)],
                ),
                block(resnets=[Resnet(2 * width, width, time) for _ in range(2)]),
            ]
        )
        self.conv_norm_out = norm(width)
        self.conv_out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        time = functional.silu(self.time_embedding(t))
        x = self.conv_in(x)
        skips = [x]
        for down in self.down_blocks:
            x = down["resnets"][0](x, time)
            skips.append(x)
            if "downsamplers" in down:
                x = down["downsamplers"][0](x)
                skips.append(x)
        x = self.mid_block["resnets"][0](x, time)
        x = self.mid_block["resnets"][1](self.mid_block["attentions"][0](x), time)
        for up in self.up_blocks:
            for resnet in up["resnets"]:
                x = resnet(torch.cat([x, skips.pop()], dim=1), time)
            if "upsamplers" in up:
                x = up["upsamplers"][0](functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


class Modulation(nn.Module):
    """Shifts, scales and gates from the time step; they begin as zeros."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, time: Tensor) -> tuple[Tensor, ...]:
        return self.linear(time)[:, None].chunk(self.parts, dim=2)


class Gelu(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.proj = nn.Linear(before, after)

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(self.proj(x), approximate="tanh")


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = Modulation(width, 6)
        self.attn1 = Attention(width, TRANSFORMER["num_attention_heads"])
        inner = TRANSFORMER["mlp_ratio"] * width
        self.ff = block(net=[Gelu(width, inner), nn.Identity(), nn.Linear(inner, width)])

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        shift, scale, gate, shift_ff, scale_ff, gate_ff = self.norm1(time)
        x = x + gate * self.attn1(plain_norm(x) * (1 + scale) + shift)
        inner = plain_norm(x) * (1 + scale_ff) + shift_ff
        for layer in self.ff["net"]:
            inner = layer(inner)
        return x + gate_ff * inner


def plain_norm(x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], eps=TRANSFORMER["norm_eps"])


class PatchEmbed(nn.Module):
    """Patches as tokens, with sines and cosines of their row and column added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        patch = TRANSFORMER["patch_size"]
        self.proj = nn.Conv2d(1, width, patch, stride=patch)
        side = SIZE // patch
        along = angles(torch.arange(side), width // 2)
        rows, columns = along.repeat_interleave(side, dim=0), along.repeat(side, 1)
        self.register_buffer("pos_embed", torch.cat([rows, columns], dim=1)[None])

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2) + self.pos_embed


class Transformer(nn.Module):
    """A DiT with adaLN-zero (Peebles and Xie 2023) without classes, named as diffusers names such."""

    def __init__(self) -> None:
        super().__init__()
        width = TRANSFORMER["num_attention_heads"] * TRANSFORMER["attention_head_dim"]
        self.pos_embed = PatchEmbed(width)
        self.time_embed = block(timestep_embedder=TimestepEmbedding(width, width))
        self.transformer_blocks = nn.ModuleList([Block(width) for _ in range(TRANSFORMER["num_layers"])])
        self.norm_out = Modulation(width, 2)
        self.proj_out = nn.Linear(width, TRANSFORMER["patch_size"] ** 2)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        time = functional.silu(self.time_embed["timestep_embedder"](t))
        tokens = self.pos_embed(x)
        for layer in self.transformer_blocks:
            tokens = layer(tokens, time)
        scale, shift = self.norm_out(time)
        pixels = self.proj_out(plain_norm(tokens) * (1 + scale) + shift)
        patch = TRANSFORMER["patch_size"]
        side = SIZE // patch
        grid = pixels.view(-1, side, side, patch, patch).transpose(2, 3)
        return grid.reshape(-1, 1, SIZE, SIZE)


def digits() -> tuple[Tensor, Tensor]:
    """The images, with pixels from -1 to 1, and which digit each shows."""
    # Only training needs it: tests take the networks from here.
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = torch.from_numpy(loaded.images.astype(np.float32)) / 8 - 1
    return images[:, None], torch.from_numpy(loaded.target)


def classifier() -> nn.Sequential:
    """The perceptron whose last hidden layer is the space in which samples are compared."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
    )


def train(name: str, network: nn.Module, images: Tensor, seed: int) -> nn.Module:
    """Fit a network to the noise in noised images (Ho et al. 2020); gives the average of its weights."""
    drawn = torch.Generator().manual_seed(seed)
    count = SCHEDULER["num_train_timesteps"]
    betas = torch.linspace(SCHEDULER["beta_start"], SCHEDULER["beta_end"], count, dtype=torch.float64)
    kept = torch.cumprod(1 - betas, dim=0)
    signal, noisiness = kept.sqrt().float(), (1 - kept).sqrt().float()
    mean = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=STEPS, pct_start=0.05)
    total = 0.0
    for step in range(1, STEPS + 1):
        x = images[torch.randint(len(images), (BATCH,), generator=drawn)]
        t = torch.randint(count, (BATCH,), generator=drawn)
        noise = torch.randn(x.shape, generator=drawn)
        noised = signal[t, None, None, None] * x + noisiness[t, None, None, None] * noise
        loss = functional.mse_loss(network(noised, t), noise)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        rates.step()
        with torch.no_grad():
            share = 1 - min(EMA, (1 + step) / (10 + step))
            for ours, theirs in zip(mean.parameters(), network.parameters(), strict=True):
                ours.lerp_(theirs, share)
        total += loss.item()
        if step % 500 == 0:
            print(f"{name}, step {step}: loss {total / 500:.4f}", flush=True)
            total = 0.0
    return mean.eval()


def train_classifier(images: Tensor, labels: Tensor, seed: int) -> nn.Module:
    """Fit the classifier to nine tenths of the digits, and say how it does on the others."""
    drawn = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=drawn)
    kept, held = order[len(order) // 10 :], order[: len(order) // 10]
    network = classifier()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    for _ in range(3000):
        rows = kept[torch.randint(len(kept), (BATCH,), generator=drawn)]
        noised = images[rows] + 0.1 * torch.randn(images[rows].shape, generator=drawn)
        loss = functional.cross_entropy(network(noised), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (network(images[held]).argmax(dim=1) == labels[held]).float().mean().item()
    print(f"classifier: {100 * right:.1f} % of {len(held)} held digits")
    return network.eval()


def write(folder: Path, network: nn.Module, config: dict[str, Any]) -> None:
    """Write a network as diffusers lays it out."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    save_file(network.state_dict(), folder / "diffusion_pytorch_model.safetensors")


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def make(name: str, out: Path) -> tuple[str, Tensor, Tensor, Tensor]:
    """Train and write one of the networks; gives what it makes of some noise at some time steps."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    network, config = (UNet(), UNET) if name == "unet" else (Transformer(), TRANSFORMER)
    print(f"{name}: {sum(weights.numel() for weights in network.parameters()):,} parameters", flush=True)
    network = train(name, network, digits()[0], seed=2)
    write(out / name, network, config)
    x = torch.randn((6, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(5))
    t = torch.tensor([0, 1, 20, 75, 150, 199])
    with torch.no_grad():
        return name, x, t, network(x, t)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "data")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    out: Path = arguments.out

    # A process of one thread for each network: more of them take longer with tensors as small as these, and
    # how sums are rounded would depend on their number.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        made = list(pool.map(make, ("unet", "transformer"), (out, out)))
    outputs = {name: answer for name, _, _, answer in made}
    _, outputs["x"], outputs["t"], _ = made[0]
    save_file(outputs, out / "torch-outputs.safetensors")
    images, labels = digits()
    torch.manual_seed(3)
    save_file(train_classifier(images, labels, seed=4).state_dict(), out / "classifier.safetensors")
    pixels = (8 * (images[:, 0] + 1)).to(torch.uint8)
    save_file({"images": pixels, "labels": labels.to(torch.uint8)}, out / "digits.safetensors")
    write_json(out / "scheduler" / "scheduler_config.json", SCHEDULER)


if __name__ == "__main__":
    main()
