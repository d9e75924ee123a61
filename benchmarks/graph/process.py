"""What a process of a benchmark measures of itself."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

VARIABLES = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


def status(field: str) -> int:
    """Bytes, from the kernel's account of this process: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def settle() -> int:
    """Gives back what is free, forgets the peak so far, and says what is in use."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def peak() -> int:
    return status("VmHWM")


def kept_to(threads: int, script: str, *rest: str) -> tuple[list[str], dict[str, str]]:
    """A command and an environment for a Python script with so many threads on as many cores."""
    cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[-threads:])
    environment = dict(os.environ) | dict.fromkeys(VARIABLES, str(threads))
    return ["taskset", "-c", cores, sys.executable, script, *rest], environment
