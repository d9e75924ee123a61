"""The calls of the earlier quantizer, on the real thing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file
from sharded_models import DATA, shards

import bowstring as bs
from bowstring import quant
from bowstring.compat.arrow_quant_v2 import (
    ArrowQuantV2,
    AsyncArrowQuantV2,
    DiffusionQuantConfig,
    ShardedSafeTensorsLoader,
    load_sharded_safetensors,
)

UNET, TRANSFORMER = DATA / "unet", DATA / "transformer"
RANDOM = np.random.default_rng(21)


def packed_rows(path: str) -> dict[str, dict[str, Any]]:
    """Give the rows of a file's packed tensors by name."""
    rows = pa.table(bs.QuantizedModel(path).tensors).to_pylist()
    return {row["name"]: row for row in rows if row["bits"] is not None}


@pytest.mark.parametrize(
    ("profile", "fields"), [("edge", (2, 5, 256)), ("local", (4, 10, 128)), ("cloud", (8, 20, 64))]
)
def test_profiles_fill_in_what_is_left_out(profile: str, fields: tuple[int, int, int]) -> None:
    config = DiffusionQuantConfig.from_profile(profile)
    assert (config.bit_width, config.num_time_groups, config.group_size) == fields
    assert DiffusionQuantConfig(deployment_profile=profile, bit_width=3).bit_width == 3
    assert DiffusionQuantConfig(deployment_profile=profile, bit_width=3).group_size == fields[2]


def test_fields_are_as_they_were() -> None:
    config = DiffusionQuantConfig(2, 6, 32, False, False, 0.5, 64, "edge", True, 2)
    assert repr(config) == (
        "DiffusionQuantConfig(bit_width=2, num_time_groups=6, group_size=32, enable_time_aware=False, "
        "enable_spatial=False, min_accuracy=0.5, calibration_samples=64, deployment_profile='edge', "
        "fail_fast=True, num_threads=2, calibration=None)"
    )
    assert repr(DiffusionQuantConfig()) == repr(DiffusionQuantConfig(4, 10, 128))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"bit_width": 5}, "bit_width: expected 2, 3, 4 or 8, got 5"),
        ({"bit_width": 0}, "bit_width"),
        ({"num_time_groups": 0}, "num_time_groups: expected at least 1"),
        ({"min_accuracy": 1.5}, "min_accuracy"),
        ({"min_accuracy": float("nan")}, "min_accuracy"),
        ({"calibration_samples": 0}, "calibration_samples"),
        ({"num_threads": -1}, "num_threads"),
        ({"deployment_profile": "phone"}, "`phone` is none of `edge`, `local`, `cloud`"),
    ],
)
def test_fields_that_cannot_be(field: dict[str, Any], message: str) -> None:
    with pytest.raises(bs.UsageError, match=message):
        DiffusionQuantConfig(**field)


def test_a_model_is_what_the_engine_makes_of_it(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    result = ArrowQuantV2().quantize_diffusion_model(
        str(UNET), str(tmp_path / "out"), None, lambda message, part: told.append((message, part))
    )
    assert result["quantized_path"] == str(tmp_path / "out" / "model.parquet")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.parquet"]
    report = bs.quantize(UNET, tmp_path / "same.parquet", bits=4, group_size=128)
    assert (tmp_path / "same.parquet").read_bytes() == Path(result["quantized_path"]).read_bytes()
    cosines = [row["cosine"] for row in packed_rows(result["quantized_path"]).values()]
    assert result["compression_ratio"] == report.bytes_before / report.bytes_after
    assert result["cosine_similarity"] == pytest.approx(np.mean(cosines))
    assert result["min_cosine_similarity"] == min(cosines)
    assert result["model_size_mb"] == report.file_bytes / 2**20
    assert (result["modality"], result["bit_width"], result["promoted"]) == ("image", 4, {})
    assert 0 < result["quantization_time_s"] < 60
    assert [part for _, part in told] == [(done + 1) / len(told) for done in range(report.tensors.num_rows)]
    assert told[-1][0].startswith("quantized ")


def test_what_had_no_effect_is_said(tmp_path: Path) -> None:
    quantizer = ArrowQuantV2()
    said = quantizer.quantize_diffusion_model(UNET, tmp_path / "x.parquet")["not_applied"]
    assert list(said) == ["enable_time_aware", "enable_spatial", "calibration_samples"]
    assert "10 groups of timesteps" in said["enable_time_aware"]
    config = DiffusionQuantConfig(enable_time_aware=False, enable_spatial=False)
    said = quantizer.quantize_diffusion_model(UNET, tmp_path / "x.parquet", config)["not_applied"]
    assert list(said) == ["calibration_samples"]


def test_a_calibration_weighs_errors_and_has_to_be_large_enough(tmp_path: Path) -> None:
    name = "mid_block.attentions.0.to_q.weight"
    inputs = (RANDOM.standard_normal((40, 32)) * np.geomspace(0.01, 10, 32)).astype(np.float32)
    calibrator = quant.Calibrator()
    for timestep in (0, 1):
        calibrator.observe(name, inputs[timestep::2], timestep=timestep)
    calibrator.save(tmp_path / "seen.parquet")
    options: dict[str, Any] = {"calibration": tmp_path / "seen.parquet", "bit_width": 2, "min_accuracy": 0}
    config = DiffusionQuantConfig(**options, calibration_samples=40, num_time_groups=2)
    result = ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "x.parquet", config)
    assert list(result["not_applied"]) == ["enable_spatial"]
    ranges = result["activation_ranges"]
    assert (ranges.layers, ranges.groups.groups, ranges.bits) == ((name,), ((1,), (0,)), 8)
    groups = quant.TimeGroups.uniform(2, 2)
    assert np.array_equal(ranges.least, quant.ActivationRanges.of(calibrator, groups).least)
    bs.quantize(
        UNET,
        tmp_path / "same.parquet",
        bits=2,
        group_size=128,
        method="weighted",
        calibration=tmp_path / "seen.parquet",
    )
    assert (tmp_path / "same.parquet").read_bytes() == (tmp_path / "x.parquet").read_bytes()
    with pytest.raises(bs.UsageError, match="groups"):
        ArrowQuantV2().quantize_diffusion_model(
            UNET, tmp_path / "y.parquet", DiffusionQuantConfig(**options, calibration_samples=40)
        )
    calibrator.observe(name, inputs)
    calibrator.save(tmp_path / "without.parquet")
    plain = DiffusionQuantConfig(2, min_accuracy=0, calibration=tmp_path / "without.parquet")
    untimed = DiffusionQuantConfig(**options, enable_time_aware=False, calibration_samples=40)
    for config, said in ((plain, ["enable_time_aware", "enable_spatial"]), (untimed, ["enable_spatial"])):
        config.calibration_samples = 40
        result = ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "z.parquet", config)
        assert list(result["not_applied"]) == said
        assert "activation_ranges" not in result
    config = DiffusionQuantConfig(**options, calibration_samples=41)
    with pytest.raises(bs.DataError, match=f"has 40 inputs of `{name}`, and 41 are wanted"):
        ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "y.parquet", config)
    assert not (tmp_path / "y.parquet").exists()


def test_layers_that_are_too_far_off_get_more_bits(tmp_path: Path) -> None:
    plain = ArrowQuantV2().quantize_diffusion_model(
        UNET, tmp_path / "x.parquet", DiffusionQuantConfig(2, group_size=64, min_accuracy=0)
    )
    cosines = {name: row["cosine"] for name, row in packed_rows(plain["quantized_path"]).items()}
    least = float(np.median(list(cosines.values())))
    config = DiffusionQuantConfig(2, group_size=64, min_accuracy=least)
    result = ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "x.parquet", config)
    assert result["promoted"] == {name: 4 for name, cosine in cosines.items() if cosine < least}
    assert 0 < len(result["promoted"]) < len(cosines)
    rows = packed_rows(result["quantized_path"])
    assert {name: row["bits"] for name, row in rows.items()} == {
        name: result["promoted"].get(name, 2) for name in cosines
    }
    assert result["min_cosine_similarity"] >= least
    assert result["compression_ratio"] < plain["compression_ratio"]
    # Four bits do not do for half of them.
    four = ArrowQuantV2().quantize_diffusion_model(
        UNET, tmp_path / "x.parquet", DiffusionQuantConfig(4, group_size=64)
    )
    rows = packed_rows(four["quantized_path"])
    least = float(np.median([row["cosine"] for row in rows.values()]))
    config = DiffusionQuantConfig(2, group_size=64, min_accuracy=least)
    result = ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "x.parquet", config)
    assert result["promoted"] == {name: 8 if row["cosine"] < least else 4 for name, row in rows.items()}
    assert result["min_cosine_similarity"] >= least
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_names_of_layers_are_no_patterns(tmp_path: Path) -> None:
    rough = RANDOM.standard_t(2, (8, 64)).astype(np.float32)
    smooth = np.tile(np.float32([-1, 0, 1, 2]), (8, 16))
    odd = ["a[0].*{x}?.w", "a\\b.w", "[!a].w", "{a,b}.w", "]a}.w"]
    save_file({**dict.fromkeys(odd, rough), "a0.y{x}z.w": smooth, "a.w": smooth}, tmp_path / "m.safetensors")
    config = DiffusionQuantConfig(2, group_size=64, min_accuracy=0.97)
    result = ArrowQuantV2().quantize_from_safetensors(
        tmp_path / "m.safetensors", tmp_path / "x.safetensors", config
    )
    assert result["promoted"].keys() == set(odd)
    assert {name: row["bits"] for name, row in packed_rows(result["quantized_path"]).items()} == {
        **result["promoted"],
        "a0.y{x}z.w": 2,
        "a.w": 2,
    }


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        (DiffusionQuantConfig(2, min_accuracy=0.99, fail_fast=True), "leave `fail_fast` out"),
        (DiffusionQuantConfig(2, min_accuracy=1.0), "lower `min_accuracy`"),
    ],
)
def test_layers_that_stay_too_far_off_are_an_error_and_no_file(
    tmp_path: Path, config: DiffusionQuantConfig, hint: str
) -> None:
    before = ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "x.parquet")
    whole = Path(before["quantized_path"]).read_bytes()
    with pytest.raises(bs.WorkflowError, match=f"layers are below `min_accuracy`(.|\n)*{hint}"):
        ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "x.parquet", config)
    assert Path(before["quantized_path"]).read_bytes() == whole
    with pytest.raises(bs.WorkflowError):
        ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "y.parquet", config)
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_a_callback_that_raises_ends_the_work(tmp_path: Path) -> None:
    def stop(_message: str, _part: float) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "x.parquet", None, stop)
    assert list(tmp_path.iterdir()) == []


def test_modes(tmp_path: Path) -> None:
    with pytest.raises(bs.UsageError, match="`text` is none of `diffusion`, `base`"):
        ArrowQuantV2("text")
    with pytest.raises(bs.UsageError, match="needs the mode `diffusion`"):
        ArrowQuantV2("base").quantize_diffusion_model(UNET, tmp_path / "x.parquet")
    folder = shards(tmp_path / "sharded")
    result = ArrowQuantV2("base").quantize_from_safetensors(folder, tmp_path / "x.parquet")
    assert result["modality"] == "unknown"
    assert (
        packed_rows(result["quantized_path"]).keys()
        == packed_rows(
            ArrowQuantV2().quantize_from_safetensors(UNET, tmp_path / "y.parquet")["quantized_path"]
        ).keys()
    )


def meant(data: bytes, row: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Make of codes, scales and zero points what they stand for, by what the module says of them."""
    channels, columns = row["shape"][0], int(np.prod(row["shape"][1:]))
    bits = row["bit_width"]
    flat = np.unpackbits(np.frombuffer(data, np.uint8).reshape(channels, -1), axis=1, bitorder="little")
    codes = flat[:, : columns * bits].reshape(channels, columns, bits) @ (1 << np.arange(bits))
    groups = np.arange(columns) // 128
    scales, zero_points = (
        np.float32(row[name]).reshape(channels, -1)[:, groups] for name in ("scales", "zero_points")
    )
    return ((codes - zero_points) * scales).reshape(row["shape"]).astype(np.float32)


WEIGHTS = {
    "a": RANDOM.standard_normal((6, 300)).astype(np.float32),
    "b.c": (RANDOM.standard_normal((3, 5, 7)) + 2).astype(np.float32),
}


@pytest.mark.parametrize("bits", [None, 2, 3, 8])
def test_arrays_and_tables_are_what_their_parts_say(bits: int | None) -> None:
    quantizer = ArrowQuantV2(mode="base")
    made = quantizer.quantize_batch(WEIGHTS, bits)
    table = pa.table(
        {
            "layer_name": list(WEIGHTS),
            "weights": [weight.ravel() for weight in WEIGHTS.values()],
            "shape": [list(weight.shape) for weight in WEIGHTS.values()],
        }
    )
    arrow = pa.table(quantizer.quantize_arrow(table, bits))
    assert arrow.schema.types == [
        pa.string(),
        pa.binary(),
        pa.list_(pa.float32()),
        pa.list_(pa.float32()),
        pa.list_(pa.int64()),
        pa.uint8(),
    ]
    for row in arrow.to_pylist():
        name = row.pop("layer_name")
        assert made[name] == row
        assert row["bit_width"] == (bits or 4)
        expected = quant.dequantize(
            quant.quantize_array(WEIGHTS[name], bits=bits or 4, group_size=128, scale_type="f32")
        )
        assert np.array_equal(meant(row["quantized_data"], row), expected)
    batch = quantizer.quantize_arrow_batch(table.to_batches()[0], bits)
    assert pa.table(pa.record_batch(batch).to_pydict(), arrow.schema).equals(arrow)


def test_tables_without_rows_weights_or_axes() -> None:
    quantizer = ArrowQuantV2(mode="base")
    floats, whole = pa.list_(pa.float32()), pa.list_(pa.int64())
    table = pa.table(
        {
            "layer_name": ["none", "scalar", "vector"],
            "weights": pa.array([[], [2.0], [1.0, 2.0]], floats),
            "shape": pa.array([[3, 0], [], [2]], whole),
        }
    )
    rows = pa.table(quantizer.quantize_arrow(table)).to_pylist()
    assert [len(row["zero_points"]) for row in rows] == [len(row["scales"]) for row in rows] == [0, 1, 1]
    assert [row["shape"] for row in rows] == [[3, 0], [], [2]]
    assert pa.table(quantizer.quantize_arrow(table.slice(0, 0))).num_rows == 0
    assert pa.table(quantizer.quantize_arrow(table.slice(0, 1))).schema.field("scales").type == floats


def test_layers_that_cannot_be() -> None:
    quantizer = ArrowQuantV2(mode="base")
    wrong = {"a": WEIGHTS["a"], "nan": np.float32([1, np.nan]), "whole": np.arange(3)}
    with pytest.raises(bs.DataError, match="1 of the weights are NaN") as raised:
        quantizer.quantize_batch(wrong)
    assert raised.value.__notes__ == ["of layer 'nan'"]
    made = quantizer.quantize_batch(wrong, continue_on_error=True)
    assert list(made) == list(wrong)
    assert made["a"] == quantizer.quantize_batch({"a": wrong["a"]})["a"]
    assert "1 of the weights are NaN" in made["nan"]["error"]
    assert "expected floats" in made["whole"]["error"]
    with pytest.raises(bs.UsageError, match="bit_width"):
        quantizer.quantize_batch(WEIGHTS, 5, continue_on_error=True)
    table = pa.table({"layer_name": ["nan"], "weights": [[1.0, float("nan")]]})
    with pytest.raises(bs.DataError, match="row 0, layer `nan`"):
        quantizer.quantize_arrow(table)
    with pytest.raises(bs.UsageError, match="bit_width"):
        quantizer.quantize_arrow(table, 6)


async def test_quality_is_that_of_the_file(tmp_path: Path) -> None:
    quantizer = ArrowQuantV2()
    result = quantizer.quantize_diffusion_model(UNET, tmp_path / "out")
    expected = {name: row["cosine"] for name, row in packed_rows(result["quantized_path"]).items()}
    for out in (tmp_path / "out", result["quantized_path"]):
        quality = quantizer.validate_quality(UNET, out)
        assert quality["per_layer_accuracy"] == pytest.approx(expected)
        for name in ("compression_ratio", "cosine_similarity", "min_cosine_similarity", "model_size_mb"):
            assert quality[name] == pytest.approx(result[name])
    assert await AsyncArrowQuantV2().validate_quality_async(UNET, tmp_path / "out") == quality
    with pytest.raises(bs.DataError, match="was not made of this model"):
        quantizer.validate_quality(TRANSFORMER, tmp_path / "out")


async def test_the_twin_does_the_same(tmp_path: Path) -> None:
    config = DiffusionQuantConfig(2, min_accuracy=0.96)
    told: list[float] = []
    found = await AsyncArrowQuantV2().quantize_diffusion_model_async(
        UNET, tmp_path / "x.parquet", config, lambda _message, part: told.append(part)
    )
    expected = ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "y.parquet", config)
    assert (tmp_path / "x.parquet").read_bytes() == (tmp_path / "y.parquet").read_bytes()
    assert found["promoted"] == expected["promoted"] != {}
    assert told.count(1.0) == 2
    with pytest.raises(bs.UsageError, match="needs the mode"):
        await AsyncArrowQuantV2("base").quantize_diffusion_model_async(UNET, tmp_path / "x.parquet")


async def test_several_models_are_what_each_is_alone(tmp_path: Path) -> None:
    quantizer = AsyncArrowQuantV2(max_memory="200MB")
    edge = DiffusionQuantConfig.from_profile("edge")
    results = await quantizer.quantize_multiple_models_async(
        [(UNET, tmp_path / "a"), (TRANSFORMER, tmp_path / "b", edge), (UNET, tmp_path / "c", None)]
    )
    assert [result["bit_width"] for result in results] == [4, 2, 4]
    assert [Path(result["quantized_path"]).parent.name for result in results] == ["a", "b", "c"]
    ArrowQuantV2().quantize_diffusion_model(UNET, tmp_path / "alone.parquet")
    whole = (tmp_path / "alone.parquet").read_bytes()
    assert all((tmp_path / name / "model.parquet").read_bytes() == whole for name in "ac")
    assert len(await AsyncArrowQuantV2().quantize_multiple_models_async([(UNET, tmp_path / "a")])) == 1
    assert await quantizer.quantize_multiple_models_async([]) == []


async def test_several_models_are_within_their_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = quant.memory_needed(UNET)
    running, most = 0, 0
    alone = quant.quantize_async

    async def watched(*args: Any, **options: Any) -> bs.QuantizationReport:  # noqa: ANN401 - its own
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        report = await alone(*args, **options)
        running -= 1
        return report

    monkeypatch.setattr(quant, "quantize_async", watched)
    models = [(UNET, tmp_path / str(index)) for index in range(6)]
    for room in (1, 2):
        most = 0
        await AsyncArrowQuantV2(max_memory=room * needed).quantize_multiple_models_async(models)
        assert most == room


async def emptied(folder: Path) -> None:
    """What was cancelled stops at the next few rows, and takes its file with it."""
    began = time.monotonic()
    while left := [path for path in folder.rglob("*") if path.is_file()]:
        assert time.monotonic() - began < 10, left
        await asyncio.sleep(0.01)


async def test_one_that_fails_ends_the_others(tmp_path: Path) -> None:
    quantizer = AsyncArrowQuantV2(max_memory="10GB")
    large = {f"{index}.weight": RANDOM.standard_normal((2000, 1000)).astype(np.float32) for index in range(8)}
    save_file(large, tmp_path / "large.safetensors")
    (tmp_path / "wrong.safetensors").write_bytes(b"\xff" * 100)
    out = tmp_path / "out"
    models = [
        (tmp_path / "large.safetensors", out / "large"),
        (tmp_path / "wrong.safetensors", out / "wrong"),
    ]
    with pytest.raises(bs.DataError, match="wrong"):
        await quantizer.quantize_multiple_models_async(models)
    await emptied(out)
    with pytest.raises(bs.UsageError, match="two models would be written to"):
        await quantizer.quantize_multiple_models_async([(UNET, out), (TRANSFORMER, out / "model.parquet")])
    with pytest.raises(bs.LimitError, match="hint: allow"):
        await AsyncArrowQuantV2(max_memory="64MiB").quantize_multiple_models_async([(UNET, out)])


async def test_a_cancelled_task_leaves_nothing(tmp_path: Path) -> None:
    large = {f"{index}.weight": RANDOM.standard_normal((3000, 1000)).astype(np.float32) for index in range(8)}
    save_file(large, tmp_path / "large.safetensors")
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = AsyncArrowQuantV2().quantize_multiple_models_async(
        [(tmp_path / "large.safetensors", tmp_path / "out" / name) for name in "ab"],
        lambda _message, _part: loop.call_soon_threadsafe(started.set) and None,
    )
    task = asyncio.create_task(work)
    await started.wait()
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 10
    await emptied(tmp_path / "out")


def test_shards(tmp_path: Path) -> None:
    folder = shards(tmp_path / "sharded")
    loader = ShardedSafeTensorsLoader(folder)
    expected = load_file(UNET / "diffusion_pytorch_model.safetensors")
    assert loader.num_shards == 3
    assert sorted(loader.tensor_names()) == sorted(expected)
    assert len(loader) == len(expected)
    assert "conv_in.weight" in loader
    first = loader.get_tensor("conv_in.weight")
    assert np.array_equal(first, expected["conv_in.weight"])
    assert loader.get_tensor("conv_in.weight") is first
    found = loader.get_all_tensors()
    assert found["conv_in.weight"] is first
    loader.clear_cache()
    assert loader.get_tensor("conv_in.weight") is not first
    for tensors in (found, load_sharded_safetensors(folder / "model.safetensors.index.json")):
        assert tensors.keys() == expected.keys()
        assert all(np.array_equal(tensors[name], array) for name, array in expected.items())
    with pytest.raises(bs.UsageError, match="did you mean"):
        loader.get_tensor("conv_in.weights")
    with pytest.raises(bs.NotFoundError):
        load_sharded_safetensors(tmp_path / "nothing")
