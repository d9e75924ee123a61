"""What text is in a file of a Debian package? Web pages, manual pages, message catalogues and sources."""

from __future__ import annotations

import gzip
import hashlib
import html
import io
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# The part of a path that names the language of the file.
_LANGUAGE = re.compile(
    r"/(?:help|html|man|locale|resource|installation-guide-amd64|main|annotations)"
    r"/([a-z]{2,3}(?:[-_][A-Za-z]{2,4})?)[/.]"
)


class Member(NamedTuple):
    path: str
    data: bytes

    @property
    def language(self) -> str:
        found = _LANGUAGE.search(self.path)
        return found.group(1) if found else ""


def members(package: Path, pattern: str) -> Iterator[Member]:
    """The files whose paths match, in an order that the paths' hashes decide."""
    wanted = re.compile(pattern)
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        names = [entry.name for entry in opened if entry.isfile() and wanted.search(entry.name)]
        for name in _ordered(names):
            stream = opened.extractfile(name)
            data = stream.read() if stream else b""
            if name.endswith(".zip"):
                yield from _zipped(data)
            else:
                yield Member(name, gzip.decompress(data) if name.endswith(".gz") else data)


def _zipped(data: bytes) -> Iterator[Member]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        for name in _ordered(entry.filename for entry in opened.infolist() if not entry.is_dir()):
            yield Member(name, opened.read(name))


def _ordered(names: Iterator[str] | list[str]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def prose(member: Member) -> str:
    """A file's text without its markup."""
    if member.path.endswith(".mo"):
        return _catalogue(member.data)
    text = member.data.decode("utf-8", "ignore")
    if member.path.endswith((".html", ".page", ".xml")):
        return _marked(text)
    return _manual(text)


def _marked(text: str) -> str:
    text = re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<!--.*?-->", "", text)
    text = re.sub(
        r"</?(p|div|li|ul|ol|dl|dt|dd|h\d|tr|table|pre|br|title|section|item|note|page)\b[^>]*>", "\n", text
    )
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return re.sub(r"[ \t]*\n\s*\n", "\n\n", text).strip() + "\n"


# Manual pages in groff: requests stand at the beginning of a line, fonts and characters behind backslashes.
def _manual(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if line.startswith((".", "'")):
            request, _, rest = line[1:].partition(" ")
            if request not in ("B", "I", "BR", "IR", "RB", "RI", "SH", "SS", "IP"):
                continue
            line = rest.replace('"', "")
        line = re.sub(r"\\f(\(..|\[[^]]*\]|.)|\\s[-+]?\d|\\[&/,|^]|\\\".*", "", line)
        line = re.sub(r"\\\((..)|\\\[([^]]*)\]", " ", line).replace("\\-", "-").replace("\\e", "\\")
        lines.append(line.replace("\\ ", " "))
    return "\n".join(lines) + "\n"


def _catalogue(data: bytes) -> str:
    """The translations of a compiled gettext catalogue, each on a line."""
    order = "little" if data[:4] == b"\xde\x12\x04\x95" else "big"

    def number(at: int) -> int:
        return int.from_bytes(data[at : at + 4], order)

    table, texts = number(16), []
    for entry in range(number(8)):
        length, at = number(table + 8 * entry), number(table + 8 * entry + 4)
        texts.append(data[at : at + length].decode("utf-8", "ignore").replace("\0", "\n"))
    return "\n".join(texts) + "\n"


def translated(line: str, script: float) -> bool:
    """Whether enough of a line is beyond ASCII, so that it is no English left over."""
    own = sum(1 for character in line if character > "\x7f")
    return len(line) >= 12 and own > script * sum(1 for character in line if not character.isspace())
