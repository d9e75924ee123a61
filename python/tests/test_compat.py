"""The earlier design's calls, with nothing but the import changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bowstring as bs
from bowstring.compat import _rustic
from bowstring.compat.fast_tokenizer import FastTokenizer
from bowstring.compat.graph_rust import RustGraphEngine, is_rust_graph_available
from bowstring.compat.io_rust import RustIOEngine, is_rust_io_available
from bowstring.compat.workflow_rust import RustWorkflowEngine, workflow_rust_available


def test_what_was_asked_for_is_there() -> None:
    assert workflow_rust_available()
    assert is_rust_io_available()
    assert is_rust_graph_available()
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


@pytest.mark.parametrize("width", [np.int32, np.int64])
def test_graphs(width: type[np.integer]) -> None:
    engine = RustGraphEngine()
    src, dst = np.array([0, 0, 1, 3], width), np.array([1, 2, 2, 0], width)
    indptr, indices, weights = engine.build_csr(src, dst, 5)
    assert (indptr.tolist(), indices.tolist(), weights) == ([0, 2, 3, 3, 4, 4], [1, 2, 2, 0], None)
    indptr, indices = indptr.astype(width), indices.astype(width)
    columns, rows, _ = engine.build_csc(src, dst, 5)
    assert (columns.tolist(), rows.tolist()) == ([0, 1, 2, 4, 4, 4], [3, 0, 0, 1])
    distances, predecessors = engine.bfs(indptr, indices, 5, sources=[0])
    assert (distances.tolist(), predecessors.tolist()) == ([0, 1, 1, -1, -1], [-1, 0, 0, -1, -1])
    order, predecessors = engine.dfs(indptr, indices, 5, 3)
    assert (order.tolist(), predecessors.tolist()) == ([3, 0, 1, 2], [3, 0, 1, -1, -1])
    assert engine.pagerank(indptr, indices, 5).sum() == pytest.approx(1)
    assert engine.connected_components(indptr, indices, 5).tolist() == [0, 0, 0, 0, 1]
    indptr, indices, weights = engine.build_csr([0, 0, 1], [1, 2, 2], 3, [2, 10, 3])
    distances, predecessors = engine.dijkstra(indptr, indices, weights, 3)
    assert (distances.tolist(), predecessors.tolist()) == ([0, 2, 5], [-1, 0, 1])
    with pytest.raises(ValueError, match="4 nodes need 5"):
        engine.bfs(indptr, indices, 4)


def test_a_tokenizer_as_it_stands() -> None:
    folder = Path(__file__).parents[2] / "examples" / "debian-packages" / "data"
    tokenizer = FastTokenizer.from_pretrained(str(folder / "tokenizer.json"))
    ids = tokenizer.encode("secure shell client")
    assert ids == [83, 1204, 1377, 483]
    assert tokenizer.encode_batch(["s", "secure shell client"]) == [[83], ids]
    rows, mask = tokenizer.encode_batch_with_padding(["s", "secure shell client"], max_length=3, pad_id=7)
    assert (rows.tolist(), mask.tolist()) == ([[83, 7, 7], [83, 1204, 1377]], [[1, 0, 0], [1, 1, 1]])
    assert tokenizer.decode(ids) == "secure shell client"
    assert tokenizer.vocab_size == tokenizer.vocab_size() == 2048
    assert FastTokenizer.from_pretrained(folder).encode("s") == [83]
    with pytest.raises(bs.NotFoundError, match="nothing is downloaded"):
        FastTokenizer.from_pretrained("people/model")
