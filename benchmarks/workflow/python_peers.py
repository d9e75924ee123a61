"""Times a Python workflow engine: `python python_peers.py PEER SHAPE RUNS`.

Prints the microseconds a step of each run, building of the graph apart, and fails when the answer
is not the depth of the graph. Two threads each.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable

from graphs import SHAPES, Graph, depth

THREADS = 2


def work(*inputs: int) -> int:
    return 1 + max(inputs, default=0)


def graphlib_pool(graph: Graph) -> tuple[float, int]:
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
    from graphlib import TopologicalSorter

    sorter = TopologicalSorter(dict(enumerate(graph)))
    results: dict[int, int] = {}
    begin = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        sorter.prepare()
        running: dict[Future[int], int] = {}
        while sorter.is_active():
            for i in sorter.get_ready():
                running[pool.submit(work, *(results[j] for j in graph[i]))] = i
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                i = running.pop(future)
                results[i] = future.result()
                sorter.done(i)
    return time.perf_counter() - begin, max(results.values())


def dask(graph: Graph) -> tuple[float, int]:
    from dask.threaded import get

    tasks = {f"s{i}": (work, *(f"s{j}" for j in inputs)) for i, inputs in enumerate(graph)}
    begin = time.perf_counter()
    results = get(tasks, list(tasks), num_workers=THREADS)
    return time.perf_counter() - begin, max(results)


def hamilton(graph: Graph) -> tuple[float, int]:
    from types import ModuleType

    from hamilton import driver
    from hamilton.execution import executors

    lines = []
    for i, inputs in enumerate(graph):
        arguments = ", ".join(f"s{j}: int" for j in inputs)
        largest = f"max([{', '.join(f's{j}' for j in inputs)}])" if inputs else "0"
        lines.append(f"def s{i}({arguments}) -> int:\n    return 1 + {largest}\n")
    module = ModuleType("steps")
    sys.modules["steps"] = module
    exec("\n".join(lines), module.__dict__)
    dr = (
        driver.Builder()
        .enable_dynamic_execution(allow_experimental_mode=True)
        .with_local_executor(executors.SynchronousLocalTaskExecutor())
        .with_remote_executor(executors.MultiThreadingExecutor(max_tasks=THREADS))
        .with_modules(module)
        .build()
    )
    names = [f"s{i}" for i in range(len(graph))]
    begin = time.perf_counter()
    results = dr.execute(names)
    return time.perf_counter() - begin, max(results.values())


def prefect(graph: Graph) -> tuple[float, int]:
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    step = task(work)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=THREADS))
    def run() -> int:
        futures: list = []
        for inputs in graph:
            futures.append(step.submit(*(futures[j] for j in inputs)))
        return max(future.result() for future in futures)

    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


def dagster(graph: Graph) -> tuple[float, int]:
    from dagster import (
        DependencyDefinition,
        GraphDefinition,
        In,
        OpDefinition,
        Out,
        Output,
        in_process_executor,
    )

    def make(i: int, inputs: list[int]) -> OpDefinition:
        names = [f"i{k}" for k in range(len(inputs))]

        def compute(_context, values):
            yield Output(work(*values.values()))

        return OpDefinition(
            compute_fn=compute, name=f"s{i}", ins={name: In(int) for name in names}, outs={"result": Out(int)}
        )

    job = GraphDefinition(
        name="graph",
        node_defs=[make(i, inputs) for i, inputs in enumerate(graph)],
        dependencies={
            f"s{i}": {f"i{k}": DependencyDefinition(f"s{j}") for k, j in enumerate(inputs)}
            for i, inputs in enumerate(graph)
        },
    ).to_job(executor_def=in_process_executor)
    begin = time.perf_counter()
    result = job.execute_in_process()
    seconds = time.perf_counter() - begin
    return seconds, max(result.output_for_node(f"s{i}") for i in range(len(graph)))


PEERS: dict[str, Callable[[Graph], tuple[float, int]]] = {
    "graphlib": graphlib_pool,
    "dask": dask,
    "hamilton": hamilton,
    "prefect": prefect,
    "dagster": dagster,
}


def main() -> int:
    peer, shape, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    graph = SHAPES[shape]()
    expected = depth(graph)
    for _ in range(runs):
        seconds, found = PEERS[peer](graph)
        if found != expected:
            print(f"error: {peer} found depth {found}, not {expected}", file=sys.stderr)
            return 1
        print(f"{seconds * 1e6 / len(graph):.3f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
