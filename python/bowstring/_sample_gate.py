"""Are the samples of a quantised model near enough, and which layers get more bits where they may?"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, SupportsFloat

from bowstring._errors import UsageError, WorkflowError

if TYPE_CHECKING:
    from bowstring._quant import QuantizationReport, QuantizedModel
    from bowstring._tables import Path

WIDER = {2: 3, 3: 4, 4: 8}
"""The next width of each but the largest."""

SHARE = 8
"""One of so many packed tensors gets more bits at a time."""


@dataclass
class SampleGate:
    """Samples that have to be near enough, and what was done so that they are."""

    least: float
    """In decibels."""
    measure: Callable[[QuantizedModel], SupportsFloat]
    """Says how near the samples of a packed model are."""
    promote: bool
    """Whether tensors get more bits where they are not."""
    promoted: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The bits of tensors that got more, before and now."""

    @classmethod
    def of(
        cls,
        min_psnr: float | None,
        psnr: Callable[[QuantizedModel], SupportsFloat] | None,
        options: Mapping[str, object],
    ) -> SampleGate | None:
        """Make one of what a caller asks for; none where nothing is asked for."""
        if min_psnr is None and psnr is None:
            return None
        if min_psnr is None or psnr is None:
            missing = "min_psnr" if min_psnr is None else "psnr"
            raise UsageError(f"{missing}: expected beside the other of `min_psnr` and `psnr`")
        if math.isnan(min_psnr):
            raise UsageError("min_psnr: expected a number of decibels, got nan")
        if not callable(psnr):
            raise TypeError(f"psnr: expected a function, got {type(psnr).__name__}")
        if options["resume"]:
            raise UsageError(
                "resume: expected False beside `min_psnr`, for which files are made several times"
            )
        if options["shard_size"] is not None:
            raise UsageError("shard_size: expected None beside `min_psnr`, which needs one file")
        promote = options["promote"]
        if not isinstance(promote, bool):
            raise TypeError(f"promote: expected bool, got {type(promote).__name__}")
        if promote and options["budget"] is not None:
            raise UsageError("promote: expected False beside `budget`, which decides")
        return cls(min_psnr, psnr, promote)

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Give the options of the next file."""
        own = {literal(name): now for name, (_, now) in self.promoted.items()}
        gates_of_tensors = (options["min_sqnr"], options["max_rel_error"])
        return {
            **options,
            "policy": {**own, **(options["policy"] or {})},
            "promote": self.promote and any(gate is not None for gate in gates_of_tensors),
        }

    def passes(self, value: SupportsFloat, report: QuantizationReport) -> bool:
        """Say whether samples are near enough; where they are not, give more bits to the worst tensors.

        Raises:
            WorkflowError: When no tensor may have more.
        """
        found = float(value)
        if found >= self.least:
            return True
        message = f"samples are within {found:.1f} dB, less than {self.least:g} dB"
        if not self.promote:
            raise WorkflowError(
                f"{message}\n\nhint: ask for more bits, or let `promote=True` give some to the worst tensors"
            )
        names, bits, ratios = (report.tensors[column].to_pylist() for column in ("name", "bits", "sqnr"))
        packed = [row for row in zip(ratios, names, bits, strict=True) if row[2] is not None]
        worst = sorted(row for row in packed if row[2] in WIDER)[: math.ceil(len(packed) / SHARE)]
        if not worst:
            raise WorkflowError(
                f"{message}, and every packed tensor has 8 bits\n\n"
                "hint: keep more tensors by the policy, or ask for less"
            )
        for _, name, now in worst:
            first = report.promoted.get(name, (now, now))[0]
            self.promoted[name] = (first, WIDER[now])
        return False


def literal(name: str) -> str:
    """Write a name as a pattern that fits nothing else."""
    escaped = "".join(
        "\\\\" if letter == "\\" else f"[{letter}]" if letter in "*?[]{}" else letter for letter in name
    )
    # Rules that begin so are for kinds and shapes.
    return f"[{escaped[0]}]{escaped[1:]}" if escaped.startswith(("kind:", "shape:")) else escaped


@contextmanager
def staged(out: Path) -> Iterator[FilePath]:
    """Give a name for a file that becomes `out` only where the body does not raise."""
    target = FilePath(os.fspath(out))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        path = FilePath(folder) / target.name
        yield path
        path.replace(target)
