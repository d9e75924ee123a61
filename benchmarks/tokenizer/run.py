"""Tokenizers side by side: `python benchmarks/tokenizer/run.py --corpora DIR --tokenizers DIR [--out FILE]`.

Each contender has a process of its own for each tokenizer, number of threads and form of call, kept to as
many cores as it has threads; contenders come in a new random order in each round. Its ids are compared with
Hugging Face's, text by text, in the first round. `--python NAME=PATH` gives a contender another interpreter,
where two cannot be installed side by side.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

import material
from contenders import CONTENDERS, Cannot, Contender, Prepared
from table import Cell, Found, key, markdown

sys.path.append(str(Path(__file__).resolve().parent.parent / "graph"))
import process

VARIABLES = (*process.VARIABLES, "TOKENIZERS_NUM_THREADS", "FASTOKENS_BPE_THREADS")
# Seconds of a process after which its contender is not run a second time.
LONG = 25.0


def loaded(options: argparse.Namespace) -> Contender:
    name = options.tokenizer
    path, plain = prepared(name, options)
    return CONTENDERS[options.child](name, path, plain, options.threads[0])


def prepared(name: str, options: argparse.Namespace) -> tuple[Path, Path]:
    return material.prepare(material.definition(options.tokenizers, name), options.kept / name)


def measure(options: argparse.Namespace) -> None:
    """Times one form of one contender over every corpus and shape, and writes a line of JSON for each."""
    contender = loaded(options)
    for corpus in options.texts:
        for shape in options.shapes:
            call = contender.forms(shape).get(options.form)
            if call is None:
                continue
            texts = material.parts(options.corpora, corpus, shape)
            right = None
            if options.check:
                path, _ = prepared(options.tokenizer, options)
                right = material.expected(
                    options.kept, path, options.corpora, options.tokenizer, corpus, shape
                )
            print(json.dumps(timed(contender, call, texts, right) | {"key": [corpus, shape]}), flush=True)


def timed(contender: Contender, call: object, texts: list[list[str]], right: list | None) -> dict:
    wall, cpu, different, count, size = [], [], 0, 0, 0
    for number, part in enumerate(texts):
        given = call.make(part) if isinstance(call, Prepared) else part
        gc.collect()
        gc.disable()
        clock, spent = time.perf_counter(), time.process_time()
        answer = call(given)
        clock, spent = time.perf_counter() - clock, time.process_time() - spent
        gc.enable()
        if right is not None:
            different += contender.different(answer, right[number])
            count += len(part)
        if number > 0:
            wall.append(clock)
            cpu.append(spent)
            size += sum(len(text.encode()) for text in part)
    found = different if right is not None else None
    return {"wall": wall, "cpu": cpu, "bytes": size, "texts": count, "different": found}


def load(options: argparse.Namespace) -> None:
    """How long loading takes, and what memory it and one part of English documents leave in use."""
    texts = material.parts(options.corpora, "english", "documents")[0]
    loaded(options)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        contender = loaded(options)
        times.append(time.perf_counter() - begin)
        del contender
    before = process.settle()
    contender = loaded(options)
    kept = process.settle() - before
    call = contender.forms("documents")[options.form]
    call(call.make(texts) if isinstance(call, Prepared) else texts)
    print(json.dumps({"seconds": min(times), "kept": kept, "used": process.settle() - before}), flush=True)


def child(options: argparse.Namespace) -> None:
    try:
        (load if options.load else measure)(options)
    except Cannot as why:
        print(json.dumps({"cannot": str(why)}), flush=True)
    except Exception as error:
        traceback.print_exc()
        print(json.dumps({"cannot": f"{type(error).__name__}: {str(error)[:80]}"}), flush=True)


def run(
    name: str, tokenizer: str, threads: int, form: str, options: argparse.Namespace, *more: str
) -> list[dict]:
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    command = ["taskset", "-c", ",".join(map(str, cores)), options.python.get(name, sys.executable), __file__]
    command += ["--child", name, "--tokenizer", tokenizer, "--threads", str(threads), "--form", form]
    command += ["--corpora", str(options.corpora), "--tokenizers", str(options.tokenizers)]
    command += ["--kept", str(options.kept), "--texts", *options.texts, "--shapes", *options.shapes, *more]
    environment = dict(os.environ) | dict.fromkeys(VARIABLES, str(threads))
    environment |= {"TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=options.log, env=environment, timeout=None, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    return [*lines, {"cannot": f"ended with {done.returncode}"}] if done.returncode else lines


def sitting(names: list[str], found: Found, options: argparse.Namespace) -> None:
    order, slow = random.Random(options.seed), set()
    for turn in range(options.rounds):
        for tokenizer in options.names:
            for threads in options.threads:
                for name in order.sample(names, len(names)):
                    if (name, tokenizer) in slow or key(name, tokenizer) in found.cannot:
                        continue
                    begin = time.monotonic()
                    for form in CONTENDERS[name].FORMS:
                        check = ["--check"] if turn == 0 else []
                        for line in run(name, tokenizer, threads, form, options, *check):
                            if "cannot" in line:
                                found.cannot[key(name, tokenizer)] = line["cannot"]
                                continue
                            place = key(name, tokenizer, threads, *line["key"])
                            found.cells.setdefault(place, Cell()).add(form, line)
                    if time.monotonic() - begin > LONG:
                        slow.add((name, tokenizer))
                    found.keep(options.keep)
                print(f"round {turn + 1}: {tokenizer}, {threads} threads", file=sys.stderr)


def loads(names: list[str], found: Found, options: argparse.Namespace) -> None:
    for tokenizer in options.names:
        for name in names:
            if key(name, tokenizer) not in found.cannot:
                (line,) = run(name, tokenizer, 1, CONTENDERS[name].FORMS[0], options, "--load")
                if "cannot" not in line:
                    found.loads[key(name, tokenizer)] = line
        found.keep(options.keep)


def version(name: str, options: argparse.Namespace) -> str | None:
    """Of a contender's package in its interpreter; None where it, or the right kind of it, is missing."""
    script = f"from importlib.metadata import version; print(version({CONTENDERS[name].package!r}))"
    command = [options.python.get(name, sys.executable), "-c", script]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    shown = done.stdout.decode().strip() if done.returncode == 0 else None
    return shown if shown and shown.startswith(CONTENDERS[name].VERSION) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True, help="where `corpora.py` wrote them")
    parser.add_argument("--tokenizers", type=Path, required=True, help="a folder for each tokenizer")
    parser.add_argument("--kept", type=Path, help="where Hugging Face's ids are kept; CORPORA/ids otherwise")
    parser.add_argument("--names", nargs="+", default=list(material.TOKENIZERS), choices=material.TOKENIZERS)
    parser.add_argument("--texts", nargs="+", default=list(material.CORPORA), choices=material.CORPORA)
    parser.add_argument("--shapes", nargs="+", default=list(material.SHAPES), choices=material.SHAPES)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--only", nargs="+", help="only these contenders", choices=CONTENDERS)
    parser.add_argument("--python", nargs="+", default=[], metavar="NAME=PATH", help="another interpreter")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the order of contenders")
    parser.add_argument("--without-loads", action="store_true", help="do not measure loading")
    parser.add_argument(
        "--keep", type=Path, help="what was found so far: a sitting broken off goes on with it"
    )
    parser.add_argument("--forget", nargs="+", default=[], help="contenders whose kept times do not count")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument(
        "--log", type=argparse.FileType("w"), default=subprocess.DEVNULL, help="contenders' errors"
    )
    for hidden in ("--child", "--tokenizer", "--form"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--check", "--load"):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.kept = options.kept or options.corpora / "ids"
    if options.child:
        child(options)
        return
    options.python = dict(entry.split("=", 1) for entry in options.python)
    found = Found.kept(options.keep)
    for table in (found.cells, found.cannot, found.loads):
        for place in [place for place in table if place.split("|")[0] in options.forget]:
            del table[place]
    versions = {name: version(name, options) for name in options.only or CONTENDERS}
    found.versions |= {name: shown for name, shown in versions.items() if shown}
    found.versions = {name: found.versions[name] for name in CONTENDERS if name in found.versions}
    for name in options.names:
        source, _ = prepared(name, options)
        for corpus in options.texts:
            for shape in options.shapes:
                material.expected(options.kept, source, options.corpora, name, corpus, shape)
    names = [name for name, shown in versions.items() if shown]
    sitting(names, found, options)
    if not options.without_loads:
        loads(names, found, options)
    found.keep(options.keep)
    written = markdown(found, options.threads)
    print(written)
    if options.out:
        options.out.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
