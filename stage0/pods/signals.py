"""EFFECT. Signals to processes of pods, by pidfd, so that a number used again is never hit."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

from stage0.pods import lifecycle, results
from stage1.contract import ConflictError, NotFoundError, PodDir

# To a systemd that is PID 1: start halt.target (systemd(1)).
_HALT = signal.SIGRTMIN + 3
_NOBODY = (0, -1)
_PAUSE, _LOOK, _GRACE = 0.02, 1.0, 1.0


class Process:
    """A process by number and start, held by a pidfd for the length of a `with`.

    It is not `alive` if it is gone or was another one.
    """

    def __init__(self, pid: int, start: int) -> None:
        self._descriptor: int | None = None
        if results.start_of(pid) == start:
            with contextlib.suppress(ProcessLookupError):
                self._descriptor = os.pidfd_open(pid)
            if results.start_of(pid) != start:  # its number was used again before it was opened
                self.close()

    @staticmethod
    def recorded(record: Path) -> Process:
        """The process of a `PID STARTTIME` file; none of them if there is no such file."""
        return Process(*(results.recorded(record) or _NOBODY))

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def alive(self) -> bool:
        """Whether there is anyone to signal."""
        return self._descriptor is not None

    def send(self, number: int) -> None:
        """Signal it; one that has just ended is no error."""
        if self._descriptor is not None:
            try:
                signal.pidfd_send_signal(self._descriptor, number)
            except ProcessLookupError:
                return

    def wait(self, seconds: float | None) -> bool:
        """True once it has ended, False if it has not by then."""
        if self._descriptor is None:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))


def stop(directory: PodDir, seconds: float | None) -> bool:
    """End a pod in order and wait; after `seconds` it is killed. False if it was not running."""
    if not lifecycle.is_running(directory):
        return False
    if not _until_ended(directory, _ask_to_stop, seconds):
        kill(directory)
    return True


def ask_to_stop(directory: PodDir) -> None:
    """Tell a pod to end in order, and let `stop` wait for it."""
    if (here := _place_of_running(directory)) is not None:
        with Process.recorded(here.monitor) as monitor:
            _ask_to_stop(here, monitor)


def kill(directory: PodDir) -> None:
    """End a pod at once and wait."""
    _until_ended(directory, _end_now, None)


def _until_ended(directory: PodDir, act: Callable[[PodDir, Process], None], seconds: float | None) -> bool:
    """True once a pod has ended, False if it has not by then.

    It is told again as long as it takes: a pod that is being started has no monitor yet, and one whose monitor was
    killed may have lost what systemd-nspawn told it.
    """
    limit = time.monotonic() + (math.inf if seconds is None else seconds)
    while (here := _place_of_running(directory)) is not None:
        if (left := limit - time.monotonic()) <= 0:
            return False
        with Process.recorded(here.monitor) as monitor:
            act(here, monitor)
            if monitor.alive:
                monitor.wait(min(left, _LOOK))
            else:
                time.sleep(_PAUSE)
    return True


def _place_of_running(directory: PodDir) -> PodDir | None:
    """Where the pod lies now, if it runs or is being made."""
    with contextlib.suppress(NotFoundError):
        found = lifecycle.find(directory.root, directory.uuid)
        return found.directory if found.running else None
    return None


def _ask_to_stop(directory: PodDir, monitor: Process) -> None:
    """Once: for the monitor a second SIGTERM means to kill the pod, and two `pod stop` do not."""
    if directory.stopping.exists():
        return
    if not monitor.alive:
        supervisor = orphaned_supervisor(directory)
        _send(_first_process(supervisor) if supervisor is not None else None, _HALT)
        return
    with (
        contextlib.suppress(FileNotFoundError),
        directory.monitor.open("rb") as record,
    ):  # or it is gone already
        try:
            fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another `pod stop` is at it
        if directory.stopping.exists():
            return
        monitor.send(signal.SIGTERM)
        while not directory.stopping.exists() and not monitor.wait(_PAUSE):
            pass


def _end_now(directory: PodDir, monitor: Process) -> None:
    monitor.send(signal.SIGQUIT)
    if not monitor.alive:
        with Process.recorded(directory.leader) as leader:
            leader.send(signal.SIGKILL)
        _send(orphaned_supervisor(directory), signal.SIGKILL)


def _send(pid: int | None, number: int) -> None:
    """To a process known only by its number, which we have just looked at."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end_if_orphaned(directory: PodDir) -> bool:
    """End a pod whose monitor is gone, in order; True if it has ended.

    One that is being started again has a monitor's record of the last time, and one whose monitor has just been killed
    may not have come to systemd-nspawn: a moment tells.
    """
    limit = time.monotonic() + _GRACE
    while lifecycle.is_running(directory):
        if not directory.monitor.exists() or results.live_process(directory.monitor) is not None:
            return False
        if orphaned_supervisor(directory) is not None:
            return stop(directory, None)
        if time.monotonic() > limit:
            return False
        time.sleep(_PAUSE)
    return True


def orphaned_supervisor(directory: PodDir) -> int | None:
    """The systemd-nspawn of a pod whose monitor is gone: it is the one that holds the pod's directory open."""
    if results.live_process(directory.monitor) is not None:
        return None
    try:
        place = directory.path.stat()
    except FileNotFoundError:
        return None
    for name in os.listdir("/proc"):
        if name.isdigit() and _is_supervisor(Path("/proc", name), place):
            return int(name)
    return None


def _is_supervisor(process: Path, place: os.stat_result) -> bool:
    try:
        if (process / "comm").read_text() != "systemd-nspawn\n":
            return False
        return any(os.path.samestat(descriptor.stat(), place) for descriptor in (process / "fd").iterdir())
    except OSError:
        return False  # it has just ended


def _first_process(supervisor: int) -> int | None:
    """The pod's PID 1, which run/leader names too if the monitor lived long enough to write it."""
    with contextlib.suppress(OSError):
        for word in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            status = Path(f"/proc/{word}/status").read_text()
            ids = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
            if len(ids) > 2 and ids[-1] == "1":
                return int(word)
    return None


def signal_apps(directory: PodDir, apps: list[str], number: int) -> None:
    """Send a signal to the main processes of apps; ConflictError if one of them is not running."""
    leader = results.live_process(directory.leader)
    for app in apps:
        pid = results.main_process(leader, app) if leader else None
        if pid is None:
            raise ConflictError(f"app {app} is not running", hint=f"see `pod status {directory.uuid[:8]}`")
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if leader and results.main_process(leader, app) == pid:
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            continue
        finally:
            os.close(descriptor)
