"""Workflows: documents, runs, reports, steps in Python, events."""

from __future__ import annotations

import asyncio
import ctypes
import json
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pytest
from conftest import NUMBERS

import bowstring as bs

Event = Mapping[str, Any]


def two_steps(path: Path | str, query: str = "value > 100") -> dict[str, Any]:
    """The earlier design's dictionary."""
    return {
        "name": "data_pipeline",
        "steps": [
            {"name": "read", "type": "read", "config": {"input": path}},
            {"name": "filter", "type": "filter", "config": {"query": query}, "depends_on": ["read"]},
        ],
    }


def sleeps(count: int, duration: str = "10ms") -> bs.Workflow:
    workflow = bs.Workflow("sleeps")
    for index in range(count):
        workflow.step(f"s{index}", "sleep", {"duration": duration})
    return workflow


def test_the_earlier_dictionary_runs_as_it_stands(numbers: Path) -> None:
    report = bs.Workflow.from_dict(two_steps(numbers)).run()
    assert report["status"] == "completed"
    assert report["steps_executed"] == 2
    assert report["failed_steps"] == 0
    table = report.output("filter")
    assert isinstance(table, bs.Table)
    assert table.to_pyarrow().to_pydict() == {"id": [2, 3], "name": ["bee", None], "value": [150.0, 250.0]}


def test_a_report_is_a_mapping_of_plain_values(numbers: Path) -> None:
    report = bs.Workflow.from_dict(two_steps(numbers)).run()
    assert list(report) == [
        "run_id",
        "name",
        "status",
        "execution_time_ms",
        "total_steps",
        "steps_executed",
        "cached_steps",
        "failed_steps",
        "skipped_steps",
        "peak_parallelism",
        "error",
        "steps",
    ]
    assert len(report) == 12
    assert json.loads(json.dumps(report.to_dict())) == dict(report)
    assert report["steps"]["filter"]["rows"] == 2
    assert report["steps"]["read"]["fused_into"] == "filter"
    assert report.exit_code == 0
    text = repr(report)
    assert text.startswith("Report: data_pipeline completed in ")
    assert "fused into filter" in text
    assert "<td>filter</td><td>succeeded</td><td>2</td>" in report._repr_html_()


def test_a_document_from_a_file(tmp_path: Path, numbers: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(
        f"""
version: 1
name: flow
params:
  least: {{type: int, default: 100}}
steps:
  - {{name: read, type: read, config: {{path: "{numbers}"}}}}
  - {{name: large, type: filter, config: {{query: "value > ${{least}}"}}, input: read}}
  - {{name: save, type: write, config: {{path: "{tmp_path}/out/large.csv"}}, input: large}}
"""
    )
    workflow = bs.Workflow.from_yaml(path)
    assert workflow.validate() == []
    report = workflow.run(params={"least": 200}, keep="all")
    assert report.output("save") == tmp_path / "out" / "large.csv"
    assert (tmp_path / "out" / "large.csv").read_text() == "id,name,value\n3,,250.0\n"
    table = report.output("large")
    assert isinstance(table, bs.Table)
    assert table.num_rows == 1
    with pytest.raises(bs.UsageError, match="read from a file"):
        workflow.step("more", "limit", {"n": 1})
    with pytest.raises(bs.InvalidWorkflowError, match="least"):
        workflow.run(params={"least": "many"})


def test_the_builder(numbers: Path) -> None:
    workflow = (
        bs.Workflow("built", description="what it is for", params={"n": {"type": "int", "default": 1}})
        .step("read", "read", {"path": numbers})
        .step("few", "limit", {"n": "${n}"}, input="read", timeout="10s")
        .step("other", "limit", {"n": 1}, depends_on=["read"])
        .step("both", "union", inputs={"a": "few", "b": "other"})
    )
    report = workflow.run(params={"n": 2}, keep=["both", "few"])
    both = report.output("both")
    assert isinstance(both, bs.Table)
    assert both.num_rows == 3
    for name, message in {
        "other": "was not kept",
        "bot": r"(?s)no step `bot`.*did you mean `both`\?",
    }.items():
        with pytest.raises(bs.UsageError, match=message):
            report.output(name)


def test_plan_shows_what_is_fused(numbers: Path) -> None:
    units = bs.Workflow.from_dict(two_steps(numbers)).plan()
    assert [[step["name"] for step in unit["steps"]] for unit in units] == [["read", "filter"]]
    assert "predicate=value > 100" in units[0]["physical_plan"]


def test_all_problems_at_once_with_their_places(tmp_path: Path) -> None:
    fields = {
        "steps": [
            {"name": "a", "type": "raed", "config": {"path": "x.parquet"}},
            {"name": "b", "type": "filter", "config": {"qery": "1 = 1"}, "input": "a"},
        ]
    }
    problems = bs.Workflow.from_dict(fields).validate()
    assert [(problem.path, problem.hint) for problem in problems] == [
        ("steps[0].type", "did you mean `read`?"),
        ("steps[1].config.qery", "did you mean `query`?"),
    ]
    assert problems[0].location == "steps[0].type"
    assert str(problems[0]).endswith("hint: did you mean `read`?")
    with pytest.raises(bs.InvalidWorkflowError) as caught:
        bs.Workflow.from_dict(fields).run()
    assert list(caught.value.problems) == problems
    assert caught.value.kind == "invalid_workflow"
    path = tmp_path / "bad.yaml"
    path.write_text("steps:\n  - {name: a, type: sleep, config: {duration: 1 parsec}}\n")
    [problem] = bs.Workflow.from_yaml(path).validate()
    assert problem.location == f"{path}:2:47"
    assert (problem.source, problem.line, problem.column) == (str(path), 2, 47)


@pytest.mark.parametrize("text", ["steps: [\n", "a: 1\na: 2\n", "\t- x"])
def test_what_is_no_document(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(bs.InvalidWorkflowError):
        bs.Workflow.from_yaml(path).run()


def test_files_that_are_no_documents(tmp_path: Path) -> None:
    with pytest.raises(bs.NotFoundError, match=r"missing\.yaml"):
        bs.Workflow.from_yaml(tmp_path / "missing.yaml")
    with pytest.raises(bs.StorageError):
        bs.Workflow.from_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("name: ä".encode("latin-1"))
    with pytest.raises(bs.InvalidWorkflowError, match="UTF-8"):
        bs.Workflow.from_yaml(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), r"steps\[0\]\.config\.x: a value of type object"),
        (float("nan"), r"steps\[0\]\.config\.x: a number that is not finite"),
        (2**70, r"steps\[0\]\.config\.x: an integer beyond 64 bits"),
        ({1: 2}, r"steps\[0\]\.config\.x: a key of type int"),
    ],
)
def test_values_that_no_document_holds(value: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        bs.Workflow.from_dict({"steps": [{"name": "a", "type": "read", "config": {"x": value}}]})


def test_a_failed_run_raises_and_has_its_report(tmp_path: Path) -> None:
    workflow = bs.Workflow.from_dict(two_steps(tmp_path / "missing.parquet"))
    with pytest.raises(bs.WorkflowError, match=r"missing\.parquet") as caught:
        workflow.run()
    report = caught.value.report
    assert report is not None
    assert (report["status"], report["failed_steps"], report.exit_code) == ("failed", 1, 4)
    assert caught.value.kind == "not_found"
    assert isinstance(caught.value, RuntimeError)
    unchecked = workflow.run(check=False)
    assert unchecked["error"]["kind"] == "not_found"
    with pytest.raises(bs.UsageError, match="made no output"):
        unchecked.output("filter")


def test_text_is_not_compared_with_a_number(numbers: Path) -> None:
    with pytest.raises(bs.BowstringError, match="cannot compare `name`") as caught:
        bs.Workflow.from_dict(two_steps(numbers, "name > 100")).run()
    assert isinstance(caught.value, bs.WorkflowError | bs.InvalidWorkflowError)
    with pytest.raises(bs.UsageError, match="cannot compare `name`"):
        bs.Workflow.from_dict(two_steps(numbers, "name > 100")).plan()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_parallel": 0}, bs.UsageError, "max_parallel must be at least 1"),
        ({"memory": "much"}, bs.UsageError, "`much` is not a size"),
        ({"keep": "some"}, bs.UsageError, "`some` is none of `leaves` and `all`"),
        ({"keep": ["x"]}, bs.UsageError, "no step `x`"),
        ({"max_parallel": -1}, bs.UsageError, "max_parallel: .* of at least 0, got -1"),
        ({"memory": 1.5}, TypeError, "memory: expected a number of bytes or a str .*, got float"),
        ({"keep": 1}, TypeError, "keep: expected a list of str, got int"),
        ({"cache": "folder"}, TypeError, "cache"),
        ({"params": [1]}, TypeError, "params: expected a mapping, got list"),
        ({"on_event": 5}, TypeError, "on_event: expected a function, got int"),
        ({"params": {"x": 1}}, bs.InvalidWorkflowError, "x"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sleeps(1).run(**options)


def test_parallelism_is_bounded() -> None:
    assert sleeps(6, "30ms").run(max_parallel=3)["peak_parallelism"] == 3


def test_memory_spills(tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    bs.write_parquet(
        pa.table({"i": list(range(300_000)), "s": [f"{i * 7919 % 300_000:09}" for i in range(300_000)]}), path
    )
    workflow = bs.Workflow("sorted")
    workflow.step("read", "read", {"path": path}).step("sort", "sort", {"by": ["s"]}, input="read")
    table = workflow.run(memory="16MiB").output("sort")
    assert isinstance(table, bs.Table)
    assert table.to_pyarrow()["s"][0].as_py() == "000000000"


# Steps in Python.


def test_a_step_in_python(numbers: Path) -> None:
    @bs.step("tests.scale")
    def scale(table: bs.Table, *, column: str, by: int = 2) -> bs.Frame:
        """Multiply a column.

        More is not said.
        """
        return bs.Frame(table).with_columns(**{column: f"{column} * {by}"})

    workflow = bs.Workflow("scaled").step("read", "read", {"path": numbers})
    workflow.step("scale", "tests.scale", {"column": "id", "by": 10}, input="read")
    workflow.step("sum", "aggregate", {"by": [], "aggs": {"sum": "sum(id)"}}, input="scale")
    report = workflow.run(keep="all")
    sums, scaled = report.output("sum"), report.output("scale")
    assert isinstance(sums, bs.Table)
    assert isinstance(scaled, bs.Table)
    assert sums.to_pyarrow().to_pydict() == {"sum": [100]}
    assert report["steps"]["scale"]["rows"] == 4
    assert report["steps"]["scale"]["bytes"] == scaled.nbytes
    # The function can still be called as it is.
    assert scale(bs.Table(NUMBERS), column="id").limit(1).select("id").to_pyarrow()["id"][0].as_py() == 2


def test_inputs_arrive_by_position_or_by_name(numbers: Path) -> None:
    @bs.step("tests.source")
    def source(*, n: int) -> pl.DataFrame:
        return pl.DataFrame({"id": list(range(n))})

    @bs.step("tests.names")
    def names(**inputs: Any) -> pa.Table:  # noqa: ANN401
        return pa.table({"input": sorted(inputs), "rows": [inputs[name].num_rows for name in sorted(inputs)]})

    @bs.step("tests.pair")
    def pair(left: bs.Table, right: bs.Table, *, how: Literal["inner", "left"] = "inner") -> bs.Frame:
        return bs.Frame(left).join(right, "id", how)

    workflow = bs.Workflow("inputs").step("made", "tests.source", {"n": 3})
    workflow.step("read", "read", {"path": numbers})
    workflow.step("named", "tests.names", inputs={"b": "made", "a": "read"})
    workflow.step("paired", "tests.pair", {"how": "left"}, inputs={"left": "made", "right": "read"})
    report = workflow.run()
    named, paired = report.output("named"), report.output("paired")
    assert isinstance(named, bs.Table)
    assert isinstance(paired, bs.Table)
    assert named.to_pyarrow().to_pydict() == {"input": ["a", "b"], "rows": [4, 3]}
    assert paired.num_rows == 3


def test_a_python_steps_config_is_checked_before_the_run() -> None:
    @bs.step("tests.checked")
    def checked(
        table: bs.Table, *, column: str, times: int = 1, how: Literal["up", "down"] = "up"
    ) -> bs.Table:
        return table

    def problem(config: dict[str, Any]) -> str:
        workflow = bs.Workflow("w").step("read", "read", {"path": "x.csv"})
        problems = workflow.step("c", "tests.checked", config, input="read").validate()
        assert len(problems) == 1, problems
        return str(problems[0])

    assert "did you mean `column`?" in problem({"colum": "x", "column": "y"})
    assert "column" in problem({})
    assert "steps[1].config.times" in problem({"column": "x", "times": "two"})
    assert "steps[1].config.how" in problem({"column": "x", "how": "sideways"})
    workflow = bs.Workflow("w").step("c", "tests.checked", {"column": "x"})
    assert "input" in str(workflow.validate()[0])


@pytest.mark.parametrize(
    ("returned", "message"),
    [(None, "not NoneType"), ([1], "not list")],
)
def test_a_step_must_return_a_table(returned: object, message: str) -> None:
    @bs.step("tests.no_table")
    def no_table() -> Any:  # noqa: ANN401
        return returned

    with pytest.raises(bs.WorkflowError, match=message):
        bs.Workflow("w").step("x", "tests.no_table").run()


def test_an_exception_is_the_steps_failure_with_its_traceback() -> None:
    @bs.step("tests.raises")
    def raises() -> pa.Table:
        raise KeyError("nowhere")

    report = bs.Workflow("w").step("x", "tests.raises").run(check=False)
    error = report["steps"]["x"]["error"]
    assert error["kind"] == "failed"
    assert error["message"].startswith("KeyError: 'nowhere'\n\nTraceback (most recent call last):")
    assert 'raise KeyError("nowhere")' in error["message"]
    assert report.exit_code == 1


def test_retries_and_timeouts_hold_for_python_steps() -> None:
    attempts: list[int] = []

    @bs.step("tests.flaky")
    def flaky() -> pa.Table:
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise OSError("not yet")
        return NUMBERS

    @bs.step("tests.slow")
    def slow() -> pa.Table:
        time.sleep(0.5)
        return NUMBERS

    retry = {"max_attempts": 3, "backoff": "1ms"}
    report = bs.Workflow("w").step("x", "tests.flaky", retry=retry).run()
    assert report["steps"]["x"]["attempts"] == 3
    report = bs.Workflow("w").step("x", "tests.slow", timeout="50ms").run(check=False)
    assert report["steps"]["x"]["state"] == "timed_out"


def test_names_of_our_own_step_types_are_taken() -> None:
    with pytest.raises(bs.UsageError, match="`filter` is a step type of bowstring itself"):
        bs.step("filter")(lambda table: table)


def test_a_step_type_needs_a_name() -> None:
    without_name: Any = bs.step
    with pytest.raises(TypeError, match=r"(?s)name: expected a str, got function.*`@bs\.step\(\"name\"\)`"):
        without_name(lambda table: table)
    with pytest.raises(bs.UsageError, match="needs a name"):
        bs.step("")


def test_documents_and_inputs_are_mappings() -> None:
    no_mapping: Any = ["b"]
    with pytest.raises(TypeError, match="fields: expected a mapping, got list"):
        bs.Workflow.from_dict(no_mapping)
    with pytest.raises(TypeError, match="inputs: expected a mapping of inputs to steps, got list"):
        bs.Workflow("x").step("a", "union", inputs=no_mapping)


def test_a_workflow_shows_its_steps(tmp_path: Path) -> None:
    workflow = bs.Workflow("x").step("rows", "read", {"path": "x.csv"}).step("few", "limit", {"n": 1})
    assert repr(workflow) == "Workflow: x\n  rows  read\n  few  limit"
    path = tmp_path / "workflow.yaml"
    path.write_text("name: x\nsteps: []\n")
    assert repr(bs.Workflow.from_yaml(path)) == f"Workflow: {path}"
    assert repr(bs.Workflow.from_dict({"steps": 1})) == "Workflow: None"


def test_an_asynchronous_function_is_no_step() -> None:
    async def later(table: bs.Table) -> bs.Table:
        await asyncio.sleep(0)
        return table

    with pytest.raises(TypeError, match="asynchronous"):
        bs.step("tests.later")(later)  # type: ignore[type-var]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no usleep here")
def test_a_step_that_holds_the_interpreter_delays_nobody_else() -> None:
    # A function of a PyDLL is called with the interpreter's lock held.
    held = ctypes.PyDLL(None)

    @bs.step("tests.holds")
    def holds() -> pa.Table:
        held.usleep(2_000_000)
        return NUMBERS

    workflow = bs.Workflow("w").step("holds", "tests.holds")
    for index in range(8):
        depends = {"depends_on": [f"s{index - 1}"]} if index else {}
        workflow.step(f"s{index}", "sleep", {"duration": "20ms"}, **depends)
    report = workflow.run(max_parallel=2)
    assert report["steps"]["holds"]["run_ms"] >= 2000
    rows = [report["steps"][f"s{index}"] for index in range(8)]
    assert all(row["run_ms"] >= 20 for row in rows), rows
    # All of them together are done long before the lock is given back, on a busy machine, too.
    assert sum(row["run_ms"] + row["queue_ms"] for row in rows) < 1500, rows


def test_a_step_may_use_bowstring() -> None:
    @bs.step("tests.inner")
    def inner(*, depth: int) -> bs.Table:
        if depth == 0:
            return bs.Table(NUMBERS)
        output = bs.Workflow("inner").step("x", "tests.inner", {"depth": depth - 1}).run().output("x")
        assert isinstance(output, bs.Table)
        return output

    table = bs.Workflow("outer").step("x", "tests.inner", {"depth": 5}).run().output("x")
    assert isinstance(table, bs.Table)
    assert table.num_rows == 4


# Events.


def test_events_arrive_in_order() -> None:
    events: list[Event] = []
    report = sleeps(2).run(on_event=events.append)
    # A step may be done before the other one has begun.
    said = [event["event"] for event in events]
    assert (said[0], said[1], said[-1]) == ("run_started", "step_started", "run_finished")
    assert sorted(said[1:-1]) == ["step_finished"] * 2 + ["step_started"] * 2
    for step in {event["step"] for event in events if "step" in event}:
        own = [event["event"] for event in events if event.get("step") == step]
        assert own == ["step_started", "step_finished"], step
    assert {event["run_id"] for event in events} == {report["run_id"]}
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    finished = [event for event in events if event["event"] == "step_finished"]
    assert finished[0]["report"] == report["steps"][finished[0]["step"]]


def test_a_callback_may_run_workflows() -> None:
    inner: list[str] = []

    def on_event(event: Event) -> None:
        if event["event"] == "step_finished":
            inner.append(sleeps(2).run()["status"])

    assert sleeps(3).run(on_event=on_event)["status"] == "completed"
    assert inner == ["completed"] * 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_callback_raises_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[str] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: raised.append(str(unraisable.exc_value)))

    def on_event(event: Event) -> None:
        raise ValueError(event["event"])

    assert sleeps(1).run(on_event=on_event)["status"] == "completed"
    assert raised == ["run_started", "step_started", "step_finished", "run_finished"]


def test_progress_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    sleeps(2).run(progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "\r2/2" in said.err
    assert said.err.endswith("\r")
    assert "\n" not in said.err
    sleeps(1).run(progress=False)
    sleeps(1).run()
    assert capsys.readouterr().err == ""


# Asyncio.


async def test_run_async_leaves_the_loop_free() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    reports = await asyncio.gather(*(sleeps(2, "150ms").run_async() for _ in range(3)))
    ticking.cancel()
    assert [report["status"] for report in reports] == ["completed"] * 3
    assert ticks >= 8
    with pytest.raises(bs.InvalidWorkflowError):
        await bs.Workflow("w").step("x", "nothing").run_async()


async def test_cancelling_the_task_cancels_the_run() -> None:
    events: list[Event] = []
    over = threading.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        if event["event"] == "run_finished":
            over.set()

    begin = time.monotonic()
    task = asyncio.create_task(sleeps(1, "60s").run_async(on_event=on_event))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(over.wait, 5)
    assert events[-1]["status"] == "cancelled"
    assert time.monotonic() - begin < 5
