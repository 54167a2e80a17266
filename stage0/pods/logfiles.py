"""EFFECT. The logs of a pod's apps: read in order of time, across rotation, and followed as they grow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from stage0.pods import lifecycle
from stage1.contract import PodDir
from stage1.contract.values import NamedTuple

if TYPE_CHECKING:
    from stage0.pods.watching import Watch

# The end of a pod is an unlock, which no directory tells of: looked at once in a while beside the watching.
_LOOK = 0.5
_BLOCK = 1 << 16


class Line(NamedTuple):
    """One line, or a part of one that was very long (`complete` false); `moment` is a stamp."""

    moment: bytes
    app: str
    stream: bytes
    complete: bool
    text: bytes


class Follower:
    """Reads logs from where it stopped the last time."""

    def __init__(self, directory: PodDir, apps: list[str]) -> None:
        self._directory = directory
        self._tails = [Tail(directory.log(app), app) for app in apps]
        self._ended = False
        self._watch: Watch | None = None

    def lines(self) -> Iterator[Line]:
        """Everything new, merged by time."""
        return merge(*(tail.lines() for tail in self._tails), key=lambda line: line.moment)

    def wait(self) -> bool:
        """True if there may be more; the last look comes after the pod's end, so no line is lost."""
        if self._ended:
            return False
        if self._watch is None:
            from stage0.pods.watching import Watch  # noqa: PLC0415  ctypes, and only for who follows

            self._watch = Watch()
        # of a pod that is just being started the inner ones come later
        logs = self._directory.log("x").parent
        if self._watch.add(self._directory.path, self._directory.run, logs):
            return True  # what came before the watching is there to be read
        self._ended = not lifecycle.is_running(self._directory)
        if not self._ended:
            self._watch.wait(_LOOK)
        return True


class Tail:
    """One app's log: first the older file, then the present one, then whatever is appended."""

    def __init__(self, path: Path, app: str) -> None:
        self._path = path
        self._app = app
        self._file: BinaryIO | None = None
        self._rest = b""

    def lines(self) -> Iterator[Line]:
        """New lines since the last call."""
        if self._file is None:
            for file in self._both():
                yield from self._take(file)
            return
        yield from self._more(self._file)
        try:
            rotated = self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return
        if rotated:
            yield from self._more(self._file)
            if (present := _opened(self._path)) is not None:
                yield from self._take(present)

    def _both(self) -> list[BinaryIO]:
        """The present file is opened first: if it is rotated in this moment, it is the older one and is not missed."""
        present, older = _opened(self._path), _opened(self._path.with_name(self._path.name + ".1"))
        if present and older and os.path.sameopenfile(present.fileno(), older.fileno()):
            older.close()
            older = None
        return [file for file in (older, present) if file]

    def _take(self, file: BinaryIO) -> Iterator[Line]:
        if self._file:
            self._file.close()
        self._file = file
        yield from self._more(file)

    def _more(self, file: BinaryIO) -> Iterator[Line]:
        for raw in file:
            line = self._rest + raw
            self._rest = b"" if line.endswith(b"\n") else line
            fields = line[:-1].split(b" ", 3)
            if not self._rest and len(fields) == 4:
                yield Line(fields[0], self._app, fields[1], fields[2] == b"F", fields[3])


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def last(path: Path, size: int, inode: int, count: int) -> list[Line]:
    """The last lines of an app's log as it was when its file had this inode and size; it may have been rotated."""
    older = path.with_name(path.name + ".1")
    found: list[Line] = []
    for place in (path, older):
        if len(found) >= count:
            break
        try:
            with place.open("rb") as file:
                here = os.fstat(file.fileno()).st_ino == inode
                if here or place is older:
                    end = size if here else file.seek(0, os.SEEK_END)
                    found = [*_end_of(file, end, count - len(found)), *found]
        except FileNotFoundError:
            continue
    return found


def _end_of(file: BinaryIO, end: int, count: int) -> list[Line]:
    """Read backwards: a log may be large."""
    start, text = end, b""
    while start > 0 and text.count(b"\n") <= count:
        start = max(0, start - _BLOCK)
        file.seek(start)
        text = file.read(end - start)
    fields = [line.split(b" ", 3) for line in text.split(b"\n")[:-1][-count:]]
    return [Line(one[0], "", one[1], one[2] == b"F", one[3]) for one in fields if len(one) == 4]
