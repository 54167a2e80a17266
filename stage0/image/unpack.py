"""EFFECT. Unpack a decompressed layer into a directory through a child that can write nowhere else."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from stage0.image.confine import confine
from stage0.image.extract import extract
from stage0.image.model import ImageError
from stage0.image.pipes import PipeReader, feed
from stage0.image.policy import Limits
from stage0.image.tarstream import TarStream
from stage0.privileges import die_with_parent
from stage1.contract.errors import HostError, PodError
from stage1.contract.values import NamedTuple

_PIPE_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What the child found: members, whether the archive's end was marked, directories it had to invent."""

    members: int
    complete: bool
    implied: tuple[str, ...]


class Child(NamedTuple):
    """An unpacking process: the two pipes to it, and its number, 0 if it is not ours to wait for."""

    data: int
    report: int
    pid: int


Start = Callable[[Path, Limits], Child]


def fork_child(directory: Path, limits: Limits) -> Child:
    """Fork an unpacking process; only where no other thread runs."""
    parent = os.getpid()
    data, report, child_data, child_report = make_pipes()
    pid = os.fork()
    if pid == 0:
        run_child(directory, limits, child_data, child_report, parent)
    os.close(child_data)
    os.close(child_report)
    return Child(data, report, pid)


def make_pipes() -> tuple[int, int, int, int]:
    """Make the pipe of the data and that of the report: our two ends, then the child's."""
    data_out, data_in = os.pipe()
    report_out, report_in = os.pipe()
    with suppress(OSError):  # the pipe stays small for users with little pipe memory left; only slower
        fcntl.fcntl(data_in, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    return data_in, report_out, data_out, report_in


def unpack(directory: Path, chunks: Iterable[bytes], limits: Limits, start: Start = fork_child) -> Unpacked:
    """Feed a tar stream to a new child that unpacks into the directory; give back its report."""
    child = start(directory, limits)
    try:
        with suppress(BrokenPipeError):
            for chunk in chunks:
                feed(child.data, chunk)
    except BaseException:
        _abandon(child)
        raise
    os.close(child.data)
    return _result(child)


def run_child(directory: Path, limits: Limits, source: int, report: int, parent: int) -> NoReturn:
    """Be the child: never return into the parent's code."""
    answer: dict[str, Any]
    try:
        die_with_parent(parent)
        os.umask(0)
        confine(directory, (source, report))
        answer = _unpack_all(source, limits)
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


def _unpack_all(source: int, limits: Limits) -> dict[str, Any]:
    reader = PipeReader(source)
    done = extract(TarStream(reader.read, take=reader.take), limits)
    reader.drain()
    implied = [os.fsdecode(path) for path in done.implied]
    return {"members": done.members, "complete": done.complete, "implied": implied}


def _abandon(child: Child) -> None:
    """Let the child see the end of its input and wait until it is gone; its report no longer matters."""
    os.close(child.data)
    _read_report(child)


def _read_report(child: Child) -> tuple[bytes, str]:
    """Wait for the child's end; give what it said, and how it ended if that is known."""
    with os.fdopen(child.report, "rb") as pipe:
        text = pipe.read()
    if not child.pid:
        return text, ""
    _, status = os.waitpid(child.pid, 0)
    return text, f" ({os.waitstatus_to_exitcode(status)})"


def _result(child: Child) -> Unpacked:
    text, how = _read_report(child)
    if not text:
        raise ImageError(f"the unpacking process died{how}",
                         hint="look for an out-of-memory kill in the kernel's log, then try again")  # fmt: skip
    answer = json.loads(text)
    if "error" in answer:
        kind = HostError if answer.get("host") else ImageError
        raise kind(answer["error"], hint=answer["hint"])
    return Unpacked(answer["members"], answer["complete"], tuple(answer["implied"]))
