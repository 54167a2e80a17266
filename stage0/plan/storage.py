"""PURE. Volumes and what is mounted where."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from stage0.image import Image
from stage0.plan.mounts import MountRequest, is_sayable, parse_mount, parse_tmpfs, parse_volume
from stage0.request import AppRequest, PodRequest
from stage1.contract import Mount, Tmpfs, UsageError, Volume, VolumeKind

_PRIVATE = (VolumeKind.HOST, VolumeKind.IMAGE)  # kinds whose source is no name that a pod.json can hold


class VolumeBook:
    """Volumes as mounts ask for them: the same host path, image or name is one volume."""

    def __init__(self, images: Mapping[str, Image], known: Sequence[Volume] = ()) -> None:
        """`known` are those of a pod that gets one more app."""
        self.volumes: dict[str, Volume] = {volume.name: volume for volume in known}
        self._images = images
        self._sources = {
            (one.kind, one.source): one.name for one in known if one.source and one.kind in _PRIVATE
        }

    def mount(self, wish: MountRequest, app: str) -> Mount:
        """Note a mount and return it with its volume's name."""
        volume = self._volume(wish, self._name(wish, app))
        known = self.volumes.setdefault(volume.name, volume)
        if known.kind is not volume.kind:
            raise UsageError(
                f"app {app}: {volume.name!r} is a volume of the pod (type=empty) and one that outlives it",
                hint="give one of them another name",
            )
        return Mount(
            volume=volume.name,
            target=wish.target,
            read_only=wish.read_only,
            recursive=wish.recursive,
            noexec=wish.noexec,
            nosuid=wish.nosuid,
            nodev=wish.nodev,
            propagation=wish.propagation,
            idmap=wish.idmap,
        )

    def _name(self, wish: MountRequest, app: str) -> str:
        if wish.source is not None and wish.kind in _PRIVATE:
            free = self._free(wish.kind.value, len(self._sources) + 1)
            return self._sources.setdefault((wish.kind, wish.source), free)
        return wish.source or self._free(f"{wish.kind.value}.{app}", len(self.volumes) + 1)

    def _free(self, stem: str, number: int) -> str:
        """Numbers are counted on; where volumes have gone since, one may still be taken."""
        while f"{stem}.{number}" in self.volumes:
            number += 1
        return f"{stem}.{number}"

    def _volume(self, wish: MountRequest, name: str) -> Volume:
        if wish.kind is VolumeKind.IMAGE and wish.source is not None:
            image = self._images[wish.source]
            return Volume(name, wish.kind, image.name, digest=image.digest, layers=image.layers)
        return Volume(
            name=name,
            kind=wish.kind,
            source=wish.source if wish.kind in {VolumeKind.HOST, VolumeKind.NAMED} else None,
            mode=wish.mode,
            uid=wish.uid,
            gid=wish.gid,
        )


def image_sources(request: PodRequest) -> tuple[str, ...]:
    """Images that are mounted as volumes."""
    texts = (text for app in request.app for text in app.mount if "image" in text)
    wishes = (parse_mount(text, directory="/") for text in texts)
    return tuple(
        dict.fromkeys(
            wish.source
            for wish in wishes
            if isinstance(wish, MountRequest) and wish.kind is VolumeKind.IMAGE and wish.source
        )
    )


def mounts(
    pod: PodRequest, wish: AppRequest, implicit: Sequence[str], app: str, book: VolumeBook, directory: str
) -> tuple[tuple[Mount, ...], tuple[Tmpfs, ...]]:
    """Sorted by target, so that a nested one comes after the one it lies in."""
    wishes = list(_wishes(pod, wish, directory))
    targets = [one.target for one in wishes]
    for target in targets:
        if targets.count(target) > 1:
            raise UsageError(f"app {app}: two mounts at {target}", hint="keep one of them")
    for path in implicit:
        target = "/" + posixpath.normpath(path).lstrip("/")
        if path.startswith("/") and target != "/" and target not in targets and is_sayable(target):
            wishes.append(MountRequest(VolumeKind.IMPLICIT, None, target, nosuid=True, nodev=True))
            targets.append(target)  # an image may say it twice, as /data and /data/
    found = sorted(wishes, key=lambda one: one.target.split("/"))
    return (
        tuple(book.mount(one, app) for one in found if isinstance(one, MountRequest)),
        tuple(one for one in found if isinstance(one, Tmpfs)),
    )


def _wishes(pod: PodRequest, wish: AppRequest, directory: str) -> Iterator[MountRequest | Tmpfs]:
    for text in (*pod.volume, *wish.volume):
        yield parse_volume(text, directory=directory)
    for text in wish.mount:
        yield parse_mount(text, directory=directory)
    for text in wish.tmpfs:
        yield parse_tmpfs(text)
