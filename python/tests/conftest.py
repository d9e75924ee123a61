"""What the tests share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

# They need torch, which `make test-torch` installs; `make test` does not.
collect_ignore = ["torch_hooks"] if find_spec("torch") is None else []

NUMBERS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "name": pa.array(["ape", "bee", None, "dog"], pa.string()),
        "value": pa.array([50.0, 150.0, 250.0, None], pa.float64()),
    }
)


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """A Parquet file of four rows in two row groups."""
    path = tmp_path / "numbers.parquet"
    pq.write_table(NUMBERS, path, row_group_size=2)
    return path
