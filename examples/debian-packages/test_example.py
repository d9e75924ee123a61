"""The example's workflow gives DuckDB's answers, and its data is what its script makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import networkx as nx
import pyarrow.parquet as pq
import pytest

HERE = Path(__file__).parent
BOWSTRING = Path(sys.executable).parent / "bowstring"

INDEX = """\
Package: alpha
Version: 1.0-1
Installed-Size: 12
Maintainer: Ann Example <ann@example.org>
Depends: libbeta1 (>= 2) | libbeta2:any, gamma
Pre-Depends: dpkg
Section: utils
Description: first line
 and a continuation

Package: left-out
Version: 2
Maintainer: Bob Example <bob@example.org>
Section: games
Description: of a section that is not kept

Package: no-size
Version: 3
Maintainer: Bob Example <bob@example.org>
Recommends: alpha, alpha (>= 1)
Section: utils
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    done = subprocess.run(
        [str(BOWSTRING), "run", "workflow.yaml", "--param", f"out={folder}", "--format", "json"],
        cwd=HERE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["status"] == "completed"
    assert report["steps_executed"] == report["total_steps"]
    assert report["steps"]["packages"]["rows"] in (None, 24_729)
    return folder


def duck(query: str) -> list[tuple[object, ...]]:
    tables = {name: f"'{HERE / 'data' / name}.parquet'" for name in ("packages", "depends")}
    answer: list[tuple[object, ...]] = duckdb.connect().execute(query.format(**tables)).fetchall()
    return answer


def rows(path: Path) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def test_sections_equal_duckdb(out: Path) -> None:
    expected = duck(
        "SELECT section, count(*), count(DISTINCT maintainer), sum(coalesce(installed_size, 0)) / 1024.0 "
        "FROM {packages} GROUP BY section ORDER BY 2 DESC, 1",
    )
    answer = rows(out / "sections.parquet")
    assert [row[:3] for row in answer] == [row[:3] for row in expected]
    assert [row[3] for row in answer] == pytest.approx([row[3] for row in expected])


def test_the_ranking_equals_duckdb(out: Path) -> None:
    expected = duck(
        "SELECT depends_on, section, count(DISTINCT package) FROM {depends} JOIN {packages} "
        "ON name = depends_on WHERE kind <> 'recommends' GROUP BY ALL ORDER BY 3 DESC, 1",
    )
    assert rows(out / "ranking.parquet") == expected


def test_the_positions_equal_networkx(out: Path) -> None:
    needs = duck(
        "SELECT DISTINCT package, depends_on FROM {depends} JOIN {packages} ON name = depends_on "
        "WHERE kind <> 'recommends'",
    )
    graph: nx.DiGraph[object] = nx.DiGraph()
    graph.add_edges_from((package, needed) for package, needed in needs)
    ranks = nx.pagerank(graph, tol=1e-12)
    depths = nx.single_source_shortest_path_length(graph.reverse(), "libc6")
    found = rows(out / "positions.parquet")
    assert len(found) == graph.number_of_nodes()
    components: dict[object, set[object]] = {}
    for package, rank, component, level in found:
        assert rank == pytest.approx(ranks[package], abs=1e-6)
        assert level == depths.get(package)
        components.setdefault(component, set()).add(package)
    assert sorted(map(len, components.values())) == sorted(map(len, nx.weakly_connected_components(graph)))


def test_the_report_is_a_markdown_table_of_the_first(out: Path) -> None:
    lines = (out / "report.md").read_text(encoding="utf-8").splitlines()
    header, rule, *body = [line for line in lines if line.startswith("|")]
    assert [cell.strip() for cell in header.strip("|").split("|")] == [
        "package",
        "section",
        "dependants",
        "percent_of_packages",
        "description",
    ]
    assert set(rule) <= set("|-: ")
    first = [cell.strip() for cell in body[0].strip("|").split("|")]
    assert first[:4] == ["libc6", "libs", "13571", "54.9"]
    assert len(body) == 12


def test_the_script_makes_the_tables(tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_text(INDEX, encoding="utf-8")
    subprocess.run(
        [sys.executable, str(HERE / "make_data.py"), "--input", "index.txt", "--out", "."],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert rows(tmp_path / "packages.parquet") == [
        ("alpha", "1.0-1", "utils", "Ann Example", 12, "first line\nand a continuation"),
        ("no-size", "3", "utils", "Bob Example", None, None),
    ]
    assert rows(tmp_path / "depends.parquet") == [
        ("alpha", "dpkg", "pre-depends"),
        ("alpha", "gamma", "depends"),
        ("alpha", "libbeta1", "depends"),
        ("alpha", "libbeta2", "depends"),
        ("no-size", "alpha", "recommends"),
    ]
