"""Where do Unigram tokenizers come from? `python benchmarks/tokenizer/train.py --corpora DIR --out DIR`.

No package carries T5's or XLM-R's tokenizer, so ones of their make are trained with the sentencepiece package
on the multilingual and the English corpus: the nmt_nfkc map, and T5's 32,000 pieces or XLM-R's 250,000. Each
gets a folder of its own with `spiece.model` and the `tokenizer.json` that transformers' converters would
write: `t5_like` as T5's has stood since 2020, with WhitespaceSplit, and `xlmr_like` as they write it today,
where the normaliser takes surplus spaces away. What is there already is left alone.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
from pathlib import Path
from typing import NamedTuple

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto


class Like(NamedTuple):
    pieces: int
    # Special tokens by their ids, in front of the pieces.
    specials: list[str]
    unknown: int
    mask: bool
    sentences: int
    # Where sentencepiece itself puts its special tokens; XLM-R's ids are its own plus one.
    ids: dict[str, int]


LIKES = {
    "t5_like": Like(
        32_000,
        ["<pad>", "</s>", "<unk>"],
        2,
        False,
        300_000,
        {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    ),
    "xlmr_like": Like(
        250_000, ["<s>", "<pad>", "</s>", "<unk>"], 3, True, 900_000, {"unk_id": 0, "bos_id": 1, "eos_id": 2}
    ),
}


def sentences(corpora: Path, count: int) -> list[str]:
    lines = [
        line
        for name in ("multilingual", "english")
        for line in (corpora / f"{name}.txt").read_text(encoding="utf-8").split("\n")
        if 20 <= len(line) <= 1_000
    ]
    random.Random(5).shuffle(lines)
    return lines[:count]


def train(corpora: Path, out: Path, like: Like) -> proto.ModelProto:
    """A sentencepiece model of `like`, with sentencepiece's own three special tokens."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences(corpora, like.sentences)),
        model_prefix=str(out / "spiece"),
        model_type="unigram",
        vocab_size=like.pieces,
        character_coverage=0.9995,
        normalization_rule_name="nmt_nfkc",
        hard_vocab_limit=False,
        **like.ids,
        num_threads=3,
        minloglevel=2,
    )
    model = proto.ModelProto()
    model.ParseFromString((out / "spiece.model").read_bytes())
    return model


def token(number: int, content: str) -> dict:
    flags = {"single_word": False, "lstrip": content == "<mask>", "rstrip": False, "normalized": False}
    return {"id": number, "content": content, **flags, "special": True}


def definition(name: str, like: Like, model: proto.ModelProto) -> dict:
    ordinary = [[piece.piece, piece.score] for piece in model.pieces if piece.type == piece.NORMAL]
    vocab = (
        [[special, 0.0] for special in like.specials] + ordinary + ([["<mask>", 0.0]] if like.mask else [])
    )
    ids = {piece: number for number, (piece, _) in enumerate(vocab)}
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    precompiled = {"type": "Precompiled", "precompiled_charsmap": charsmap}
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    around = ["<s>", "</s>"] if "<s>" in like.specials else [None, "</s>"]

    def special(content: str) -> dict:
        return {"SpecialToken": {"id": content, "type_id": 0}}

    def sequence(name: str) -> dict:
        return {"Sequence": {"id": name, "type_id": 0}}

    begin = [special(around[0])] if around[0] else []
    end = [special("</s>")]
    if name == "t5_like":
        normalizer = precompiled
        pre = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]}
    else:
        surplus = [
            {"type": "Strip", "strip_left": False, "strip_right": True},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
        ]
        normalizer = {"type": "Sequence", "normalizers": [precompiled, *surplus]}
        pre = metaspace
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            token(ids[content], content) for content in ids if content in (*like.specials, "<mask>")
        ],
        "normalizer": normalizer,
        "pre_tokenizer": pre,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [*begin, sequence("A"), *end],
            "pair": [*begin, sequence("A"), *end, *(begin and end), sequence("B"), *end],
            "special_tokens": {
                content: {"id": content, "ids": [ids[content]], "tokens": [content]}
                for content in around
                if content
            },
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": like.unknown, "vocab": vocab, "byte_fallback": False},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=LIKES, default=list(LIKES))
    options = parser.parse_args()
    for name in options.only:
        folder = options.out / name
        if (folder / "tokenizer.json").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        model = train(options.corpora, folder, LIKES[name])
        written = json.dumps(definition(name, LIKES[name], model), ensure_ascii=False)
        (folder / "tokenizer.json").write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
