"""Workflows: documents, steps in Python, runs."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from bowstring import _bowstring
from bowstring._errors import UsageError, WorkflowError
from bowstring._progress import Line, wanted
from bowstring._report import Problem, Report
from bowstring._tables import AnyTable, Path

Event: TypeAlias = Mapping[str, Any]
"""What happened: `event`, `timestamp`, `run_id`, `step`, and more by the kind of event."""

Keep: TypeAlias = Literal["leaves", "all"] | Sequence[str]

Function = TypeVar("Function", bound=Callable[..., AnyTable])


class Workflow:
    """A workflow: steps, and what each needs.

    Args:
        name: Its name.
        description: What it is for.
        params: Its parameters by name: `{"threshold": {"type": "int", "default": 100}}`.
    """

    _origin: str = ""

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        params: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Begin without steps."""
        fields: dict[str, Any] = {"name": name}
        if description is not None:
            fields["description"] = description
        if params is not None:
            fields["params"] = params
        self._source: dict[str, Any] | _bowstring.Document = {**fields, "steps": []}

    @classmethod
    def from_yaml(cls, path: Path) -> Workflow:
        """Read a document from a file of YAML or JSON.

        Raises:
            NotFoundError: When there is no such file.
            InvalidWorkflowError: When it is not YAML.
        """
        workflow = cls.__new__(cls)
        workflow._source = _bowstring.Document.read(path)
        workflow._origin = os.fsdecode(path)
        return workflow

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Workflow:
        """Take a document as a mapping, with the keys that it would have in a file.

        Raises:
            TypeError: When it is no mapping, or holds what no document can, as a function.
        """
        if not isinstance(fields, Mapping):
            raise _wrong("fields", "a mapping", fields)
        _bowstring.Document.of(fields)
        workflow = cls.__new__(cls)
        workflow._source = dict(fields)
        if isinstance(steps := fields.get("steps"), list | tuple):
            workflow._source["steps"] = list(steps)
        return workflow

    def step(
        self,
        name: str,
        type: str,
        config: Mapping[str, Any] | None = None,
        *,
        depends_on: Sequence[str] = (),
        input: str | None = None,
        inputs: Mapping[str, str] | None = None,
        **fields: Any,  # noqa: ANN401 - any field of the document
    ) -> Workflow:
        """Add a step. Nothing is checked before the workflow is validated or run.

        Args:
            name: Its name, which no other step has.
            type: What it does: `"read"`, `"filter"`, the name of a `step` in Python, …
            config: What that takes.
            depends_on: The steps that it waits for.
            input: The step from which its one input comes.
            inputs: The steps from which its inputs come, by the inputs' names.
            fields: Any other field by its name in a document: `retry`, `timeout`, `resources`, `on_failure`.

        Returns:
            The workflow, so that calls can be chained.

        Raises:
            UsageError: When the workflow was read from a file, or its steps are no list.
        """
        if not isinstance(self._source, dict):
            message = "no step can be added to a workflow that was read from a file"
            raise UsageError(message)
        steps = self._source.setdefault("steps", [])
        if not isinstance(steps, list):
            message = "no step can be added where `steps` is no list"
            raise UsageError(message)
        step: dict[str, Any] = {"name": name, "type": type}
        if config is not None:
            step["config"] = config
        if depends_on:
            step["depends_on"] = [depends_on] if isinstance(depends_on, str) else list(depends_on)
        if input is not None:
            step["input"] = input
        if inputs is not None:
            if not isinstance(inputs, Mapping):
                raise _wrong("inputs", "a mapping of inputs to steps", inputs)
            step["inputs"] = dict(inputs)
        steps.append({**step, **fields})
        return self

    def __repr__(self) -> str:
        """Its name and its steps, or the file that it was read from."""
        if not isinstance(self._source, dict):
            return f"Workflow: {self._origin}"
        steps = self._source.get("steps")
        steps = [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else []
        lines = [f"\n  {step.get('name')}  {step.get('type')}" for step in steps]
        return f"Workflow: {self._source.get('name')}" + "".join(lines)

    def validate(self, *, params: Mapping[str, Any] | None = None) -> list[Problem]:
        """Check the whole document.

        Args:
            params: Values of its parameters by name.

        Returns:
            Everything that is wrong, in the order of the document; nothing when it can run.
        """
        return [Problem(**problem) for problem in self._document().problems(params)]

    def plan(self, *, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Show what would run. Files are opened for their schemas, and no row is read.

        Returns:
            The units that take a slot each, in the order of the document: `steps` (`name`, `type`,
            `depends_on`), of which several are fused into one plan, and `physical_plan`, which is `None`
            where a step is no relational one.

        Raises:
            InvalidWorkflowError: When the document is not valid.
            UsageError: When a step names a column that does not exist.
            NotFoundError: When a file does not exist.
        """
        return self._document().plan(params)

    def run(
        self,
        *,
        max_parallel: int | None = None,
        memory: int | str | None = None,
        params: Mapping[str, Any] | None = None,
        keep: Keep = "leaves",
        on_event: Callable[[Event], object] | None = None,
        progress: bool | None = None,
        check: bool = True,
    ) -> Report:
        """Run to the end.

        Args:
            max_parallel: Most steps that run at one time; as many as there are cores when `None`.
            memory: Most bytes that queries hold before they spill to disk, or a text such as `"512MiB"`.
            params: Values of the document's parameters by name.
            keep: The steps whose outputs the report can give: those on which no other depends, `"all"`, or
                those named.
            on_event: Called with each event, from a thread of its own. What it raises is printed.
            progress: Whether to show a line on stderr; on a terminal or in a notebook when `None`.
            check: Whether a run that does not complete is an exception.

        Raises:
            InvalidWorkflowError: When the document is not valid; nothing was started.
            WorkflowError: When the run does not complete; its `report` says why.
        """
        observers = _observers(on_event, progress)
        finished = self._document().run(params, max_parallel, memory, keep, observers)
        return _checked(Report(finished), check)

    async def run_async(
        self,
        *,
        max_parallel: int | None = None,
        memory: int | str | None = None,
        params: Mapping[str, Any] | None = None,
        keep: Keep = "leaves",
        on_event: Callable[[Event], object] | None = None,
        progress: bool | None = None,
        check: bool = True,
    ) -> Report:
        """As [`run`][bowstring.Workflow.run], to be awaited; cancelling the task cancels the run."""
        observers = _observers(on_event, progress)
        finished = await self._document().run_async(params, max_parallel, memory, keep, observers)
        return _checked(Report(finished), check)

    def _document(self) -> _bowstring.Document:
        return _bowstring.Document.of(self._source) if isinstance(self._source, dict) else self._source


def _wrong(name: str, expected: str, given: object, hint: str | None = None) -> TypeError:
    message = f"{name}: expected {expected}, got {type(given).__name__}"
    return TypeError(message if hint is None else f"{message}\n\nhint: {hint}")


def _observers(
    on_event: Callable[[Event], object] | None, progress: bool | None
) -> list[Callable[[Event], object]]:
    observers = [] if on_event is None else [on_event]
    if progress or (progress is None and wanted()):
        observers.append(Line())
    return observers


def _checked(report: Report, check: bool) -> Report:
    if not check or report["status"] == "completed":
        return report
    failure = report["error"]
    if failure is None:
        message = f"{report['name']} was cancelled"
    else:
        message = f"step `{failure['step']}`: {failure['message']}"
        if failure["hint"] is not None:
            message += f"\n\nhint: {failure['hint']}"
    error = WorkflowError(message)
    error.report = report
    if failure is not None:
        error.kind, error.hint = failure["kind"], failure["hint"]
    raise error


def step(name: str) -> Callable[[Function], Function]:
    """Make a step type of a function, for the rest of the process.

    The function gets its input as a `Table`, and its config as keyword arguments. Several inputs
    arrive as keyword arguments too, by their names in the document. It returns a table of any library
    with the Arrow interface. What it raises is the step's failure. It is called by a thread of the
    engine, and holds the interpreter only while it runs Python code; other steps go on meanwhile.

    The config is checked before anything runs: an argument that the function does not take is refused,
    as are a missing keyword-only argument without a default and, where the annotation is a plain type or a
    `Literal`, a value that is none.

    Args:
        name: The name by which documents call it. One of the same name is replaced.

    Raises:
        UsageError: When the name is empty, or that of a step type of bowstring itself.
        TypeError: When the name is no text, or the function is asynchronous.

    Example:
        ```python
        @bs.step("double")
        def double(table, *, column: str):
            return bs.Frame(table).with_columns(**{column: f"{column} * 2"})
        ```
    """
    if not isinstance(name, str):
        hint = 'name the step type, as in `@bs.step("name")`' if callable(name) else None
        raise _wrong("name", "a str", name, hint)
    if not name:
        message = "a step type needs a name"
        raise UsageError(message)

    def register(function: Function) -> Function:
        if inspect.iscoroutinefunction(function):
            message = f"step `{name}`: an asynchronous function cannot be a step"
            raise TypeError(message)
        schema, positional = _config_schema(function)
        description = (inspect.getdoc(function) or "A step in Python.").splitlines()[0]
        _bowstring.register_step(name, description, schema, positional, function)
        return function

    return register


def _config_schema(function: Callable[..., object]) -> tuple[dict[str, Any], bool]:
    """The JSON Schema of what a function takes beside its input, and whether it takes that by position."""
    parameters = list(inspect.signature(function).parameters.values())
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = bool(parameters) and parameters[0].kind in by_position
    config = parameters[1:] if positional else parameters
    try:
        hints = typing.get_type_hints(function)
    except Exception:
        hints = {}
    named = [p for p in config if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL, p.POSITIONAL_ONLY)]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {p.name: _value_schema(hints.get(p.name)) for p in named},
        "additionalProperties": any(p.kind is p.VAR_KEYWORD for p in config),
    }
    required = [p.name for p in named if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if positional and required:
        schema["required"] = required
    return schema, positional


_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def _value_schema(hint: object) -> dict[str, Any]:
    if isinstance(hint, type) and hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    origin = typing.get_origin(hint)
    if origin is Literal:
        return {"enum": list(typing.get_args(hint))}
    if origin in (list, dict):
        return {"type": _PLAIN[origin]}
    return {}
