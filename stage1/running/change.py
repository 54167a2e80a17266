"""EFFECT. Changes to a running pod, one at a time: its apps started, stopped and started again by its own systemd."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator

from stage1.contract import ConflictError, PodDir
from stage1.running.pidone import PidOne, PidOneError
from stage1.units import service_name

_UNIT = "org.freedesktop.systemd1.Unit"


@contextlib.contextmanager
def changing(directory: PodDir) -> Iterator[None]:
    """Whoever else wants to change this pod waits until we are done."""
    descriptor = os.open(directory.changing, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def stop_app(directory: PodDir, leader: int, app: str) -> list[str]:
    """Stop an app in order, and first those that require it; all apps that were stopped."""
    with changing(directory), PidOne(leader) as systemd:
        stopped = hold(systemd, directory, app)
        result = systemd.job("StopUnit", service_name(app))
        systemd.settle([service_name(name) for name in stopped])
    _require_done(result, app)
    return stopped


def start_app(directory: PodDir, leader: int, app: str) -> None:
    """Start an app that has ended or was stopped, and wait until it counts as started.

    The result of its last run makes room (`APP.runs` keeps it): whether the pod is over is decided anew.
    """
    with changing(directory), PidOne(leader) as systemd:
        if invocation(systemd, service_name(app)) is None:
            directory.result(app).unlink(missing_ok=True)
        with contextlib.suppress(PidOneError):  # a unit that has never failed may be forgotten already
            systemd.call("ResetFailedUnit", "s", service_name(app))
        result = systemd.job("StartUnit", service_name(app))
    _require_done(result, app)


def restart_app(directory: PodDir, leader: int, app: str) -> None:
    """Stop and start an app, and those that require it, in one job of systemd's."""
    with changing(directory), PidOne(leader) as systemd:
        stopped = hold(systemd, directory, app)
        result = systemd.job("RestartUnit", service_name(app))
        systemd.settle([service_name(name) for name in stopped])
        for name in stopped:
            if invocation(systemd, service_name(name)) is not None:
                _forget_stop(directory, name)
    _require_done(result, app)


def _forget_stop(directory: PodDir, app: str) -> None:
    """The end that was asked for is no result of an app that runs again; one of the new run is."""
    with contextlib.suppress(FileNotFoundError):
        if json.loads(directory.result(app).read_bytes()).get("stopping"):
            directory.result(app).unlink()


def _require_done(result: str, app: str) -> None:
    if result != "done":
        raise ConflictError(
            f"app {app}: the pod's systemd says {result}", hint="`pod status` and `pod logs` tell more"
        )


def hold(systemd: PidOne, directory: PodDir, app: str) -> list[str]:
    """Tell the reaper which runs are about to be stopped on purpose: their end says nothing about the pod."""
    held = []
    for unit in with_dependents(systemd, service_name(app)):
        if (run := invocation(systemd, unit)) is not None:
            name = unit.removeprefix("app-").removesuffix(".service")
            mark = directory.held(name)
            mark.write_text(run)
            mark.chmod(0o644)
            held.append(name)
    return held


def with_dependents(systemd: PidOne, unit: str) -> list[str]:
    """An app's unit and those of the apps that require it, by whatever way round."""
    found, left = [], [unit]
    while left:
        one = left.pop()
        if one not in found and one.startswith("app-") and one.endswith(".service"):
            found.append(one)
            (path,) = systemd.call("LoadUnit", "s", one)
            left += systemd.property(path, _UNIT, "RequiredBy")
    return found


def invocation(systemd: PidOne, unit: str) -> str | None:
    """The id of a unit's present run, None if it does not run."""
    (path,) = systemd.call("LoadUnit", "s", unit)
    if systemd.property(path, _UNIT, "ActiveState") in {"inactive", "failed"}:
        return None
    return bytes(systemd.property(path, _UNIT, "InvocationID")).hex()
