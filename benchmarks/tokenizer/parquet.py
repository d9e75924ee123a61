"""A Parquet column of text to one of ids: streamed, and in memory.

`python benchmarks/tokenizer/parquet.py --corpora DIR --tokenizers DIR`. The file has documents of English,
code and many languages, of 500 to 12,000 characters, one gigabyte of text in all, in row groups of 20,000.
Streamed is `bowstring tokenize IN -o OUT`; in memory is a Python process that reads the table, tokenises its
column with one call of `encode_batch`, and writes the ids with `write_parquet`. Both start a process, load
the tokenizer and write with the same settings. The files they write are read by pyarrow and by DuckDB, and
must have the same lists in the same order; `--count` must give their lengths.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import material

MEMORY, SLOWER = 500, 1.2
LENGTHS = (500, 1500, 3000, 6000, 12000)


def make(corpora: Path, path: Path, size: int) -> None:
    """Writes the file, unless it is there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists():
        return
    texts = [
        (corpora / f"{name}.txt").read_text(encoding="utf-8", errors="replace") for name in material.CORPORA
    ]
    chosen, documents, total = random.Random(1), [], 0
    while total < size:
        for text in texts:
            at = chosen.randrange(5000)
            while at < len(text) and total < size:
                document = text[at : at + chosen.choice(LENGTHS)]
                at += len(document)
                total += len(document.encode())
                documents.append(document)
    chosen.shuffle(documents)
    table = pa.table({"id": range(len(documents)), "text": pa.array(documents, pa.string())})
    pq.write_table(table, path, compression="zstd", row_group_size=20_000)


def in_memory(source: Path, target: Path, tokenizer: Path) -> None:
    """What the process that reads all of it does; its stages and their seconds go to stdout."""
    import bowstring as bs

    t = bs.Tokenizer.from_file(tokenizer)
    begin = time.perf_counter()
    table = bs.read_parquet(source)
    read = time.perf_counter()
    ids = t.encode_batch(table.to_pyarrow()["text"]).ids
    done = time.perf_counter()
    import pyarrow as pa

    bs.write_parquet(pa.table({"id": table.to_pyarrow()["id"], "ids": pa.chunked_array(ids)}), target)
    written = time.perf_counter()
    print(json.dumps({"read": read - begin, "tokenise": done - read, "write": written - done}))


def run(command: list[str], threads: int) -> tuple[float, float, str]:
    """Seconds, peak memory in MB and stdout of a process on so many cores."""
    cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[-threads:])
    begin = time.perf_counter()
    child = subprocess.Popen(["taskset", "-c", cores, *command], stdout=subprocess.PIPE, text=True)
    text = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise subprocess.CalledProcessError(child.returncode, command)
    return seconds, used.ru_maxrss / 1000, text


def same(streamed: Path, whole: Path, counts: Path) -> None:
    """Fails when the files do not have the same rows, as pyarrow and as DuckDB read them, or other counts."""
    import duckdb
    import numpy as np
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    pairs = zip(*(pq.ParquetFile(path).iter_batches(8192) for path in (streamed, whole)), strict=True)
    assert all(left.equals(right) for left, right in pairs), "pyarrow reads other rows"
    query = "SELECT count(*), sum(len(ids)), sum(hash(id, ids)) FROM read_parquet(?)"
    answers = [duckdb.execute(query, [str(path)]).fetchone() for path in (streamed, whole)]
    assert answers[0] == answers[1], f"DuckDB reads other rows: {answers}"
    lengths = pc.list_value_length(pq.read_table(streamed, columns=["ids"])["ids"])
    counted = pq.read_table(counts, columns=["tokens"])["tokens"]
    assert np.array_equal(counted.to_numpy(), lengths.to_numpy()), "--count gives other numbers"


def rows(name: str, source: Path, options: argparse.Namespace) -> list[str]:
    """The rows of a tokenizer."""
    with tempfile.TemporaryDirectory(dir=source.parent) as temporary:
        folder = Path(temporary)
        tokenizer, _ = material.prepare(material.definition(options.tokenizers, name), folder)
        streamed, whole, counts = (folder / f"{kind}.parquet" for kind in ("streamed", "whole", "counts"))
        command = [options.command, "tokenize", str(source), "-t", str(tokenizer), "-o"]
        child = [sys.executable, __file__, "--child", str(source), str(whole), str(tokenizer)]
        found = []
        for threads in options.threads:
            times: dict[str, list[float]] = {}
            memory = 0.0
            for _ in range(options.rounds):
                seconds, peak, _ = run([*command, str(streamed)], threads)
                memory = max(memory, peak)
                times.setdefault("streamed", []).append(seconds)
                times.setdefault("counted", []).append(run([*command, str(counts), "--count"], threads)[0])
                seconds, _, stages = run(child, threads)
                times.setdefault("whole", []).append(seconds)
                for stage, seconds in json.loads(stages).items():
                    times.setdefault(stage, []).append(seconds)
                # Not here: the peak of a process begins with the memory of the one that starts it.
                files = [str(streamed), str(whole), str(counts)]
                subprocess.run([sys.executable, __file__, "--same", *files], check=True)
            best = {what: min(seconds) for what, seconds in times.items()}
            ratio = best["streamed"] / best["whole"]
            verdict = "held" if ratio <= SLOWER and memory <= MEMORY else "missed"
            cells = [material.TOKENIZERS[name], str(threads), f"{best['streamed']:.1f}", f"{memory:.0f}"]
            cells += [f"{best[what]:.1f}" for what in ("whole", "read", "tokenise", "write", "counted")]
            cells += [f"{ratio:.2f}", f"{best['streamed'] / best['tokenise']:.2f}", verdict]
            found.append(f"| {' | '.join(cells)} |")
            print(found[-1], file=sys.stderr, flush=True)
        return found


def main() -> None:
    """Measures, and writes the table."""
    if sys.argv[1:2] == ["--child"]:
        in_memory(*map(Path, sys.argv[2:5]))
        return
    if sys.argv[1:2] == ["--same"]:
        same(*map(Path, sys.argv[2:5]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="where `corpora.py` wrote them")
    parser.add_argument("--tokenizers", type=Path, required=True, help="a folder for each tokenizer")
    parser.add_argument("--names", nargs="+", default=["gpt4", "llama2", "bert"], choices=material.TOKENIZERS)
    parser.add_argument("--megabytes", type=int, default=1000, help="of text")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--command", default=shutil.which("bowstring"), help="the command")
    parser.add_argument("--data", type=Path, help="where the file is kept; CORPORA otherwise")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    source = (options.data or options.corpora) / f"documents-{options.megabytes}.parquet"
    make(options.corpora, source, options.megabytes * 1_000_000)
    table = [
        "# A Parquet column of text to one of ids",
        "",
        f"`python benchmarks/tokenizer/parquet.py`, {options.megabytes} MB of text. Seconds, the least of "
        f"{options.rounds} rounds; MB of memory, the most of them. Streamed is `bowstring tokenize`, in "
        "memory a Python process that reads all, tokenises all and writes all, whose stages stand beside it; "
        "counted is `bowstring tokenize --count`. Goals: streamed takes at most "
        f"{SLOWER} times as long as in memory, and {MEMORY} MB.",
        "",
        "| tokenizer | threads | streamed | its memory | in memory | read | tokenise | write | counted | "
        "streamed / in memory | streamed / tokenise | goals |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name in options.names:
        table += rows(name, source, options)
    text = "\n".join(table) + "\n"
    if options.out:
        options.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
