"""How is each library asked to write a matrix with few bits, and what does it then store?

A setting is a function from a matrix, a width and a group size to what the library stores, with the way back
to floats. Scales are stored in 16 bits where a library leaves the choice, as its models for inference do;
codes are made with the scales as they are stored, and values are computed in single precision.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch


class Cannot(Exception):
    """Why a library does not write a matrix so."""


class Stored(NamedTuple):
    """A matrix as a library keeps it."""

    # One tensor of codes, and those of scales, zero points, minima and scales of scales.
    codes: torch.Tensor
    others: tuple[torch.Tensor, ...]
    values: Callable[[], torch.Tensor]

    def bits(self, width: int, count: int) -> int:
        """Bits of `count` codes and of all else.

        What a library adds to codes of `width` bits to fill up bytes or words is not counted against it.
        """
        return min(8 * self.codes.nbytes, width * count) + 8 * sum(other.nbytes for other in self.others)

    def kept(self) -> int:
        """Bits of the tensors, fillers too."""
        return 8 * (self.codes.nbytes + sum(other.nbytes for other in self.others))


Write = Callable[[torch.Tensor, int, int | None], Stored]


class Setting(NamedTuple):
    library: str
    name: str
    write: Write
    # By width: the group sizes; None for a whole row.
    groups: dict[int, tuple[int | None, ...]]


def legal(matrix: torch.Tensor, group: int | None) -> int:
    """The largest multiple of 8 up to the group that divides a row, or the row where there is none."""
    columns = matrix.shape[1]
    return columns if group is None else divisor(columns, group, 8) or columns


def divisor(number: int, most: int, step: int) -> int:
    """The largest multiple of a step that divides a number, up to the most; 0 where there is none."""
    return next((size for size in range(most - most % step, 0, -step) if number % size == 0), 0)


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    """In single precision, but as it would be stored in 16 bits."""
    return tensor.half().float()


def by_group(matrix: torch.Tensor, group: int | None) -> torch.Tensor:
    return matrix.reshape(-1, legal(matrix, group))


def nearest(matrix: torch.Tensor, bits: int, group: int | None, *, minimum: bool = False) -> Stored:
    """Round to nearest over the whole range in plain torch: the reference."""
    rows, largest = by_group(matrix, group), 2**bits - 1
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    if not minimum:
        low, high = low.clamp(max=0), high.clamp(min=0)
    # The least positive number of 16 bits, so that constant groups divide by something.
    scale = rounded(((high - low) / largest).clamp(min=2.0**-24))
    offset = rounded(low) if minimum else (low / scale).round().clamp(-largest, 0) * scale
    codes = ((rows - offset) / scale).round().clamp(0, largest).byte()
    # Zero points take as many bits as a code, each row of the matrix in bytes of its own.
    groups = scale.numel() // matrix.shape[0]
    zeros = torch.empty(matrix.shape[0] * -(-groups * bits // 8), dtype=torch.uint8)
    others = (scale.half(), offset.half() if minimum else zeros)
    return Stored(codes, others, lambda: (codes * scale + offset).reshape(matrix.shape))


def hqq(
    matrix: torch.Tensor, bits: int, group: int | None, *, axis: int = 1, round_zero: bool | None = None
) -> Stored:
    from hqq.core.quantize import Quantizer, hqq_base_quant_config

    # A group of axis 0 lies along the output channels; it is the flat matrix that has to be divisible. A size
    # that is no multiple of 8 is refused, but for a whole row.
    size = legal(matrix, group) if axis == 1 else divisor(matrix.numel(), group, 8)
    if size == 0:
        raise Cannot(f"no group of up to {group} divides a matrix of {tuple(matrix.shape)}")
    given = None if axis == 1 and size == matrix.shape[1] else size
    settings = hqq_base_quant_config(nbits=bits, group_size=given, axis=axis)["weight_quant_params"]
    # By default the search of 4 bits begins at a rounded zero.
    if round_zero is not None:
        settings["round_zero"] = round_zero
    codes, meta = Quantizer.quantize(matrix, **settings, device="cpu")
    scale, zero = meta["scale"].half(), meta["zero"].half()
    wide = {"scale": scale.float(), "zero": zero.float(), "compute_dtype": torch.float32, "group_size": size}
    return Stored(codes, (scale, zero), lambda: Quantizer.dequantize(codes, meta | wide))


def torchao_intx(
    matrix: torch.Tensor, bits: int, group: int | None, *, mapping: str, algorithm: str = "affine"
) -> Stored:
    from torchao.quantization import IntxWeightOnlyConfig, PerAxis, PerGroup, quantize_
    from torchao.quantization.quant_primitives import MappingType

    module = torch.nn.Linear(1, 1, bias=False)
    module.weight = torch.nn.Parameter(matrix, requires_grad=False)
    config = IntxWeightOnlyConfig(
        weight_dtype=getattr(torch, f"int{bits}"),
        granularity=PerAxis(0) if group is None else PerGroup(legal(matrix, group)),
        mapping_type=MappingType[mapping],
        scale_dtype=torch.float16,
        intx_choose_qparams_algorithm=algorithm,
    )
    quantize_(module, config, filter_fn=None)
    weight = module.weight
    # Zero points of a symmetric mapping are stored, and all 0.
    others = (weight.scale, weight.zero_point) if mapping == "ASYMMETRIC" else (weight.scale,)
    return Stored(weight.qdata, others, lambda: weight.dequantize().float())


def torchao_int8(matrix: torch.Tensor, bits: int, group: int | None) -> Stored:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    module = torch.nn.Linear(1, 1, bias=False)
    module.weight = torch.nn.Parameter(matrix, requires_grad=False)
    quantize_(module, Int8WeightOnlyConfig(), filter_fn=None)
    weight = module.weight
    return Stored(weight.qdata, (weight.scale,), lambda: weight.dequantize())


def torchao_tinygemm(matrix: torch.Tensor, bits: int, group: int | None, *, search: bool) -> Stored:
    """A scale and a float zero point, as its int4 tensors for CPUs and GPUs have them."""
    from torchao.quantization import quant_primitives as primitives

    block, largest = (1, legal(matrix, group)), 2**bits - 1
    if search:
        codes, scale, zero, _ = primitives._choose_qparams_and_quantize_affine_hqq(
            matrix,
            nbits=bits,
            group_size=block[1],
            compute_dtype=torch.float16,
            device="cpu",
        )
    else:
        scale, zero = primitives._choose_qparams_affine_tinygemm(
            matrix,
            primitives.MappingType.ASYMMETRIC,
            block,
            torch.uint8,
            0,
            largest,
            scale_dtype=torch.float16,
            zero_point_dtype=torch.float16,
        )
        codes = primitives._quantize_affine_tinygemm(
            matrix, block, scale.float(), zero.float(), torch.uint8, 0, largest
        )

    def values() -> torch.Tensor:
        wide = (scale.float(), zero.float())
        return primitives._dequantize_affine_tinygemm(codes, block, *wide, torch.uint8, 0, largest)

    return Stored(codes, (scale, zero), values)


def torchao_nf4(matrix: torch.Tensor, bits: int, group: int | None) -> Stored:
    from torchao.quantization.quantize_.workflows.nf4.nf4_tensor import to_nf4

    group = divisor(matrix.numel(), group, 1)
    tensor = to_nf4(matrix, group, divisor(matrix.numel() // group, 256, 1))
    others = (tensor.quantized_scalers, tensor.quantization_factor, tensor.scaler_mean)
    return Stored(tensor.quantized_data, others, tensor.get_original_weight)


def torchao_mxfp4(matrix: torch.Tensor, bits: int, group: int | None) -> Stored:
    from torchao.prototype.mx_formats.config import ScaleCalculationMode
    from torchao.prototype.mx_formats.mx_tensor import MXTensor

    # Of its four ways to choose a scale the one that it calls more accurate.
    if matrix.shape[1] % group:
        raise Cannot(f"groups of {group} do not divide rows of {matrix.shape[1]}, and there are no others")
    tensor = MXTensor.to_mx(matrix, torch.float4_e2m1fn_x2, group, ScaleCalculationMode.EVEN)
    return Stored(tensor.qdata, (tensor.scale,), lambda: tensor.dequantize(torch.float32))


def torchao_nvfp4(matrix: torch.Tensor, bits: int, group: int | None) -> Stored:
    from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

    if matrix.shape[1] % group:
        raise Cannot(f"groups of {group} do not divide rows of {matrix.shape[1]}, and there are no others")
    scale = per_tensor_amax_to_scale(matrix.abs().amax())
    tensor = NVFP4Tensor.to_nvfp4(matrix, group, per_tensor_scale=scale)
    return Stored(tensor.qdata, (tensor.scale, scale), lambda: tensor.dequantize(torch.float32))


def quanto(
    matrix: torch.Tensor, bits: int, group: int | None, *, optimizer: str, zero_points: bool = False
) -> Stored:
    from optimum import quanto as library

    kind, chosen = library.qtypes[f"qint{bits}"], getattr(library, optimizer)()
    group = legal(matrix, group)
    scale, shift = chosen(matrix, qtype=kind, axis=0, group_size=group, zeropoint=zero_points)
    scale, shift = rounded(scale), shift if zero_points else rounded(shift)
    tensor = library.quantize_weight(matrix, kind, 0, scale, shift, group, optimized=False)
    others = (scale.half(), shift if zero_points else shift.half())
    return Stored(tensor._data._data, others, tensor.dequantize)


def quanto_channel(matrix: torch.Tensor, bits: int, group: int | None, *, kind: str) -> Stored:
    """One scale for each row, the only way that quanto has for 8 bits."""
    from optimum import quanto as library

    scale = rounded(library.AbsmaxOptimizer()(matrix, library.qtypes[kind], 0))
    tensor = library.quantize_weight(matrix, library.qtypes[kind], 0, scale, optimized=False)
    return Stored(tensor._data, (scale.half(),), tensor.dequantize)


def bitsandbytes_4bit(
    matrix: torch.Tensor, bits: int, group: int | None, *, kind: str, double: bool
) -> Stored:
    from bitsandbytes import functional

    # As one row: its code for CPUs reads matrices wrongly whose rows the blocks do not divide.
    codes, state = functional.quantize_4bit(
        matrix.reshape(1, -1), blocksize=group, compress_statistics=double, quant_type=kind
    )
    others = (state.absmax, state.offset, state.state2.absmax) if double else (state.absmax,)
    return Stored(codes, others, lambda: functional.dequantize_4bit(codes, state).reshape(matrix.shape))


def bitsandbytes_8bit(matrix: torch.Tensor, bits: int, group: int | None, *, double: bool) -> Stored:
    """Its dynamic codes, a table of 256 values."""
    from bitsandbytes import functional

    codes, state = functional.quantize_blockwise(matrix, blocksize=group, nested=double)
    others = (state.absmax, state.offset, state.state2.absmax) if double else (state.absmax,)
    return Stored(codes, others, lambda: functional.dequantize_blockwise(codes, state))


def bitsandbytes_rows(matrix: torch.Tensor, bits: int, group: int | None) -> Stored:
    """LLM.int8() without its outliers, which are the activations'."""
    from bitsandbytes import functional

    codes, largest, _ = functional.int8_vectorwise_quant(matrix)
    return Stored(codes, (largest,), lambda: functional.int8_vectorwise_dequant(codes, largest))


SIZES, ONE = (32, 64, 128), (64,)
# Of bitsandbytes' codes of 8 bits, which has none smaller.
BLOCKS = (64, 128, 256)
EACH = dict.fromkeys((8, 4, 3, 2), SIZES)
ALL = EACH | {8: (*SIZES, None)}


def _settings() -> list[Setting]:
    bind = functools.partial
    found = [
        Setting("torch", "round to nearest, zero points", nearest, ALL),
        Setting("torch", "round to nearest, minima", bind(nearest, minimum=True), ALL),
        Setting("HQQ", "axis 1", hqq, ALL),
        Setting("HQQ", "axis 1, zeros not rounded", bind(hqq, round_zero=False), {4: ONE}),
        Setting("HQQ", "axis 0", bind(hqq, axis=0), dict.fromkeys(EACH, ONE)),
    ]
    for mapping in ("SYMMETRIC", "SYMMETRIC_NO_CLIPPING_ERR", "ASYMMETRIC"):
        name = f"intx, {mapping.lower().replace('_', ' ')}"
        found.append(Setting("torchao", name, bind(torchao_intx, mapping=mapping), ALL))
    found += [
        Setting(
            "torchao",
            "intx, HQQ of scales",
            bind(torchao_intx, mapping="SYMMETRIC", algorithm="hqq_scale_only"),
            ALL,
        ),
        Setting("torchao", "int8 weight only", torchao_int8, {8: (None,)}),
        Setting("torchao", "float zero points", bind(torchao_tinygemm, search=False), ALL),
        Setting(
            "torchao", "float zero points, HQQ", bind(torchao_tinygemm, search=True), dict.fromkeys(EACH, ONE)
        ),
        Setting("torchao", "NF4, double", torchao_nf4, {4: (64,)}),
        Setting("torchao", "MXFP4", torchao_mxfp4, {4: (32,)}),
        Setting("torchao", "NVFP4", torchao_nvfp4, {4: (16,)}),
    ]
    packed = {4: SIZES, 2: SIZES}
    for optimizer in ("MaxOptimizer", "HqqOptimizer"):
        found.append(Setting("quanto", optimizer, bind(quanto, optimizer=optimizer), packed))
    found += [
        Setting(
            "quanto",
            "MaxOptimizer, zero points",
            bind(quanto, optimizer="MaxOptimizer", zero_points=True),
            packed,
        ),
        Setting("quanto", "qint8", bind(quanto_channel, kind="qint8"), {8: (None,)}),
        Setting("quanto", "qfloat8", bind(quanto_channel, kind="qfloat8_e4m3fn"), {8: (None,)}),
    ]
    for kind in ("nf4", "fp4"):
        for double in (False, True):
            name = f"{kind}, double" if double else kind
            write = bind(bitsandbytes_4bit, kind=kind, double=double)
            found.append(Setting("bitsandbytes", name, write, {4: SIZES}))
    found += [
        Setting("bitsandbytes", "int8 blocks", bind(bitsandbytes_8bit, double=False), {8: BLOCKS}),
        Setting("bitsandbytes", "int8 blocks, nested", bind(bitsandbytes_8bit, double=True), {8: BLOCKS}),
        Setting("bitsandbytes", "int8 rows", bitsandbytes_rows, {8: (None,)}),
    ]
    return found


SETTINGS = _settings()
PACKAGES = {
    "torch": "torch",
    "HQQ": "hqq",
    "torchao": "torchao",
    "quanto": "optimum-quanto",
    "bitsandbytes": "bitsandbytes",
}
