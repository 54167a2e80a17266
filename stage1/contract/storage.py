"""PURE. Volumes, and what is mounted where."""

from __future__ import annotations

from enum import StrEnum

from stage1.contract.text import Text
from stage1.contract.values import NamedTuple


class VolumeKind(StrEnum):
    """Where a volume's files are."""

    HOST = "host"
    EMPTY = "empty"
    IMPLICIT = "implicit"
    NAMED = "named"
    IMAGE = "image"


class Propagation(StrEnum):
    """Whether what the host mounts below a volume later is seen by the app (`slave`), and the other way (`shared`)."""

    PRIVATE = "private"
    SLAVE = "slave"
    SHARED = "shared"


class Volume(NamedTuple):
    """A tree that apps mount.

    `source` is a host path for `host`, the volume's name in the data root for `named`, for people the image's name
    for `image`, whose tree is made of `layers`; `empty` and `implicit` lie in the pod directory.
    Mode and owner None: those of the image's directory at the place it is mounted first, else 0755 and root.
    """

    name: str
    kind: VolumeKind
    source: Text | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    digest: str | None = None
    layers: tuple[str, ...] = ()


class IdMap(NamedTuple):
    """Owners from `disk` on are seen as the pod's ids from `inside` on; users and groups alike."""

    disk: int
    inside: int
    size: int = 1


class Mount(NamedTuple):
    """A volume at a place in an app's root; `recursive`: with what is mounted below its source.

    `idmap`: only these owners have an id in the pod, all others are nobody; none: owners are as on disk.
    """

    volume: str
    target: Text
    read_only: bool = False
    recursive: bool = True
    noexec: bool = False
    nosuid: bool = False
    nodev: bool = False
    propagation: Propagation = Propagation.PRIVATE
    idmap: tuple[IdMap, ...] = ()


class Tmpfs(NamedTuple):
    """A file system in memory at a place in an app's root; `size` in bytes, None for half of the memory."""

    target: Text
    size: int | None = None
    mode: int = 0o1777
    uid: int = 0
    gid: int = 0
    read_only: bool = False
    noexec: bool = False
    nosuid: bool = True
    nodev: bool = True
