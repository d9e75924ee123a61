"""Ctrl-C while something runs."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupted(*, times: int = 1, after: Callable[[], object] = lambda: None) -> Iterator[threading.Event]:
    """Interrupt the body so many times, half a second apart, once it sets the event and `after` is done."""
    begun = threading.Event()

    def interrupt() -> None:
        begun.wait()
        after()
        for count in range(times):
            time.sleep(0.5 if count else 0)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    # What a shell runs in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield begun
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
