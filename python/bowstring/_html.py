"""What is known of a quantised model, on one page that needs nothing else."""

from __future__ import annotations

import base64
import io
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from bowstring._errors import DataError, UsageError
from bowstring._quant import QuantizationReport, QuantizedModel

if TYPE_CHECKING:
    import numpy.typing as npt

    from bowstring._samples import SampleReport
    from bowstring._tables import Path

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
h1, h2 { line-height: 1.2 } figure { margin: 1rem 0; overflow-x: auto } figcaption { color: #57606a }
svg { max-width: 100%; height: auto } table { border-collapse: collapse; font-size: 14px }
td, th { padding: .2rem .6rem; border-bottom: 1px solid #d0d7de; text-align: right; white-space: nowrap }
td:first-child, th:first-child { text-align: left } .scroll { overflow-x: auto }
img { image-rendering: pixelated; display: block; width: 100%; max-width: 60rem }
"""

COLOUR = "#00796b"
SHOWN = 12
"""How many samples of each model are shown at the most."""


def html_report(
    report: QuantizationReport | QuantizedModel,
    out: Path,
    *,
    title: str = "Quantized model",
    samples: Mapping[str, npt.ArrayLike] | None = None,
    path_kl: Sequence[float] | None = None,
    compared: SampleReport | None = None,
) -> None:
    """Write a page about a quantised model: one file that needs no network, with plots by matplotlib.

    It has the ratio of signal to noise and the bits of each packed tensor, all tensors as a table, and where
    they are given the divergence by timestep, figures of samples, and samples beside each other. The same
    input gives the same bytes.

    Args:
        report: What `quantize` has said, or a packed model.
        out: The file, which appears as a whole or not at all; folders above it are made.
        title: What stands above.
        samples: Images of some models, by a name for each: image, channel, row, column with one channel or
            three, or image, row, column. The least of all values is black, the greatest white. The first 12
            are shown.
        path_kl: The divergence of each step, in nats, the first step first, as `PathKl.steps` has it.
        compared: Figures of the samples.

    Raises:
        ImportError: Without matplotlib, which `pip install "bowstring[report]"` brings.
        DataError: When a number that is to be drawn is NaN or infinite.
        UsageError: When samples are no images.
        StorageError: When the file cannot be written.

    Examples:
        >>> report = bs.quantize(folder / "model.safetensors", folder / "packed.parquet")
        >>> bs.quant.html_report(report, folder / "report.html", title="Four bits")
        >>> "<h1>Four bits</h1>" in (folder / "report.html").read_text(encoding="utf-8")
        True
    """
    tensors = report.tensors
    names = ("name", "stored", "bits", "group_size", "bytes_before", "bytes", "sqnr", "relative_error")
    columns = {name: tensors[name].to_pylist() for name in names}
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    packed = [row for row in rows if row["bits"] is not None]
    parts = [summary(rows, packed)]
    if compared is not None:
        parts.append(figures(compared))
    if packed:
        parts.append(bars("Signal to noise", "decibels", packed, lambda row: row["sqnr"]))
        parts.append(bars("Bits", "bits of a weight", packed, lambda row: row["bits"]))
    if path_kl is not None:
        parts.append(line("Divergence along the path", "step", "nats", path_kl))
    if samples:
        parts.append(sheet(samples))
    parts.append(table(rows))
    page = (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n{''.join(parts)}</body>\n</html>\n"
    )
    write(FilePath(os.fspath(out)), page)


def write(out: FilePath, page: str) -> None:
    """Write a file that appears as a whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        made = FilePath(folder) / out.name
        made.write_text(page, encoding="utf-8", newline="\n")
        made.replace(out)


def summary(rows: list[dict[str, Any]], packed: list[dict[str, Any]]) -> str:
    """Say how many there are, and what they take."""
    before, after = (sum(row[name] for row in rows) for name in ("bytes_before", "bytes"))
    share = f", {100 * after / before:.1f} %" if before else ""
    text = f"{len(packed)} of {len(rows)} tensors are packed. {before:,} bytes before, {after:,} now{share}."
    if packed:
        worst = min(packed, key=lambda row: float(row["sqnr"]))
        text += f" The least ratio of signal to noise is {worst['sqnr']:.1f} dB, of {worst['name']}."
    return f"<p>{escape(text)}</p>\n"


def figures(compared: SampleReport) -> str:
    """Write figures of samples, with their intervals of 95 %."""
    lines = [("samples", f"{compared.count:,}"), ("PSNR, dB", str(compared.psnr))]
    if compared.frechet is not None:
        lines.append(("Fréchet distance", str(compared.frechet)))
    if compared.path_kl is not None:
        lines.append(("path KL, nats", str(compared.path_kl)))
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in lines)
    return f"<h2>Samples</h2>\n<table>{cells}</table>\n"


def bars(title: str, unit: str, rows: list[dict[str, Any]], height: Callable[[dict[str, Any]], float]) -> str:
    """Draw a bar for each tensor, in the order of the model."""
    import math

    heights = [float(height(row)) for row in rows]
    # What is not off at all has no height; it is the table that says so.
    drawn = [value if math.isfinite(value) else 0.0 for value in heights]

    def draw(axes: Any) -> None:  # noqa: ANN401 - matplotlib has no types of its own
        axes.bar(range(len(drawn)), drawn, color=COLOUR)
        axes.set_ylabel(unit)
        axes.set_xlabel("packed tensor, in the order of the model")
        axes.margins(x=0.01)

    low, high = min(drawn), max(drawn)
    return figure(title, f"{title} of {len(rows)} packed tensors: {low:.3g} to {high:.3g} {unit}", draw)


def line(title: str, along: str, unit: str, values: Sequence[float]) -> str:
    """Draw how a number goes."""
    import math

    numbers = [float(value) for value in values]
    if not numbers or not all(map(math.isfinite, numbers)):
        raise DataError("path_kl: expected finite numbers, at least one")

    def draw(axes: Any) -> None:  # noqa: ANN401
        axes.plot(range(len(numbers)), numbers, color=COLOUR, marker=".")
        axes.set_xlabel(along)
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=min(0.0, *numbers))

    return figure(title, f"{title}: {sum(numbers):.4g} {unit} in {len(numbers)} steps", draw)


def figure(title: str, words: str, draw: Callable[[Any], None]) -> str:
    """Draw one plot as SVG, with what it shows in words."""
    plots = matplotlib()
    with plots.rc_context({"svg.hashsalt": "bowstring", "svg.fonttype": "none", "font.family": "sans-serif"}):
        drawn = plots.figure.Figure(figsize=(10, 3), layout="constrained")
        axes = drawn.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        text = io.StringIO()
        drawn.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{escape(words)}"', 1)
    return f"<h2>{escape(title)}</h2>\n<figure>{svg}<figcaption>{escape(words)}</figcaption></figure>\n"


def sheet(samples: Mapping[str, npt.ArrayLike]) -> str:
    """Show the first samples of each model beside each other."""
    import numpy as np

    images = {name: pictures(name, made) for name, made in samples.items()}
    least = min(float(made.min()) for made in images.values())
    greatest = max(float(made.max()) for made in images.values())
    span = greatest - least or 1.0
    parts = ["<h2>Samples beside each other</h2>\n"]
    for name, made in images.items():
        framed = np.pad((made - least) / span, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)
        stripe = np.concatenate(list(framed), axis=1)
        png = io.BytesIO()
        matplotlib().image.imsave(png, stripe, format="png", metadata={"Software": None})
        data = base64.b64encode(png.getvalue()).decode()
        words = f"{len(made)} samples of {name}"
        parts.append(
            f'<figure><img alt="{escape(words)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{escape(name)}</figcaption></figure>\n"
        )
    return "".join(parts)


def pictures(name: str, made: npt.ArrayLike) -> npt.NDArray[Any]:
    """Give the first images with three channels on the last axis."""
    import numpy as np

    images = np.asarray(made)
    if images.dtype.kind not in "fiu":
        raise UsageError(f"samples of `{name}`: expected numbers, got {images.dtype}")
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise UsageError(
            f"samples of `{name}`: expected image, channel (1 or 3), row, column, got {images.shape}"
        )
    shown = images[:SHOWN].astype(np.float64).transpose(0, 2, 3, 1)
    if not np.isfinite(shown).all():
        raise DataError(f"samples of `{name}`: some are NaN or infinite")
    return np.repeat(shown, 3, axis=3) if shown.shape[3] == 1 else shown


def table(rows: list[dict[str, Any]]) -> str:
    """Write all tensors."""
    heads = ["tensor", "stored", "bits", "group", "bytes before", "bytes", "dB", "relative error"]

    def cells(row: dict[str, Any]) -> list[str]:
        group = {None: "", 0: "channel"}.get(row["group_size"], str(row["group_size"]))
        ratio, error = row["sqnr"], row["relative_error"]
        return [
            row["name"],
            row["stored"],
            "" if row["bits"] is None else str(row["bits"]),
            group,
            f"{row['bytes_before']:,}",
            f"{row['bytes']:,}",
            "" if ratio is None else f"{ratio:.1f}",
            "" if error is None else f"{error:.2e}",
        ]

    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row)) + "</tr>" for row in rows
    )
    return (
        f'<h2>Tensors</h2>\n<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>\n"
    )


def matplotlib() -> Any:  # noqa: ANN401
    """Give the plotting library."""
    try:
        import matplotlib.figure
        import matplotlib.image
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "bowstring[report]"') from error
    return matplotlib
