"""Reading text files whole: `python benchmarks/tables/text.py [--scale 1] [--runs N]`.

TPC-H lineitem as CSV, as CSV whose texts are all quoted and hold newlines, quotes and letters beyond
ASCII, and as NDJSON, read into memory by each reader with its own types: in one process, in turn, with
as many threads as there are cores each. What was read is compared in every run.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
from lineitem import lineitem

import bowstring as bs

# What each contender takes when it is not told; DuckDB is told.
THREADS = os.cpu_count() or 1

Answer = tuple[int, float, int]

QUOTED = """
SELECT l_orderkey AS id, l_quantity, l_shipinstruct || chr(10) || l_comment AS lines,
       l_shipmode || ', "é日本"' AS letters, l_comment AS l_comment
"""


def files(scale: float, folder: Path) -> dict[str, Path]:
    """Generates the files once and returns their paths."""
    source = lineitem(scale, folder)
    folder = source.parent
    wanted = {
        "CSV, numbers and dates": ("lineitem.csv", "SELECT *", "FORMAT csv, HEADER"),
        "CSV, quoted": (
            "quoted.csv",
            QUOTED,
            "FORMAT csv, HEADER, FORCE_QUOTE (lines, letters, l_comment)",
        ),
        "NDJSON": ("lineitem.ndjson", "SELECT *", "FORMAT json"),
    }
    for name, select, form in wanted.values():
        if not (folder / name).exists():
            duckdb.sql(f"COPY ({select} FROM '{source}') TO '{folder / name}' ({form})")
    return {title: folder / name for title, (name, _, _) in wanted.items()}


def answer(table: object) -> Answer:
    """Rows, the sum of the quantities, and the characters of the comments."""
    columns = pa.table(table)
    characters = pc.utf8_length(columns["l_comment"].cast(pa.large_string()))
    quantity = pc.sum(columns["l_quantity"].cast(pa.float64())).as_py()
    return columns.num_rows, quantity, pc.sum(characters).as_py()


def contenders(path: Path) -> dict[str, Callable[[], object]]:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
    name = str(path)
    if path.suffix == ".ndjson":
        return {
            "Bowstring": lambda: bs.read_json(name),
            "polars": lambda: pl.read_ndjson(name),
            "DuckDB": lambda: connection.sql(f"FROM read_ndjson('{name}')").to_arrow_table(),
            "pyarrow": lambda: pa.json.read_json(name),
        }
    parse = pa.csv.ParseOptions(newlines_in_values=path.stem == "quoted")
    return {
        "Bowstring": lambda: bs.read_csv(name),
        "polars": lambda: pl.read_csv(name, try_parse_dates=True),
        "polars, dates left as text": lambda: pl.read_csv(name),
        "DuckDB": lambda: connection.sql(f"FROM read_csv('{name}')").to_arrow_table(),
        "pyarrow": lambda: pa.csv.read_csv(name, parse_options=parse),
    }


def measure(title: str, path: Path, runs: int) -> list[str]:
    runners = contenders(path)
    expected = answer(runners["DuckDB"]())
    wall: dict[str, list[float]] = {name: [] for name in runners}
    cpu: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(runs):
        for name, run in runners.items():
            begin, begin_cpu = time.perf_counter(), time.process_time()
            table = run()
            wall[name].append(time.perf_counter() - begin)
            cpu[name].append(time.process_time() - begin_cpu)
            found = answer(table)
            if found != expected:
                raise SystemExit(f"error: {name} reads {found} from {path}, not {expected}")
    size = path.stat().st_size >> 20
    return [
        f"| {title}, {size} MiB | {name} | {min(wall[name]):.2f} | {statistics.median(wall[name]):.2f} "
        f"| {statistics.median(cpu[name]):.2f} |"
        for name in runners
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1, help="TPC-H scale factor (default 1)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each contender (default 5)")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "bowstring-tpch")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()

    rows = [
        f"Text files of lineitem SF{options.scale:g} read whole, {options.runs} runs in turn,",
        f"{platform.machine()}, {os.cpu_count()} cores, {THREADS} threads each; what was read is equal.",
        "",
        "| file | reader | best s | median s | CPU s |",
        "| --- | --- | --- | --- | --- |",
    ]
    for title, path in files(options.scale, options.data).items():
        rows += measure(title, path, options.runs)
    text = "\n".join(rows) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
