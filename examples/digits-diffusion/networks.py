"""The example's networks in plain numpy: which noise do they see in images at a time step?

Both take their weights from a mapping of names to arrays, so that it does not matter who made them. Inside,
channels are the last axis: a convolution is one product of matrices over its patches.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

Array = npt.NDArray[np.float32]

OnInput = Callable[[str, Array], Array]
"""Given the name of a linear layer or convolution and its input, with channels as the last axis; what it
returns goes into the layer instead."""


class Network:
    """Weights as products of matrices want them, and the layers that both networks have.

    Args:
        weights: Arrays by the names of diffusers; read once.
        config: What `config.json` says.
        on_input: Sees the input of every linear layer and convolution, and may replace it.
    """

    def __init__(
        self, weights: Mapping[str, Array], config: Mapping[str, Any], on_input: OnInput | None = None
    ) -> None:
        self.config = config
        self.on_input = on_input
        self.weights = {name: np.asarray(weights[name], np.float32) for name in weights}
        self._matrices = {
            name.removesuffix(".weight"): as_matrix(array)
            for name, array in self.weights.items()
            if name.endswith(".weight") and array.ndim > 1
        }

    def __call__(self, x: Array, t: npt.ArrayLike) -> Array:
        """Estimate the noise.

        Args:
            x: Noised images: batch, channel, row, column.
            t: A time step for each, or one for all.

        Returns:
            The noise, in the shape of `x`.
        """
        raise NotImplementedError

    def layer(self, name: str, x: Array, stride: int = 1) -> Array:
        """Apply a linear layer or a convolution, which keeps the size of images where its stride is 1."""
        if self.on_input is not None:
            x = self.on_input(name, x)
        shape = self.weights[f"{name}.weight"].shape
        if len(shape) == 4 and shape[-1] > 1:
            x = patches(x, shape[-1], stride)
        outputs: Array = x @ self._matrices[name] + self.weights[f"{name}.bias"]
        return outputs

    def time(self, name: str, t: npt.ArrayLike, width: int) -> Array:
        """Embed time steps; what every block begins with, an activation, is done already."""
        return silu(self.layer(f"{name}.linear_2", silu(self.layer(f"{name}.linear_1", angles(t, width)))))

    def attention(self, name: str, x: Array, heads: int) -> Array:
        """Mix tokens: batch, token, channel."""
        batch, count, width = x.shape

        def split(part: str) -> Array:
            return self.layer(f"{name}.{part}", x).reshape(batch, count, heads, -1).transpose(0, 2, 1, 3)

        q, k, v = split("to_q"), split("to_k"), split("to_v")
        scores = q @ k.swapaxes(2, 3) / np.float32(math.sqrt(width / heads))
        scores = np.exp(scores - scores.max(axis=3, keepdims=True))
        mixed = scores / scores.sum(axis=3, keepdims=True) @ v
        return self.layer(f"{name}.to_out.0", mixed.transpose(0, 2, 1, 3).reshape(batch, count, width))


class UNet(Network):
    """diffusers' `UNet2DModel` of plain blocks, with attention in the middle (Ho et al. 2020)."""

    def __call__(self, x: Array, t: npt.ArrayLike) -> Array:
        """Estimate the noise."""
        blocks = range(len(self.config["block_out_channels"]))
        time = self.time("time_embedding", t, self.config["block_out_channels"][0])
        x = self.layer("conv_in", x.transpose(0, 2, 3, 1))
        skips = [x]
        for block in blocks:
            for number in range(self.config["layers_per_block"]):
                x = self._resnet(f"down_blocks.{block}.resnets.{number}", x, time)
                skips.append(x)
            if (down := f"down_blocks.{block}.downsamplers.0.conv") in self._matrices:
                x = self.layer(down, x, stride=2)
                skips.append(x)
        x = self._resnet("mid_block.resnets.0", x, time)
        x = self._attention("mid_block.attentions.0", x)
        x = self._resnet("mid_block.resnets.1", x, time)
        for block in blocks:
            for number in range(self.config["layers_per_block"] + 1):
                joined = np.concatenate([x, skips.pop()], axis=3)
                x = self._resnet(f"up_blocks.{block}.resnets.{number}", joined, time)
            if (up := f"up_blocks.{block}.upsamplers.0.conv") in self._matrices:
                x = self.layer(up, x.repeat(2, axis=1).repeat(2, axis=2))
        x = self.layer("conv_out", silu(self._norm("conv_norm_out", x)))
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def _resnet(self, name: str, x: Array, time: Array) -> Array:
        inner = self.layer(f"{name}.conv1", silu(self._norm(f"{name}.norm1", x)))
        inner += self.layer(f"{name}.time_emb_proj", time)[:, None, None]
        inner = self.layer(f"{name}.conv2", silu(self._norm(f"{name}.norm2", inner)))
        shortcut = f"{name}.conv_shortcut"
        inner += self.layer(shortcut, x) if shortcut in self._matrices else x
        return inner

    def _attention(self, name: str, x: Array) -> Array:
        heads = x.shape[3] // self.config["attention_head_dim"]
        tokens = self._norm(f"{name}.group_norm", x).reshape(len(x), -1, x.shape[3])
        mixed: Array = x + self.attention(name, tokens, heads).reshape(x.shape)
        return mixed

    def _norm(self, name: str, x: Array) -> Array:
        """Normalise groups of channels over the whole image."""
        groups = self.config["norm_num_groups"]
        pixels = x.reshape(len(x), -1, x.shape[3])

        def of_groups(of_channels: Array) -> Array:
            means: Array = of_channels.reshape(len(x), groups, -1).mean(axis=2)
            spread: Array = means.repeat(x.shape[3] // groups, axis=1)[:, None]
            return spread

        centred = pixels - of_groups(pixels.mean(axis=1))
        variance = of_groups(np.einsum("npc,npc->nc", centred, centred) / np.float32(pixels.shape[1]))
        scale = self.weights[f"{name}.weight"] / np.sqrt(variance + np.float32(self.config["norm_eps"]))
        normed: Array = (centred * scale + self.weights[f"{name}.bias"]).reshape(x.shape)
        return normed


class Transformer(Network):
    """A DiT with adaLN-zero and without classes (Peebles and Xie 2023)."""

    def __call__(self, x: Array, t: npt.ArrayLike) -> Array:
        """Estimate the noise."""
        batch, channels, side, _ = x.shape
        patch = self.config["patch_size"]
        heads = self.config["num_attention_heads"]
        width = heads * self.config["attention_head_dim"]
        time = self.time("time_embed.timestep_embedder", t, width)
        tokens = self.layer("pos_embed.proj", x.transpose(0, 2, 3, 1), stride=patch).reshape(batch, -1, width)
        tokens = tokens + self.weights["pos_embed.pos_embed"]
        for number in range(self.config["num_layers"]):
            tokens = self._block(f"transformer_blocks.{number}", tokens, time, heads)
        scale, shift = self._modulation("norm_out", time, 2)
        pixels = self.layer("proj_out", self._norm(tokens) * (1 + scale) + shift)
        grid = pixels.reshape(batch, side // patch, side // patch, patch, patch, channels)
        return np.ascontiguousarray(grid.transpose(0, 5, 1, 3, 2, 4)).reshape(x.shape)

    def _block(self, name: str, x: Array, time: Array, heads: int) -> Array:
        shift, scale, gate, shift_ff, scale_ff, gate_ff = self._modulation(f"{name}.norm1", time, 6)
        x = x + gate * self.attention(f"{name}.attn1", self._norm(x) * (1 + scale) + shift, heads)
        inner = gelu(self.layer(f"{name}.ff.net.0.proj", self._norm(x) * (1 + scale_ff) + shift_ff))
        return x + gate_ff * self.layer(f"{name}.ff.net.2", inner)

    def _modulation(self, name: str, time: Array, parts: int) -> list[Array]:
        return np.split(self.layer(f"{name}.linear", time)[:, None], parts, axis=2)

    def _norm(self, x: Array) -> Array:
        centred = x - x.mean(axis=2, keepdims=True)
        variance = np.square(centred).mean(axis=2, keepdims=True)
        normed: Array = centred / np.sqrt(variance + np.float32(self.config["norm_eps"]))
        return normed


KINDS: dict[str, type[Network]] = {"UNet2DModel": UNet, "DiT": Transformer}


def load(
    folder: Path, weights: Mapping[str, Array] | None = None, on_input: OnInput | None = None
) -> Network:
    """Load a network from its folder.

    Args:
        folder: `config.json` and the weights, as diffusers lays them out.
        weights: Others than those that stand there.
        on_input: Sees the input of every linear layer and convolution, and may replace it.

    Returns:
        The network.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if weights is None:
        weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    return KINDS[config["_class_name"]](weights, config, on_input)


def as_matrix(weight: Array) -> Array:
    """Lay out a weight so that inputs stand on the left of it: a row for each number of a patch."""
    if weight.ndim == 4:
        weight = weight.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(weight.reshape(len(weight), -1).T)


def patches(x: Array, size: int, stride: int) -> Array:
    """Cut images into patches: batch, row, column, and the patch by its rows, its columns and its channels.

    Patches of 3 × 3 have their centre in the image, and zeros where they hang over its edge.
    """
    edge = size // 2 if size % 2 else 0
    padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    batch, height, width, channels = x.shape
    height, width = height // stride, width // stride
    cut = np.empty((batch, height, width, size * size, channels), np.float32)
    for place in range(size * size):
        row, column = divmod(place, size)
        cut[..., place, :] = padded[
            :, row : row + stride * height : stride, column : column + stride * width : stride
        ]
    return cut.reshape(batch, height, width, -1)


def angles(t: npt.ArrayLike, width: int) -> Array:
    """Give cosines and sines of time steps, `width` numbers for each."""
    frequencies = np.exp(-math.log(10_000) * np.arange(width // 2, dtype=np.float32) / np.float32(width // 2))
    turns = np.atleast_1d(np.asarray(t, np.float32))[:, None] * frequencies.astype(np.float32)
    return np.concatenate([np.cos(turns), np.sin(turns)], axis=1)


def silu(x: Array) -> Array:
    """Give x · sigmoid(x), by a tangent that does not overflow."""
    half = np.float32(0.5) * x
    activated: Array = half * (1 + np.tanh(half))
    return activated


def gelu(x: Array) -> Array:
    """Give the approximation by a tangent of x times the normal distribution (Hendrycks and Gimpel 2016)."""
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
    activated: Array = np.float32(0.5) * x * (1 + np.tanh(inner))
    return activated
