"""Models as they are: files of the safetensors package, whole or in shards, and the memory for several."""

from __future__ import annotations

import asyncio
import doctest
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load_file, save_file
from sharded_models import NETWORKS, shards

import bowstring as bs
from bowstring import _memory, _model, quant


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Say whether tensors are the same by name, type, shape and value."""
    return found.keys() == expected.keys() and all(
        found[name].dtype == array.dtype
        and found[name].shape == array.shape
        and np.array_equal(found[name], array)
        for name, array in expected.items()
    )


def everything(model: quant.Model) -> dict[str, Any]:
    """Read all tensors."""
    return {name: model.read(name) for name in model}


@pytest.mark.parametrize("network", list(NETWORKS))
def test_tensors_are_those_of_the_safetensors_package(network: str) -> None:
    expected = load_file(NETWORKS[network])
    for path in (NETWORKS[network], NETWORKS[network].parent):
        model = quant.Model(path)
        assert same(everything(model), expected)
        assert len(model) == len(expected)
        assert list(model) == pa.table(model.tensors)["name"].to_pylist()
        assert all(model.shape(name) == array.shape for name, array in expected.items())
        assert list(model.metadata) == [NETWORKS[network]]
        assert repr(model) == f"<bowstring.quant.Model of {len(expected)} tensors>"


def test_shards_are_one_model(tmp_path: Path) -> None:
    folder = shards(tmp_path / "sharded")
    for path in (folder, folder / "model.safetensors.index.json"):
        model = quant.Model(path)
        assert same(everything(model), load_file(NETWORKS["unet"]))
        assert [(path.name, said) for path, said in model.metadata.items()] == [
            (f"model-{shard + 1:05}-of-00003.safetensors", {"shard": str(shard)}) for shard in range(3)
        ]
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(bs.NotFoundError, match="model-00002-of-00003"):
        quant.Model(folder)


def test_a_pipeline_has_the_components_before_the_names(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "P", "unet": ["d", "U"]}))
    (tmp_path / "unet").mkdir()
    save_file({"a": np.ones(2, np.float32)}, tmp_path / "unet" / "model.safetensors")
    assert list(quant.Model(tmp_path)) == ["unet/a"]


def test_numbers_are_of_their_own_type_where_numpy_has_it(tmp_path: Path) -> None:
    kinds = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]
    arrays: dict[str, Any] = {kind: np.arange(6).reshape(2, 3).astype(kind) for kind in kinds}
    arrays["f8"] += 1 / 3
    arrays["number"], arrays["nothing"] = np.array(7.5), np.empty((0, 4), np.float16)
    save_file(arrays, tmp_path / "model.safetensors")
    model = quant.Model(tmp_path / "model.safetensors")
    found = everything(model)
    assert same(found, arrays)
    assert (model.dtype("f8"), model.dtype("i1"), model.dtype("?")) == ("F64", "I8", "BOOL")
    with pytest.raises(ValueError, match="read-only"):
        found["f4"][0, 0] = 1


def test_numbers_that_numpy_does_not_have_are_exact_in_single_precision(tmp_path: Path) -> None:
    singles = np.array([1.0, -2.5, 3.0e38], np.float32)
    bits = (singles.view(np.uint32) >> 16).astype("<u2")
    header = json.dumps(
        {
            "bf16": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]},
            "e4m3": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [6, 8]},
            "e5m2": {"dtype": "F8_E5M2", "shape": [2], "data_offsets": [8, 10]},
        }
    ).encode()
    data = bits.tobytes() + b"\x38\xfe" + b"\x3c\x7b"
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)
    model = quant.Model(tmp_path / "model.safetensors")
    upper = (bits.astype(np.uint32) << 16).view(np.float32)
    assert same(
        everything(model), {"bf16": upper, "e4m3": np.float32([1, -448]), "e5m2": np.float32([1, 57344])}
    )
    assert [model.dtype(name) for name in ("bf16", "e4m3", "e5m2")] == ["BF16", "F8_E4M3", "F8_E5M2"]


def test_what_cannot_be(tmp_path: Path) -> None:
    model = quant.Model(NETWORKS["unet"])
    for call in (model.read, model.shape, model.dtype):
        with pytest.raises(bs.UsageError, match=r"did you mean `conv_in\.weight`"):
            call("conv_in.weights")
    assert "conv_in.weight" in model
    assert "conv_in.weights" not in model
    with pytest.raises(bs.NotFoundError):
        quant.Model(tmp_path / "nothing.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(NETWORKS["unet"].read_bytes()[:5000])
    with pytest.raises(bs.DataError, match="cut"):
        quant.Model(tmp_path / "cut.safetensors")


def sized(path: Path, mebibytes: int) -> Path:
    """Write a model that needs 64 MiB and so many more, of which it has a twelfth of the numbers."""
    save_file({"w": np.zeros((mebibytes << 20) // 12, np.int8)}, path)
    return path


def test_memory_is_three_times_the_largest_tensor_and_a_constant(tmp_path: Path) -> None:
    save_file({"a": np.zeros((30, 40), np.float16), "b": np.zeros((7, 9))}, tmp_path / "model.safetensors")
    assert quant.memory_needed(tmp_path / "model.safetensors") == 3 * 4 * 1200 + (64 << 20)
    assert quant.MemoryBound("1.5KiB").limit == quant.MemoryBound(1536).limit == 1536
    with pytest.raises(bs.UsageError, match="512MiB"):
        quant.MemoryBound("much")
    with pytest.raises(bs.UsageError, match="limit"):
        quant.MemoryBound(-1)
    with pytest.raises(TypeError, match="limit"):
        quant.MemoryBound(1.5)  # type: ignore[arg-type]


async def test_as_many_are_let_in_as_there_is_room_for_and_in_order(tmp_path: Path) -> None:
    models = [
        sized(tmp_path / f"{index}.safetensors", size) for index, size in enumerate([60, 60, 120, 12, 12])
    ]
    needs = [quant.memory_needed(model) for model in models]
    bound = quant.MemoryBound(needs[0] + needs[1])
    inside: dict[int, int] = {}
    log: list[int] = []
    peak = 0

    async def one(index: int) -> None:
        nonlocal peak
        # One after the other, so that their order is known.
        await asyncio.sleep(index / 20)
        async with bound.room_for(models[index]) as kept:
            inside[index] = kept
            log.append(index)
            peak = max(peak, sum(inside.values()))
            assert bound.free <= bound.limit - sum(inside.values())
            await asyncio.sleep(0.5)
            del inside[index]

    await asyncio.gather(*(one(index) for index in range(5)))
    # The third waits for both, and the small ones behind it do not overtake it.
    assert log == [0, 1, 2, 3, 4]
    assert needs[0] < peak <= bound.limit
    assert bound.free == bound.limit


async def test_who_is_cancelled_gives_place_and_room_back(tmp_path: Path) -> None:
    large, small = sized(tmp_path / "large.safetensors", 60), sized(tmp_path / "small.safetensors", 1)
    bound = quant.MemoryBound(quant.memory_needed(large) + quant.memory_needed(small))
    entered = asyncio.Event()

    async def stay(model: Path) -> None:
        async with bound.room_for(model):
            entered.set()
            await asyncio.Event().wait()

    first = asyncio.create_task(stay(large))
    await entered.wait()
    entered.clear()
    waiting = asyncio.create_task(stay(large))
    await asyncio.sleep(0.2)
    behind = asyncio.create_task(stay(small))
    await asyncio.sleep(0.2)
    assert not entered.is_set()
    waiting.cancel()
    await asyncio.wait_for(entered.wait(), 10)
    for task in (first, behind):
        task.cancel()
    await asyncio.gather(first, waiting, behind, return_exceptions=True)
    assert bound.free == bound.limit


async def test_who_is_let_in_and_cancelled_at_once_gives_the_room_back(tmp_path: Path) -> None:
    model = sized(tmp_path / "model.safetensors", 1)
    bound = quant.MemoryBound(quant.memory_needed(model))

    async def enter() -> None:
        async with bound.room_for(model):
            pytest.fail("it was cancelled before")

    async with bound.room_for(model):
        task = asyncio.create_task(enter())
        await asyncio.sleep(0.2)
    # It has been let in and has not run since.
    assert bound.free == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bound.free == bound.limit


async def test_an_error_gives_the_room_back_and_too_much_is_refused(tmp_path: Path) -> None:
    model = sized(tmp_path / "model.safetensors", 1)
    needed = quant.memory_needed(model)
    bound = quant.MemoryBound(needed)
    with pytest.raises(RuntimeError, match="inside"):
        async with bound.room_for(model):
            raise RuntimeError("inside")
    assert bound.free == bound.limit
    with pytest.raises(bs.LimitError, match=f"needs {needed} bytes of memory, and there are {needed - 1}"):
        async with quant.MemoryBound(needed - 1).room_for(model):
            pass
    with pytest.raises(bs.NotFoundError):
        async with bound.room_for(tmp_path / "nothing.safetensors"):
            pass
    assert bound.free == bound.limit


def test_every_example_runs(tmp_path: Path) -> None:
    weight = np.sin(np.arange(32 * 48, dtype=np.float32)).reshape(32, 48)
    model = {"block.attn.weight": weight, "block.norm.weight": np.ones(48, np.float32)}
    save_file(model, tmp_path / "model.safetensors")
    for module, count in ((_model, 8), (_memory, 9)):
        failed, ran = doctest.testmod(module, extraglobs={"bs": bs, "folder": tmp_path})
        assert (failed, ran) == (0, count)
