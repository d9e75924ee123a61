"""Tokenizers: text to the ids of language models, and back."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

from bowstring import _bowstring

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from arro3.core import Array, ChunkedArray

    from bowstring._bowstring import DecodeStream, Encoding, NativeBatch, NativeTokenizer, Table
    from bowstring._tables import Path, Paths

    _Ids = npt.NDArray[np.int64]
    _Side = Literal["left", "right"]
    # Which text of a pair is shortened.
    _Strategy = Literal["longest_first", "only_first", "only_second"]
    # Whether offsets are wanted, and what they count: `True` is `"chars"`.
    _Offsets = Literal["chars", "bytes"] | bool


def _given(**options: object) -> dict[str, object]:
    """Leave out what was left at its default."""
    return {name: value for name, value in options.items() if value is not None}


class PaddedBatch(NamedTuple):
    """Texts as rows of one length."""

    input_ids: _Ids
    """The ids, int64: a row for each text."""

    attention_mask: _Ids
    """1 for tokens and 0 for padding, int64, of the same shape."""


class EncodedBatch(Sequence["Encoding | None"]):
    """Texts that were encoded together: columns of all of them, and an `Encoding` of each.

    An item is made when it is asked for; it is `None` where the text is null.
    """

    def __init__(self, native: NativeBatch) -> None:
        """Take what the engine made."""
        self._native = native

    @property
    def ids(self) -> Array | ChunkedArray:
        """The ids: Arrow lists of uint32, in several chunks beyond 2³¹ − 1 of them."""
        column = self._native.column("ids")
        assert column is not None
        return column

    @property
    def attention_mask(self) -> Array | ChunkedArray | None:
        """1 for tokens and 0 for padding, as lists of uint8; `None` unless it was asked for."""
        return self._native.column("attention_mask")

    @property
    def type_ids(self) -> Array | ChunkedArray | None:
        """Which text of a pair tokens belong to, as lists of uint32; `None` unless they were asked for."""
        return self._native.column("type_ids")

    @property
    def special_tokens_mask(self) -> Array | ChunkedArray | None:
        """1 for special tokens and padding, as lists of uint8; `None` unless it was asked for."""
        return self._native.column("special_tokens_mask")

    @property
    def offsets(self) -> Array | ChunkedArray | None:
        """Begin and end of each token in its text, as lists of pairs of uint32; `None` unless asked for."""
        return self._native.column("offsets")

    @property
    def word_ids(self) -> Array | ChunkedArray | None:
        """Which word of its text each token belongs to, as lists of uint32; `None` unless asked for."""
        return self._native.column("word_ids")

    @property
    def sample(self) -> Array | ChunkedArray | None:
        """The number of the text of each row, uint64, where `overflow` asks for rows of what was cut off."""
        return self._native.column("sample")

    def to_table(self) -> Table:
        """Put the columns that there are into a table; they are not copied."""
        return self._native.table()

    def __len__(self) -> int:
        """Count the texts."""
        return len(self._native)

    @overload
    def __getitem__(self, index: int, /) -> Encoding | None: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[Encoding | None]: ...
    def __getitem__(self, index: int | slice, /) -> Encoding | list[Encoding | None] | None:
        """Say everything about one text, or about some."""
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = index + len(self) if index < 0 else index
        if not 0 <= row < len(self):
            raise IndexError(f"there are {len(self)} texts, and no number {index}")
        return self._native.encoding(row)

    def __iter__(self) -> Iterator[Encoding | None]:
        """Go through the texts."""
        return (self._native.encoding(row) for row in range(len(self)))

    def __repr__(self) -> str:
        """Say how many texts there are, and which columns."""
        return f"EncodedBatch({len(self)} texts: {', '.join(self.to_table().column_names)})"


class Tokenizer:
    """Turns text into the ids that a language model sees, and ids into text. Immutable.

    Made by `from_file`, `from_bytes`, `from_directory`, `from_pretrained`, `from_tiktoken`,
    `from_sentencepiece` or `train`. The ids are those of Hugging
    Face's `tokenizers`. Calls that take many texts use all cores unless `threads` says otherwise, hold no
    lock of the interpreter, are stopped by Ctrl-C, and work in forked processes.

    Texts come as any sequence of `str`, with `None` for null, or as an Arrow column of strings (`string`,
    `large_string`, `string_view`, or a dictionary of them) of pyarrow, polars, pandas, duckdb or Bowstring;
    neither is copied. Rows that are null stay null.

    Examples:
        >>> t.encode("secure shell client").tokens
        ['s', 'ecure', 'Ġshell', 'Ġclient']
        >>> t.count(["s", None, "secure shell client"]).to_pylist()
        [1, None, 4]
    """

    def __init__(self, native: NativeTokenizer | None = None) -> None:
        """Take what the engine loaded; use one of the `from_…` methods.

        Raises:
            TypeError: When it is anything else.
        """
        if not isinstance(native, _bowstring.NativeTokenizer):
            raise TypeError(
                "make a tokenizer with `Tokenizer.from_file`, `Tokenizer.from_pretrained` or another"
                " `Tokenizer.from_…`"
            )
        self._native = native

    # --- loading ---

    @classmethod
    def from_file(cls, path: Path) -> Tokenizer:
        """Load a `tokenizer.json`.

        Args:
            path: The file.

        Raises:
            NotFoundError: When there is no such file.
            DataError: When it is no `tokenizer.json`; the field is named.

        Examples:
            >>> bs.Tokenizer.from_file(path)
            Tokenizer(2048 tokens, fast (byte-level BPE))
        """
        return cls(_bowstring.NativeTokenizer.from_file(path))

    @classmethod
    def from_bytes(cls, data: bytes | str) -> Tokenizer:
        """Load the text of a `tokenizer.json`.

        Args:
            data: The text.

        Raises:
            DataError: When it is no `tokenizer.json`; the field is named.

        Examples:
            >>> bs.Tokenizer.from_bytes(t.to_json()).vocab_size == t.vocab_size
            True
        """
        return cls(_bowstring.NativeTokenizer.from_bytes(data))

    @classmethod
    def from_directory(cls, path: Path) -> Tokenizer:
        """Load the tokenizer in the folder of a model.

        Args:
            path: The folder: its `tokenizer.json`, with what `tokenizer_config.json`,
                `special_tokens_map.json` and `chat_template.jinja` say, where they are there.

        Raises:
            NotFoundError: When there is no such folder, or no tokenizer in it.
            DataError: When one of the files is malformed; it and the field are named.

        Examples:
            >>> bs.Tokenizer.from_directory(path.parent).special_tokens
            {'<|endoftext|>': 0}
        """
        return cls(_bowstring.NativeTokenizer.from_directory(path))

    @classmethod
    def from_pretrained(cls, path_or_name: Path) -> Tokenizer:
        """Load the tokenizer of a file, of a folder, or of a model in the local cache.

        Args:
            path_or_name: A `tokenizer.json`, a `.model` of SentencePiece, the folder of a model, or the name
                of a model that Hugging Face's library has downloaded, such as `"org/name"`. Nothing is
                downloaded.

        Raises:
            NotFoundError: When it is none of these; the message says how to download it.
            DataError: When a file is malformed.

        Examples:
            >>> bs.Tokenizer.from_pretrained(path).vocab_size
            2048
        """
        return cls(_bowstring.NativeTokenizer.from_pretrained(path_or_name))

    @classmethod
    def from_tiktoken(
        cls, path: Path, pattern: str, special_tokens: Mapping[str, int] | None = None
    ) -> Tokenizer:
        r"""Load a file of tiktoken's ranks, such as `cl100k_base.tiktoken`.

        Args:
            path: The file: a token in base 64 and its rank in each line.
            pattern: The regular expression that cuts texts into words, which the file does not have. One
                that is none of today's models is run by Hugging Face's crate, see `backend`.
            special_tokens: Special tokens and their ids, which it does not have either.

        Raises:
            NotFoundError: When there is no such file.
            DataError: When it is no file of ranks, or the pattern is no regular expression or one that
                could not be run as tiktoken runs it; its place in the pattern is named.

        Examples:
            >>> import base64
            >>> ranks = b"".join(base64.b64encode(bytes([n])) + b" %d\n" % n for n in range(256))
            >>> written = (folder / "bytes.tiktoken").write_bytes(ranks)
            >>> pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
            >>> t2 = bs.Tokenizer.from_tiktoken(folder / "bytes.tiktoken", pattern, {"<|end|>": 256})
            >>> t2.encode("ab<|end|>").ids
            [97, 98, 256]
        """
        return cls(_bowstring.NativeTokenizer.from_tiktoken(path, pattern, dict(special_tokens or {})))

    @classmethod
    def from_sentencepiece(cls, path: Path) -> Tokenizer:
        """Load a `.model` of SentencePiece, BPE or Unigram; its ids are those of that library.

        Symbols of the user come before all other pieces and are not normalised. Of two ways through a word
        that are equally probable but for rounding, a Unigram model takes the same one in every text; that
        library rounds over the whole text and may take the other one.

        Args:
            path: The file.

        Raises:
            NotFoundError: When there is no such file.
            DataError: When it is no such model, or one whose ids could not be those of the library.

        Examples:
            >>> bs.Tokenizer.from_sentencepiece(folder / "sentencepiece.model").vocab_size
            4000
        """
        return cls(_bowstring.NativeTokenizer.from_sentencepiece(path))

    @classmethod
    def train(
        cls,
        texts: object,
        vocab_size: int,
        *,
        algorithm: Literal["bpe", "wordpiece", "unigram"] = "bpe",
        special_tokens: Sequence[str] | None = None,
        min_frequency: int | None = None,
        lowercase: bool | None = None,
        threads: int | None = None,
    ) -> Tokenizer:
        """Learn a tokenizer from texts; `to_json` gives its `tokenizer.json`. The same texts give the same.

        Args:
            texts: The texts: a sequence of `str` and `None`, or an Arrow column.
            vocab_size: The most tokens, special ones included.
            algorithm: Byte-level BPE, WordPiece as BERT has it, or Unigram as SentencePiece has it.
            special_tokens: The special tokens, which get the first ids; those that are usual when `None`.
            min_frequency: How often a pair has to be met to be merged; not for Unigram.
            lowercase: Whether capitals become small letters; as is usual when `None`.
            threads: The most threads for counting words; as many as there are cores when `None`.

        Raises:
            TypeError: When the texts are anything else.
            UsageError: When the vocabulary is too small for what it must hold, or an option does not fit.
            DataError: When there is nothing to learn from.

        Examples:
            >>> trained = bs.Tokenizer.train(["low lower lowest", "new newer newest"] * 9, 270)
            >>> trained.decode(trained.encode("lowest news").ids)
            'lowest news'
        """
        options = _given(
            vocab_size=vocab_size,
            algorithm=algorithm,
            special_tokens=special_tokens,
            min_frequency=min_frequency,
            lowercase=lowercase,
            threads=threads,
        )
        return cls(_bowstring.NativeTokenizer.train(texts, options))

    # --- what there is to know ---

    @property
    def backend(self) -> str:
        """What runs it: `fast` and which kernel of ours, or `complete` and why none of them fits."""
        return self._native.backend

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, added ones among them."""
        return self._native.vocab_size(True)

    @property
    def special_tokens(self) -> dict[str, int]:
        """The special tokens with their ids."""
        return self._native.special_tokens()

    @property
    def config(self) -> Mapping[str, Any]:
        """What the model's folder says beside the `tokenizer.json`.

        `special_tokens` maps parts such as `pad_token` to tokens, `chat_templates` names to templates, and
        `model_max_length` is the most tokens that the model takes, or `None`.
        """
        return self._native.config()

    @property
    def truncation(self) -> Mapping[str, Any] | None:
        """How texts are shortened, as `with_truncation` takes it; `None` when they are not."""
        return self._native.truncation()

    @property
    def padding(self) -> Mapping[str, Any] | None:
        """How encodings are brought to one length, as `with_padding` takes it; `None` when they are not."""
        return self._native.padding()

    def vocab(self) -> dict[str, int]:
        """Map all tokens to their ids.

        Examples:
            >>> len(t.vocab()) == t.vocab_size
            True
        """
        return self._native.vocab()

    def num_special_tokens(self, pair: bool = False) -> int:
        """Count the special tokens that are put around a text.

        Args:
            pair: Around a pair of texts.

        Examples:
            >>> t.num_special_tokens()
            0
        """
        return self._native.num_special_tokens(pair)

    def token_to_id(self, token: str, /) -> int | None:
        """Find the id of a token; `None` when it is not in the vocabulary.

        Args:
            token: The token as the vocabulary writes it.

        Examples:
            >>> t.token_to_id("<|endoftext|>")
            0
        """
        return self._native.token_to_id(token)

    def id_to_token(self, id: int, /) -> str | None:
        """Find the token of an id, as the vocabulary writes it; `None` when there is none.

        Args:
            id: The id.

        Examples:
            >>> t.id_to_token(0)
            '<|endoftext|>'
        """
        return self._native.id_to_token(id)

    def to_json(self) -> str:
        """Give the text of the `tokenizer.json` that it was made from.

        Examples:
            >>> t.to_json()[0]
            '{'
        """
        return self._native.json().decode()

    # --- truncation and padding ---

    def with_truncation(
        self,
        max_length: int,
        *,
        stride: int = 0,
        strategy: _Strategy = "longest_first",
        side: _Side = "right",
    ) -> Tokenizer:
        """Make a tokenizer that shortens texts. What is cut off is the `overflowing` of an encoding.

        Args:
            max_length: The most tokens, special ones included. Fewer than the special ones take are enough
                as long as texts are encoded without these.
            stride: How many tokens each part of what is cut off shares with the one before it.
            strategy: Which text of a pair is shortened.
            side: The end that is cut off.

        Raises:
            UsageError: When the stride leaves no room.

        Examples:
            >>> t.with_truncation(3).encode("secure shell client").tokens
            ['s', 'ecure', 'Ġshell']
        """
        options = {"max_length": max_length, "stride": stride, "strategy": strategy, "side": side}
        return type(self)(self._native.with_truncation(options))

    def without_truncation(self) -> Tokenizer:
        """Make a tokenizer that gives all tokens of a text.

        Examples:
            >>> t.with_truncation(2).without_truncation().truncation is None
            True
        """
        return type(self)(self._native.with_truncation(None))

    def with_padding(
        self,
        *,
        length: int | None = None,
        side: _Side = "right",
        pad_to_multiple_of: int | None = None,
        token: str | None = None,
        id: int | None = None,
        type_id: int | None = None,
    ) -> Tokenizer:
        """Make a tokenizer that brings the encodings of a batch to one length.

        Args:
            length: The length, which longer encodings exceed; that of the longest when `None`.
            side: Where padding is put.
            pad_to_multiple_of: The length is rounded up to a multiple of this.
            token: The token to pad with; the `pad_token` of the model when `None`.
            id: Its id; the token's own when `None`.
            type_id: Its type id.

        Raises:
            UsageError: When no token is named and the model has none.
            DataError: When no token has this id.

        Examples:
            >>> padded = t.with_padding(length=5, token="<|endoftext|>")
            >>> padded.encode("secure shell").attention_mask
            [1, 1, 1, 0, 0]
        """
        options = _given(
            length=length,
            side=side,
            pad_to_multiple_of=pad_to_multiple_of,
            token=token,
            id=id,
            type_id=type_id,
        )
        return type(self)(self._native.with_padding(options))

    def without_padding(self) -> Tokenizer:
        """Make a tokenizer that leaves encodings as long as they are.

        Examples:
            >>> t.without_padding().padding is None
            True
        """
        return type(self)(self._native.with_padding(None))

    # --- encoding ---

    def encode(
        self,
        text: str,
        pair: str | None = None,
        *,
        add_special_tokens: bool = True,
        offsets: _Offsets = "chars",
    ) -> Encoding:
        """Encode a text, or a pair of texts, with everything there is to know of it.

        Args:
            text: The text.
            pair: A second text.
            add_special_tokens: Whether the special tokens of the model are put around it.
            offsets: What offsets count: characters, or bytes of UTF-8.

        Raises:
            DataError: When a text has a lone surrogate.

        Examples:
            >>> encoding = t.encode("secure shell client")
            >>> encoding.ids
            [83, 1204, 1377, 483]
            >>> encoding.offsets
            [(0, 1), (1, 6), (6, 12), (12, 19)]
        """
        options = {"add_special_tokens": add_special_tokens, "offsets": offsets}
        return self._native.encode(text, pair, options)

    def encode_batch(
        self,
        texts: object,
        *,
        add_special_tokens: bool = True,
        attention_mask: bool = False,
        type_ids: bool = False,
        special_tokens_mask: bool = False,
        offsets: _Offsets = False,
        word_ids: bool = False,
        overflow: bool = False,
        large_list: bool = False,
        threads: int | None = None,
    ) -> EncodedBatch:
        """Encode many texts, with their ids and what else is asked for as Arrow columns.

        Args:
            texts: The texts: a sequence of `str` and `None`, or an Arrow column.
            add_special_tokens: Whether the special tokens of the model are put around each.
            attention_mask: Whether that column is wanted.
            type_ids: Whether that column is wanted.
            special_tokens_mask: Whether that column is wanted.
            offsets: Whether that column is wanted, and what it counts: characters (`"chars"`, `True`) or
                bytes of UTF-8 (`"bytes"`).
            word_ids: Whether that column is wanted.
            overflow: Whether what truncation cuts off has rows too, after that of its text.
            large_list: Whether lists have offsets of 64 bits, and so one chunk however many ids there are.
            threads: The most threads; as many as there are cores when `None`.

        Raises:
            TypeError: When the texts are anything else.
            UsageError: When a column is not text.
            DataError: When a text has a lone surrogate, or is not UTF-8; its row is named.
            LimitError: When a text has 4 GiB or more; its row is named.

        Examples:
            >>> batch = t.encode_batch(["s", None, "secure shell client"])
            >>> batch.ids.to_pylist()
            [[83], None, [83, 1204, 1377, 483]]
            >>> batch[2].tokens
            ['s', 'ecure', 'Ġshell', 'Ġclient']
        """
        options = _given(
            add_special_tokens=add_special_tokens,
            attention_mask=attention_mask,
            type_ids=type_ids,
            special_tokens_mask=special_tokens_mask,
            offsets=offsets,
            word_ids=word_ids,
            overflow=overflow,
            large_list=large_list,
            threads=threads,
        )
        return EncodedBatch(self._native.encode_batch(texts, options))

    def encode_batch_with_padding(
        self,
        texts: object,
        *,
        length: int | None = None,
        side: _Side = "right",
        pad_to_multiple_of: int | None = None,
        token: str | None = None,
        id: int | None = None,
        add_special_tokens: bool = True,
        threads: int | None = None,
    ) -> PaddedBatch:
        """Encode texts as rows of one length, as models take them.

        Args:
            texts: The texts: a sequence of `str`, or an Arrow column.
            length: The length of the rows; that of the longest when `None`.
            side: Where padding is put.
            pad_to_multiple_of: The length is rounded up to a multiple of this.
            token: The token to pad with; the `pad_token` of the model when `None`.
            id: Its id; the token's own when `None`.
            add_special_tokens: Whether the special tokens of the model are put around each text.
            threads: The most threads; as many as there are cores when `None`.

        Returns:
            `input_ids` and `attention_mask`, numpy arrays of int64 with a row for each text.

        Raises:
            TypeError: When the texts are anything else.
            UsageError: When no token is named and the model has none.
            DataError: When a text is null, or has more tokens than `length`, which `with_truncation` mends.

        Examples:
            >>> ids, mask = t.encode_batch_with_padding(["s", "secure shell client"], id=0)
            >>> ids.tolist()
            [[83, 0, 0, 0], [83, 1204, 1377, 483]]
            >>> mask.tolist()
            [[1, 0, 0, 0], [1, 1, 1, 1]]
        """
        options = _given(
            length=length,
            side=side,
            pad_to_multiple_of=pad_to_multiple_of,
            token=token,
            id=id,
            add_special_tokens=add_special_tokens,
            threads=threads,
        )
        return PaddedBatch(*self._native.encode_padded(texts, options))

    def count(self, texts: object, *, add_special_tokens: bool = True, threads: int | None = None) -> Array:
        """Count the tokens of texts, which is faster than encoding them. Truncation does not count.

        Args:
            texts: The texts: a sequence of `str` and `None`, or an Arrow column.
            add_special_tokens: Whether the special tokens of the model count too.
            threads: The most threads; as many as there are cores when `None`.

        Returns:
            An Arrow array of uint32.

        Raises:
            TypeError: When the texts are anything else.
            UsageError: When a column is not text.
            DataError: When a text has a lone surrogate, or is not UTF-8; its row is named.
            LimitError: When a text has 4 GiB or more; its row is named.

        Examples:
            >>> t.count(["s", None, "secure shell client"]).to_pylist()
            [1, None, 4]
        """
        options = _given(add_special_tokens=add_special_tokens, threads=threads)
        return self._native.count(texts, options)

    # --- decoding ---

    def decode(
        self, ids: Sequence[int] | npt.NDArray[np.integer[Any]], *, skip_special_tokens: bool = True
    ) -> str:
        """Turn ids into text.

        Args:
            ids: The ids.
            skip_special_tokens: Whether special tokens are left out.

        Raises:
            DataError: When no token has one of the ids.

        Examples:
            >>> t.decode([83, 1204, 1377, 483])
            'secure shell client'
        """
        return self._native.decode(ids, skip_special_tokens)

    def decode_batch(
        self, ids: object, *, skip_special_tokens: bool = True, threads: int | None = None
    ) -> Array:
        """Turn lists of ids into texts.

        Args:
            ids: A sequence of sequences of ids, or an Arrow column of lists, such as `EncodedBatch.ids`.
            skip_special_tokens: Whether special tokens are left out.
            threads: The most threads; as many as there are cores when `None`.

        Returns:
            An Arrow array of large_string; null where a list is null.

        Raises:
            UsageError: When it is no column of lists of integers.
            DataError: When no token has one of the ids, or one is null; its row is named.

        Examples:
            >>> t.decode_batch([[83], [83, 1204, 1377, 483]]).to_pylist()
            ['s', 'secure shell client']
        """
        options = _given(skip_special_tokens=skip_special_tokens, threads=threads)
        return self._native.decode_batch(ids, options)

    def decode_stream(self, *, skip_special_tokens: bool = True) -> DecodeStream:
        """Decode ids one by one, as a model generates them.

        Args:
            skip_special_tokens: Whether special tokens are left out.

        Examples:
            >>> stream = t.decode_stream()
            >>> [stream.step(id) for id in [83, 1204, 1377]]
            ['s', 'ecure', ' shell']
        """
        return self._native.decode_stream(skip_special_tokens)

    # --- conversations and chunks ---

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        template: str | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tools: Sequence[Any] | None = None,
        documents: Sequence[Any] | None = None,
        **variables: Any,  # noqa: ANN401 - whatever the template knows
    ) -> str:
        """Make the text of a conversation by the template of the model, as `transformers` does.

        The text has its special tokens: encode it with `add_special_tokens=False`.

        Args:
            messages: The messages, each with a `role` and a `content`.
            template: The name of one of the model's templates, or the text of one; that for tools or the
                default one when `None`.
            add_generation_prompt: Whether the text ends with what comes before an answer.
            continue_final_message: Whether it ends with the last message, for the model to go on with it.
            tools: Descriptions of the tools that the model may call.
            documents: Documents for retrieval.
            variables: Further variables of the template, such as `enable_thinking`.

        Raises:
            UsageError: When the model has no such template, or both ends are asked for.
            DataError: When the template fails or refuses the conversation.
            LimitError: When it takes more than 10 million steps, or makes a value of more than 32 MiB, more
                than 1 GiB of them, or lists in one another more than 128 deep.

        Examples:
            >>> template = "{% for turn in messages %}{{ turn.role }}: {{ turn.content }}{% endfor %}"
            >>> t.apply_chat_template([{"role": "user", "content": "Hello"}], template=template)
            'user: Hello'
        """
        options = _given(
            template=template,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            tools=tools,
            documents=documents,
        )
        now = datetime.datetime.now().timetuple()[:6]
        return self._native.apply_chat_template(messages, variables, options, now)

    def chunk(
        self,
        texts: object,
        max_tokens: int,
        *,
        overlap: int = 0,
        add_special_tokens: bool = True,
        offsets: Literal["chars", "bytes"] = "chars",
        threads: int | None = None,
    ) -> Table:
        """Split texts into chunks of at most so many tokens, for retrieval.

        A chunk ends at a paragraph where one ends in its second half, else at a sentence, else at white
        space. The chunks of a text cover all of it; each has the number of tokens that it has when it is
        encoded by itself.

        Args:
            texts: A `str`, a sequence of `str` and `None`, or an Arrow column.
            max_tokens: The most tokens of a chunk, special ones included.
            overlap: The most tokens that a chunk repeats of the one before it; at most half of a chunk.
            add_special_tokens: Whether the special tokens of the model count.
            offsets: What `start` and `end` count: characters, or bytes of UTF-8.
            threads: The most threads; as many as there are cores when `None`.

        Returns:
            A row for each chunk: `row`, the number of its text; `text`; `start` and `end`, where it stands
            there; and `tokens`.

        Raises:
            TypeError: When the texts are anything else.
            UsageError: When the special tokens alone are too many, or the overlap is too large.
            DataError: When a text has a lone surrogate, or is not UTF-8; its row is named.
            LimitError: When a text has 4 GiB or more; its row is named.

        Examples:
            >>> t.chunk("One sentence. Another sentence.", 9)["text"].to_pylist()
            ['One sentence. ', 'Another sentence.']
        """
        options = _given(
            max_tokens=max_tokens,
            overlap=overlap,
            add_special_tokens=add_special_tokens,
            offsets=offsets,
            threads=threads,
        )
        return self._native.chunk(texts, options)

    # --- files and queries ---

    def encode_file(
        self,
        source: Paths,
        target: Path,
        *,
        column: str = "text",
        output: str = "ids",
        keep: Sequence[str] | None = None,
        add_special_tokens: bool = True,
    ) -> int:
        """Tokenise a column of a table in files into another file, in bounded memory.

        Texts are truncated as this tokenizer says, and not padded.

        Args:
            source: The table: Parquet, CSV, JSON lines or Arrow IPC; a file, a pattern, a folder or a list.
            target: The file to write, whose ending tells its format; it appears as a whole or not at all.
            column: The column of text.
            output: The column of ids, lists of uint32.
            keep: The columns to keep beside it; all but the text when `None`.
            add_special_tokens: Whether the special tokens of the model are put around each text.

        Returns:
            How many rows were written.

        Raises:
            NotFoundError: When there is no such file.
            StorageError: When a file cannot be read or written.
            UsageError: When a column does not exist or is not text.
            DataError: When a file is malformed.

        Examples:
            >>> bs.write_parquet(bs.sql("SELECT 1 AS id, 'Hello' AS text").collect(), folder / "in.parquet")
            >>> t.encode_file(folder / "in.parquet", folder / "out.parquet")
            1
            >>> bs.read_parquet(folder / "out.parquet").column_names
            ['id', 'ids']
        """
        options = _given(column=column, output=output, keep=keep, add_special_tokens=add_special_tokens)
        return self._native.encode_file(source, target, options)

    def register(self, name: str, /) -> None:
        """Give it a name in SQL and in `tokenize` steps of this process.

        Args:
            name: The name; who had it before loses it.

        Examples:
            >>> t.register("mine")
            >>> bs.sql("SELECT token_count('secure shell client', 'mine') AS n").collect()["n"].to_pylist()
            [4]
        """
        self._native.register(name)

    def __repr__(self) -> str:
        """Say how many tokens there are, and what runs it."""
        return f"Tokenizer({self.vocab_size} tokens, {self.backend})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle it as its `tokenizer.json`, with its truncation and padding."""
        return _unpickled, (type(self), self._native.json(), self.truncation, self.padding)


def _unpickled(
    cls: type[Tokenizer],
    json: bytes,
    truncation: Mapping[str, object] | None,
    padding: Mapping[str, object] | None,
) -> Tokenizer:
    native = _bowstring.NativeTokenizer.from_bytes(json)
    return cls(native.with_truncation(truncation).with_padding(padding))
