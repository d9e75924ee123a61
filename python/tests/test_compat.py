"""The earlier design's calls, with nothing but the import changed."""

from __future__ import annotations

from pathlib import Path

import pytest

import bowstring as bs
from bowstring.compat import _rustic
from bowstring.compat.io_rust import RustIOEngine, is_rust_io_available
from bowstring.compat.workflow_rust import RustWorkflowEngine, workflow_rust_available


def test_what_was_asked_for_is_there() -> None:
    assert workflow_rust_available()
    assert is_rust_io_available()
    assert _rustic.rust_available()
    assert _rustic.RustWorkflowEngine is RustWorkflowEngine
    assert _rustic.RustIOEngine is RustIOEngine


def test_a_workflow_as_it_stands(numbers: Path) -> None:
    engine = RustWorkflowEngine(max_parallel=4)
    result = engine.execute_workflow(
        {
            "name": "data_pipeline",
            "steps": [
                {"name": "read", "type": "read", "config": {"input": str(numbers)}},
                {
                    "name": "filter",
                    "type": "filter",
                    "config": {"query": "value > 100"},
                    "depends_on": ["read"],
                },
            ],
        }
    )
    assert (result["status"], result["steps_executed"], result["failed_steps"]) == ("completed", 2, 0)
    assert result["steps"]["filter"]["rows"] == 2
    with pytest.raises(bs.InvalidWorkflowError, match="nothing"):
        engine.execute_workflow({"steps": [{"name": "x", "type": "nothing"}]})


def test_files(numbers: Path, tmp_path: Path) -> None:
    engine = RustIOEngine()
    table = engine.read_parquet(str(numbers))
    assert table.num_rows == 4
    assert engine.read_parquet(numbers, columns=["id"]).column_names == ["id"]
    bs.write_csv(table, tmp_path / "numbers.csv")
    assert engine.read_csv(tmp_path / "numbers.csv").to_pyarrow().equals(table.to_pyarrow())
    metadata = engine.get_parquet_metadata(str(numbers))
    assert (metadata["num_rows"], metadata["num_row_groups"], metadata["num_columns"]) == (4, 2, 3)
    assert metadata["statistics"]["id"] == {"min": 1, "max": 4, "null_count": 0, "distinct_count": None}
    assert list(metadata["schema"]) == ["id", "name", "value"]
