"""EFFECT. Unpack a decompressed layer into a directory through a child that can write nowhere else."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stage0.image.confine import confine, die_with_parent
from stage0.image.extract import extract
from stage0.image.model import ImageError
from stage0.image.tarstream import TarStream
from stage1.contract.errors import HostError, PodError

_PIPE_SIZE = 1 << 20
_READ = 1 << 18


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the child found: members, whether the archive's end was marked, directories it had to invent."""

    members: int
    complete: bool
    implied: tuple[str, ...]


@dataclass(slots=True)
class Child:
    """The unpacking process and the two pipes to it."""

    pid: int
    data: int
    report: int


def unpack(directory: Path, chunks: Iterable[bytes]) -> Unpacked:
    """Feed a tar stream to a new child that unpacks into the directory; give back its report."""
    child = _start(directory)
    try:
        with suppress(BrokenPipeError):
            for chunk in chunks:
                _feed(child.data, chunk)
    except BaseException:
        _abandon(child)
        raise
    os.close(child.data)
    return _result(child)


def _start(directory: Path) -> Child:
    data_out, data_in = os.pipe()
    report_out, report_in = os.pipe()
    with suppress(OSError):  # the pipe stays small for users with little pipe memory left; only slower
        fcntl.fcntl(data_in, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(data_in)
        os.close(report_out)
        _run_child(directory, data_out, report_in, parent)
    os.close(data_out)
    os.close(report_in)
    return Child(pid, data_in, report_out)


def _run_child(directory: Path, source: int, report: int, parent: int) -> None:
    """Be the child: never return into the parent's code."""
    answer: dict[str, Any]
    try:
        die_with_parent(parent)
        os.umask(0)
        confine(directory, (source, report))
        answer = _unpack_all(source)
    except HostError as error:
        answer = {"error": error.message, "hint": error.hint, "host": True}
    except PodError as error:
        answer = {"error": error.message, "hint": error.hint}
    except BaseException as error:
        answer = {
            "error": f"unpacking failed: {type(error).__name__}: {error}",
            "hint": "report this to the project",
        }
    with suppress(BaseException):
        data = json.dumps(answer).encode("ascii")
        while data:
            data = data[os.write(report, data) :]
    os._exit(0)


def _unpack_all(source: int) -> dict[str, Any]:
    reader = PipeReader(source)
    done = extract(TarStream(reader.read))
    reader.drain()
    implied = [os.fsdecode(path) for path in done.implied]
    return {"members": done.members, "complete": done.complete, "implied": implied}


class PipeReader:
    """Exact reads from a pipe with few system calls."""

    def __init__(self, fd: int) -> None:
        """Read from the descriptor."""
        self._fd = fd
        self._buffer = b""
        self._position = 0

    def read(self, count: int) -> bytes:
        """Give exactly `count` bytes, fewer only at the end."""
        end = self._position + count
        if end <= len(self._buffer):
            data = self._buffer[self._position : end]
            self._position = end
            return data
        parts = [self._buffer[self._position :]]
        missing = count - len(parts[0])
        self._buffer, self._position = b"", 0
        while missing > 0:
            more = os.read(self._fd, _READ)
            if not more:
                break
            parts.append(more[:missing])
            if len(more) > missing:
                self._buffer, self._position = more, missing
            missing -= len(more)
        return b"".join(parts)

    def drain(self) -> None:
        """Read to the end, so that the writer can hash all of it."""
        self._buffer, self._position = b"", 0
        while os.read(self._fd, _READ):
            pass


def _feed(fd: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(fd, view) :]


def _abandon(child: Child) -> None:
    """Let the child see the end of its input and wait for it; its report no longer matters."""
    os.close(child.data)
    os.close(child.report)
    os.waitpid(child.pid, 0)


def _result(child: Child) -> Unpacked:
    with os.fdopen(child.report, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child.pid, 0)
    if not text:
        raise ImageError(f"the unpacking process died ({os.waitstatus_to_exitcode(status)})",
                         hint="look for an out-of-memory kill in the kernel's log, then try again")  # fmt: skip
    answer = json.loads(text)
    if "error" in answer:
        kind = HostError if answer.get("host") else ImageError
        raise kind(answer["error"], hint=answer["hint"])
    return Unpacked(answer["members"], answer["complete"], tuple(answer["implied"]))
