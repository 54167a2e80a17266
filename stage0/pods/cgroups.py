"""EFFECT. The control groups of a running pod: where its processes are, what they have used, and standing still.

systemd keeps a pod's processes in one tree, with the pod's PID 1 in `init.scope` and each app in
`system.slice/app-NAME.service`. On a host with cgroup v2 that tree has the controllers too; on a hybrid one (v1 with
the unified hierarchy beside it) the same tree stands in the unified hierarchy without them: its processor time and its
freezer are there all the same (cgroups(7), "cgroup v2"; cgroup.freeze since Linux 5.2).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

from stage1.contract import ConflictError, HostError
from stage1.contract.values import NamedTuple

_NAMED, _UNIFIED = Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")
_ROOT = Path("/sys/fs/cgroup")
_PATIENCE = 10.0


class Groups(NamedTuple):
    """A pod's tree, in the hierarchy where systemd keeps its processes and in that of cgroup v2 (None on plain v1)."""

    processes: Path
    unified: Path | None

    def app(self, name: str) -> Groups:
        """The part of it that belongs to one app."""
        inside = Path("system.slice", f"app-{name}.service")
        return Groups(self.processes / inside, self.unified / inside if self.unified else None)


def of_pod(leader: int) -> Groups | None:
    """The tree of the pod whose PID 1 this is, None if it has just ended."""
    try:
        lines = Path(f"/proc/{leader}/cgroup").read_text().splitlines()
    except OSError:
        return None
    own = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    named, unified = own.get("name=systemd"), own.get("")
    trees = {
        "processes": _NAMED if named is not None else _ROOT,
        "unified": _UNIFIED if _UNIFIED.is_dir() else None if named is not None else _ROOT,
    }
    first = named if named is not None else unified
    if first is None or trees["processes"] is None:
        return None
    return Groups(
        processes=_parent(trees["processes"], first),
        unified=_parent(trees["unified"], unified) if trees["unified"] and unified is not None else None,
    )


def _parent(mount: Path, group: str) -> Path:
    return Path(f"{mount}{os.path.dirname(group)}")  # noqa: PTH120  a group's name, not a path of this file system


def processes(group: Path) -> Iterator[int]:
    """Every process in a group and below it, by the host's numbers."""
    for directory, _, names in os.walk(group):
        if "cgroup.procs" in names:
            with contextlib.suppress(OSError, ValueError):
                yield from [
                    int(line) for line in Path(directory, "cgroup.procs").read_text().split() if line != "0"
                ]


def set_frozen(groups: Groups, frozen: bool, what: str) -> None:
    """Stop or continue all processes of a group, and return when the kernel says that it is done."""
    if groups.unified is None:
        raise HostError(
            f"{what} cannot be paused: this host has cgroup v1 only",
            hint="boot with the unified hierarchy: systemd.unified_cgroup_hierarchy=1",
        )
    try:
        (groups.unified / "cgroup.freeze").write_text("1" if frozen else "0")
        _await_frozen(groups.unified / "cgroup.events", frozen, what)
    except FileNotFoundError:
        raise ConflictError(f"{what} has just ended", hint="`pod ps --all` tells how") from None


def _await_frozen(events: Path, frozen: bool, what: str) -> None:
    """The kernel tells changes of cgroup.events by POLLPRI (cgroups(7))."""
    limit = time.monotonic() + _PATIENCE
    with events.open("rb", buffering=0) as file:
        poll = select.poll()
        poll.register(file, select.POLLPRI)
        while _flag(file.read(), b"frozen") != frozen:
            if (left := limit - time.monotonic()) <= 0:
                raise HostError(
                    f"{what}: a process does not let itself be stopped",
                    hint="one in an uninterruptible system call (state D in `pod top`) stops when that returns",
                )
            poll.poll(left * 1000)
            file.seek(0)


def _flag(text: bytes, name: bytes) -> bool:
    return any(line.split() == [name, b"1"] for line in text.splitlines())


def is_frozen(groups: Groups) -> bool:
    """Whether the group itself, not only one around it, was told to stand still."""
    if groups.unified is None:
        return False
    try:
        return (groups.unified / "cgroup.freeze").read_text().strip() == "1"
    except OSError:
        return False


class Usage(NamedTuple):
    """What a group has used; None where this host cannot tell. Bytes, microseconds, numbers of tasks and processes."""

    cpu: int | None
    memory: int | None
    memory_limit: int | None
    tasks: int | None
    processes: int
    read: int | None
    written: int | None


def usage(groups: Groups) -> Usage:
    """By the controllers of cgroup v2 where they are, else added up over the processes that live now.

    Memory added up is the proportional set size (proc_pid_smaps(5)): shared pages count by their share.
    """
    pids = list(processes(groups.processes))
    unified = groups.unified
    io = _io(unified) or _io_of_processes(pids)
    return Usage(
        cpu=_keyed(unified, "cpu.stat", "usage_usec"),
        memory=_number(unified, "memory.current") or _memory_of_processes(pids),
        memory_limit=_number(unified, "memory.max"),
        tasks=_number(unified, "pids.current") or sum(_threads(pid) for pid in pids),
        processes=len(pids),
        read=io[0] if io else None,
        written=io[1] if io else None,
    )


def _text(group: Path | None, name: str) -> str:
    try:
        return (group / name).read_text() if group else ""
    except OSError:
        return ""


def _number(group: Path | None, name: str) -> int | None:
    text = _text(group, name).strip()
    return int(text) if text.isdigit() else None


def _keyed(group: Path | None, name: str, key: str) -> int | None:
    rows = (line.split() for line in _text(group, name).splitlines())
    return next((int(row[1]) for row in rows if len(row) == 2 and row[0] == key), None)


def _io(group: Path | None) -> tuple[int, int] | None:
    """`io.stat`: a line a device, `MAJOR:MINOR rbytes=N wbytes=N …`."""
    text = _text(group, "io.stat")
    pairs = [word.partition("=") for line in text.splitlines() for word in line.split()[1:]]
    total = {key: sum(int(value) for name, _, value in pairs if name == key) for key in ("rbytes", "wbytes")}
    return (total["rbytes"], total["wbytes"]) if text else None


def _io_of_processes(pids: list[int]) -> tuple[int, int] | None:
    read = written = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, KeyError):
            rows = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
            read += int(rows["read_bytes"])
            written += int(rows["write_bytes"])
    return read, written


def _memory_of_processes(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += 1024 * int(
                next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1]
            )
    return total


def _threads(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0
