"""Which sections hold the largest packages? Bowstring reads and joins, polars takes the answer.

Run it with the folder that holds `packages.parquet`: `python tables.py ../debian-packages/data`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

import bowstring as bs


def largest(data: Path, weights: pl.DataFrame) -> pl.DataFrame:
    """Sum up sizes by section, weighted by a table of polars, which is not copied."""
    packages = bs.scan_parquet(data / "packages.parquet", filter="installed_size is not null")
    return (
        packages.join(weights, "section")
        .aggregate(["section"], packages="count(*)", size="sum(installed_size * weight)")
        .sort("size desc")
        .to_polars()
    )


if __name__ == "__main__":
    weights = pl.DataFrame({"section": ["libs", "science"], "weight": [1.0, 0.5]})
    print(largest(Path(sys.argv[1]), weights))
