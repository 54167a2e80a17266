"""PURE. All values of the units of an app, and of those that know all apps."""

from __future__ import annotations

from collections.abc import Iterable

from stage1.contract import App, Condition, PodManifest
from stage1.contract.paths import APP_ROOTS, JOURNAL_SOCKETS
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped, lossy
from stage1.units.command import Command, command, unset_variables
from stage1.units.confinement import Confinement, confinement
from stage1.units.credentials import load_credentials
from stage1.units.files import Files, files
from stage1.units.hooks import HookUnit, hooks
from stage1.units.identity import Identity, identity
from stage1.units.life import Restarts, Start, restarts, start
from stage1.units.names import await_name, seconds, service_name, socket_unit_name
from stage1.units.order import Order, awaits, is_activated, order
from stage1.units.resources import Limits, ProcessLimits, app_limits, process_limits
from stage1.units.streams import Streams, streams


class AppUnit(NamedTuple):
    """The context of app.service and reaper.service."""

    name: Escaped
    description: Escaped
    order: Order
    sockets: tuple[Escaped, ...]
    credentials: tuple[Escaped, ...]
    root: Escaped
    unset_environment: Escaped
    stop_signal: Escaped
    stop_time: Escaped
    kill_mode: Escaped
    command: Command
    start: Start
    restart: Restarts
    hooks: HookUnit
    streams: Streams
    identity: Identity
    confinement: Confinement
    files: Files
    limits: Limits
    process: ProcessLimits
    journal: Escaped


class PodUnits(NamedTuple):
    """The context of the units that know all apps."""

    units: tuple[Escaped, ...]
    sockets: tuple[Escaped, ...]
    passed: tuple[Escaped, ...]
    helpers: tuple[Escaped, ...]
    awaits: tuple[Escaped, ...]
    talkers: tuple[Escaped, ...]


def app_unit(app: App, pod: PodManifest, systemd: int, devices: Iterable[tuple[str, str]] = ()) -> AppUnit:
    """Every value of app.service; `systemd` is the version that will read it, `devices` have paths and numbers."""
    run = command(app)
    return AppUnit(
        name=Escaped(app.name),
        description=lossy(f"app {app.name} ({app.image.name})"),
        order=order(app, pod),
        sockets=tuple(Escaped(socket_unit_name(app.name, socket.name)) for socket in app.sockets),
        credentials=load_credentials(app),
        root=Escaped(f"{APP_ROOTS}/{app.name}/rootfs"),
        unset_environment=Escaped(" ".join(unset_variables(app) if run.carried else ())),
        stop_signal=Escaped(app.stop_signal),
        stop_time=seconds(app.stop_time),
        kill_mode=Escaped(app.kill_mode.value),
        command=run,
        start=start(app),
        restart=restarts(app, systemd),
        hooks=hooks(app, run),
        streams=streams(app),
        identity=identity(app),
        confinement=confinement(app, pod, dict(devices)),
        files=files(app, run),
        limits=app_limits(app, pod),
        process=process_limits(app, pod),
        journal=Escaped(JOURNAL_SOCKETS if pod.journal else ""),
    )


def pod_units(pod: PodManifest) -> PodUnits:
    """Every value of the units that know all apps."""
    sockets = [
        (Escaped(socket_unit_name(app.name, socket.name)), socket)
        for app in pod.apps
        for socket in app.sockets
    ]
    return PodUnits(
        units=tuple(Escaped(service_name(app.name)) for app in pod.apps if not is_activated(app)),
        sockets=tuple(unit for unit, _ in sockets),
        passed=tuple(unit for unit, socket in sockets if socket.from_host),
        talkers=tuple(Escaped(service_name(app.name)) for app in pod.apps if start(app).notify_access),
        helpers=tuple(
            Escaped(name)
            for name, asked in (("systemd-journald.service", pod.journal), ("dbus.service", pod.bus))
            if asked
        ),
        awaits=tuple(Escaped(await_name(one.app, Condition(one.condition))) for one in awaits(pod)),
    )
