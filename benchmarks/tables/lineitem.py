"""The data of these benchmarks: TPC-H's lineitem, as tpchgen-cli makes it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def lineitem(scale: float, folder: Path) -> Path:
    """Generates the table once as Parquet and returns its path."""
    path = folder / f"sf{scale:g}" / "lineitem.parquet"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        command = ["tpchgen-cli", "parquet", "-s", f"{scale:g}", "--tables", "lineitem"]
        subprocess.run([*command, f"--output-dir={path.parent}"], check=True)
    return path
