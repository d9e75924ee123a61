"""What text do tokenizers get wrong? Everything that is rare in documents, made from a seed."""

from __future__ import annotations

import random
import sys
import unicodedata
from collections.abc import Callable, Sequence

_EMOJI = "😀😅🤣🥹👋👍🏽👩🏿‍🚀👨‍👩‍👧‍👦🏳️‍🌈🏴‍☠️🇩🇪🇯🇵🇺🇳❤️‍🔥1️⃣#️⃣☺️☺︎🫱🏻‍🫲🏿🧑🏾‍🤝‍🧑🏼🏴󠁧󠁢󠁳󠁣󠁴󠁿©️™️〰️"
_SPACES = (
    " \t\n\r\f\v\u00a0\u0085\u1680\u2000\u2009\u200b\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u180e\u2060"
)
_MARKS = (
    "\u0300\u0301\u0308\u0323\u0327\u0338\u0345\u034f\u05b0\u064b\u093c\u0e31\u1ab0\u20dd\u3099\ufe0f\ufe20"
)
_INVISIBLE = (
    "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    "\u00ad\ufff9\ufffd\ufffe\uffff\0\x01\x1b\x7f\x9f"
)
_CONTRACTIONS = [
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    "'T",
    "'RE",
    "'VE",
    "'M",
    "'LL",
    "'D",
    "'ſ",
    "'ſt",
    "’s",
    "’ll",
    "‘m",
    "'lL",
    "'Ll",
    "'rE",
    "o'clock",
    "''s",
    "''",
    "'",
    "'é",
]
_LOOKALIKES = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<s>",
    "</s>",
    "<unk>",
    "<pad>",
    "<mask>",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[UNK]",
    "[PAD]",
    "<bos>",
    "<eos>",
    "<|endoftext|",
    "|endoftext|>",
    "<0x0A>",
    "<0xE2>",
    "▁",
    "Ġ",
    "Ċ",
    "ĠĠ",
    "##",
    "##ing",
    "<start_of_turn>",
    "▁▁",
    "<s",
    "<|",
]
_FOLDS = "ǅǆǄİıßẞſﬁﬃŉΐΰᾳὖϓΩÅK℃㍿½²①Ⅷⅷ㌀ﷺﷻ豈凞쎔각가힣각ḍ̇ḍ̇q̣̇Éé한글ัำเกิดक्षิമ്യ"
# First and last code points.
_SCRIPTS = [
    (0x0041, 0x007A), (0x00C0, 0x024F), (0x0370, 0x03FF), (0x0400, 0x04FF), (0x0530, 0x058F),
    (0x05D0, 0x05EA), (0x0600, 0x06FF), (0x0900, 0x097F), (0x0980, 0x09FF), (0x0B80, 0x0BFF),
    (0x0E00, 0x0E7F), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF),
    (0x1780, 0x17FF), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x2150, 0x218F), (0x2460, 0x24FF),
    (0x3040, 0x30FF), (0x3300, 0x33FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
    (0xFB00, 0xFDFF), (0xFE70, 0xFEFF), (0xFF00, 0xFFEF), (0x10330, 0x1034F), (0x1D400, 0x1D7FF),
    (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0000, 0xE007F), (0x0030, 0x0039), (0x0660, 0x0669),
    (0x0021, 0x002F),
]  # fmt: skip


def code_points() -> list[str]:
    """Every Unicode scalar value, assigned or not."""
    return [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]


def _any(rng: random.Random) -> str:
    code = rng.randrange(0x110000 - 0x800)
    return chr(code if code < 0xD800 else code + 0x800)


def _script(rng: random.Random) -> str:
    first, last = rng.choice(_SCRIPTS)
    return "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 9)))


def _number(rng: random.Random) -> str:
    return "".join(rng.choices("0123456789", k=rng.randint(1, 24)))


def _repeat(rng: random.Random) -> str:
    unit = rng.choice(
        ["a", " ", "\n", "é", "的", "0", "!", "\t", "😀", "ab", "\r\n", ".", "▁", "\u0301", " a", "A", "-"]
    )
    return unit * rng.choice([2, 3, 5, 17, 100, 129, 1000])


def _decomposed(rng: random.Random) -> str:
    return unicodedata.normalize(
        rng.choice(["NFD", "NFC", "NFKD", "NFKC"]), rng.choice(_FOLDS) + _script(rng)
    )


_PARTS: list[tuple[int, Callable[[random.Random], str]]] = [
    (6, lambda rng: "".join(rng.choices("etaoinshrdlu", k=rng.randint(1, 12)))),
    (3, lambda rng: "".join(rng.choices("etaoinETAOIN", k=rng.randint(1, 12)))),
    (6, lambda rng: rng.choice([" ", " ", " ", "  ", "\n", "\n\n", " \n ", "\t"])),
    (3, lambda rng: "".join(rng.choices(_SPACES, k=rng.randint(1, 4)))),
    (5, _script),
    (2, _any),
    (3, lambda rng: "".join(rng.choices(_EMOJI, k=rng.randint(1, 5)))),
    (1, lambda rng: _EMOJI),
    (2, lambda rng: rng.choice("aeioun한กक") + "".join(rng.choices(_MARKS, k=rng.randint(1, 6)))),
    (1, lambda rng: "".join(rng.choices(_INVISIBLE, k=rng.randint(1, 3)))),
    (3, lambda rng: rng.choice(_CONTRACTIONS)),
    (2, lambda rng: rng.choice(_LOOKALIKES)),
    (2, _decomposed),
    (2, _number),
    (3, lambda rng: "".join(rng.choices("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", k=rng.randint(1, 6)))),
    (0, _repeat),
]


def strings(seed: int, count: int, parts: int = 8, repeats: int = 0, own: Sequence[str] = ()) -> list[str]:
    """Short strings put together from odd parts; `repeats` is how often one is a thing many times over.

    Some parts are of `own`, what a tokenizer knows by itself.
    """
    rng = random.Random(seed)  # noqa: S311 - the same texts each time, no secret
    weights = [weight if make is not _repeat else repeats for weight, make in _PARTS] + [8 if own else 0]
    makers = [*(make for _, make in _PARTS), lambda rng: rng.choice(own)]
    return [
        "".join(make(rng) for make in rng.choices(makers, weights, k=rng.randint(1, parts)))
        for _ in range(count)
    ]


def mixed(seed: int, count: int, pool: Sequence[str], parts: int) -> list[str]:
    """Short strings put together from a pool of parts, which is faster than making each part anew."""
    rng = random.Random(seed)  # noqa: S311 - the same texts each time, no secret
    return ["".join(rng.choices(pool, k=rng.randint(1, parts))) for _ in range(count)]


def text(seed: int) -> str:
    """About 27 MB: every code point in its order, alone between spaces and on lines, and odd strings."""
    every = code_points()
    lines = [" ".join(every[at : at + 64]) for at in range(0, len(every), 64)]
    lines += ["".join(every[at : at + 64]) for at in range(0, len(every), 64)]
    lines += strings(seed, 70_000, parts=24, repeats=1)
    return "\n".join(lines) + "\n"
