"""The package and the process: Ctrl-C, forks, memory, the interpreter's lock."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import NUMBERS

import bowstring as bs


def python(
    code: str, *, stop: signal.Signals | None = None, times: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own; it gets a signal half a second after it has said `ready`."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline() if stop else ""
    for _ in range(times if stop else 0):
        time.sleep(0.5)
        assert stop is not None
        process.send_signal(stop)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, said + out, err)


LONG = {
    "run": 'bs.Workflow("w").step("s", "sleep", {"duration": "60s"}).run()',
    "collect": "endless.collect()",
    "stream": "pa.table(endless)",
    "write": 'bs.write_parquet(endless, "/dev/null")',
    "asyncio": 'asyncio.run(bs.Workflow("w").step("s", "sleep", {"duration": "60s"}).run_async())',
    "asyncio collect": "asyncio.run(collect())",
}


@pytest.mark.parametrize("call", LONG)
def test_ctrl_c_ends_a_long_call(call: str) -> None:
    begin = time.monotonic()
    done = python(
        f"""
        import asyncio, time
        import pyarrow as pa
        import bowstring as bs
        numbers = pa.table({{"i": list(range(100_000))}})
        endless = bs.sql("SELECT sum(a.i * b.i % 7) AS s FROM n AS a CROSS JOIN n AS b", n=numbers)
        async def collect(): await endless.collect_async()
        begin = time.monotonic()
        try:
            print("ready", flush=True)
            {LONG[call]}
        except BaseException as error:
            print(type(error).__name__, time.monotonic() - begin)
        """,
        stop=signal.SIGINT,
    )
    _, said = done.stdout.splitlines()
    name, seconds = said.split()
    assert name == "KeyboardInterrupt" or call == "stream", done
    assert float(seconds) < 5, said
    assert time.monotonic() - begin < 30


def test_ctrl_c_leaves_no_spilled_data(tmp_path: Path) -> None:
    done = python(
        f"""
        import os, pathlib, threading, time
        os.environ["TMPDIR"] = {str(tmp_path)!r}
        import pyarrow as pa
        import bowstring as bs

        @bs.step("numbers")
        def numbers() -> pa.Table:
            return pa.table({{"i": range(3_000_000)}})

        workflow = bs.Workflow("sorted").step("n", "numbers")
        query = "SELECT max(r) AS r FROM (SELECT row_number() OVER (ORDER BY i % 9973, i) AS r FROM n)"
        for number in range(8):
            workflow.step(f"sort{{number}}", "sql", {{"query": query}})

        def wait_for_files():
            while not any(path.is_file() for path in pathlib.Path({str(tmp_path)!r}).rglob("*")):
                time.sleep(0.01)
            print("ready", flush=True)

        threading.Thread(target=wait_for_files, daemon=True).start()
        try:
            workflow.run(memory="128MiB")
        except KeyboardInterrupt:
            os._exit(7)
        """,
        stop=signal.SIGINT,
    )
    assert done.returncode == 7, done
    assert not list(tmp_path.iterdir())


def test_a_second_ctrl_c_does_not_wait() -> None:
    done = python(
        """
        import time
        import pyarrow as pa
        import bowstring as bs

        @bs.step("stubborn")
        def stubborn() -> pa.Table:
            time.sleep(3)
            return pa.table({"i": [1]})

        begin = time.monotonic()
        print("ready", flush=True)
        try:
            bs.Workflow("w").step("s", "stubborn").run()
        except KeyboardInterrupt:
            print(time.monotonic() - begin)
        """,
        stop=signal.SIGINT,
        times=2,
    )
    assert float(done.stdout.splitlines()[1]) < 2, done


def test_other_threads_run_while_we_work() -> None:
    ticks = 0
    over = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not over.wait(0.005):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    bs.Workflow("w").step("s", "sleep", {"duration": "300ms"}).run()
    over.set()
    thread.join()
    assert ticks > 20


def test_calls_from_many_threads() -> None:
    results: list[int] = []

    def work() -> None:
        for _ in range(20):
            results.append(bs.Frame(NUMBERS).filter("id > 1").collect().num_rows)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [3] * 160


def collected() -> str:
    try:
        bs.Frame(NUMBERS).collect()
    except bs.BowstringError as error:
        return str(error)
    return "worked"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_says_what_is_wrong_and_a_spawned_one_works() -> None:
    assert collected() == "worked"
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert 'get_context("spawn")' in pool.apply_async(collected).get(30)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(collected).get(60) == "worked"


def test_a_child_forked_before_the_first_call_works() -> None:
    done = python(
        """
        import os, sys
        import pyarrow as pa
        import bowstring as bs
        child = os.fork()
        rows = bs.Frame(pa.table({"i": [1, 2]})).filter("i > 1").collect().num_rows
        if child:
            assert os.waitpid(child, 0)[1] == 0
        print(rows)
        """
    )
    assert done.stdout.split() == ["1", "1"], done


MEMORY = """
import gc, sys
from pathlib import Path
import pyarrow as pa
import bowstring as bs

def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

@bs.step("touch")
def touch(table: bs.Table) -> bs.Table:
    return table

@bs.step("made")
def made() -> pa.Table:
    return pa.table({"i": list(range(100))})

folder = Path(sys.argv[1])
bs.write_parquet(pa.table({"i": list(range(1000)), "s": ["x" * 50] * 1000}), folder / "t.parquet")
small = bs.Workflow("w").step("m", "made").step("t", "touch", input="m")
whole = bs.Workflow("w").step("r", "read", {"path": str(folder / "t.parquet")})
whole.step("f", "filter", {"query": "i > 10"}, input="r").step("t", "touch", input="f")

def once() -> None:
    CALL

for _ in range(COUNT // 10):
    once()
before = resident()
for _ in range(COUNT):
    once()
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say how much it is")
@pytest.mark.parametrize(
    ("count", "call"),
    [
        (10_000, 'bs.read_parquet(folder / "t.parquet", columns=["i"])'),
        (10_000, "small.run(on_event=lambda event: None).output('t').to_pyarrow()"),
        (1_000, "whole.run(on_event=lambda event: None).output('t').to_pyarrow()"),
    ],
    ids=["reads", "runs", "runs over files"],
)
def test_memory_is_flat(count: int, call: str, tmp_path: Path) -> None:
    code = MEMORY.replace("CALL", call).replace("COUNT", str(count))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=600, check=True
    )
    grown = int(done.stdout)
    # What allocators keep does not grow with the number of calls; a leak of 2 kB a call would show.
    assert grown < 8_000_000 + 1_000 * count, f"grew by {grown / 1e6:.1f} MB"


def test_a_panic_is_an_error_and_not_the_end() -> None:
    deep = "(" * 5_000 + "1" + ")" * 5_000
    with pytest.raises(bs.BowstringError):
        bs.Frame(pa.table({"i": [1]})).select(deep)
    assert bs.Frame(NUMBERS).collect().num_rows == 4
