"""PURE. A request and the images it names become a PodManifest with every default resolved."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from stage0 import quantities, users
from stage0.image import Image
from stage0.image.names import is_source
from stage0.mounts import MountRequest, is_sayable, parse_mount, parse_volume
from stage0.request import AppRequest, PodRequest
from stage1.contract import (
    App,
    ExitPolicy,
    ExitRule,
    Mount,
    NetworkMode,
    PodManifest,
    Readiness,
    Restart,
    RestartPolicy,
    Socket,
    Stdin,
    Tmpfs,
    UsageError,
    User,
    Volume,
    VolumeKind,
)
from stage1.contract import Image as AppImage

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
# A pod is a machine by this name, and systemd-nspawn takes host names only.
POD_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
MOST_RESTARTS = 2**31 - 2  # systemd counts starts in an unsigned int
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a root app may do to its own root and no more; the set that container users know as the default.
CAPABILITIES = (
    "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
)  # fmt: skip


class Circumstances(NamedTuple):
    """What the plan takes from the moment it is made in."""

    uuid: str
    created: str
    directory: str
    term: str


def plan_pod(request: PodRequest, images: Sequence[Image], now: Circumstances) -> PodManifest:
    """The whole pod; UsageError for whatever has no meaning. `images` are those of the apps, in their order."""
    names = _names(request)
    volumes = VolumeBook()
    hostname = request.hostname or request.name or f"pod-{now.uuid[:8]}"
    apps = tuple(
        _app(request, wish, image, name, volumes, now)
        for wish, image, name in zip(request.app, images, names, strict=True)
    )
    _check_order(apps)
    _check_streams(request, apps)
    return PodManifest(
        version=1,
        uuid=now.uuid,
        name=_checked_name(request.name, "pod") if request.name is not None else None,
        hostname=_checked_hostname(hostname),
        created=now.created,
        apps=apps,
        volumes=tuple(volumes.volumes.values()),
        network=_network(request.net),
        exit_policy=_exit_policy(request.exit_policy, names),
        remove=request.rm,
        log_limit=max(65536, quantities.size(request.log_size, where="--log-size")),
    )


class VolumeBook:
    """Volumes as mounts ask for them: the same host path or name is one volume."""

    def __init__(self) -> None:
        self.volumes: dict[str, Volume] = {}
        self._sources: dict[str, str] = {}

    def mount(self, wish: MountRequest, app: str) -> Mount:
        """Note a mount and return it with its volume's name."""
        if wish.kind is VolumeKind.HOST and wish.source is not None:
            name = self._sources.setdefault(wish.source, f"host.{len(self._sources) + 1}")
        else:
            name = wish.source or f"{wish.kind.value}.{app}.{len(self.volumes) + 1}"
        volume = Volume(
            name=name,
            kind=wish.kind,
            source=wish.source if wish.kind is VolumeKind.HOST else None,
            mode=wish.mode,
            uid=wish.uid,
            gid=wish.gid,
        )
        self.volumes.setdefault(name, volume)
        return Mount(volume=name, target=wish.target, read_only=wish.read_only)


def _names(request: PodRequest) -> tuple[str, ...]:
    if not request.app:
        raise UsageError("a pod needs an app", hint="name an image, or a manifest with -f")
    names = [
        _name_of(wish.image) if wish.name is None else _checked_name(wish.name, "app")
        for wish in request.app
    ]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two apps are called {name!r}", hint="give one of them another name: IMAGE --name NAME"
            )
    return tuple(names)


def _name_of(image: str) -> str:
    """`quay.io/x/web-server:1.2` and `oci:/images/web-server:latest` are the app `web-server`."""
    place = image.partition(":")[2] if is_source(image) else image
    last = place.partition("@")[0].rstrip("/").rpartition("/")[2].partition(":")[0]
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", last).strip("-_")[:63] or "app"


def _checked_name(name: str, what: str) -> str:
    if what == "app" and not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for an app",
            hint="up to 63 letters, digits, - and _, beginning with a letter or digit",
        )
    if what == "pod" and not POD_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for a pod",
            hint="up to 63 letters, digits and -, with a letter or digit at both ends",
        )
    return name


def _checked_hostname(name: str) -> str:
    text = name.replace("_", "-")
    label = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    if len(text) > 64 or not re.fullmatch(rf"{label}(?:\.{label})*", text):
        raise UsageError(
            f"{name!r} is not a host name", hint="letters, digits and -, up to 64; see --hostname"
        )
    return text


def _network(text: str) -> NetworkMode:
    try:
        return NetworkMode(text)
    except ValueError:
        raise UsageError(f"--net={text}: no such network", hint="use --net=host or --net=none") from None


def _exit_policy(text: str, names: Sequence[str]) -> ExitPolicy:
    rule, _, app = text.partition(":")
    if rule == ExitRule.APP and app in names:
        return ExitPolicy(rule=ExitRule.APP, app=app)
    if rule == ExitRule.APP:
        raise UsageError(
            f"--exit-policy={text}: no app is called {app!r}", hint=f"the apps are {', '.join(names)}"
        )
    if app or rule not in set(ExitRule):
        raise UsageError(
            f"--exit-policy={text}: no such policy", hint="any-failure, all, first, app:NAME or never"
        )
    return ExitPolicy(rule=ExitRule(rule))


def _app(
    pod: PodRequest,
    wish: AppRequest,
    image: Image,
    name: str,
    book: VolumeBook,
    now: Circumstances,
) -> App:
    config = image.config
    user = users.resolve(
        wish.user if wish.user is not None else config.user, wish.group, image.passwd, image.group
    )
    mounts, tmpfs = _mounts(
        (*pod.volume, *wish.volume), wish.mount, config.volumes, name, book, now.directory
    )
    stdin = Stdin.TTY if pod.tty else Stdin.STREAM if pod.interactive else Stdin.NONE
    return App(
        name=name,
        image=AppImage(name=image.name, digest=image.digest),
        layers=image.layers,
        argv=_argv(wish, image, name),
        env=environment(config.env, wish.env, user, now.term if pod.tty else ""),
        user=user,
        workdir=_workdir(wish.workdir or config.workdir or "/", name),
        stop_signal=quantities.signal_name(
            wish.stop_signal or config.stop_signal or "SIGTERM", where=f"app {name}"
        ),
        stop_time=quantities.seconds(wish.stop_time, where="--stop-time"),
        restart=_restart(wish.restart),
        readiness=_readiness(wish.ready),
        init=wish.init,
        after=wish.after,
        requires=wish.requires,
        mounts=mounts,
        tmpfs=tmpfs,
        sockets=_sockets(wish.socket, name),
        stdin=stdin,
        capabilities=CAPABILITIES,
        no_new_privileges=user.uid != 0,
        ports=config.ports,
        labels=dict(config.labels),
    )


def _argv(wish: AppRequest, image: Image, name: str) -> tuple[str, ...]:
    if wish.exec is not None:
        argv = (wish.exec, *(wish.args or ()))
    else:
        argv = (*image.config.entrypoint, *(wish.args if wish.args is not None else image.config.cmd))
    if not argv or not argv[0]:
        raise UsageError(
            f"app {name}: the image {image.name} names no program",
            hint="say one: --exec PROGRAM, or -- PROGRAM",
        )
    return argv


def environment(
    image: Sequence[str], wish: dict[str, str] | tuple[str, ...], user: User, term: str
) -> tuple[str, ...]:
    """The complete environment of an app: defaults, then the image's, then the user's."""
    defaults = {
        "PATH": DEFAULT_PATH,
        "HOME": user.home,
        **({"TERM": term} if term else {}),
    }
    asked = wish if isinstance(wish, dict) else _assignments(wish)
    merged = {**defaults, **_assignments(image), **asked}
    if bad := [name for name in merged if not name or "=" in name]:
        raise UsageError(f"{bad[0]!r} is not the name of a variable", hint="write --env NAME=VALUE")
    return tuple(f"{name}={value}" for name, value in merged.items())


def _assignments(texts: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _workdir(path: str, name: str) -> str:
    if not path.startswith("/"):
        raise UsageError(
            f"app {name}: the working directory {path!r} is not absolute", hint="give --workdir /PATH"
        )
    return "/" + posixpath.normpath(path).lstrip("/")


def _mounts(
    volumes: Sequence[str],
    mounts: Sequence[str],
    implicit: Sequence[str],
    app: str,
    book: VolumeBook,
    directory: str,
) -> tuple[tuple[Mount, ...], tuple[Tmpfs, ...]]:
    """Targets are sorted, so that a nested one is mounted after the one it lies in."""
    wishes: list[MountRequest | Tmpfs] = [parse_volume(text, directory=directory) for text in volumes]
    wishes += [parse_mount(text, directory=directory) for text in mounts]
    targets = [wish.target for wish in wishes]
    for target in targets:
        if targets.count(target) > 1:
            raise UsageError(f"app {app}: two mounts at {target}", hint="keep one of them")
    for path in implicit:
        target = "/" + posixpath.normpath(path).lstrip("/")
        if path.startswith("/") and target != "/" and target not in targets and is_sayable(target):
            wishes.append(MountRequest(kind=VolumeKind.IMPLICIT, source=None, target=target))
    found = sorted(wishes, key=lambda wish: wish.target)
    return (
        tuple(book.mount(wish, app) for wish in found if isinstance(wish, MountRequest)),
        tuple(wish for wish in found if isinstance(wish, Tmpfs)),
    )


def _restart(text: str) -> RestartPolicy:
    when, colon, limit = text.partition(":")
    times = quantities.whole(limit, MOST_RESTARTS)
    if when not in set(Restart) or (colon and (times is None or when == Restart.NO)):
        raise UsageError(
            f"--restart={text}: no such policy", hint="no, on-failure[:TIMES] or always[:TIMES]"
        )
    return RestartPolicy(when=Restart(when), limit=times if colon else None)


def _readiness(text: str | None) -> Readiness:
    kind, _, digits = (text or "started").partition(":")
    if kind == "tcp" and (port := quantities.whole(digits, 65535)):
        return Readiness(port=port)
    if text in {None, "started", "notify"}:
        return Readiness(notify=text == "notify")
    raise UsageError(f"--ready={text}: no such readiness", hint="started, notify or tcp:PORT")


def _sockets(texts: Sequence[str], app: str) -> tuple[Socket, ...]:
    sockets = tuple(_socket(text, index) for index, text in enumerate(texts))
    names = [socket.name for socket in sockets]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"app {app}: two sockets are called {name!r}", hint="write --socket NAME=ADDRESS"
            )
    return sockets


def _socket(text: str, index: int) -> Socket:
    """`[NAME=]ADDRESS[/udp]`, the address as in systemd.socket(5)."""
    name, equals, address = text.rpartition("=")
    listen = address.removesuffix("/udp")
    if (equals and not NAME.fullmatch(name)) or not re.fullmatch(r"[!-~]+", listen) or "%" in listen:
        raise UsageError(
            f"--socket={text}: not an address", hint="write [NAME=]PORT, [NAME=]IP:PORT or [NAME=]/PATH"
        )
    return Socket(name=name or f"s{index}", listen=listen, datagram=listen != address)


def _check_order(apps: Sequence[App]) -> None:
    """Every `after` and `requires` names another app, and none waits for itself by any way round."""
    waits = {app.name: {*app.after, *app.requires} for app in apps}
    for name, others in waits.items():
        if unknown := others - waits.keys():
            raise UsageError(
                f"app {name} waits for {min(unknown)!r}, which is no app of this pod",
                hint="see --after",
            )
    _check_init(apps, waits)
    ready: set[str] = set()
    while waits.keys() - ready:
        free = {name for name in waits.keys() - ready if waits[name] <= ready}
        if not free:
            raise UsageError(
                f"apps wait for each other: {', '.join(sorted(waits.keys() - ready))}", hint="see --after"
            )
        ready |= free


def _check_init(apps: Sequence[App], waits: dict[str, set[str]]) -> None:
    """Init apps run one after the other as they were named, each to its end; `waits` learns of that order."""
    inits = [app.name for app in apps if app.init]
    for app in apps:
        if app.init and not waits[app.name] <= set(inits):
            raise UsageError(
                f"init app {app.name} cannot wait for an app that starts after it", hint="see --init"
            )
        if app.init and app.restart.when is Restart.ALWAYS:
            raise UsageError(
                f"init app {app.name} has --restart=always and would never end",
                hint="use on-failure[:TIMES]",
            )
    for earlier, later in pairwise(inits):
        waits[later].add(earlier)


def _check_streams(request: PodRequest, apps: Sequence[App]) -> None:
    option = "--tty" if request.tty else "--interactive"
    if (request.tty or request.interactive) and len(apps) != 1:
        raise UsageError(
            f"{option} needs a pod of one app", hint="leave it out, or run the others in another pod"
        )
    if (request.tty or request.interactive) and apps[0].restart.when is not Restart.NO:
        raise UsageError(f"{option} and --restart exclude each other", hint="input cannot be read twice")


def with_uuid(pod: PodManifest, uuid: str) -> PodManifest:
    """The same pod under another UUID, for the rare case that the first was taken."""
    return pod._replace(uuid=uuid)
