"""EFFECT. Signals to processes of pods, by pidfd, so that a number used again is never hit."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from stage0 import lifecycle, results
from stage1.contract import ConflictError, PodDir


class Process:
    """A process that a record names, held by a pidfd; `alive` is False if it is gone or was another one."""

    def __init__(self, record: Path) -> None:
        self._descriptor: int | None = None
        pid = results.live_process(record)
        if pid is not None:
            try:
                self._descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                return
            if results.live_process(record) != pid:  # reused between reading and opening
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
    monitor = Process(directory.monitor)
    # without its monitor a pod is already being stopped (parent-death signal); the lock tells when that is done
    monitor.send(signal.SIGTERM)
    if not monitor.wait(seconds):
        kill(directory)
    lifecycle.wait_for_end(directory)
    return True


def kill(directory: PodDir) -> None:
    """End a pod at once and wait."""
    monitor, leader = Process(directory.monitor), Process(directory.leader)
    monitor.send(signal.SIGQUIT)
    if not monitor.alive:
        leader.send(signal.SIGKILL)
    lifecycle.wait_for_end(directory)


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
