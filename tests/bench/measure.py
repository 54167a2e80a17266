"""EFFECT. Measuring in turn: every round runs each contestant once, so that what the machine does meanwhile hits all.

A contestant is a function that does its work, tidies up outside the clock, and returns what it measured.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Contestant = Callable[[], float]
BASELINE = "pod"
LIMIT = 120.0  # seconds; nothing here takes a quarter of it unless it hangs


class BenchError(Exception):
    """A contestant did not do what it was measured for."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    unit: str
    rounds: int
    contestants: Mapping[str, Contestant]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a row came to: every sample of every contestant, or why one has none."""

    name: str
    unit: str
    samples: Mapping[str, tuple[float, ...]]
    failures: Mapping[str, str]

    def median(self, contestant: str) -> float | None:
        """Middle of the samples."""
        samples = self.samples.get(contestant)
        return statistics.median(samples) if samples else None

    def ratio(self, contestant: str) -> float | None:
        """How much of the contestant's cost `pod` costs: below 1 is better."""
        ours, theirs = self.median(BASELINE), self.median(contestant)
        return ours / theirs if ours is not None and theirs else None


def run_row(row: Row, say: Callable[[str], None]) -> Result:
    """Measure a row; a contestant that fails drops out with its reason. The first round warms up and is forgotten."""
    samples: dict[str, list[float]] = {name: [] for name in row.contestants}
    failures: dict[str, str] = {}
    for number in range(row.rounds + 1):
        say(f"{row.name}: round {number} of {row.rounds}")
        for name in rotated(list(row.contestants), number):
            if name not in failures:
                measure_once(row.contestants[name], samples[name], failures, name, keep=number > 0)
    kept = {name: tuple(values) for name, values in samples.items() if name not in failures}
    return Result(name=row.name, unit=row.unit, samples=kept, failures=failures)


def measure_once(
    contestant: Contestant, samples: list[float], failures: dict[str, str], name: str, *, keep: bool
) -> None:
    """Take one sample, or note why there is none."""
    try:
        value = contestant()
    except (BenchError, OSError, subprocess.SubprocessError) as error:
        failures[name] = str(error)
        return
    if keep:
        samples.append(value)


def rotated(names: list[str], number: int) -> list[str]:
    """Let another one begin in every round."""
    start = number % len(names)
    return names[start:] + names[:start]


def run(argv: Sequence[str | Path], *, expect: int | None = 0, env: Mapping[str, str] | None = None) -> str:
    """Run a command that must end with this status, or with any; its output."""
    done = subprocess.run(
        [str(word) for word in argv],
        check=False,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT,
    )
    if expect is not None and done.returncode != expect:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        shown = " ".join(done.args)[:160]
        raise BenchError(f"{shown}: exit status {done.returncode} in place of {expect}: {' / '.join(said)}")
    return done.stdout


def timed(
    argv: Sequence[str | Path], *, expect: int | None = 0, env: Mapping[str, str] | None = None
) -> float:
    """Seconds a command takes."""
    start = time.perf_counter()
    run(argv, expect=expect, env=env)
    return time.perf_counter() - start


def shown(value: float | None, unit: str) -> str:
    """Write a measurement for people."""
    if value is None:
        return "-"
    return f"{value * 1000:.0f} ms" if unit == "s" else f"{value:.0f} {unit}"


def table(results: Sequence[Result]) -> str:
    """Lay out medians and ratios, rows with the same contestants below one another."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for each in results:
        groups.setdefault((*each.samples, *each.failures), []).append(each)
    blocks = ["\n".join(block(group)) for group in groups.values()]
    notes = [f"{each.name}: {name}: {why}" for each in results for name, why in each.failures.items()]
    return "\n\n".join(
        [*blocks, "\n".join(["ratio: pod divided by the other; below 1.00 pod takes less", *notes])]
    )


def block(results: Sequence[Result]) -> list[str]:
    """Rows of the same contestants in columns."""
    names = dict.fromkeys(name for each in results for name in (*each.samples, *each.failures))
    others = [name for name in names if name != BASELINE]
    head = ["", BASELINE, *(word for name in others for word in (name, "ratio"))]
    lines = [head, *(table_line(each, others) for each in results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [aligned(line, widths) for line in lines]


def aligned(words: Sequence[str], widths: Sequence[int]) -> str:
    """The first word to the left, figures to the right."""
    name, *figures = (
        word.rjust(width) if index else word.ljust(width)
        for index, (word, width) in enumerate(zip(words, widths, strict=True))
    )
    return "   ".join([name, *figures]).rstrip()


def table_line(result: Result, others: Sequence[str]) -> list[str]:
    """One row in words."""
    cells = [result.name, shown(result.median(BASELINE), result.unit)]
    for name in others:
        ratio = result.ratio(name)
        cells += [shown(result.median(name), result.unit), "-" if ratio is None else f"{ratio:.2f}"]
    return cells


def as_json(results: Sequence[Result], facts: Mapping[str, str]) -> str:
    """Write everything measured, for programs."""
    rows = [
        {
            "name": each.name,
            "unit": each.unit,
            "median": {name: each.median(name) for name in each.samples},
            "ratio": {name: each.ratio(name) for name in each.samples if name != BASELINE},
            "samples": {name: list(values) for name, values in each.samples.items()},
            "failures": dict(each.failures),
        }
        for each in results
    ]
    return json.dumps({"machine": dict(facts), "rows": rows}, indent=2) + "\n"


def progress(text: str) -> None:
    """Show on a terminal what is going on."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
