"""Do the worst layers get more bits until samples are near enough, and is that said?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file

import bowstring as bs
from bowstring._sample_gate import literal

RANDOM = np.random.default_rng(2)
NAMES = [f"blocks.{block}.{name}.weight" for block in range(8) for name in ("up", "down[0]")]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    weights = {name: RANDOM.standard_normal((16, 64)).astype(np.float32) for name in NAMES}
    # One that is much harder than the others.
    weights[NAMES[3]] = np.asarray(RANDOM.standard_t(2, (16, 64)), np.float32)
    save_file(weights, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def nearness(model: bs.QuantizedModel) -> float:
    """As samples may be that go by all weights."""
    rows = pa.table(model.tensors).to_pylist()
    return float(np.mean([row["sqnr"] for row in rows]))


def widths(report: bs.QuantizationReport) -> dict[str, int]:
    return {row["name"]: row["bits"] for row in pa.table(report.tensors).to_pylist()}


def test_what_is_near_enough_stays(model: Path, tmp_path: Path) -> None:
    plain = bs.quantize(model, tmp_path / "plain.parquet", bits=3)
    asked: list[float] = []

    def psnr(packed: bs.QuantizedModel) -> float:
        asked.append(nearness(packed))
        return asked[-1]

    report = bs.quantize(model, tmp_path / "out.parquet", bits=3, min_psnr=5, psnr=psnr)
    assert len(asked) == 1
    assert report.promoted == {}
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "plain.parquet").read_bytes()
    assert widths(report) == widths(plain)


def test_the_worst_get_more_bits(model: Path, tmp_path: Path) -> None:
    plain = bs.quantize(model, tmp_path / "plain.parquet", bits=2)
    start = nearness(bs.QuantizedModel(tmp_path / "plain.parquet"))
    report = bs.quantize(
        model, tmp_path / "new" / "out.parquet", bits=2, min_psnr=start + 1, psnr=nearness, promote=True
    )
    packed = bs.QuantizedModel(tmp_path / "new" / "out.parquet")
    assert nearness(packed) >= start + 1
    assert NAMES[3] in report.promoted, "the hardest is among them"
    before, now = widths(plain), widths(report)
    assert report.promoted == {name: (before[name], now[name]) for name in now if now[name] != before[name]}
    assert 2 <= len(report.promoted) < len(NAMES)
    assert widths(report) == {row["name"]: row["bits"] for row in pa.table(packed.tensors).to_pylist()}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.parquet"]


def test_the_worst_get_more_bits_by_themselves(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    plain = bs.quantize(model, out, bits=2)
    rows = pa.table(plain.tensors).to_pylist()
    least = sorted(row["sqnr"] for row in rows)[len(rows) // 2]
    report = bs.quantize(model, out, bits=2, min_sqnr=least, promote=True)
    worse = {row["name"] for row in rows if row["sqnr"] < least}
    assert report.promoted.keys() == worse
    assert 0 < len(worse) < len(NAMES)
    assert widths(report) == {name: report.promoted.get(name, (2, 2))[1] for name in widths(plain)}
    assert all(row["sqnr"] >= least for row in pa.table(report.tensors).to_pylist())

    asked = 0

    def psnr(packed: bs.QuantizedModel) -> float:
        nonlocal asked
        asked += 1
        return 0.0 if asked == 1 else 99.0

    both = bs.quantize(model, out, bits=2, min_sqnr=least, promote=True, min_psnr=20, psnr=psnr)
    assert {first for first, _ in both.promoted.values()} == {2}, (
        "what was asked for, not what the first pass gave"
    )
    assert both.promoted == {name: (2, now) for name, now in widths(both).items() if now != 2}
    assert sum(widths(both).values()) > sum(widths(report).values())


def test_a_policy_says_where_bits_begin(model: Path, tmp_path: Path) -> None:
    asked = 0

    def psnr(packed: bs.QuantizedModel) -> float:
        nonlocal asked
        asked += 1
        return 0.0 if asked == 1 else 99.0

    policy: dict[str, int | str] = {NAMES[0]: "keep", "*.up.*": 4, "*": 2}
    report = bs.quantize(model, tmp_path / "out.parquet", policy=policy, min_psnr=20, psnr=psnr, promote=True)
    now = widths(report)
    assert report.promoted
    assert now[NAMES[0]] is None
    for name in NAMES[1:]:
        first = 4 if ".up." in name else 2
        assert (first, now[name]) == report.promoted.get(name, (first, first))


def test_what_cannot_be_mended_leaves_nothing(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.parquet"

    def quantize(**options: object) -> None:
        bs.quantize(model, out, **options)  # type: ignore[arg-type]

    with pytest.raises(
        bs.WorkflowError, match=r"less than 200 dB, and every packed tensor has 8 bits"
    ) as raised:
        quantize(bits=8, min_psnr=200, psnr=nearness, promote=True)
    assert "hint: " in str(raised.value)
    for bits in ({"bits": 2}, {"budget": "12%"}):
        with pytest.raises(bs.WorkflowError, match=r"less than 60 dB\n\nhint: .*promote=True"):
            quantize(**bits, min_psnr=60, psnr=nearness)

    def raises(_: object) -> float:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        quantize(bits=4, min_psnr=20, psnr=raises)
    assert list(out.parent.iterdir()) == []


def test_what_cannot_be_asked(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(bs.UsageError, match="psnr: expected beside the other"):
        bs.quantize(model, out, min_psnr=20)
    with pytest.raises(bs.UsageError, match="min_psnr: expected beside the other"):
        bs.quantize(model, out, psnr=nearness)
    with pytest.raises(bs.UsageError, match="min_psnr: expected a number of decibels, got nan"):
        bs.quantize(model, out, min_psnr=float("nan"), psnr=nearness)
    with pytest.raises(TypeError, match="psnr: expected a function, got int"):
        bs.quantize(model, out, min_psnr=20, psnr=1)  # type: ignore[arg-type]
    with pytest.raises(bs.UsageError, match="promote: expected False beside `budget`"):
        bs.quantize(model, out, budget="12%", min_psnr=20, psnr=nearness, promote=True)
    number: Any = 1
    with pytest.raises(TypeError, match="promote: expected bool, got int"):
        bs.quantize(model, out, min_psnr=20, psnr=nearness, promote=number)
    with pytest.raises(bs.UsageError, match="resume: expected False beside `min_psnr`"):
        bs.quantize(model, out, min_psnr=20, psnr=nearness, resume=True)
    assert not out.exists()


@pytest.mark.asyncio
async def test_the_same_to_be_awaited(model: Path, tmp_path: Path) -> None:
    options = {"bits": 2, "min_psnr": 10.0, "psnr": nearness, "promote": True}
    report = await bs.quant.quantize_async(model, tmp_path / "a.parquet", **options)  # type: ignore[arg-type]
    same = bs.quantize(model, tmp_path / "b.parquet", **options)  # type: ignore[arg-type]
    assert report.promoted == same.promoted != {}
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize(
    "name", ["a[0].weight", "a*b", "a?b", "{a,b}", "a]b", "plain.weight", "a\\b", "kind:inner", "shape:4x16"]
)
def test_a_name_is_a_pattern_of_itself(name: str, tmp_path: Path) -> None:
    save_file({name: np.ones((4, 16), np.float32)}, tmp_path / "model.safetensors")
    report = bs.quantize(
        tmp_path / "model.safetensors", tmp_path / "out.parquet", bits=2, policy={literal(name): 8}
    )
    assert widths(report) == {name: 8}
