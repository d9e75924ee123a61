"""Tokenizers in Python: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arro3.core
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tokenizers import BERT, FOLDER, SMALL

import bowstring as bs


@pytest.fixture(scope="module")
def small() -> bs.Tokenizer:
    """A byte-level BPE tokenizer without special tokens around texts."""
    return bs.Tokenizer.from_file(SMALL)


@pytest.fixture(scope="module")
def bert() -> bs.Tokenizer:
    """A few words and their pieces, between `[CLS]` and `[SEP]`."""
    return bs.Tokenizer.from_bytes(BERT)


TEXTS = ["Ann met Bob.", None, "", "the unknown, naïve 東京 🎉"]
IDS = [[2, 4, 9, 5, 10, 3], None, [2, 3], [2, 11, 12, 13, 1, 1, 1, 1, 1, 3]]


def test_an_encoding_says_everything(bert: bs.Tokenizer) -> None:
    one = bert.encode("Ann met anna")
    assert one.ids == [2, 4, 9, 4, 7, 3]
    assert one.tokens == ["[CLS]", "ann", "met", "ann", "##a", "[SEP]"]
    assert one.offsets == [(0, 0), (0, 3), (4, 7), (8, 11), (11, 12), (0, 0)]
    assert one.attention_mask == [1] * 6
    assert one.type_ids == [0] * 6
    assert one.special_tokens_mask == [1, 0, 0, 0, 0, 1]
    assert one.word_ids == [None, 0, 1, 2, 2, None]
    assert one.sequence_ids == [None, 0, 0, 0, 0, None]
    assert (one.overflowing, len(one), repr(one)) == ([], 6, "Encoding(6 tokens)")
    assert bert.encode("bob", add_special_tokens=False).ids == [5]
    pair = bert.encode("ann", "bob")
    assert (pair.ids, pair.type_ids) == ([2, 4, 3, 5, 3], [0, 0, 0, 1, 1])
    assert pair.sequence_ids == [None, 0, None, 1, None]


def test_offsets_count_characters_or_bytes(small: bs.Tokenizer) -> None:
    text = "naïve 🎉!"
    chars, of_bytes = small.encode(text), small.encode(text, offsets="bytes")
    assert chars.offsets[-1] == (len(text) - 1, len(text))
    assert of_bytes.offsets[-1] == (len(text.encode()) - 1, len(text.encode()))
    for encoding in small.encode_batch([text], offsets="bytes"):
        assert encoding is not None
        assert encoding.offsets == of_bytes.offsets
    with pytest.raises(bs.UsageError, match="did you mean `bytes`"):
        small.encode(text, offsets="byte")  # type: ignore[arg-type]


SOURCES: dict[str, Callable[[], Any]] = {
    "list": lambda: TEXTS,
    "tuple": lambda: tuple(TEXTS),
    "generator": lambda: (text for text in TEXTS),
    "numpy": lambda: np.array(TEXTS, dtype=object),
    "string": lambda: pa.array(TEXTS, pa.string()),
    "large_string": lambda: pa.array(TEXTS, pa.large_string()),
    "string_view": lambda: pa.array(TEXTS, pa.string_view()),
    "dictionary": lambda: pa.array(TEXTS).dictionary_encode(),
    "slice": lambda: pa.array(["x", *TEXTS, "y"])[1:5],
    "slice of a dictionary": lambda: pa.array(["x", *TEXTS, "y"]).dictionary_encode()[1:5],
    "chunks": lambda: pa.chunked_array([TEXTS[:1], [], TEXTS[1:]], pa.string()),
    "polars": lambda: pl.Series(TEXTS),
    "polars categories": lambda: pl.Series(TEXTS).cast(pl.Categorical),
    "pandas": lambda: pd.Series(TEXTS, dtype="str"),
    "bowstring": lambda: bs.Table(pa.table({"text": TEXTS}))["text"],
}


@pytest.mark.parametrize("source", SOURCES)
def test_any_source_of_texts(source: str, bert: bs.Tokenizer) -> None:
    batch = bert.encode_batch(SOURCES[source]())
    assert batch.ids.to_pylist() == IDS
    assert bert.count(SOURCES[source]()).to_pylist() == [None if row is None else len(row) for row in IDS]
    assert len(batch) == 4
    assert [None if item is None else item.ids for item in batch] == IDS


def test_duckdb_hands_over_its_column(bert: bs.Tokenizer) -> None:
    column = duckdb.sql("SELECT 'bob' AS text UNION ALL SELECT NULL").to_arrow_table()["text"]
    assert sorted(bert.count(column).to_pylist(), key=str) == [3, None]


@pytest.mark.parametrize(
    "empty", [[], pa.array([], pa.string()), pa.chunked_array([], pa.string()), pa.nulls(0)]
)
def test_no_texts_are_no_rows(empty: object, bert: bs.Tokenizer) -> None:
    batch = bert.encode_batch(empty)
    assert (len(batch), batch.ids.to_pylist(), list(batch)) == (0, [], [])
    assert bert.count(empty).to_pylist() == []


def test_columns_come_when_they_are_asked_for(bert: bs.Tokenizer) -> None:
    plain = bert.encode_batch(TEXTS)
    assert (plain.attention_mask, plain.offsets, plain.word_ids, plain.sample) == (None,) * 4
    assert repr(plain) == "EncodedBatch(4 texts: ids)"
    full = bert.encode_batch(
        TEXTS, attention_mask=True, type_ids=True, special_tokens_mask=True, offsets=True, word_ids=True
    )
    for name in ["ids", "attention_mask", "type_ids", "special_tokens_mask", "word_ids"]:
        assert getattr(full, name).to_pylist() == [
            None if item is None else getattr(item, name) for item in full
        ], name
    assert full.offsets is not None
    assert full.offsets.to_pylist()[0] == [[0, 0], [0, 3], [4, 7], [8, 11], [11, 12], [0, 0]]
    assert full.to_table().column_names == [
        "ids", "attention_mask", "type_ids", "special_tokens_mask", "offsets", "word_ids",
    ]  # fmt: skip
    assert isinstance(plain.ids, arro3.core.Array)
    assert pa.array(plain.ids).type == pa.list_(pa.field("item", pa.uint32(), nullable=False))
    assert pa.array(bert.encode_batch(TEXTS, large_list=True).ids).type.value_type == pa.uint32()


def test_items_are_those_of_a_sequence(bert: bs.Tokenizer) -> None:
    batch = bert.encode_batch(TEXTS)
    last, some = batch[-1], batch[::2]
    assert last is not None
    assert last.ids == IDS[3]
    assert [None if item is None else item.ids for item in some] == [IDS[0], IDS[2]]
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"there are 4 texts, and no number {index}"):
            batch[index]


def test_truncation_and_what_it_cuts_off(bert: bs.Tokenizer) -> None:
    text = "ann bob cy met the"
    short = bert.with_truncation(5, stride=1)
    assert short.truncation == {"max_length": 5, "stride": 1, "strategy": "longest_first", "side": "right"}
    encoding = short.encode(text)
    assert encoding.ids == [2, 4, 5, 6, 3]
    assert [part.ids for part in encoding.overflowing] == [[2, 6, 9, 11, 3]]
    assert bert.with_truncation(4, side="left").encode(text).ids == [2, 9, 11, 3]
    only = bert.with_truncation(6, strategy="only_first")
    assert only.encode("ann bob cy", "met the").ids == [2, 4, 3, 9, 11, 3]
    batch = short.encode_batch([text, "bob"], overflow=True)
    assert batch.ids.to_pylist() == [[2, 4, 5, 6, 3], [2, 6, 9, 11, 3], [2, 5, 3]]
    assert batch.sample is not None
    assert (batch.sample.to_pylist(), len(batch)) == ([0, 0, 1], 2)
    assert batch[1] is not None
    assert batch[1].ids == [2, 5, 3]
    assert short.without_truncation().truncation is None
    assert short.count([text]).to_pylist() == [7]
    least = bert.with_truncation(1)
    assert least.encode(text, add_special_tokens=False).ids == [4]
    with pytest.raises(bs.UsageError, match="the special tokens of a text take 2"):
        least.encode(text)
    with pytest.raises(bs.UsageError, match="a stride of 4 tokens"):
        bert.with_truncation(5, stride=4)
    with pytest.raises(bs.UsageError, match="strategy"):
        bert.with_truncation(5, strategy="longest")  # type: ignore[arg-type]


def test_padding(bert: bs.Tokenizer, small: bs.Tokenizer) -> None:
    padded = bert.with_padding(pad_to_multiple_of=4)
    batch = padded.encode_batch(["ann", None, "ann bob cy met"], attention_mask=True)
    assert batch.ids.to_pylist() == [[2, 4, 3, 0, 0, 0, 0, 0], None, [2, 4, 5, 6, 9, 3, 0, 0]]
    assert batch[0] is not None
    assert batch[0].attention_mask == [1, 1, 1, 0, 0, 0, 0, 0]
    assert padded.padding == {
        "length": None, "side": "right", "pad_to_multiple_of": 4, "id": 0, "type_id": 0, "token": "[PAD]",
    }  # fmt: skip
    assert bert.with_padding(length=4, side="left", token="bob").encode("ann").ids == [5, 2, 4, 3]
    assert padded.without_padding().encode("ann").ids == [2, 4, 3]
    with pytest.raises(bs.UsageError, match="names no padding token"):
        small.with_padding()
    with pytest.raises(bs.UsageError, match="no token is `<pud>`"):
        bert.with_padding(token="<pud>")
    with pytest.raises(bs.DataError, match="no token has the id 99"):
        bert.with_padding(id=99)


def test_rows_of_one_length_are_numpy_arrays(bert: bs.Tokenizer) -> None:
    ids, mask = bert.encode_batch_with_padding(["ann", "ann bob"])
    assert (ids.tolist(), mask.tolist()) == ([[2, 4, 3, 0], [2, 4, 5, 3]], [[1, 1, 1, 0], [1, 1, 1, 1]])
    assert (ids.dtype, mask.dtype, ids.flags.writeable) == (np.int64, np.int64, True)
    left = bert.encode_batch_with_padding(
        pa.array(["ann"]), length=5, side="left", pad_to_multiple_of=2, id=1
    )
    assert (left.input_ids.tolist(), left.attention_mask.tolist()) == (
        [[1, 1, 1, 2, 4, 3]],
        [[0, 0, 0, 1, 1, 1]],
    )
    assert bert.encode_batch_with_padding([]).input_ids.shape == (0, 0)
    with pytest.raises(bs.DataError, match=r"texts\[1\] has 4 tokens, more than `length`, which is 3"):
        bert.encode_batch_with_padding(["ann", "ann bob"], length=3)
    with pytest.raises(bs.DataError, match=r"texts\[1\] is None"):
        bert.encode_batch_with_padding(["ann", None])


def test_decoding(bert: bs.Tokenizer, small: bs.Tokenizer) -> None:
    assert bert.decode([2, 4, 7, 9, 3]) == "anna met"
    assert bert.decode([2, 4, 3], skip_special_tokens=False) == "[CLS] ann [SEP]"
    for ids in [np.array([4, 9]), pa.array([4, 9]), (4, 9), pa.array([4, 9], pa.uint8())]:
        assert bert.decode(ids) == "ann met"  # type: ignore[arg-type]
    batch = bert.encode_batch(TEXTS)
    assert bert.decode_batch(batch.ids).to_pylist()[:3] == ["ann met bob.", None, ""]
    assert bert.decode_batch([[4], None, np.array([5])]).to_pylist() == ["ann", None, "bob"]
    assert bert.decode_batch([]).to_pylist() == []
    with pytest.raises(bs.DataError, match="no token has the id 99; ids are below 14"):
        bert.decode([99])
    with pytest.raises(bs.DataError, match=r"no token has the id 99(.|\n)*row 1"):
        bert.decode_batch([[4], [99]])
    for ids in ["text", 4, [1.5], [None]]:
        with pytest.raises((TypeError, bs.UsageError), match="ids"):
            bert.decode(ids)  # type: ignore[arg-type]
    with pytest.raises(bs.UsageError, match=r"ids\[0\]: expected a whole number of at least 0, got -1"):
        bert.decode([-1])
    with pytest.raises(bs.UsageError, match="cannot be decoded"):
        bert.decode_batch(pa.array(["text"]))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=5))
def test_texts_come_back_from_their_ids(texts: list[str]) -> None:
    tokenizer = bs.Tokenizer.from_file(SMALL)
    batch = tokenizer.encode_batch(texts)
    assert tokenizer.decode_batch(batch.ids).to_pylist() == texts
    assert tokenizer.count(texts).to_pylist() == [len(ids) for ids in batch.ids.to_pylist()]
    for text, encoding in zip(texts, batch, strict=True):
        assert encoding is not None
        stream = tokenizer.decode_stream()
        parts = [stream.step(one) for one in encoding.ids]
        assert "".join(part or "" for part in [*parts, stream.finish()]) == text


def test_a_stream_that_has_ended_takes_nothing(small: bs.Tokenizer) -> None:
    stream = small.decode_stream()
    stream.finish()
    for call in (lambda: stream.step(1), stream.finish):
        with pytest.raises(bs.UsageError, match="has finished"):
            call()


def test_vocabulary(bert: bs.Tokenizer, small: bs.Tokenizer) -> None:
    assert (bert.vocab_size, small.vocab_size) == (14, 2048)
    assert (bert.token_to_id("bob"), bert.token_to_id("nobody")) == (5, None)
    assert (bert.id_to_token(5), bert.id_to_token(99)) == ("bob", None)
    assert bert.vocab()["##known"] == 13
    assert bert.special_tokens == {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
    assert (bert.num_special_tokens(), bert.num_special_tokens(pair=True)) == (2, 3)
    assert repr(bert).startswith("Tokenizer(14 tokens, ")


def test_a_folder_says_more(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(BERT)
    (tmp_path / "tokenizer_config.json").write_text(
        '{"pad_token": "cy", "chat_template": "{{ messages }}", "model_max_length": 512}'
    )
    tokenizer = bs.Tokenizer.from_directory(tmp_path)
    assert tokenizer.config["special_tokens"] == {"pad_token": "cy"}
    assert tokenizer.config["chat_templates"] == {"default": "{{ messages }}"}
    assert tokenizer.config["model_max_length"] == 512
    assert tokenizer.encode_batch_with_padding(["ann"], length=4).input_ids.tolist() == [[2, 4, 3, 6]]


def test_tiktoken_ranks(tmp_path: Path) -> None:
    ranks = {bytes([n]): n for n in range(256)} | {b"ab": 256, b"abc": 257}
    lines = [base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()]
    path = tmp_path / "some.tiktoken"
    path.write_bytes(b"".join(lines))
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    tokenizer = bs.Tokenizer.from_tiktoken(path, pattern, {"<|end|>": 300})
    assert tokenizer.encode("abc ab<|end|>").ids == [257, 32, 256, 300]
    assert tokenizer.decode([257, 32, 256]) == "abc ab"
    other = bs.Tokenizer.from_tiktoken(path, r"\p{L}{1,2}+|\s+$|.")
    assert other.backend.startswith("complete (not byte-level BPE: the regular expression")
    assert other.encode("abcab  ").ids == [256, 99, 97, 98, 32, 32]
    with pytest.raises(bs.DataError, match=r"this escape is not known(.|\n)*character 4 of the pattern"):
        bs.Tokenizer.from_tiktoken(path, r"a+|\w+")
    with pytest.raises(bs.DataError, match="line 1"):
        bs.Tokenizer.from_tiktoken(SMALL, pattern)
    with pytest.raises(TypeError, match="pattern: expected a str"):
        bs.Tokenizer.from_tiktoken(path, 17)  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["bpe", "wordpiece", "unigram"])
def test_training(algorithm: Any, tmp_path: Path) -> None:  # noqa: ANN401
    rows = bs.read_parquet(FOLDER / "packages.parquet", columns=["description"], limit=1000)
    texts = rows["description"]
    trained = bs.Tokenizer.train(texts, 600, algorithm=algorithm)
    assert 300 < trained.vocab_size <= 600
    again = bs.Tokenizer.train(texts, 600, algorithm=algorithm, threads=1)
    assert trained.to_json() == again.to_json()
    (tmp_path / "tokenizer.json").write_text(trained.to_json())
    text = "a secure shell client"
    loaded = bs.Tokenizer.from_directory(tmp_path)
    assert loaded.encode(text).ids == trained.encode(text).ids
    assert loaded.decode(loaded.encode(text).ids) == text


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(bs.UsageError, match="vocab_size"):
        bs.Tokenizer.train(["a"], 10)
    with pytest.raises(bs.UsageError, match="did you mean `unigram`"):
        bs.Tokenizer.train(["a"], 300, algorithm="unigramm")  # type: ignore[arg-type]
    with pytest.raises(bs.DataError):
        bs.Tokenizer.train([None], 300)


def test_models_are_found_in_the_cache_and_never_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--people--small" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer.json").write_text(BERT)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert bs.Tokenizer.from_pretrained("people/small").vocab_size == 14
    with pytest.raises(bs.NotFoundError, match="hf download people/large"):
        bs.Tokenizer.from_pretrained("people/large")


def test_a_tokenizer_survives_pickling(bert: bs.Tokenizer) -> None:
    for tokenizer in [bert, bert.with_truncation(4).with_padding(length=6)]:
        copy = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301 - our own bytes
        assert copy.encode("ann bob cy").ids == tokenizer.encode("ann bob cy").ids
        assert (copy.truncation, copy.padding) == (tokenizer.truncation, tokenizer.padding)


@pytest.mark.parametrize("texts", ["text", b"text", 17, None, {"a": 1}, [1], ["a", b"b"], [["a"]]])
def test_what_is_no_text_is_refused(texts: Any, bert: bs.Tokenizer) -> None:  # noqa: ANN401
    for call in (bert.encode_batch, bert.count, bert.encode_batch_with_padding):
        with pytest.raises(TypeError, match=r"texts(\[\d\])?: expected"):
            call(texts)


def test_a_column_that_is_no_text_is_refused(bert: bs.Tokenizer) -> None:
    for column in (pa.array([1]), pa.array([b"x"]), pa.array([["x"]])):
        with pytest.raises(bs.UsageError, match="cannot be tokenised"):
            bert.encode_batch(column)


def test_a_lone_surrogate_is_named_with_its_row(bert: bs.Tokenizer) -> None:
    with pytest.raises(bs.DataError, match=r"texts\[1\] is no text: it has a lone surrogate at character 2"):
        bert.encode_batch(["fine", "no\ud800"])
    with pytest.raises(bs.DataError, match="text is no text"):
        bert.encode("\udfff")
    with pytest.raises(bs.DataError, match="pair is no text"):
        bert.encode("", "\udfff")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_bytes_that_are_no_text_are_named_with_their_row(kind: pa.DataType, bert: bs.Tokenizer) -> None:
    binary = pa.binary() if kind == pa.string() else pa.large_binary()
    column = pa.chunked_array([["fine"], pa.array([b"bob", b"an\xff"], binary).view(kind)], kind)
    for call in (bert.encode_batch, bert.count, bert.encode_batch_with_padding):
        with pytest.raises(bs.DataError, match=r"not valid UTF-8 at byte 2(.|\n)*row 2"):
            call(column)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "tokenizer.json is not valid"),
        ("{}", "missing field `model`"),
        ('{"model": {"type": "Nothing", "vocab": {}}}', "cannot be built|not valid"),
        ('{"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": []}}', "model.vocab"),
    ],
)
def test_what_is_no_tokenizer_is_refused(data: str, said: str) -> None:
    with pytest.raises(bs.DataError, match=said):
        bs.Tokenizer.from_bytes(data)


def test_tokenizers_are_made_by_their_constructors(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"Tokenizer\.from_file"):
        bs.Tokenizer()
    with pytest.raises(bs.NotFoundError, match=r"nowhere\.json"):
        bs.Tokenizer.from_file(tmp_path / "nowhere.json")
    with pytest.raises(bs.NotFoundError, match="has no tokenizer in it"):
        bs.Tokenizer.from_directory(tmp_path)
    with pytest.raises(TypeError, match="path: expected"):
        bs.Tokenizer.from_file(17)  # type: ignore[arg-type]


def test_threads_change_nothing_and_are_at_least_one(small: bs.Tokenizer) -> None:
    texts = [f"package number {row} of {row % 7} libraries" for row in range(20_000)]
    one, three = small.encode_batch(texts, threads=1), small.encode_batch(texts, threads=3)
    assert pa.array(one.ids) == pa.array(three.ids)
    assert pa.array(small.count(texts, threads=3)) == pa.array(small.count(texts, threads=1))
    with pytest.raises(bs.UsageError, match="threads: expected a whole number of at least 1"):
        small.count(texts, threads=0)


def test_conversations(bert: bs.Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(BERT)
    (tmp_path / "tokenizer_config.json").write_text('{"sep_token": "[SEP]"}')
    (tmp_path / "chat_template.jinja").write_text(
        "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}"
        "{{ sep_token }}{% endfor %}"
        "{% if add_generation_prompt %}model:{% endif %}{% if loud %}!{% endif %}"
    )
    model = bs.Tokenizer.from_directory(tmp_path)
    messages = [{"role": "ann", "content": "the bob"}, {"role": "cy", "content": "met"}]
    said = "ann: the bob[SEP]cy: met[SEP]"
    assert model.apply_chat_template(messages) == said
    assert model.apply_chat_template(messages, add_generation_prompt=True, loud=True) == f"{said}model:!"
    assert model.apply_chat_template(messages, continue_final_message=True) == "ann: the bob[SEP]cy: met"
    assert len(model.apply_chat_template(messages, template="{{ strftime_now('%Y-%m-%d') }}")) == 10
    with pytest.raises(bs.UsageError, match="no chat template"):
        bert.apply_chat_template(messages)
    with pytest.raises(bs.DataError, match="no cats"):
        model.apply_chat_template(messages, template="{{ raise_exception('no cats') }}")
    with pytest.raises(TypeError, match="cannot stand here"):
        model.apply_chat_template([{"role": object()}])


def test_chunks(bert: bs.Tokenizer, small: bs.Tokenizer) -> None:
    text = "One sentence. Another sentence. A third one, which is longer than the others."
    chunks = small.chunk(text, 12, overlap=3).to_pyarrow().to_pylist()
    assert len(chunks) > 2
    for chunk in chunks:
        assert text[chunk["start"] : chunk["end"]] == chunk["text"]
        assert small.count([chunk["text"]]).to_pylist() == [chunk["tokens"]]
        assert chunk["tokens"] <= 12
    assert (chunks[0]["start"], chunks[-1]["end"]) == (0, len(text))
    several = bert.chunk(["ann bob", None, "", "cy"], 3).to_pyarrow().to_pydict()
    assert several["row"] == [0, 0, 3]
    assert several["text"] == ["ann ", "bob", "cy"]
    of_bytes = small.chunk("naïve", 100, offsets="bytes").to_pyarrow().to_pylist()
    assert of_bytes[0]["end"] == 6
    with pytest.raises(bs.UsageError, match="max_tokens"):
        bert.chunk("ann", 2)
    with pytest.raises(bs.UsageError, match="overlap"):
        bert.chunk("ann", 10, overlap=9)


def test_files(tmp_path: Path, bert: bs.Tokenizer) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"id": range(4), "text": TEXTS, "by": ["x"] * 4}), source, row_group_size=2)
    assert bert.encode_file(source, target) == 4
    assert pq.read_table(target).to_pydict() == {"id": [0, 1, 2, 3], "by": ["x"] * 4, "ids": IDS}
    short = bert.with_truncation(3).with_padding(length=9)
    assert short.encode_file(source, target, output="tokens", keep=["text"], add_special_tokens=True) == 4
    table = pq.read_table(target).to_pydict()
    assert table == {"text": TEXTS, "tokens": [[2, 4, 3], None, [2, 3], [2, 11, 3]]}
    with pytest.raises(bs.UsageError, match=r"there is no column `txt`(.|\n)*in\.parquet(.|\n)*`text`"):
        bert.encode_file(source, tmp_path / "no.parquet", column="txt")
    with pytest.raises(bs.UsageError, match="there is no column `ids`"):
        bert.encode_file(source, tmp_path / "no.parquet", keep=["ids"])
    assert not (tmp_path / "no.parquet").exists()


def test_queries_know_registered_tokenizers(bert: bs.Tokenizer) -> None:
    bert.register("people")
    table = pa.table({"text": TEXTS})
    counted = bs.sql("SELECT sum(token_count(text, 'people')) AS budget FROM t", t=table).collect()
    assert counted["budget"].to_pylist() == [18]
    frame = bs.Frame(table).with_columns(ids="tokenize(text, 'people', false, 2)")
    assert frame.collect()["ids"].to_pylist() == [[4, 9], None, [], [11, 12]]
    with pytest.raises(bs.NotFoundError, match="did you mean `people`"):
        bs.sql("SELECT token_count('x', 'peeple')")
