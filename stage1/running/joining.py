"""EFFECT. Apps that come to a running pod and that leave it: streams, mounts, units. The others go on untouched.

Each step may be done again, and each of leaving may find that there is nothing to do: so whoever finds a change that
was cut short only has to know what the pod is to be.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from stage1 import command, devices, host, plan, resources
from stage1.contract import App, ConflictError, PodDir, PodError, PodManifest
from stage1.plan import LaunchPlan
from stage1.running import control, rewriting
from stage1.running.change import hold, invocation
from stage1.running.difference import Difference, difference
from stage1.running.pidone import PidOne, PidOneError
from stage1.running.replanning import Planned, Plans
from stage1.units import is_activated, service_name, socket_unit_name

_DECIDE, _NOTIFY = "pod-decide.service", "pod-notify.service"


def join(
    plans: Plans,
    leader: int,
    before: PodManifest,
    after: PodManifest,
    name: str,
    earlier: Iterable[str] = (),
) -> None:
    """Bring an app of `after` into the pod and start it.

    What it does until `settle` is not the pod's end, nor is what those do that came `earlier` in the same change.
    """
    directory = plans.directory
    old, new = put(plans, leader, before, after, name)
    app = next(one for one in new.pod.apps if one.name == name)
    trial = plan.policy(new.pod, joining=(*earlier, name)).encode()
    files = difference(old.plan, new.plan)
    rewriting.write(directory, files._replace(changed={**files.changed, "etc/policy": trial}))
    with PidOne(leader) as systemd:
        systemd.call("Reload")
        _start(systemd, directory, app)


def put(
    plans: Plans, leader: int, before: PodManifest, after: PodManifest, name: str
) -> tuple[Planned, Planned]:
    """Streams and mounts of an app of `after`, and both plans. Of an app that was there, `leave` left what is kept."""
    old, new, directory = plans.of(before), plans.of(after), plans.directory
    app = next(one for one in new.pod.apps if one.name == name)
    was = next((one for one in old.pod.apps if one.name == name), None)
    _open_streams(directory, old.plan, new.plan, name)
    _allow(leader, devices.allowed(before), devices.allowed_of((*before.apps, *after.apps)))
    records = plan.app_mounts(new.pod, app, directory, new.own, new.wiring, kept(was, app))
    _mounter("install", directory, name, data=plan.encode_records(records))
    return old, new


def kept(one: App | None, other: App | None) -> tuple[str, ...]:
    """What an app has of the host that is the same after a change: it may be gone from where it came from."""
    if one is None or other is None:
        return ()
    nodes = (one.confinement.devices, one.user) == (other.confinement.devices, other.user)
    secrets = one.credentials == other.credentials
    return (*(("nodes",) if nodes else ()), *(("credentials",) if secrets else ()))


def _allow(leader: int, had: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Where the host's systemd keeps a list of the pod's devices, these are in it from now on."""
    if had == wanted or not host.booted():
        return
    from stage1 import manager  # noqa: PLC0415  80 ms, and rare

    manager.allow_devices(manager.unit_of(leader), devices.difference(had, wanted))


def _mounter(verb: str, directory: PodDir, *words: str, data: bytes | None = None) -> None:
    command.run([str(resources.native("mounter")), verb, str(directory.path), *words], data=data)


def _open_streams(directory: PodDir, old: LaunchPlan, new: LaunchPlan, name: str) -> None:
    """An app that gets another image keeps the streams it has, if they are its own."""
    record = next(one for one in new.records if one[:2] == ("app", name))
    opening = record not in old.records
    if opening:
        control.ask(directory, "close", name)
    for fields in (one for one in new.records if one[:2] == ("journal", name)):
        if opening or fields not in old.records:  # the image is one of them
            control.ask(directory, *fields)
    if opening:
        control.ask(directory, "open", *record[1:])


def _start(systemd: PidOne, directory: PodDir, app: App) -> None:
    directory.result(app.name).unlink(missing_ok=True)  # `APP.runs` keeps it
    with contextlib.suppress(PidOneError):
        systemd.call("ResetFailedUnit", "s", service_name(app.name))
    if (directory.units / _NOTIFY).exists():
        systemd.job("StartUnit", _NOTIFY)
    sockets = [socket_unit_name(app.name, socket.name) for socket in app.sockets]
    for unit in sockets if is_activated(app) else [service_name(app.name)]:
        if (result := systemd.job("StartUnit", unit)) != "done":
            raise ConflictError(
                f"app {app.name} did not start: {_reason(directory, app.name) or result}",
                hint="the pod is as it was before",
            )


def _reason(directory: PodDir, name: str) -> str:
    try:
        found = json.loads(directory.result(name).read_bytes())
        return f"{found['reason']}, status {found['status']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def running(leader: int, names: Iterable[str]) -> list[str]:
    """Those of these apps that run now."""
    with PidOne(leader) as systemd:
        return [name for name in names if invocation(systemd, service_name(name)) is not None]


def dependents(leader: int, name: str) -> list[str]:
    """Apps that are stopped with this one, itself among them, and run now."""
    from stage1.running.change import with_dependents  # noqa: PLC0415

    with PidOne(leader) as systemd:
        units = with_dependents(systemd, service_name(name))
        found = [unit for unit in units if invocation(systemd, unit) is not None]
    return [unit.removeprefix("app-").removesuffix(".service") for unit in found]


def resume(directory: PodDir, leader: int, names: Collection[str]) -> None:
    """Start apps again that were stopped with one that was changed."""
    if not names:
        return
    with PidOne(leader) as systemd:
        for name in names:
            if invocation(systemd, service_name(name)) is None:
                directory.result(name).unlink(missing_ok=True)
                systemd.job("StartUnit", service_name(name))


def leave(directory: PodDir, leader: int, app: App, other: App | None = None) -> None:
    """Stop an app in order, those that require it first, and take its mounts away. Its streams stay.

    `other`: what comes in its place.
    """
    with PidOne(leader) as systemd:
        for socket in app.sockets:
            _stop(systemd, socket_unit_name(app.name, socket.name))
        held = hold(systemd, directory, app.name)
        _stop(systemd, service_name(app.name))
        systemd.settle([service_name(name) for name in held])
        # SetUnitProperties of a live limit left files in PID 1's /run, which the next app of this name would inherit
        systemd.call("RevertUnitFiles", "as", [service_name(app.name)])
    _mounter("uninstall", directory, app.name, *kept(app, other))


def _stop(systemd: PidOne, unit: str) -> None:
    with contextlib.suppress(PidOneError):  # it never came to be
        systemd.job("StopUnit", unit)
    with contextlib.suppress(PidOneError):
        systemd.call("ResetFailedUnit", "s", unit)


def forget(directory: PodDir, name: str) -> None:
    """Nothing of an app that has left is kept: results, log, streams."""
    with contextlib.suppress(PodError):  # a pod that has just ended has no monitor
        control.ask(directory, "close", name)
    kinds = ("json", "runs", "held", "message", "invocation")
    found = [directory.status / f"{name}.{kind}" for kind in kinds]
    found += [directory.log(name), directory.log(name).with_suffix(".log.1")]
    found += [directory.streams / f"{name}.{end}" for end in ("in", "out", "err")]
    for path in found:
        path.unlink(missing_ok=True)
    for path in directory.mounts.glob("*.json") if directory.mounts.is_dir() else ():
        if _app_of(path) == name:
            path.with_suffix(".place").unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _app_of(record: Path) -> str | None:
    try:
        found: str | None = json.loads(record.read_bytes()).get("app")
    except (OSError, ValueError, AttributeError):
        return None
    return found


def settle(plans: Plans, leader: int, one: PodManifest, other: PodManifest, *, decide: bool) -> None:
    """Let `run/` say of everything in which the pod `other` differs from it what `one` says, which the pod is.

    `decide`: an app of it may have ended while it was joining, and whether the pod is over was not asked then.
    """
    wanted, unwanted, directory = plans.of(one), plans.of(other), plans.directory
    every = difference(unwanted.plan, wanted.plan)
    policy = {"etc/policy": wanted.plan.files["etc/policy"]}  # what lies there may be that of a trial
    every = every._replace(changed={**every.changed, **policy})
    files = rewriting.left_to_do(directory, every)
    if files.of_units:
        _write_units(directory, leader, files)
    else:
        rewriting.write(directory, files)
    _allow(leader, devices.allowed_of((*one.apps, *other.apps)), devices.allowed(one))
    # after the policy: an app that ends from here on is judged by the reaper
    if decide and any(_is_final(directory, app.name) for app in one.apps):
        with PidOne(leader) as systemd:
            systemd.job("StartUnit", _DECIDE)
    if wanted.wiring is not None:
        from stage1.network.memory import rename  # noqa: PLC0415  as above

        rename(one, directory)


def _write_units(directory: PodDir, leader: int, files: Difference) -> None:
    gone = [name.removeprefix("units/") for name in files.removed if name.startswith("units/")]
    with PidOne(leader) as systemd:
        for unit in gone:
            _stop(systemd, unit)
        rewriting.write(directory, files)
        systemd.call("Reload")


def _is_final(directory: PodDir, name: str) -> bool:
    try:
        return bool(json.loads(directory.result(name).read_bytes()).get("final"))
    except (OSError, ValueError, AttributeError):
        return False
