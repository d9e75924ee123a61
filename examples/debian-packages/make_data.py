"""Make the example's data from this machine's Debian package index.

    apt-get update
    python make_data.py            # reads `apt-cache dumpavail`
    python make_data.py --input saved-dumpavail.txt

Needs pyarrow. What is kept, and why, stands in PROVENANCE.md.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

HERE = Path(__file__).parent

# Sections of Debian's main archive that are kept. `libs` is among them because most dependencies
# point into it; `libdevel`, `doc`, `debug`, `localization` and `kernel` would triple the size.
SECTIONS = frozenset(
    {
        "admin",
        "comm",
        "database",
        "editors",
        "graphics",
        "interpreters",
        "java",
        "libs",
        "mail",
        "math",
        "net",
        "python",
        "science",
        "shells",
        "text",
        "utils",
        "vcs",
        "web",
    }
)

TEXT: pa.DataType = pa.string()
SIZE: pa.DataType = pa.int64()
PACKAGES = pa.schema(
    [
        ("name", TEXT),
        ("version", TEXT),
        ("section", TEXT),
        ("maintainer", TEXT),
        ("installed_size", SIZE),
        ("description", TEXT),
    ]
)
DEPENDS = pa.schema([("package", TEXT), ("depends_on", TEXT), ("kind", TEXT)])

# `name:arch (>= version) [arch] <profile>`: the name is all that is kept of a dependency.
DEPENDENCY = re.compile(r"^\s*([a-z0-9][a-z0-9+.-]*)")
# `Name <address>`: addresses are left out, nothing here needs them.
ADDRESS = re.compile(r"\s*<[^>]*>,?")
KINDS = {"Depends": "depends", "Pre-Depends": "pre-depends", "Recommends": "recommends"}


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Each package's fields; a continued field is one string."""
    for block in text.split("\n\n"):
        fields: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t"):
                fields[key] += "\n" + line.strip()
            elif line:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        if fields:
            yield fields


def dependencies(fields: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Name and kind of each package that this one needs; every alternative of `a | b` counts."""
    seen: set[tuple[str, str]] = set()
    for field, kind in KINDS.items():
        for alternative in re.split(r"[,|]", fields.get(field, "")):
            if not alternative.strip():
                continue
            match = DEPENDENCY.match(alternative)
            if match is None:
                raise SystemExit(f"{fields['Package']}: cannot read the dependency {alternative!r}")
            if (match[1], kind) not in seen:
                seen.add((match[1], kind))
                yield match[1], kind


def tables(text: str) -> tuple[pa.Table, pa.Table]:
    packages: list[dict[str, object]] = []
    depends: list[dict[str, object]] = []
    for fields in stanzas(text):
        if fields.get("Section") not in SECTIONS:
            continue
        size = fields.get("Installed-Size")
        packages.append(
            {
                "name": fields["Package"],
                "version": fields["Version"],
                "section": fields["Section"],
                "maintainer": ADDRESS.sub("", fields["Maintainer"]),
                "installed_size": None if size is None else int(size),
                "description": fields.get("Description"),
            }
        )
        for depends_on, kind in dependencies(fields):
            depends.append({"package": fields["Package"], "depends_on": depends_on, "kind": kind})
    packages.sort(key=lambda row: (row["name"], row["version"]))
    depends.sort(key=lambda row: (row["package"], row["depends_on"], row["kind"]))
    return pa.Table.from_pylist(packages, PACKAGES), pa.Table.from_pylist(depends, DEPENDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--input", type=Path, help="a saved `apt-cache dumpavail`")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="folder to write to")
    options = parser.parse_args()
    if options.input is None:
        text = subprocess.run(
            ["apt-cache", "dumpavail"], check=True, capture_output=True, text=True, encoding="utf-8"
        ).stdout
    else:
        text = options.input.read_text(encoding="utf-8")
    packages, depends = tables(text)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, table in {"packages": packages, "depends": depends}.items():
        path = options.out / f"{name}.parquet"
        pq.write_table(
            table,
            path,
            compression="zstd",
            compression_level=19,
            row_group_size=32_768,
            write_page_checksum=True,
            store_schema=False,
        )
        print(f"{path}: {table.num_rows} rows, {path.stat().st_size} bytes")
    path = options.out / "packages.csv"
    pacsv.write_csv(packages, path)
    print(f"{path}: {packages.num_rows} rows, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
