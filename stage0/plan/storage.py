"""PURE. Volumes and what is mounted where."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from stage0.mounts import MountRequest, is_sayable, parse_mount, parse_volume
from stage1.contract import Mount, Tmpfs, UsageError, Volume, VolumeKind


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


def mounts(
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
