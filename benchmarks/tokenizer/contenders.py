"""How is each tokenizer library asked for the ids of many texts, in the fastest way that it documents?

A contender's `forms` are calls that do the same; whichever is fastest counts. No special tokens are put
around a text; where a library cannot leave them away, it reads the tokenizer without its post-processor.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from material import Ids

Forms = dict[str, Callable[[list[str]], object]]


class Cannot(Exception):
    """Why a library does not run a tokenizer."""


class Contender:
    package = ""
    # The forms, so that each can have a process of its own; some are for one long text only.
    FORMS: tuple[str, ...] = ()
    # How its version begins.
    VERSION = ""

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        """Loads tokenizer `name` from its file, or from `plain`, its file without a post-processor."""
        raise NotImplementedError

    def forms(self, shape: str) -> Forms:
        raise NotImplementedError

    def ids(self, answer: object) -> Ids:
        return Ids.of_rows(answer)

    def different(self, answer: object, right: Ids) -> int:
        """How many texts have other ids than the right ones."""
        return self.ids(answer).different(right)


class Bowstring(Contender):
    package = "bowstring"
    FORMS = ("list", "Arrow")

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import pyarrow

        import bowstring

        self.tokenizer, self.arrow, self.threads = bowstring.Tokenizer.from_file(path), pyarrow, threads

    def forms(self, shape: str) -> Forms:
        encode, array = self.tokenizer.encode_batch, self.arrow.array
        batch = {"list": lambda texts: encode(texts, add_special_tokens=False, threads=self.threads)}
        # Text that is in Arrow already, as ak.Array is for gigatoken.
        batch["Arrow"] = Prepared(
            array, lambda texts: encode(texts, add_special_tokens=False, threads=self.threads)
        )
        return batch

    def ids(self, answer: object) -> Ids:
        rows = self.arrow.chunked_array(answer.ids)
        if rows.num_chunks == 0:
            return Ids(np.zeros(0), np.zeros(0))
        rows = rows.combine_chunks()
        return Ids(rows.flatten().to_numpy(), rows.value_lengths().to_numpy())


class Count(Bowstring):
    """Lengths only."""

    def forms(self, shape: str) -> Forms:
        call = partial(self.tokenizer.count, add_special_tokens=False, threads=self.threads)
        return {"list": call, "Arrow": Prepared(self.arrow.array, call)}

    def different(self, answer: object, right: Ids) -> int:
        lengths = np.asarray(self.arrow.chunked_array(answer).to_numpy(), dtype=np.int64)
        return int(np.count_nonzero(np.cumsum(lengths) != right.ends))


class Prepared:
    """A call that takes texts in a form which is made before the time is taken."""

    def __init__(self, make: Callable[[list[str]], object], call: Callable[[object], object]) -> None:
        self.make, self.call = make, call

    def __call__(self, texts: object) -> object:
        return self.call(texts)


class Reference(Contender):
    """Hugging Face's, whose ids are the right ones."""

    package = "tokenizers"
    VERSION = "0."
    FORMS = ("encode_batch_fast",)

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import tokenizers

        self.tokenizer = tokenizers.Tokenizer.from_file(str(path))

    def forms(self, shape: str) -> Forms:
        return {
            "encode_batch_fast": lambda texts: self.tokenizer.encode_batch_fast(
                texts, add_special_tokens=False
            )
        }

    def ids(self, answer: object) -> Ids:
        return Ids.of_rows([encoded.ids for encoded in answer])


class Candidate(Reference):
    """Hugging Face's next, which has one kind of batch only."""

    VERSION = "1."
    FORMS = ("encode_batch",)

    def forms(self, shape: str) -> Forms:
        return {"encode_batch": lambda texts: self.tokenizer.encode_batch(texts, add_special_tokens=False)}


class Gigatoken(Contender):
    package = "gigatoken"
    FORMS = ("list", "awkward")

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import awkward
        import gigatoken

        self.array, self.parallel = awkward.Array, threads > 1
        try:
            self.tokenizer = gigatoken.Tokenizer(path)
        except RuntimeError as error:
            raise Cannot(str(error).splitlines()[0]) from error

    def forms(self, shape: str) -> Forms:
        batch = self.tokenizer.encode_batch
        return {
            "list": lambda texts: batch(texts, parallel=self.parallel),
            "awkward": Prepared(self.array, lambda texts: batch(texts, parallel=self.parallel)),
        }

    def ids(self, answer: object) -> Ids:
        import awkward

        flat, lengths = awkward.flatten(answer), awkward.num(answer)
        return Ids(awkward.to_numpy(flat), awkward.to_numpy(lengths))


class Flat(Contender):
    """Those that give one buffer of ids and one of where each text's begin."""

    def ids(self, answer: object) -> Ids:
        ids, offsets = answer
        return Ids(np.frombuffer(ids, np.uint32), np.diff(np.frombuffer(offsets, np.uint64).astype(np.int64)))


class Fastokens(Flat):
    package = "fastokens"
    FORMS = ("encode_batch_flat",)

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import fastokens

        described = json.loads(plain.read_text(encoding="utf-8"))
        # It refuses vocabularies that name added tokens a second time, as cl100k's does.
        if isinstance(described["model"]["vocab"], dict):
            for token in described["added_tokens"]:
                if name in ("gpt4", "gpt4o"):
                    described["model"]["vocab"].pop(token["content"], None)
        try:
            self.tokenizer = fastokens.Tokenizer.from_json_str(json.dumps(described))
        except ValueError as error:
            raise Cannot(str(error)) from error

    def forms(self, shape: str) -> Forms:
        return {
            "encode_batch_flat": lambda texts: self.tokenizer.encode_batch_flat(
                texts, add_special_tokens=False
            )
        }


class Splintr(Flat):
    package = "splintr-rs"
    FORMS = ("encode_batch_flat", "encode_flat", "encode_rayon")

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import splintr

        self.tokenizer = splintr.from_json(str(plain))

    def forms(self, shape: str) -> Forms:
        tokenizer = self.tokenizer
        forms: Forms = {"encode_batch_flat": tokenizer.encode_batch_flat}
        if shape == "text":

            def alone(ids: bytes) -> tuple[bytes, bytes]:
                return ids, np.array([0, len(ids) // 4], dtype=np.uint64).tobytes()

            forms["encode_flat"] = lambda texts: alone(tokenizer.encode_flat(texts[0]))
            forms["encode_rayon"] = lambda texts: alone(
                np.array(tokenizer.encode_rayon(texts[0]), np.uint32).tobytes()
            )
        return forms


class Tokie(Contender):
    package = "tokie"
    FORMS = ("encode_batch_flat",)

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import tokie

        self.tokenizer = tokie.Tokenizer.from_json(str(path))

    def forms(self, shape: str) -> Forms:
        return {
            "encode_batch_flat": lambda texts: self.tokenizer.encode_batch_flat(
                texts, add_special_tokens=False
            )
        }

    def ids(self, answer: object) -> Ids:
        return Ids(*answer)


class Kitoken(Contender):
    package = "kitoken"
    FORMS = ("encode_all",)

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import kitoken

        try:
            self.tokenizer = kitoken.Kitoken.from_tokenizers_file(str(path))
        except Exception as error:
            raise Cannot(str(error)[:80]) from error

    def forms(self, shape: str) -> Forms:
        return {"encode_all": lambda texts: self.tokenizer.encode_all(texts, True)}


class Tiktoken(Contender):
    package = "tiktoken"
    FORMS = ("encode_ordinary_batch", "encode_to_numpy")

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import tiktoken
        from ranks import pattern, ranks

        described = json.loads(path.read_text(encoding="utf-8"))
        if described["model"].get("byte_fallback") or "merges" not in described["model"]:
            raise Cannot("byte-level BPE only")
        self.threads = threads
        self.tokenizer = tiktoken.Encoding(
            name, pat_str=pattern(described), mergeable_ranks=ranks(described), special_tokens={}
        )

    def forms(self, shape: str) -> Forms:
        encode = self.tokenizer
        forms: Forms = {
            "encode_ordinary_batch": lambda texts: encode.encode_ordinary_batch(
                texts, num_threads=self.threads
            )
        }
        if shape == "text":
            forms["encode_to_numpy"] = lambda texts: [encode.encode_to_numpy(texts[0], disallowed_special=())]
        return forms


class RsBpe(Contender):
    package = "rs_bpe"
    FORMS = ("encode_batch", "encode_batch_parallel")

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        from rs_bpe.bpe import openai

        if name not in ("gpt4", "gpt4o"):
            raise Cannot("has cl100k and o200k only")
        self.tokenizer = openai.cl100k_base() if name == "gpt4" else openai.o200k_base()
        self.parallel = threads > 1

    def forms(self, shape: str) -> Forms:
        forms: Forms = {"encode_batch": lambda texts: self.tokenizer.encode_batch(texts)[0]}
        if self.parallel:
            forms["encode_batch_parallel"] = lambda texts: self.tokenizer.encode_batch_parallel(texts)[0]
        return forms


class Wordchipper(Contender):
    package = "wordchipper"
    FORMS = ("encode_batch",)
    NAMES: ClassVar = {"gpt2": "r50k_base", "gpt4": "cl100k_base", "gpt4o": "o200k_base"}

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import wordchipper
        from ranks import ranks

        if name not in self.NAMES:
            raise Cannot("has OpenAI's vocabularies only")
        # It reads a vocabulary from its cache, or else from the network.
        kept = plain.parent / "openai" / self.NAMES[name] / f"{self.NAMES[name]}.tiktoken"
        if not kept.exists():
            kept.parent.mkdir(parents=True)
            described = json.loads(path.read_text(encoding="utf-8"))
            lines = [
                f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks(described).items()
            ]
            kept.write_text("".join(lines), encoding="ascii")
        os.environ["WORDCHIPPER_CACHE_DIR"] = str(plain.parent)
        options = wordchipper.TokenizerOptions.default()
        options.set_parallel(threads > 1)
        options.set_accelerated_lexers(True)
        self.tokenizer = wordchipper.Tokenizer.from_pretrained(self.NAMES[name], options)

    def forms(self, shape: str) -> Forms:
        return {"encode_batch": self.tokenizer.encode_batch}


class FlashTokenizer(Contender):
    package = "flash-tokenizer"
    FORMS = ("batch_encode",)

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import flash_tokenizer

        if name != "bert":
            raise Cannot("WordPiece only")
        described = json.loads(path.read_text(encoding="utf-8"))
        vocabulary = plain.parent / "vocab.txt"
        tokens = sorted(described["model"]["vocab"].items(), key=lambda entry: entry[1])
        vocabulary.write_text("\n".join(token for token, _ in tokens) + "\n", encoding="utf-8")
        self.tokenizer = flash_tokenizer.BertTokenizerFlash(
            str(vocabulary), model_max_length=1 << 30
        ).tokenizer
        self.parallel = threads > 1

    def forms(self, shape: str) -> Forms:
        return {
            "batch_encode": lambda texts: self.tokenizer.batch_encode(
                texts, "longest", 1 << 30, self.parallel
            )
        }

    def ids(self, answer: object) -> Ids:
        """Without [CLS], [SEP] and what fills up to the longest."""
        return Ids.of_rows([[number for number in row[1:] if number not in (0, 102)] for row in answer])


class Blingfire(Contender):
    package = "blingfire"
    FORMS = ("text_to_ids",)
    NAMES: ClassVar = {"bert": "bert_base_tok.bin", "gpt2": "gpt2.bin"}

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import blingfire

        if name not in self.NAMES:
            raise Cannot("carries neither this tokenizer nor a way to read it here")
        folder = Path(blingfire.__file__).parent
        self.model = blingfire.load_model(str(folder / self.NAMES[name]))
        self.encode = blingfire.text_to_ids

    def forms(self, shape: str) -> Forms:
        def encode(texts: list[str]) -> list[np.ndarray]:
            return [self.encode(self.model, text, len(text) + 8, 100, True) for text in texts]

        return {"text_to_ids": encode}


class SentencePiece(Contender):
    package = "sentencepiece"
    FORMS = ("encode",)

    def __init__(self, name: str, path: Path, plain: Path, threads: int) -> None:
        import sentencepiece
        from ranks import sentencepiece_model

        trained = path.parent / "spiece.model"
        if trained.exists():
            self.tokenizer = sentencepiece.SentencePieceProcessor(str(trained))
        else:
            described = json.loads(path.read_text(encoding="utf-8"))
            if not described["model"].get("byte_fallback"):
                raise Cannot("its own kinds only")
            model = sentencepiece_model(described)
            self.tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.threads, self.fairseq = threads, name == "xlmr_like"

    def forms(self, shape: str) -> Forms:
        return {
            "encode": lambda texts: self.tokenizer.encode(texts, num_threads=self.threads),
        }

    def ids(self, answer: object) -> Ids:
        """XLM-R's ids are sentencepiece's plus one, and the unknown one's is 3."""
        found = Ids.of_rows(answer)
        if self.fairseq:
            found.ids = np.where(found.ids == 0, 3, found.ids + 1)
        return found


CONTENDERS: dict[str, type[Contender]] = {
    "bowstring": Bowstring,
    "bowstring count": Count,
    "HF 0.23": Reference,
    "HF 1.0rc": Candidate,
    "gigatoken": Gigatoken,
    "fastokens": Fastokens,
    "tokie": Tokie,
    "splintr": Splintr,
    "kitoken": Kitoken,
    "wordchipper": Wordchipper,
    "tiktoken": Tiktoken,
    "rs-bpe": RsBpe,
    "flash": FlashTokenizer,
    "blingfire": Blingfire,
    "sentencepiece": SentencePiece,
}
