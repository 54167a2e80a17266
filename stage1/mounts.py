"""PURE. What the monitor mounts for the apps: their roots, and volumes and memory at places in them.

systemd could make these mounts (BindPaths=, TemporaryFileSystem=), but not all of them: no flags for one mount, no
propagation, no path with a control character, and links in a target would be followed before others are mounted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stage1.contract import App, Mount, PodDir, PodManifest, Propagation, Tmpfs, Volume, VolumeKind
from stage1.contract.paths import APP_ROOTS, MOUNTS, VOLUMES

Record = tuple[str, ...]

# The unit of an app puts the pod's own over these places: what is to be there waits elsewhere, and the unit binds it.
_COVERED = ("/dev", "/proc", "/sys")


def app_root(app: str) -> str:
    """Where the monitor mounts the root of an app."""
    return f"rootfs{APP_ROOTS}/{app}/rootfs"


def covered(app: App) -> dict[str, str]:
    """Targets that the app's unit has to bind, and where in the pod's root each waits for that."""
    targets = (*(mount.target for mount in app.mounts), *(tmpfs.target for tmpfs in app.tmpfs))
    found = (target for target in targets if target.startswith(tuple(f"{top}/" for top in _COVERED)))
    return {target: f"{MOUNTS}/{app.name}/{number}" for number, target in enumerate(found)}


def records(
    pod: PodManifest, directory: PodDir, own: tuple[str, ...], hosts: str | None
) -> Iterator[Record]:
    """Trees of images, then the mounts of each app; the monitor puts the outer ones first.

    `own` are names below /etc that the pod gives its apps; they come as an overlay's layer but where /etc is a link.
    `hosts` is a file for /etc/hosts that cannot be in a layer.
    """
    volumes = {volume.name: volume for volume in pod.volumes}
    used = {mount.volume for app in pod.apps for mount in app.mounts}
    for volume in pod.volumes:
        if volume.name in used and len(volume.layers) > 1:
            layers = [str(directory.root.layer(layer)) for layer in reversed(volume.layers)]
            yield ("overlay", _tree(volume), "-", *layers)
    for app in pod.apps:
        waiting = covered(app)
        found = list(_app_records(app, volumes, directory, own, hosts))
        yield from ((*words, app_root(app.name)) for target, words in found if target not in waiting)
        for target, words in found:
            if target in waiting:
                yield (*words[:-2], waiting[target], words[-1], "rootfs")


def shared_records(pod: PodManifest) -> Iterator[Record]:
    """What the monitor mounts once more in an app's own namespace, as a peer of the host's mount.

    systemd-nspawn and every unit with a root of its own turn what they inherit into slaves, so no mount that is there
    before can lead back to the host.
    """
    sources = {volume.name: volume.source or "/" for volume in pod.volumes}
    for app in pod.apps:
        for mount in app.mounts:
            if mount.propagation is Propagation.SHARED:
                words = ("rec" if mount.recursive else "", "ro" if mount.read_only else "", *_flags(mount))
                options = ",".join(word for word in words if word)
                yield ("share", app.name, sources[mount.volume], mount.target, options or "-")


def followers(records: Iterable[Record]) -> Iterator[Record]:
    """Of the mounts of apps, those that follow the host's: systemd-nspawn may make them private (257 does)."""
    for kind, source, target, *more in records:
        if kind == "bind" and len(more) > 1 and "slave" in (words := more[0].split(",")):
            yield ("follow", source, target, "rec" if "rec" in words else "-", more[1])


def follows(pod: PodManifest) -> bool:
    """Whether something that is mounted in a pod follows the host's mounts."""
    return any(mount.propagation is not Propagation.PRIVATE for app in pod.apps for mount in app.mounts)


def shares(app: App) -> bool:
    """Whether an app has mounts that lead back to the host."""
    return any(mount.propagation is Propagation.SHARED for mount in app.mounts)


def _app_records(
    app: App, volumes: dict[str, Volume], directory: PodDir, own: tuple[str, ...], hosts: str | None
) -> Iterator[tuple[str, Record]]:
    """Each mount of an app by its target, as a record that lacks its root."""
    for mount in app.mounts:
        volume = volumes[mount.volume]
        yield mount.target, ("bind", _source(volume, directory), mount.target, _options(mount, volume))
    for tmpfs in app.tmpfs:
        yield tmpfs.target, ("tmpfs", tmpfs.target, _tmpfs_options(tmpfs))
    files = {f"/etc/{name}": f"run/identity/etc/{name}" for name in own if app.etc_is_link}
    files |= {"/etc/hosts": hosts} if hosts is not None else {}
    for target, source in files.items():
        if target not in {mount.target for mount in app.mounts}:
            yield target, ("bind", source, target, "-")


def _tree(volume: Volume) -> str:
    return f"rootfs{VOLUMES}/{volume.name}"


def _source(volume: Volume, directory: PodDir) -> str:
    match volume.kind:
        case VolumeKind.HOST:
            return volume.source or "/"
        case VolumeKind.NAMED:
            return str(directory.root.volume(volume.source or volume.name).data)
        case VolumeKind.IMAGE if len(volume.layers) > 1:
            return _tree(volume)
        case VolumeKind.IMAGE:
            return str(directory.root.layer(volume.layers[0]))
        case VolumeKind.EMPTY | VolumeKind.IMPLICIT:
            return f"volumes/{volume.name}"


def _options(mount: Mount, volume: Volume) -> str:
    words = [
        "rec" if mount.recursive and volume.kind is VolumeKind.HOST else "",
        "ro" if mount.read_only or volume.kind is VolumeKind.IMAGE else "",
        *_flags(mount),
        "private" if mount.propagation is Propagation.PRIVATE else "slave",
        f"idmap={'#'.join('-'.join(map(str, one)) for one in mount.idmap)}" if mount.idmap else "",
    ]
    return ",".join(word for word in words if word)


def _flags(mount: Mount | Tmpfs) -> Iterator[str]:
    yield from (name for name in ("noexec", "nosuid", "nodev") if getattr(mount, name))


def _tmpfs_options(tmpfs: Tmpfs) -> str:
    words = [f"mode={tmpfs.mode:o}", f"uid={tmpfs.uid}", f"gid={tmpfs.gid}"]
    words += [f"size={tmpfs.size}"] if tmpfs.size is not None else []
    words += ["ro"] if tmpfs.read_only else []
    return ",".join((*words, *_flags(tmpfs)))
