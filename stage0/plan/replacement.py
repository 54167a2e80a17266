"""PURE. An app as another manifest has it, in a pod that is there: new, or in the place of the one of its name."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from stage0.plan import userns
from stage0.plan.changes import volumes_of
from stage1.contract import App, ExitRule, Mount, PodManifest, Volume, VolumeKind

_SHARED = {VolumeKind.HOST, VolumeKind.IMAGE}  # the same source is the same volume, whatever it is called
_OF_PODS = {VolumeKind.EMPTY, VolumeKind.IMPLICIT}


def adopted(pod: PodManifest, wanted: PodManifest, name: str) -> PodManifest:
    """`pod` with the app of `wanted`: its root is as its image has it, volumes that stay keep their files."""
    new = next(app for app in wanted.apps if app.name == name)
    old = next((app for app in pod.apps if app.name == name), None)
    known = {volume.name: volume for volume in pod.volumes}
    theirs = {volume.name: volume for volume in wanted.volumes}
    mounts = tuple(_mount(one, theirs[one.volume], new, old, known) for one in new.mounts)
    app = new._replace(mounts=mounts, revision=old.revision + 1 if old else 0)
    userns.check_users(pod.userns, (app,))
    apps = _sorted([app, *(one for one in pod.apps if one.name != name)], wanted)
    return pod._replace(apps=apps, volumes=volumes_of(pod._replace(volumes=tuple(known.values())), apps))


def _mount(one: Mount, volume: Volume, new: App, old: App | None, known: dict[str, Volume]) -> Mount:
    """The mount with the name that its volume has in the pod, where it may be new."""
    name = _name(one, volume, new, old, known)
    known.setdefault(name, volume._replace(name=name))
    return one._replace(volume=name)


def _name(one: Mount, volume: Volume, new: App, old: App | None, known: dict[str, Volume]) -> str:
    if volume.kind in _SHARED:
        for other in known.values():
            if other._replace(name="") == volume._replace(name=""):
                return other.name
        return _free(volume.name, known)
    if not is_unnamed(volume, new.name):
        return volume.name
    for mount in old.mounts if old else ():
        other = known[mount.volume]
        if mount.target == one.target and is_unnamed(other, new.name) and other.kind is volume.kind:
            return other.name
    return _free(volume.name, known)


def is_unnamed(volume: Volume, app: str) -> bool:
    """Whether nobody gave this volume of the pod a name: it is told by the app and the place it is mounted at."""
    stem, _, number = volume.name.rpartition(".")
    return volume.kind in _OF_PODS and stem == f"{volume.kind.value}.{app}" and number.isdecimal()


def _free(name: str, known: dict[str, Volume]) -> str:
    stem = name.rpartition(".")[0]
    while name in known:
        name = f"{stem}.{int(name.rpartition('.')[2]) + 1}"
    return name


def _sorted(apps: list[App], wanted: PodManifest) -> tuple[App, ...]:
    places = {app.name: place for place, app in enumerate(wanted.apps)}
    return tuple(sorted(apps, key=lambda app: places.get(app.name, len(places))))


def waits_for(app: App) -> set[str]:
    """The names of the apps that this one waits for."""
    return {one.app for one in (*app.after, *app.wants, *app.requires)}


def kept_back(pod: PodManifest, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Those of these apps that cannot leave the pod yet, and why."""
    going = set(names)
    while found := [(name, why) for name in sorted(going) if (why := _need(pod, going, name))]:
        yield from found
        going -= {name for name, _ in found}


def _need(pod: PodManifest, going: set[str], name: str) -> str | None:
    if pod.exit_policy.rule is ExitRule.APP and pod.exit_policy.app == name:
        return "decides when the pod is over"
    waiting = [app.name for app in pod.apps if app.name not in going and name in waits_for(app)]
    return f"app {waiting[0]} waits for it" if waiting else None
