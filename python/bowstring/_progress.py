"""A line on the terminal, or in the notebook, while a workflow runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


class Line:
    """Shows how many steps are done and which are running, in one line of stderr."""

    def __init__(self) -> None:
        self._total = 0
        self._done = 0
        self._running: dict[str, None] = {}
        self._width = 0

    def __call__(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "run_started":
                self._total = event["total_steps"]
            case "step_started":
                self._running[event["step"]] = None
            case "step_finished":
                self._running.pop(event["step"], None)
                self._done += 1
            case "run_finished":
                self._show("")
                return
        self._show(f"{self._done}/{self._total} {', '.join(self._running)}"[:79])

    def _show(self, text: str) -> None:
        sys.stderr.write(f"\r{text:{self._width}}" if text else f"\r{'':{self._width}}\r")
        sys.stderr.flush()
        self._width = len(text)


def wanted() -> bool:
    """Whether there is somebody to show it to: a terminal or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
