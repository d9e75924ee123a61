"""The command `bowstring`, as the package brings it."""

from __future__ import annotations

import os
import signal
import sys

from bowstring import _bowstring


def main() -> int:
    """Run the command line, and give its exit code."""
    # The command minds signals itself; Python's own handler would raise on top of that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # `--import` finds modules of the working directory, as `python -m` does.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a text is what is wanted
    code = _bowstring.cli(sys.argv)
    sys.stdout.flush()
    return code
