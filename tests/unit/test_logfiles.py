"""EFFECT. Logs as they are read while the monitor writes and rotates them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from stage0.pods.logfiles import Line, Tail


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Callable[[], Tail]]:
    """Readers of a log; a command has its file open until it ends."""
    tails: list[Tail] = []

    def begin() -> Tail:
        tails.append(Tail(tmp_path / "a.log", "a"))
        return tails[-1]

    yield begin
    for tail in tails:
        if tail._file:
            tail._file.close()


def write(path: Path, *numbers: int) -> None:
    """Lines of an app, as the monitor has them."""
    with path.open("a") as file:
        file.writelines(f"2026-01-31T12:00:00.{number:09}Z stdout F {number}\n" for number in numbers)


def rotate(path: Path) -> None:
    """The present file becomes the older one."""
    path.rename(f"{path}.1")


def texts(lines: Iterable[Line]) -> list[int]:
    """What was printed."""
    return [int(line.text) for line in lines]


def test_a_log_is_read_from_its_older_file_on(tmp_path: Path, reading: Callable[[], Tail]) -> None:
    log = tmp_path / "a.log"
    tail = reading()
    assert texts(tail.lines()) == []
    write(log, 1, 2)
    assert texts(tail.lines()) == [1, 2]
    write(log, 3)
    rotate(log)
    assert texts(tail.lines()) == [3]
    write(log, 4)
    assert texts(tail.lines()) == [4]
    assert texts(reading().lines()) == [1, 2, 3, 4]


def test_a_log_that_is_rotated_while_it_is_read_is_read_whole(
    tmp_path: Path, reading: Callable[[], Tail]
) -> None:
    log = tmp_path / "a.log"
    write(log, 1)
    rotate(log)
    write(log, 2)
    tail = reading()
    lines = tail.lines()
    assert int(next(lines).text) == 1
    rotate(log)
    write(log, 3)
    assert texts(lines) == [2]
    assert texts(tail.lines()) == [3]
