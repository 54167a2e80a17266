"""EFFECT. A PodManifest becomes a pod directory: writable layers, volumes filled from their images, `pod.json`."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Mapping
from pathlib import Path

from stage0.image import Entry, MergedTree
from stage0.ownership import give
from stage1.contract import (
    App,
    CredentialKind,
    DataRoot,
    HostError,
    NotFoundError,
    PodDir,
    PodManifest,
    UsageError,
    Volume,
    VolumeKind,
    codec,
)
from stage1.contract.identity import LOCAL_TIME
from stage1.contract.paths import JOURNAL_SOCKETS

_ZONES = "/usr/share/zoneinfo"

_KERNEL_DIRECTORIES = ("/dev", "/proc", "/sys")


def check_sources(pod: PodManifest) -> None:
    """What the host must have for this pod is there: found out before anything is made."""
    for volume in pod.volumes:
        if volume.kind is VolumeKind.HOST and volume.source:
            _check_source(volume.source)
    for app in pod.apps:
        for one in app.credentials:
            if one.kind is not CredentialKind.UNIT and not os.path.exists(one.source):  # noqa: PTH110  it may hold any bytes
                raise NotFoundError(
                    f"credential {one.name} of app {app.name}: {one.source} does not exist",
                    hint="name a file with the secret in it",
                )
    zone = pod.identity.timezone
    if zone not in {None, LOCAL_TIME} and not Path(_ZONES, str(zone)).is_file():
        raise NotFoundError(
            f"this host has no time zone {zone!r}",
            hint="`timedatectl list-timezones` lists them; the host needs the package tzdata",
        )
    for device in (device for app in pod.apps for device in app.confinement.devices):
        _check_device(device.source)


def _check_device(path: str) -> None:
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        raise NotFoundError(f"device {path}: {error.strerror}", hint="see /dev of this host") from None
    if not stat.S_ISCHR(mode) and not stat.S_ISBLK(mode):
        raise UsageError(f"{path} is not a device", hint="name the nodes one by one; see --device")


def _check_source(source: str) -> None:
    try:
        os.stat(source)  # noqa: PTH116  a path of any bytes
    except OSError as error:
        if os.path.islink(source):  # noqa: PTH114
            what = f"is a link to {os.readlink(source)!r}, which leads nowhere"
        elif error.errno == errno.ENOENT:
            what = "does not exist"
        else:
            what = f"cannot be used: {error.strerror}"
        raise NotFoundError(
            f"volume source {source} {what}", hint="make it first, or mend the path"
        ) from None


def lay_out(pod: PodManifest, directory: PodDir) -> PodManifest:
    """Everything stage0 writes, `pod.json` last: a directory without one is not a pod.

    The manifest comes back with what only a look at the images tells.
    """
    for path in (directory.rootfs, directory.base / "upper", directory.base / "work"):
        path.mkdir(parents=True)
    directory.rootfs.chmod(0o755)
    if pod.journal:
        _journal(directory)
    (directory.base / "upper").chmod(0o755)
    trees = {app.name: _tree(app.layers, app.image.name, directory) for app in pod.apps}
    pod = pod._replace(
        apps=tuple(_app(app, trees[app.name], directory, journal=pod.journal) for app in pod.apps)
    )
    for volume in pod.volumes:
        _make_volume(volume, pod, trees, directory)
    directory.manifest.write_bytes(codec.encode(pod))
    return pod


def rewrite(pod: PodManifest, directory: PodDir) -> None:
    """A pod that is there already gets another manifest, whole at every moment, also after a power cut."""
    beside = directory.manifest.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(codec.encode(pod))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(directory.manifest)


def _journal(directory: PodDir) -> None:
    """Where the pod's own journal lies, and the way to it that `journalctl -M` takes on the host.

    The pod's root is mounted in its own mount namespace only; on the host its directory holds nothing but this link.
    """
    directory.journal.mkdir(mode=0o755)
    link = directory.rootfs / "var/log/journal"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../../journal")


def lay_out_more(pod: PodManifest, before: PodManifest, directory: PodDir) -> PodManifest:
    """The same for apps and volumes that a pod gets later; `pod.json` stays as it is."""
    known = {app.name: app.revision for app in before.apps}
    new = [app for app in pod.apps if known.get(app.name) != app.revision]
    trees = {app.name: _tree(app.layers, app.image.name, directory) for app in new}
    made = {app.name: _app(app, trees[app.name], directory, journal=pod.journal) for app in new}
    pod = pod._replace(apps=tuple(made.get(app.name, app) for app in pod.apps))
    own = pod._replace(apps=tuple(made.values()))
    there = {volume.name for volume in before.volumes}
    for volume in pod.volumes:
        if volume.name not in there:
            _make_volume(volume, own, trees, directory)
    return pod


def _app(app: App, tree: MergedTree, directory: PodDir, *, journal: bool) -> App:
    upper = directory.app(app.data) / "upper"
    upper.mkdir(parents=True)
    (directory.app(app.data) / "work").mkdir()
    root = tree.lookup("/")
    _take_over(upper, root.status if root else None)
    _missing_directories(tree, upper, app.workdir)
    if app.confinement.read_only:
        for path in _KERNEL_DIRECTORIES:  # systemd can make no place for them in a root that is read-only
            _missing_directories(tree, upper, path)
    if journal:
        _missing_directories(tree, upper, JOURNAL_SOCKETS)
    etc = tree.lookup("/etc", follow=False)
    if etc is None:
        return app
    if etc.is_directory and (etc.status.st_uid, etc.status.st_gid, etc.status.st_mode & 0o7777) != _USUAL:
        _copy_up(tree, upper, "/etc")  # the pod's own files of /etc lie above it, in a directory of root's
    return app._replace(etc_is_link=stat.S_ISLNK(etc.status.st_mode))


_USUAL = (0, 0, 0o755)


def _tree(diff_ids: tuple[str, ...], image: str, directory: PodDir) -> MergedTree:
    layers = [directory.root.layer(diff_id) for diff_id in diff_ids]
    for layer in layers:
        if not layer.is_dir():
            raise HostError(
                f"layer {layer.name} of image {image} is not unpacked", hint="import the image again"
            )
    return MergedTree(layers)


def _missing_directories(tree: MergedTree, upper: Path, path: str) -> None:
    """Make a directory the app expects (its working directory, the parents of mounts) as other runtimes do."""
    if path == "/" or tree.lookup(path) is not None:
        return
    parent = posixpath.dirname(path)
    _missing_directories(tree, upper, parent)
    if any(_is_link(tree, ancestor) for ancestor in _ancestors(path)):
        return  # a link on the way: systemd makes the place inside the app's root when it mounts
    target = upper / path.lstrip("/")
    _copy_up(tree, upper, parent)
    target.mkdir(exist_ok=True)
    target.chmod(0o755)


def _ancestors(path: str) -> list[str]:
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts))]


def _is_link(tree: MergedTree, path: str) -> bool:
    entry = tree.lookup(path, follow=False)
    return entry is not None and stat.S_ISLNK(entry.status.st_mode)


def _copy_up(tree: MergedTree, upper: Path, path: str) -> None:
    """Give an existing directory a place in the upper layer, with its owner and mode."""
    for ancestor in [*_ancestors(path + "/x")]:
        target = upper / ancestor.lstrip("/")
        if not target.exists():
            target.mkdir()
            entry = tree.lookup(ancestor)
            _take_over(target, entry.status if entry else None)


def _take_over(target: Path, status: os.stat_result | None) -> None:
    if status is None:
        target.chmod(0o755)
        return
    os.chown(target, status.st_uid, status.st_gid)
    target.chmod(stat.S_IMODE(status.st_mode))


def _make_volume(
    volume: Volume, pod: PodManifest, trees: Mapping[str, MergedTree], directory: PodDir
) -> None:
    match volume.kind:
        case VolumeKind.EMPTY | VolumeKind.IMPLICIT:
            _volume(volume, _first_place(volume, pod, trees), directory)
        case VolumeKind.NAMED:
            _named_volume(volume, _first_place(volume, pod, trees), directory.root, pod.created)
        case VolumeKind.HOST:
            pass
        case VolumeKind.IMAGE:
            _tree(volume.layers, str(volume.source), directory)


def _first_place(volume: Volume, pod: PodManifest, trees: Mapping[str, MergedTree]) -> Entry | None:
    """What the image has where a volume is mounted first: its content, owner and mode become the volume's."""
    for app in pod.apps:
        for mount in app.mounts:
            if mount.volume == volume.name:
                return trees[app.name].lookup(mount.target)
    return None


def _volume(volume: Volume, source: Entry | None, directory: PodDir) -> None:
    target = directory.volume(volume.name)
    target.mkdir(parents=True)
    target.chmod(0o755)
    if source is not None and source.is_directory:
        from stage0.image.copy import copy_tree  # noqa: PLC0415  most pods fill no volume

        copy_tree(source, target)
    give(target, volume.mode, volume.uid, volume.gid)


def _named_volume(volume: Volume, source: Entry | None, root: DataRoot, created: str) -> None:
    from stage0.pods import volumes  # noqa: PLC0415  most pods have none

    name = volume.source or volume.name
    volumes.create(root, name, created, {})
    volumes.fill(root.volume(name), source, (volume.mode, volume.uid, volume.gid))
