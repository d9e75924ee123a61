"""Every example in the documentation runs.

A page's blocks run in order in a folder of their own that holds the Debian example, and the digits' networks:
a block with a title is saved under it, `python` blocks share one namespace, `sh` blocks run with
`bash -e`. What must not run is marked `text` or `console`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "debian-packages"
DIGITS = ROOT / "examples" / "digits-diffusion" / "data"
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')

PAGES = sorted(
    page
    for page in (ROOT / "README.md", ROOT / "python" / "README.md", *(ROOT / "docs").rglob("*.md"))
    if "```sh" in (text := page.read_text()) or "```python" in text
)


def test_the_guides_are_among_the_pages() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert {"README.md", "docs/index.md", "docs/guides/workflows.md", "docs/guides/tables.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLE / "data", tmp_path / "data")
    shutil.copy(EXAMPLE / "workflow.yaml", tmp_path)
    shutil.copytree(DIGITS, tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    namespace: dict[str, object] = {"__name__": page.stem}
    for block in FENCE.finditer(page.read_text(encoding="utf-8")):
        language = block["info"].split()[0] if block["info"].strip() else ""
        line = page.read_text(encoding="utf-8")[: block.start()].count("\n") + 2
        if title := TITLE.search(block["info"]):
            (tmp_path / title[1]).write_text(block["body"], encoding="utf-8")
        elif language == "python":
            # Blank lines before the code make tracebacks point into the page.
            code = compile("\n" * (line - 1) + block["body"], str(page), "exec")
            exec(code, namespace)  # noqa: S102 - our own pages
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block["body"]],
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                timeout=120,
            )
            said = f"{done.stdout}{done.stderr}"
            assert done.returncode == 0, f"{page.name}:{line}: exit {done.returncode}\n{said}"
        else:
            assert language in {"text", "console", "yaml", "json"}, f"{page.name}:{line}: {language!r}"
