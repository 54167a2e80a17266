"""PURE. From an app of the manifest to the typed values its unit templates take."""

from __future__ import annotations

import posixpath
from typing import NamedTuple

from stage1.contract import App, Mount, NetworkMode, PodManifest, Restart, Socket, Stdin, Tmpfs
from stage1.contract.paths import (
    APP_ROOTS,
    LAUNCHER,
    LAUNCHER_IN_APP,
    STREAMS,
    VOLUMES,
    WORDS,
    WORDS_IN_APP,
)
from stage1.quoting import (
    Escaped,
    Unquotable,
    assignment,
    executable,
    lossy,
    path_word,
    rest_of_line,
    search_paths,
    tmpfs_path,
    words,
)

# What systemd puts into the environment of a service by itself (systemd.exec(5), "Environment variables in
# spawned processes"). NOTIFY_SOCKET, LISTEN_* and WATCHDOG_* stay: an app that gets them asked for them.
SYSTEMD_VARIABLES = (
    "HOME", "INVOCATION_ID", "JOURNAL_STREAM", "LANG", "LOGNAME", "MANAGERPID", "PATH", "SHELL", "SYSTEMD_EXEC_PID",
    "TERM", "USER",
)  # fmt: skip
# A valid name that no image can put into the pod's own passwd: systemd then fails with 217/USER or 216/GROUP.
MISSING_ID = "no-such-id"
# RestartSteps=, RestartMaxDelaySec= and RestartMode= came with systemd 254.
WITH_BACKOFF = 254


class Command(NamedTuple):
    """What ExecStart= runs; `words` is the launcher's block when the unit cannot carry the app's own words."""

    program: Escaped
    argv: Escaped
    environment: tuple[Escaped, ...]
    workdir: Escaped
    search_path: Escaped
    words: bytes | None = None


class Start(NamedTuple):
    """When the app counts as started."""

    type: Escaped
    notify_access: Escaped
    init: bool
    ready_port: int
    ready_timeout: int


class Restarts(NamedTuple):
    """When it is started again; `limit` counts all starts, 0 for no limit."""

    when: Escaped
    limit: int
    delay: Escaped
    backoff: bool
    direct: bool


class Streams(NamedTuple):
    """What it reads from and writes to."""

    tty: bool
    stdin: Escaped
    stdout: Escaped
    stderr: Escaped


class Identity(NamedTuple):
    """Who it is and what it may do."""

    user: Escaped
    group: Escaped
    groups: Escaped
    capabilities: Escaped
    no_new_privileges: bool


class Files(NamedTuple):
    """What is mounted into its root."""

    binds: tuple[Escaped, ...]
    read_only_binds: tuple[Escaped, ...]
    tmpfs: tuple[Escaped, ...]


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


class SocketUnit(NamedTuple):
    """The context of app.socket."""

    name: Escaped
    app: Escaped
    service: Escaped
    listen: Escaped
    datagram: bool


class PodUnits(NamedTuple):
    """The context of the units that know all apps."""

    units: tuple[Escaped, ...]


def service_name(app: str) -> str:
    """An app called `shutdown` is just an app: all units of apps have a prefix."""
    return f"app-{app}.service"


def socket_unit_name(app: str, socket: str) -> str:
    """The unit of one of an app's sockets."""
    return f"app-{app}-{socket}.socket"


def command(app: App) -> Command:
    """The app's own words in the unit if systemd can carry them, else the launcher with a block of words."""
    try:
        return Command(
            program=executable(program_path(app)),
            argv=words(app.argv),
            environment=tuple(assignment(text) for text in app.env),
            workdir=rest_of_line(app.workdir),
            search_path=search_path(app),
        )
    except Unquotable:
        launcher = LAUNCHER_IN_APP
        return Command(
            program=executable(launcher),
            argv=words((launcher, WORDS_IN_APP)),
            environment=(),
            workdir=Escaped(),
            search_path=Escaped(),
            words=launcher_words(app),
        )


def program_path(app: App) -> str:
    """A bare name stays one (ExecSearchPath= is the app's PATH); a relative path starts at the working directory."""
    program = app.argv[0]
    if "/" not in program or program.startswith("/"):
        return program
    return posixpath.join(app.workdir, program)


def launcher_words(app: App) -> bytes:
    """The block that stage1/native/launcher reads: directory, number of arguments, program, arguments, environment."""
    texts = (app.workdir, str(len(app.argv)), program_path(app), *app.argv, *app.env)
    return b"".join(text.encode(errors="surrogateescape") + b"\0" for text in texts)


def search_path(app: App) -> Escaped:
    """The directories a bare program name is looked for in: the absolute ones of the app's PATH."""
    if "/" in app.argv[0]:
        return Escaped()
    return search_paths(
        next((text.removeprefix("PATH=") for text in app.env if text.startswith("PATH=")), "")
    )


def app_unit(app: App, pod: PodManifest, systemd: int) -> AppUnit:
    """Every value of app.service for this app; `systemd` is the version that will read it."""
    run = command(app)
    inits = init_apps_before(app, pod)
    return AppUnit(
        name=Escaped(app.name),
        description=lossy(f"app {app.name} ({app.image.name})"),
        after=_units(*app.after, *app.requires, *inits),
        requires=_units(*app.requires, *inits),
        sockets=tuple(Escaped(socket_unit_name(app.name, socket.name)) for socket in app.sockets),
        root=Escaped(f"{APP_ROOTS}/{app.name}/rootfs"),
        unset_environment=Escaped(" ".join(unset_variables(app) if run.words is None else ())),
        stop_signal=Escaped(app.stop_signal),
        stop_time=_seconds(app.stop_time),
        command=run,
        start=_start(app),
        restart=_restarts(app, systemd),
        streams=_streams(app),
        identity=_identity(app),
        files=_files(app, run, pod.network),
    )


def init_apps_before(app: App, pod: PodManifest) -> tuple[str, ...]:
    """Init apps run one after the other in the order they were named; the others wait for all of them."""
    names = [other.name for other in pod.apps if other.init]
    return tuple(names[: names.index(app.name)][-1:] if app.init else names)


def unset_variables(app: App) -> tuple[str, ...]:
    """systemd's own variables, but those that the app is meant to have."""
    own = {text.partition("=")[0] for text in app.env}
    return tuple(name for name in SYSTEMD_VARIABLES if name not in own)


def tmpfs_word(tmpfs: Tmpfs) -> Escaped:
    """One TemporaryFileSystem= entry; `size` without a unit is bytes."""
    size = f",size={tmpfs.size}" if tmpfs.size is not None else ""
    return Escaped(f"{tmpfs_path(tmpfs.target)}:mode={tmpfs.mode:o}{size}")


def socket_unit(app: App, socket: Socket) -> SocketUnit:
    """Every value of app.socket."""
    return SocketUnit(
        name=Escaped(socket.name),
        app=Escaped(app.name),
        service=Escaped(service_name(app.name)),
        listen=rest_of_line(socket.listen),
        datagram=socket.datagram,
    )


def pod_units(pod: PodManifest) -> PodUnits:
    """Every value of the units that know all apps."""
    return PodUnits(units=_units(*(app.name for app in pod.apps)))


def _units(*apps: str) -> tuple[Escaped, ...]:
    return tuple(Escaped(service_name(app)) for app in dict.fromkeys(apps))


def _seconds(value: float) -> Escaped:
    return Escaped(f"{value:g}s" if value else "0")


def _start(app: App) -> Start:
    ready = app.readiness
    return Start(
        type=Escaped("oneshot" if app.init else "notify" if ready.notify else "exec"),
        notify_access=Escaped("all" if ready.notify and not app.init else ""),
        init=app.init,
        ready_port=0 if app.init or ready.port is None else ready.port,
        ready_timeout=max(1, round(ready.timeout)),
    )


def _restarts(app: App, systemd: int) -> Restarts:
    policy = app.restart
    again = policy.when is not Restart.NO
    return Restarts(
        when=Escaped(policy.when.value),
        limit=policy.limit + 1 if again and policy.limit is not None else 0,
        delay=_seconds(policy.delay) if again else Escaped(),
        backoff=again and systemd >= WITH_BACKOFF,
        direct=again and systemd >= WITH_BACKOFF,
    )


def _streams(app: App) -> Streams:
    tty = app.stdin is Stdin.TTY
    fifo = {name: Escaped(f"file:{STREAMS}/{app.name}.{name}") for name in ("in", "out", "err")}
    stdin = {Stdin.NONE: Escaped("null"), Stdin.STREAM: fifo["in"], Stdin.TTY: Escaped("tty-force")}
    return Streams(
        tty=tty,
        stdin=stdin[app.stdin],
        stdout=Escaped("tty") if tty else fifo["out"],
        stderr=Escaped("tty") if tty else fifo["err"],
    )


def _identity(app: App) -> Identity:
    """User= is left out for root: systemd then asks no user database and adds no variables."""
    user, root = app.user, app.user.uid == 0
    return Identity(
        user=Escaped("" if root else MISSING_ID if user.uid is None else str(user.uid)),
        group=Escaped("" if root and user.gid == 0 else MISSING_ID if user.gid is None else str(user.gid)),
        groups=Escaped(" ".join(str(gid) for gid in user.groups)),
        capabilities=Escaped(" ".join(app.capabilities)),
        no_new_privileges=app.no_new_privileges,
    )


def _files(app: App, run: Command, network: NetworkMode) -> Files:
    """The host's name service files are read-only where they are bound from, and so here without another look."""
    own = (f"{LAUNCHER}:{LAUNCHER_IN_APP}", f"{WORDS}/{app.name}/words:{WORDS_IN_APP}") if run.words else ()
    names = ("hosts", "resolv.conf") if network is NetworkMode.HOST else ()
    taken = {mount.target for mount in app.mounts}
    return Files(
        binds=(
            *(_bind(mount) for mount in app.mounts if not mount.read_only),
            *(Escaped(f"/pod/etc/{name}:/etc/{name}") for name in names if f"/etc/{name}" not in taken),
        ),
        read_only_binds=(
            *(_bind(mount) for mount in app.mounts if mount.read_only),
            *(Escaped(bind) for bind in own),
        ),
        tmpfs=tuple(tmpfs_word(tmpfs) for tmpfs in app.tmpfs),
    )


def _bind(mount: Mount) -> Escaped:
    return Escaped(f"{VOLUMES}/{mount.volume}:{path_word(mount.target)}")
