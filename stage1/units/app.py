"""PURE. All values of the units of an app, and of those that know all apps."""

from __future__ import annotations

from typing import NamedTuple

from stage1.contract import App, PodManifest
from stage1.contract.paths import APP_ROOTS
from stage1.quoting import Escaped, lossy
from stage1.units.command import Command, command, unset_variables
from stage1.units.files import Files, files
from stage1.units.identity import Identity, identity
from stage1.units.life import Restarts, Start, init_apps_before, restarts, start
from stage1.units.names import seconds, services, socket_unit_name
from stage1.units.streams import Streams, streams


class AppUnit(NamedTuple):
    """The context of app.service and reaper.service."""

    name: Escaped
    description: Escaped
    after: tuple[Escaped, ...]
    requires: tuple[Escaped, ...]
    sockets: tuple[Escaped, ...]
    root: Escaped
    unset_environment: Escaped
    stop_signal: Escaped
    stop_time: Escaped
    command: Command
    start: Start
    restart: Restarts
    streams: Streams
    identity: Identity
    files: Files


class PodUnits(NamedTuple):
    """The context of the units that know all apps."""

    units: tuple[Escaped, ...]


def app_unit(app: App, pod: PodManifest, systemd: int) -> AppUnit:
    """Every value of app.service for this app; `systemd` is the version that will read it."""
    run = command(app)
    inits = init_apps_before(app, pod)
    return AppUnit(
        name=Escaped(app.name),
        description=lossy(f"app {app.name} ({app.image.name})"),
        after=services(*app.after, *app.requires, *inits),
        requires=services(*app.requires, *inits),
        sockets=tuple(Escaped(socket_unit_name(app.name, socket.name)) for socket in app.sockets),
        root=Escaped(f"{APP_ROOTS}/{app.name}/rootfs"),
        unset_environment=Escaped(" ".join(unset_variables(app) if run.words is None else ())),
        stop_signal=Escaped(app.stop_signal),
        stop_time=seconds(app.stop_time),
        command=run,
        start=start(app),
        restart=restarts(app, systemd),
        streams=streams(app),
        identity=identity(app),
        files=files(app, run, pod.network),
    )


def pod_units(pod: PodManifest) -> PodUnits:
    """Every value of the units that know all apps."""
    return PodUnits(units=services(*(app.name for app in pod.apps)))
