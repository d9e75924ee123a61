"""The calls of the earlier `workflow_rust`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bowstring import Workflow


class RustWorkflowEngine:
    """Runs workflows that are given as mappings.

    Args:
        max_parallel: Most steps that run at one time; as many as there are cores when `None`.
    """

    def __init__(self, max_parallel: int | None = None) -> None:
        """Remember how much may run at one time."""
        self.max_parallel = max_parallel

    def execute_workflow(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Run a workflow to its end.

        Returns:
            The report.

        Raises:
            InvalidWorkflowError: When the document is not valid; nothing was started.
            WorkflowError: When the run does not complete; its `report` says why.
        """
        return Workflow.from_dict(config).run(max_parallel=self.max_parallel).to_dict()


def workflow_rust_available() -> bool:
    """Say that the engine is there: without it this module could not be imported."""
    return True
