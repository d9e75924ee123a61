"""How does a tokenizer.json read as the ranks of tiktoken, or as a model of sentencepiece?

Only for the benchmarks' contenders that have formats of their own; their ids are compared like all others.
"""

from __future__ import annotations

# What ByteLevel splits by when its file names no pattern.
GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def _bytes_by_sign() -> dict[str, int]:
    """Which byte each sign of byte-level vocabularies stands for: printable ones for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(rest)}


def ranks(described: dict) -> dict[bytes, int]:
    signs = _bytes_by_sign()
    special = {token["content"] for token in described["added_tokens"]}
    return {
        bytes(signs[sign] for sign in token): rank
        for token, rank in described["model"]["vocab"].items()
        if token not in special and all(sign in signs for sign in token)
    }


def pattern(described: dict) -> str:
    pre = described["pre_tokenizer"]
    parts = pre.get("pretokenizers", [pre])
    patterns = [part["pattern"]["Regex"] for part in parts if part["type"] == "Split"]
    return patterns[0] if patterns else GPT2


def sentencepiece_model(described: dict) -> bytes:
    """A BPE model whose scores say the order of the merges, as llama-2's and gemma's do."""
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = proto.ModelProto()
    model.trainer_spec.model_type = proto.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.add_dummy_prefix = "Prepend" in str(described["normalizer"])
    special = {token["content"] for token in described["added_tokens"]}
    vocab = described["model"]["vocab"]
    order: dict[str, int] = {}
    for rank, merge in enumerate(described["model"]["merges"]):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        order.setdefault(left + right, rank)
    for token, number in sorted(vocab.items(), key=lambda entry: entry[1]):
        piece = model.pieces.add(piece=token, score=-float(order.get(token, len(order) + number)))
        if token == "<unk>":
            piece.type = proto.ModelProto.SentencePiece.UNKNOWN
        elif len(token) == 6 and token.startswith("<0x"):
            piece.type = proto.ModelProto.SentencePiece.BYTE
        elif token in special:
            ordinary = token.strip("\n\t▁") == "" or not token.startswith("<")
            kinds = proto.ModelProto.SentencePiece
            piece.type = kinds.USER_DEFINED if ordinary else kinds.CONTROL
    # gemma writes some bytes as the characters that they are.
    for byte in (f"<0x{byte:02X}>" for byte in range(256)):
        if byte not in vocab:
            model.pieces.add(piece=byte, score=0.0).type = proto.ModelProto.SentencePiece.BYTE
    return model.SerializeToString()
