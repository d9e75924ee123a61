"""Tokenizers and the process: the interpreter's lock, forks, Ctrl-C, memory that is not copied."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import textwrap
import threading
import time

import pyarrow as pa
import pytest
from small_tokenizers import SMALL

import bowstring as bs


@pytest.fixture(scope="module")
def small() -> bs.Tokenizer:
    """A byte-level BPE tokenizer without special tokens around texts."""
    return bs.Tokenizer.from_file(SMALL)


LONG = "the quick brown fox jumps over the lazy dog, again and again. " * 20_000


def test_other_threads_go_on_meanwhile(small: bs.Tokenizer) -> None:
    texts = pa.array([LONG] * 40)
    done = threading.Event()
    steps = 0

    def work() -> None:
        small.encode_batch(texts, threads=1)
        done.set()

    thread = threading.Thread(target=work)
    begin = time.monotonic()
    thread.start()
    while not done.is_set():
        steps += 1
        time.sleep(0.001)
    thread.join()
    seconds = time.monotonic() - begin
    # A call that held the lock would let this thread run once or twice.
    assert seconds > 0.05, "too short to tell"
    assert steps > 20 * seconds, (steps, seconds)


INHERITED: list[bs.Tokenizer] = []
"""What a forked child has from its parent."""


def _count_inherited(texts: list[str]) -> int:
    return _count_with(INHERITED[0], texts)


def _count_with(tokenizer: bs.Tokenizer, texts: list[str]) -> int:
    return sum(tokenizer.count(texts).to_pylist())


def _count(texts: list[str]) -> int:
    return _count_with(bs.Tokenizer.from_file(SMALL), texts)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_tokenises(small: bs.Tokenizer) -> None:
    texts = [LONG[:1000]] * 500
    expected = sum(small.count(texts).to_pylist())
    INHERITED.append(small)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.apply_async(_count, (texts,)).get(timeout=60) == expected
        loaded_before = pool.apply_async(_count_inherited, (texts,))
        assert loaded_before.get(timeout=60) == expected


def test_ctrl_c_ends_a_long_call() -> None:
    code = f"""
        import signal, threading, time
        import bowstring as bs
        tokenizer = bs.Tokenizer.from_file({str(SMALL)!r})
        texts = ["many words and more of them. " * 1000] * 20_000
        threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
        begin = time.monotonic()
        try:
            tokenizer.encode_batch(texts, threads=1, offsets=True)
        except KeyboardInterrupt:
            print("interrupted after", time.monotonic() - begin)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120
    )
    words = done.stdout.split()
    assert words[:2] == ["interrupted", "after"], done
    assert float(words[2]) < 5


def test_a_column_is_not_copied() -> None:
    """The texts of a column are 200 MB, and what is made of them less than a hundredth."""
    code = f"""
        import resource
        import numpy as np
        import pyarrow as pa
        import bowstring as bs
        tokenizer = bs.Tokenizer.from_file({str(SMALL)!r})
        text, rows = b"a text of twenty five b. " * 40, 200_000
        offsets = np.arange(0, (rows + 1) * len(text), len(text), dtype=np.int32)
        column = pa.Array.from_buffers(
            pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(text * rows)]
        )
        tokenizer.count(column[:1000])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert len(tokenizer.count(column)) == rows
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 40_000, done.stdout
