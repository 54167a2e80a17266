"""EFFECT. A PodManifest becomes a pod directory: writable layers, volumes filled from their images, `pod.json`."""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path

from stage0.image import MergedTree
from stage1.contract import (
    App,
    HostError,
    NotFoundError,
    PodDir,
    PodManifest,
    Volume,
    VolumeKind,
    codec,
)


def check_sources(pod: PodManifest) -> None:
    """Every host path that will be mounted exists: found out before anything is made."""
    for volume in pod.volumes:
        if volume.kind is VolumeKind.HOST and volume.source and not os.path.lexists(volume.source):
            raise NotFoundError(
                f"volume source {volume.source} does not exist", hint="make it first, or mend the path"
            )


def lay_out(pod: PodManifest, directory: PodDir) -> None:
    """Everything stage0 writes, `pod.json` last: a directory without one is not a pod."""
    for path in (directory.rootfs, directory.base / "upper", directory.base / "work"):
        path.mkdir(parents=True)
    directory.rootfs.chmod(0o755)
    (directory.base / "upper").chmod(0o755)
    for app in pod.apps:
        _app(app, directory)
    for volume in pod.volumes:
        if volume.kind is not VolumeKind.HOST:
            _volume(volume, pod, directory)
    directory.manifest.write_bytes(codec.encode(pod))


def _app(app: App, directory: PodDir) -> None:
    upper = directory.app(app.name) / "upper"
    upper.mkdir(parents=True)
    (directory.app(app.name) / "work").mkdir()
    tree = _tree(app, directory)
    root = tree.lookup("/")
    _take_over(upper, root.status if root else None)
    for mount in app.mounts:
        _missing_directories(tree, upper, posixpath.dirname(mount.target))
    _missing_directories(tree, upper, app.workdir)


def _tree(app: App, directory: PodDir) -> MergedTree:
    layers = [directory.root.layer(diff_id) for diff_id in app.layers]
    for layer in layers:
        if not layer.is_dir():
            raise HostError(
                f"layer {layer.name} of image {app.image.name} is not unpacked",
                hint="import the image again",
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


def _volume(volume: Volume, pod: PodManifest, directory: PodDir) -> None:
    """An empty volume takes over what the image has at the place it is mounted at first: files, owner and mode."""
    target = directory.volume(volume.name)
    target.mkdir(parents=True)
    target.chmod(0o755)
    for app in pod.apps:
        for mount in app.mounts:
            if mount.volume == volume.name:
                _fill(target, _tree(app, directory), mount.target, volume)
                return
    _own(target, volume)


def _fill(target: Path, tree: MergedTree, path: str, volume: Volume) -> None:
    from stage0.image.copy import copy_directory  # noqa: PLC0415  most pods fill no volume

    copy_directory(tree, path, target)
    _own(target, volume)


def _own(target: Path, volume: Volume) -> None:
    if volume.uid is not None or volume.gid is not None:
        os.chown(target, -1 if volume.uid is None else volume.uid, -1 if volume.gid is None else volume.gid)
    if volume.mode is not None:
        target.chmod(volume.mode)
