"""A workflow with a step in Python, and the same step for the command line.

Run it with a folder of data, `python steps.py ../debian-packages/data`, or let the command import it:
`bowstring run some-workflow.yaml --import steps`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import bowstring as bs


@bs.step("initials")
def initials(table: bs.Table, *, column: str, length: int = 1) -> pa.Table:
    """Shorten a column of text to its first letters."""
    rows = table.to_pyarrow()
    index = rows.column_names.index(column)
    return rows.set_column(index, column, pc.utf8_slice_codeunits(rows[column], 0, length))


def letters(data: Path) -> bs.Workflow:
    """Count packages by their first letter."""
    workflow = bs.Workflow("letters", params={"length": {"type": "int", "default": 1}})
    workflow.step("packages", "read", {"path": str(data / "packages.parquet"), "columns": ["name"]})
    workflow.step("short", "initials", {"column": "name", "length": "${length}"}, input="packages")
    workflow.step("count", "aggregate", {"by": ["name"], "aggs": {"packages": "count(*)"}}, input="short")
    return workflow.step("top", "sort", {"by": ["packages desc", "name"]}, input="count")


if __name__ == "__main__":
    report = letters(Path(sys.argv[1])).run()
    print(report)
    print(report.output("top"))
