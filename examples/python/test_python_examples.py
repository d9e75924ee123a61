"""Each example runs as its first lines say, and gives DuckDB's answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

HERE = Path(__file__).parent
DATA = HERE.parent / "debian-packages" / "data"
EXAMPLES = sorted(path.name for path in HERE.glob("*.py") if not path.name.startswith("test_"))


def run(example: str) -> str:
    done = subprocess.run(
        [sys.executable, HERE / example, DATA], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def duck(query: str) -> str:
    row = duckdb.connect().execute(query.format(packages=f"'{DATA}/packages.parquet'")).fetchone()
    assert row is not None
    return str(row[0])


def test_there_is_a_test_for_each() -> None:
    assert EXAMPLES == ["many.py", "steps.py", "tables.py"]


@pytest.mark.parametrize(
    ("example", "query"),
    [
        (
            "tables.py",
            "SELECT count(*) FROM {packages} WHERE section = 'libs' AND installed_size IS NOT NULL",
        ),
        ("steps.py", "SELECT count(*) FROM {packages} GROUP BY name[1] ORDER BY 1 DESC LIMIT 1"),
        (
            "many.py",
            "SELECT name FROM {packages} WHERE section = 'math' ORDER BY installed_size DESC NULLS LAST",
        ),
    ],
)
def test_its_answer_is_duckdbs(example: str, query: str) -> None:
    assert duck(query) in run(example)
