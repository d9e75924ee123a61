"""The table of a sitting: what each contender's times were, who is the fastest, which goals are held."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

import answers

OURS, OURS_RUST, SUITE, NEO4J = "bowstring", "bowstring (Rust)", "gapbs", "neo4j graph (Rust)"


@dataclass
class Cell:
    """What one contender did with one kernel of one graph: times by source, or why there are none."""

    times: list[float] = field(default_factory=list)
    why: str | None = None
    compared: bool = True
    rounds: int = 0

    def add(self, times: list[float], why: str | None, late: bool) -> None:
        """One more round. Whoever is too late once keeps the times it has; a wrong answer ends them."""
        if why is not None:
            self.why = None if late and self.times else why
            return
        self.times = [min(pair) for pair in zip(self.times, times, strict=True)] if self.times else times
        self.rounds += 1

    @property
    def seconds(self) -> float | None:
        return statistics.median(self.times) if self.times and self.why is None else None


# By graph, number of threads and kernel, then by contender.
Table = dict[tuple[str, int, str], dict[str, Cell]]


def keep(table: Table, path: Path) -> None:
    rows = [(*key, {name: asdict(cell) for name, cell in row.items()}) for key, row in table.items()]
    path.write_text(json.dumps(rows))


def kept(path: Path) -> Table:
    if not path.exists():
        return {}
    rows = json.loads(path.read_text())
    return {tuple(key): {name: Cell(**cell) for name, cell in row.items()} for *key, row in rows}


def goal(graph: str, kernel: str) -> tuple[float, tuple[str, ...]] | None:
    """At most so many times the fastest of these, with two threads."""
    if kernel == "pagerank":
        return 0.9 if graph.startswith("kron") else 1.0, (SUITE,)
    return {
        "bfs": (1.0, (SUITE,)),
        "sssp": (1.0, (SUITE, NEO4J)),
        # LAGraph's method, as LAGraph itself cannot be had.
        "pagerank20": (1.0, ("graphblas",)),
        "components": (1.0, (SUITE,)),
        "strong": (0.6, ("scipy",)),
        "triangles": (0.9, (SUITE,)),
    }.get(kernel)


class Verdicts:
    """How many of a goal are held and missed."""

    def __init__(self) -> None:
        self.held = self.missed = 0

    def of(self, good: bool) -> str:
        self.held += good
        self.missed += not good
        return "held" if good else "missed"

    def __str__(self) -> str:
        return f"held {self.held} times, missed {self.missed} times"


def write(table: Table, versions: dict[str, str], absent: dict[str, str]) -> str:
    names = [name for name in versions if any(name in row for row in table.values())]
    notes: dict[str, int] = {}
    ahead, targets = Verdicts(), Verdicts()
    body = []
    for (graph, threads, kernel), row in sorted(table.items(), key=lambda entry: entry[0][:2]):
        times = {name: cell.seconds for name, cell in row.items() if cell.compared and cell.seconds}
        best = min(times.values(), default=None)
        ours = times.get(OURS, times.get(OURS_RUST))
        pypi = [seconds for name, seconds in times.items() if not name.startswith((OURS, SUITE, NEO4J))]

        def shown(name: str, row: dict[str, Cell] = row, best: float | None = best) -> str:
            cell = row.get(name, Cell(why="left out of this run"))
            seconds = cell.seconds
            if seconds is None:
                return f"– [{notes.setdefault(cell.why or 'left out of this run', len(notes) + 1)}]"
            text = f"{seconds * 1e3:#.3g}" if seconds < 1 else f"{seconds * 1e3:.0f}"
            return f"*{text}*" if not cell.compared else f"**{text}**" if seconds == best else text

        ratios = [ours / min(pypi) if ours and pypi else None]
        ratios += [ours / times[name] if ours and name in times else None for name in (NEO4J, SUITE)]
        verdicts = [f"ahead of PyPI: {ahead.of(ratios[0] < 1)}"] if ratios[0] else []
        target = goal(graph, kernel) if threads == 2 else None
        if target and ours and all(name in times for name in target[1]):
            most, whom = target
            good = ours <= most * min(times[name] for name in whom)
            verdicts.append(f"≤ {most:.1f} × {' or '.join(whom)}: {targets.of(good)}")
        cells = [shown(name) for name in names]
        cells += [f"{ratio:.2f}" if ratio else "–" for ratio in ratios]
        body.append(
            f"| {graph} | {kernel} | {threads} | {' | '.join(cells)} | {'; '.join(verdicts) or '–'} |"
        )
    rounds = []
    for name in names:
        counts = {row[name].rounds for row in table.values() if name in row} - {0}
        rounds.append(f"{name} {' or '.join(str(count) for count in sorted(counts))}")
    absent = absent | {name: "left out of this run" for name in versions if name not in names}
    heads = [f"{name} {versions[name]}".strip() for name in names]
    sources, some, most = answers.SOURCES, answers.BETWEENNESS_SOURCES, answers.ROUNDS
    lines = [
        f"Milliseconds; {platform.machine()}, {os.cpu_count()} cores. All work on the machine was a load of",
        f"{os.getloadavg()[2]:.1f} over the last quarter of an hour. Contenders in random order, rounds:",
        f"{', '.join(rounds)}.",
        "",
        "Bold is the fastest; *slanted* times are of answers that could not be compared, since the contender",
        "draws its own sources; every other answer was compared. Ratios and goals are of Bowstring's",
        "Python package where it ran in this sitting, else of its Rust kernels. Where other work ran on the",
        "same cores, OpenMP (GAPBS, networkit, icebug) lost most by it.",
        "",
        "`kron` is Kronecker with edge factor 16 (a final `d`: directed), `urand` uniform, `grid` a weighted",
        f"lattice. bfs, sssp: median over {sources} sources. betweenness: {some} sources.",
        f"pagerank: until changes fall below {answers.TOLERANCE:g} (L1), at most {most} iterations;",
        f"pagerank20: {most} iterations. build: from the edge list to sorted rows without repeats and",
        "self-loops, both directions of an edge unless directed. Where a contender keeps rows of incoming",
        "edges, it has made them before the clock starts. triangles: their number alone, in networkit that",
        "of each edge.",
        "",
        f"Ahead of those libraries from PyPI that ran in a row: {ahead}.",
        f"The targets against GAPBS and others, with two threads: {targets}.",
        "What was tried where it is behind: [graph-tried.md](graph-tried.md).",
        "",
        f"| graph | kernel | threads | {' | '.join(heads)} | / PyPI | / neo4j | / gapbs | goals |",
        "| --- | --- | --- |" + " --- |" * (len(names) + 4),
        *body,
        "",
        *(f"{number}. {why}" for why, number in notes.items()),
    ]
    if absent:
        lines += ["", "Not run:", "", *(f"- {name}: {why}" for name, why in absent.items())]
    return "\n".join(lines) + "\n"
