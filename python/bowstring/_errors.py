"""What can go wrong. Every exception of the package is a `BowstringError` and the built-in that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bowstring._report import Problem, Report


class BowstringError(Exception):
    """Above everything that the package raises on its own account.

    Raised itself only for a bug of ours, which you may report.

    Attributes:
        kind: What kind of failure it was, as in a report: `"data"`, `"not_found"`, `"usage"`, …
        hint: How to mend it, where that is known. It stands in the message too.
    """

    kind: str = "internal"
    hint: str | None = None


class UsageError(BowstringError, ValueError):
    """An argument, a column's name or a type that can be seen to be wrong before data is read."""

    kind = "usage"


class InvalidWorkflowError(UsageError):
    """A workflow document that is not valid.

    Attributes:
        problems: Everything that is wrong with it, with its place.
    """

    kind = "invalid_workflow"
    problems: Sequence[Problem] = ()

    def _with_problems(self, problems: Sequence[Mapping[str, Any]]) -> None:
        from bowstring._report import Problem

        self.problems = [Problem(**problem) for problem in problems]


class WorkflowError(BowstringError, RuntimeError):
    """A workflow ran and did not complete.

    Attributes:
        report: What happened.
    """

    kind = "failed"
    report: Report | None = None


class DataError(BowstringError, ValueError):
    """Data that is malformed, or does not fit what was asked of it."""

    kind = "data"


class NotFoundError(BowstringError, FileNotFoundError):
    """A file or folder that does not exist."""

    kind = "not_found"


class StorageError(BowstringError, OSError):
    """Reading or writing files, or the network, failed."""

    kind = "storage"


class StepTimeoutError(BowstringError, TimeoutError):
    """A limit of time was reached."""

    kind = "timeout"


class LimitError(BowstringError, MemoryError):
    """A limit of memory or size was reached."""

    kind = "limit"


class CancelledError(BowstringError):
    """The work was asked to stop, and did."""

    kind = "cancelled"
