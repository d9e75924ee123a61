"""Every method of a tokenizer says what it takes, what it raises and how it is used."""

from __future__ import annotations

import doctest
import gzip
import inspect
import re
from pathlib import Path

import pytest
from small_tokenizers import SENTENCEPIECE, SMALL

import bowstring as bs
from bowstring import _tokenizer

METHODS = [
    name
    for name, value in vars(bs.Tokenizer).items()
    if not name.startswith("_") and not isinstance(value, property)
]


def bodies(name: str) -> dict[str, str]:
    """Cut a method's docstring into its sections."""
    text = inspect.cleandoc(getattr(bs.Tokenizer, name).__doc__ or "")
    parts = re.split(r"^(\w+):$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_is_described(name: str) -> None:
    parameters = [one for one in inspect.signature(getattr(bs.Tokenizer, name)).parameters if one != "self"]
    assert re.findall(r"^    (\w+): ", bodies(name).get("Args", ""), re.MULTILINE) == parameters


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_an_example(name: str) -> None:
    assert ">>> " in bodies(name).get("Examples", "")


def test_every_example_runs(tmp_path: Path) -> None:
    known = {"bs": bs, "t": bs.Tokenizer.from_file(SMALL), "path": SMALL, "folder": tmp_path}
    (tmp_path / "sentencepiece.model").write_bytes(gzip.decompress(SENTENCEPIECE.read_bytes()))
    failed, ran = doctest.testmod(_tokenizer, extraglobs=known)
    assert failed == 0
    assert ran > 30


def test_every_exception_that_is_named_is_one_of_ours_or_a_type_error() -> None:
    named = {
        word
        for name in METHODS
        for word in re.findall(r"^    (\w+Error): ", bodies(name).get("Raises", ""), re.M)
    }
    assert named <= {"TypeError", *(name for name in dir(bs) if name.endswith("Error"))}
    assert len(named) > 3
