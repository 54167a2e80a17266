"""EFFECT. The end of stage0: hand the locked pod directory to stage1, in the foreground or detached.

stage1 is imported here and only here, late: its own process would cost another interpreter start. `python -m stage1`
does the same from a unit.
"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

from stage1.contract import HostError, PodDir, PodManifest


def _stage1(module: str) -> Any:  # noqa: ANN401  stage0 sees only the contract of stage1; this is the one crossing
    return import_module(f"stage1.{module}")


def render(pod: PodManifest, directory: PodDir) -> None:
    """Write `run/` and start nothing."""
    _stage1("launch").prepare(pod, directory)


def foreground(pod: PodManifest, directory: PodDir, lock: int) -> NoReturn:
    """Become the pod's monitor; this process ends with the pod's status."""
    launch = _stage1("launch")
    launch.prepare(pod, directory)
    sys.stdout.flush()
    launch.become_monitor(directory, launch.MonitorOptions(lock=lock))
    raise AssertionError("execv returned")


def detached(pod: PodManifest, directory: PodDir, lock: int) -> bool:
    """Start the pod on its own and return when it is ready (True) or has already ended (False).

    On a systemd host the pod becomes a transient unit; elsewhere its monitor is a process in a session of its own.
    """
    if os.path.isdir("/run/systemd/system"):  # noqa: PTH112  sd_booted(3)
        _stage1("launch").prepare(pod, directory, keep_unit=True)
        argv = _stage1("launch").monitor_argv(
            directory, _stage1("launch").MonitorOptions(lock=0, quiet=True)
        )
        stop_time = max((app.stop_time for app in pod.apps), default=0.0)
        return bool(
            _stage1("manager").start_transient(f"pod-{pod.label}.service", argv, lock, stop_time, pod.label)
        )
    _stage1("launch").prepare(pod, directory)
    return _fork_monitor(lambda ready: _become(directory, lock, ready))


def _become(directory: PodDir, lock: int, ready: int) -> NoReturn:
    launch = _stage1("launch")
    launch.become_monitor(directory, launch.MonitorOptions(lock=lock, ready=ready, quiet=True))
    raise AssertionError("execv returned")


def _fork_monitor(become: Callable[[int], NoReturn]) -> bool:
    """Fork twice, so that the monitor is nobody's child, and wait for its word on a pipe."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ours)
            os.setsid()
            if os.fork() == 0:
                _without_streams()
                become(theirs)
        finally:
            os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    try:
        select.select([ours], [], [])
        return os.read(ours, 16).startswith(b"ready")
    finally:
        os.close(ours)


def _without_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)
    os.chdir("/")


def require_native(pod: PodDir) -> None:
    """Fail before anything is made if the C programs were not built."""
    if not os.access(_stage1("resources").native("monitor"), os.X_OK):
        raise HostError(f"the monitor is not built, pod {pod.uuid} cannot run", hint="run `make native`")
