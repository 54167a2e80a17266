"""PURE. Volumes, and what is mounted where."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from stage1.contract.text import Text


class VolumeKind(StrEnum):
    """Where a volume's files are."""

    HOST = "host"
    EMPTY = "empty"
    IMPLICIT = "implicit"


class Volume(NamedTuple):
    """A tree that apps mount; `source` is a host path for `host`, else it lies in the pod directory.

    Mode and owner None: those of the image's directory at the place it is mounted first, else 0755 and root.
    """

    name: str
    kind: VolumeKind
    source: Text | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


class Mount(NamedTuple):
    """A volume at a place in an app's root."""

    volume: str
    target: Text
    read_only: bool = False


class Tmpfs(NamedTuple):
    """A file system in memory at a place in an app's root; `size` in bytes, None for half of the memory."""

    target: Text
    size: int | None = None
    mode: int = 0o1777
