"""PURE. A running pod and another manifest for it: what can be had while it runs, and what waits for a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from stage0.plan.replacement import is_unnamed
from stage1.contract import App, Mount, PodManifest, Port, Propagation, Volume, VolumeKind
from stage1.contract.values import NamedTuple

# What is a pod's own and not its manifest's; `etc_is_link` is found out when an app is laid out.
_OWN = {
    "version",
    "uuid",
    "created",
    "userns",
    "identity",
    "apps",
    "volumes",
    "published",
    "resources",
    "remove",
}
_OWN_OF_APPS = {"name", "mounts", "resources", "etc_is_link", "revision", "stdin", "stdout", "stderr"}
# Where a field is called otherwise by its option.
_OPTIONS = {
    "argv": "its command", "env": "its environment", "image": "its image", "layers": "its image", "ports": "its image",
    "labels": "its image", "network": "--net", "interfaces": "--net", "network_of": "--net", "sysctls": "--sysctl",
    "names": "names and DNS", "log_limit": "--log-size", "unit_properties": "--property", "readiness": "--ready",
    "sockets": "--socket", "oom_score_adjust": "--oom-score-adj", "hooks": "commands around its life",
    "credentials": "--credential", "ulimits": "--ulimit", "user": "--user", "confinement": "its confinement",
}  # fmt: skip


class LiveMount(NamedTuple):
    """A tree of the host at a place in an app's root."""

    app: str
    source: str
    target: str
    read_only: bool
    recursive: bool


class Changes(NamedTuple):
    """What to do to a running pod.

    `replace`: apps that are stopped and come as they are wanted, and what it is of them that is different.
    `later` names each wish that waits for the pod's next start.
    """

    limits: tuple[str | None, ...] = ()  # apps by name, None for the pod
    publish: tuple[Port, ...] = ()
    unpublish: tuple[Port, ...] = ()
    mount: tuple[LiveMount, ...] = ()
    unmount: tuple[LiveMount, ...] = ()
    add: tuple[str, ...] = ()
    replace: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    remove: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


def changes(old: PodManifest, new: PodManifest, live: frozenset[LiveMount]) -> Changes:
    """From the pod as it runs to the one that is wanted; `live`: mounts that were made while it ran."""
    later = list(_pod_later(old, new))
    limits: list[str | None] = [None] if old.resources != new.resources else []
    had = {app.name: app for app in old.apps}
    mount: list[LiveMount] = []
    unmount: list[LiveMount] = []
    replace: dict[str, tuple[str, ...]] = {}
    for app in (app for app in new.apps if app.name in had):
        before = had[app.name]
        more, less, others = _mounts(before, old, app, new, live)
        if different := (*_different(before, app), *others):
            replace[app.name] = different
            continue
        limits += [app.name] if before.resources != app.resources else []
        mount += more
        unmount += less
    wanted = {app.name for app in new.apps}
    gone = tuple(port for port in old.published if port not in new.published)
    later += [f"port {port.pod}, which got any free port of the host" for port in gone if not port.host]
    return Changes(
        limits=tuple(limits),
        publish=tuple(port for port in new.published if port not in old.published),
        unpublish=tuple(port for port in gone if port.host),
        mount=tuple(mount),
        unmount=tuple(unmount),
        add=tuple(app.name for app in new.apps if app.name not in had),
        replace=replace,
        remove=tuple(name for name in had if name not in wanted),
        later=tuple(later),
    )


def after(old: PodManifest, new: PodManifest, done: Changes) -> PodManifest:
    """The manifest of the running pod when the changes have been made that leave its apps running."""
    published = tuple(port for port in old.published if port not in done.unpublish) + done.publish
    wanted = {app.name: app for app in new.apps}
    volumes = {volume.name: volume for volume in old.volumes}
    apps = []
    for app in old.apps:
        kept = [one for one in app.mounts if _live(app.name, one, volumes) not in done.unmount]
        for one in (one for one in done.mount if one.app == app.name):
            (said,) = (mount for mount in wanted[app.name].mounts if mount.target == one.target)
            kept.append(said._replace(volume=_volume_for(one.source, volumes)))
        found = wanted[app.name].resources if app.name in done.limits else app.resources
        apps.append(
            app._replace(mounts=tuple(sorted(kept, key=lambda one: one.target.split("/"))), resources=found)
        )
    used = {one.volume for app in apps for one in app.mounts}
    return old._replace(
        apps=tuple(apps),
        volumes=tuple(volume for volume in volumes.values() if volume.name in used),
        published=published,
        resources=new.resources if None in done.limits else old.resources,
    )


def _volume_for(source: str, volumes: dict[str, Volume]) -> str:
    """The volume of a path of the host, made if there is none."""
    for volume in volumes.values():
        if volume.kind is VolumeKind.HOST and volume.source == source:
            return volume.name
    number = next(number for number in range(1, len(volumes) + 2) if f"host.live.{number}" not in volumes)
    volumes[f"host.live.{number}"] = Volume(f"host.live.{number}", VolumeKind.HOST, source)
    return f"host.live.{number}"


def _pod_later(old: PodManifest, new: PodManifest) -> Iterator[str]:
    yield from _differing(old, new, _OWN)
    if (old.userns is None) != (new.userns is None):
        yield "--userns"
    if old.identity._replace(machine_id=None) != new.identity._replace(machine_id=None):
        yield "--timezone"


def _different(old: App, new: App) -> Iterator[str]:
    yield from _differing(old, new, _OWN_OF_APPS)
    if (old.stdin, old.stdout, old.stderr) != (new.stdin, new.stdout, new.stderr):
        yield "its streams"


def _differing(old: PodManifest | App, new: PodManifest | App, own: set[str]) -> Iterator[str]:
    fields = [name for name in old._fields if name not in own and getattr(old, name) != getattr(new, name)]
    yield from dict.fromkeys(_OPTIONS.get(name, "--" + name.replace("_", "-")) for name in fields)


_Diff = tuple[list[LiveMount], list[LiveMount], list[str]]


def _mounts(old: App, pod: PodManifest, new: App, wanted: PodManifest, live: frozenset[LiveMount]) -> _Diff:
    """Those that can come and go while the app runs are plain trees of the host; the others are told."""
    before = {one.target: one for one in _all(old, pod)}
    after_it = {one.target: one for one in _all(new, wanted)}
    more, less, others = [], [], []
    for target in sorted(before.keys() | after_it.keys()):
        one, other = before.get(target), after_it.get(target)
        if one == other:
            continue
        is_live = one is not None and one.plain is not None and one.plain in live
        if (one is None or is_live) and (other is None or other.plain is not None):
            less += [one.plain] if one is not None and one.plain else []
            more += [other.plain] if other is not None and other.plain else []
        else:
            others.append(f"the mount at {target}")
    return more, less, others


class _Place(NamedTuple):
    """A mount with its volume, whose name is nothing to compare. `plain`: as a live mount, if it can be one."""

    target: str
    volume: Volume
    mount: Mount
    plain: LiveMount | None


def _all(app: App, pod: PodManifest) -> Iterator[_Place]:
    volumes = {volume.name: volume for volume in pod.volumes}
    for one in app.mounts:
        volume = volumes[one.volume]
        named = volume.kind in {VolumeKind.NAMED, VolumeKind.EMPTY} and not is_unnamed(volume, app.name)
        yield _Place(
            target=one.target,
            volume=volume if named else volume._replace(name=""),
            mount=one._replace(volume=""),
            plain=_live(app.name, one, volumes),
        )


def _live(app: str, one: Mount, volumes: dict[str, Volume]) -> LiveMount | None:
    volume = volumes[one.volume]
    if volume.kind is not VolumeKind.HOST or volume.source is None or one.noexec:
        return None
    if one.propagation is not Propagation.PRIVATE or volume.mode is not None or volume.uid is not None:
        return None
    return LiveMount(app, volume.source, one.target, one.read_only, one.recursive)
