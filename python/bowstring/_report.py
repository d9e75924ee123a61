"""What a run came to, and what is wrong with a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from bowstring._bowstring import Finished, Table


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a workflow document.

    Attributes:
        message: What is wrong.
        hint: How to mend it.
        source: The file's name; empty for a document that was made from a mapping.
        line: The line, from 1; `None` for a document that was made from a mapping.
        column: The column in characters, from 1.
        path: Keys and indices from the root, as `steps[1].config.query`.
    """

    message: str
    hint: str | None
    source: str
    line: int | None
    column: int | None
    path: str

    @property
    def location(self) -> str:
        """Where it is: `file:line:column`, or the path."""
        if self.line is not None:
            return f"{self.source}:{self.line}:{self.column}"
        return ": ".join(part for part in (self.source, self.path) if part) or "the document"

    def __str__(self) -> str:
        """Say where, what, and how to mend it."""
        hint = "" if self.hint is None else f"\n  hint: {self.hint}"
        return f"{self.location}: {self.message}{hint}"


class Report(Mapping[str, Any]):
    """What happened in a run: a mapping, and the outputs that were kept.

    The keys are `run_id`, `name`, `status` (`"completed"`, `"failed"` or `"cancelled"`),
    `execution_time_ms`, `total_steps`, `steps_executed`, `cached_steps`, `failed_steps`, `skipped_steps`,
    `peak_parallelism`, `error`, and `steps`, which has a mapping for each step. Nothing in it is estimated:
    what was not measured is `None`.
    """

    __slots__ = ("_finished", "_report")

    def __init__(self, finished: Finished) -> None:
        """Wrap a finished run."""
        self._finished = finished
        self._report: dict[str, Any] = finished.report()

    def output(self, step: str) -> Table | Path:
        """Give the output of a step: a table, or the path of the file that it wrote.

        Raises:
            UsageError: When there is no such step, it was not kept, or it made nothing.
        """
        return self._finished.output(step)

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain dicts, which `json.dump` takes."""
        return self._finished.report()

    @property
    def exit_code(self) -> int:
        """The exit code with which `bowstring run` would have ended."""
        return self._finished.exit_code

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - a report holds texts, numbers and mappings
        """Give one entry."""
        return self._report[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._report)

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._report)

    def __repr__(self) -> str:
        """Show the outcome, and a line for each step."""
        lines = [f"Report: {self._headline()}"]
        width = max((len(name) for name in self["steps"]), default=0)
        lines.extend(f"  {name:{width}}  {_summary(row)}" for name, row in self["steps"].items())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{row['state']}</td><td>{_number(row['rows'])}</td>"
            f"<td>{_number(row['run_ms'])}</td></tr>"
            for name, row in self["steps"].items()
        )
        head = "<tr><th>step</th><th>state</th><th>rows</th><th>ms</th></tr>"
        return (
            f"<table><caption>{escape(self._headline())}</caption><thead>{head}</thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def _headline(self) -> str:
        return f"{self['name']} {self['status']} in {self['execution_time_ms']:.1f} ms"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}"


def _summary(row: Mapping[str, Any]) -> str:
    parts = [row["state"]]
    if row["run_ms"] is not None:
        parts.append(f"{row['run_ms']:.1f} ms")
    if row["rows"] is not None:
        parts.append(f"{row['rows']:,} rows")
    if row["fused_into"] is not None:
        parts.append(f"fused into {row['fused_into']}")
    if row["error"] is not None:
        parts.append(row["error"]["message"].splitlines()[0])
    return ", ".join(parts)
