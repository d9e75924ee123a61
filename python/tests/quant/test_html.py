"""Is a page about a model whole, alone and harmless?"""

from __future__ import annotations

import base64
import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from safetensors.numpy import save_file

import bowstring as bs

RANDOM = np.random.default_rng(4)
NAMES = ["a.weight", "<script>alert(1)</script>.weight", "norm.weight"]


class Page(HTMLParser):
    """The elements of a page, those that load something, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.described: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data") and value and not value.startswith("#"):
                self.loaded.append(value)
            if name in ("alt", "aria-label") and value:
                self.described.append(value)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def report(tmp_path: Path) -> bs.QuantizationReport:
    weights = {name: RANDOM.standard_normal((16, 64)).astype(np.float32) for name in NAMES[:2]}
    weights["norm.weight"] = np.ones(64, np.float32)
    save_file(weights, tmp_path / "model.safetensors")
    return bs.quantize(tmp_path / "model.safetensors", tmp_path / "packed.parquet", bits=3)


def test_a_page_has_all_of_it_and_needs_nothing_else(report: bs.QuantizationReport, tmp_path: Path) -> None:
    images = {name: RANDOM.uniform(-1, 1, (20, 1, 8, 8)) for name in ("full", "3 bits <b>")}
    compared = bs.quant.compare_samples(images["full"], images["3 bits <b>"], span=2.0)
    out = tmp_path / "new" / "report.html"
    bs.quant.html_report(
        report, out, title="A & B", samples=images, path_kl=[3.0, 0.5, 0.25], compared=compared
    )
    page = Page(out)
    assert {"html", "h1", "svg", "img", "table"} <= set(page.tags)
    assert not {"script", "link", "iframe", "object", "b"} & set(page.tags)
    assert [value.partition(",")[0] for value in page.loaded] == ["data:image/png;base64"] * 2
    assert not re.search(r"url\((?!#)|@import", out.read_text(encoding="utf-8"))
    assert page.tags.count("svg") == 3
    assert len(page.described) == 5
    for text in (
        "A & B",
        *NAMES,
        "2 of 3 tensors are packed",
        "PSNR, dB",
        "Bits of 2 packed tensors: 3 to 3 bits of a weight",
        "Divergence along the path: 3.75 nats",
    ):
        assert text in page.text, text
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_samples_share_black_and_white(report: bs.QuantizationReport, tmp_path: Path) -> None:
    drawn = RANDOM.uniform(0, 1, (1, 3, 8, 8))
    drawn.flat[:2] = 0, 1
    bs.quant.html_report(report, tmp_path / "a.html", samples={"full": drawn, "darker": drawn / 2})
    shown = [base64.b64decode(value.partition(",")[2]) for value in Page(tmp_path / "a.html").loaded]
    full, darker = (matplotlib.image.imread(io.BytesIO(png))[1:-1, 1:-1, :3] for png in shown)
    # Eight bits a channel, the last one as they were rounded.
    assert np.abs(full - drawn[0].transpose(1, 2, 0)).max() < 1 / 200
    assert np.abs(darker - full / 2).max() < 1 / 100


def test_the_same_input_gives_the_same_bytes(report: bs.QuantizationReport, tmp_path: Path) -> None:
    pages = []
    for name in ("a.html", "b.html"):
        bs.quant.html_report(report, tmp_path / name, path_kl=[1.0, 2.0], samples={"x": np.eye(8)[None]})
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_a_packed_model_has_a_page_too(report: bs.QuantizationReport, tmp_path: Path) -> None:
    bs.quant.html_report(report, tmp_path / "a.html")
    bs.quant.html_report(bs.QuantizedModel(tmp_path / "packed.parquet"), tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    save_file({"norm.weight": np.ones(4, np.float32)}, tmp_path / "norms.safetensors")
    plain = bs.quantize(tmp_path / "norms.safetensors", tmp_path / "norms.parquet")
    bs.quant.html_report(plain, tmp_path / "c.html")
    assert "0 of 1 tensors are packed" in Page(tmp_path / "c.html").text


def test_what_cannot_be_drawn(report: bs.QuantizationReport, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    with pytest.raises(bs.DataError, match="path_kl: expected finite numbers"):
        bs.quant.html_report(report, out, path_kl=[1.0, float("nan")])
    with pytest.raises(bs.DataError, match="path_kl: expected finite numbers, at least one"):
        bs.quant.html_report(report, out, path_kl=[])
    with pytest.raises(bs.UsageError, match=r"samples of `x`: expected image, channel \(1 or 3\)"):
        bs.quant.html_report(report, out, samples={"x": np.zeros((2, 2, 8, 8))})
    with pytest.raises(bs.UsageError, match="samples of `x`: expected numbers"):
        bs.quant.html_report(report, out, samples={"x": np.array([["a"]])})
    with pytest.raises(bs.DataError, match="samples of `x`: some are NaN or infinite"):
        bs.quant.html_report(report, out, samples={"x": np.full((1, 8, 8), np.inf)})
    assert not out.exists()


def test_without_matplotlib_the_error_says_what_brings_it(
    report: bs.QuantizationReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "bowstring\[report\]"'):
        bs.quant.html_report(report, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
