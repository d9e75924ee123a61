"""Several workflows at one time in one event loop, with progress of their own.

Run it with a folder of data: `python many.py ../debian-packages/data`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bowstring as bs


def section(data: Path, name: str) -> bs.Workflow:
    """Find the largest package of a section."""
    workflow = bs.Workflow(name)
    workflow.step("packages", "read", {"path": str(data / "packages.parquet")})
    workflow.step("own", "filter", {"query": f"section = '{name}'"}, input="packages")
    workflow.step("sorted", "sort", {"by": ["installed_size desc", "name"]}, input="own")
    return workflow.step("largest", "limit", {"n": 1}, input="sorted")


async def largest(data: Path, sections: list[str]) -> dict[str, str]:
    """Name the largest package of each section."""

    def on_event(event: Mapping[str, Any]) -> None:
        if event["event"] == "run_finished":
            print(f"{event['run_id']} {event['status']} in {event['execution_time_ms']} ms")

    runs = (section(data, name).run_async(on_event=on_event) for name in sections)
    answers = {}
    for name, report in zip(sections, await asyncio.gather(*runs), strict=True):
        table = report.output("largest")
        assert isinstance(table, bs.Table)
        answers[name] = table.to_pyarrow()["name"][0].as_py()
    return answers


if __name__ == "__main__":
    print(asyncio.run(largest(Path(sys.argv[1]), ["libs", "science", "math"])))
