"""EFFECT. Read several layers as the one tree that overlayfs would show, without mounting it.

Names are resolved one component at a time, symbolic links inside the root. Bytes that are not UTF-8 are
surrogate escapes.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from stage0.image.model import ImageError
from stage1.contract.values import NamedTuple

_OPAQUE = "trusted.overlay.opaque"
_MAX_LINKS = 40


class Entry(NamedTuple):
    """What a path is: `path` on disk, and for a directory all that are merged, topmost first."""

    path: Path
    status: os.stat_result
    merged: tuple[str, ...] = ()

    @property
    def is_directory(self) -> bool:
        """Say whether it is a directory."""
        return stat.S_ISDIR(self.status.st_mode)


class MergedTree:
    """The union of unpacked layers, lowest first."""

    def __init__(self, layers: Sequence[Path]) -> None:
        """Nothing is read yet."""
        self._roots = tuple(os.fspath(layer) for layer in reversed(layers))

    def lookup(self, path: str, *, follow: bool = True) -> Entry | None:
        """Find a path, always from the root; a link in the last place is followed if asked."""
        if "\0" in path or not self._roots:
            return None
        stack = [self._root()]
        pending = [part for part in reversed(path.split("/")) if part]
        links = 0
        while pending:
            name = pending.pop()
            if not stack[-1].is_directory:
                return None
            if name == ".":
                continue
            if name == "..":
                del stack[max(1, len(stack) - 1) :]
                continue
            entry = _child(stack[-1], name)
            if entry is None:
                return None
            if stat.S_ISLNK(entry.status.st_mode) and (follow or pending):
                links += 1
                if links > _MAX_LINKS:
                    return None
                target = str(entry.path.readlink())
                if target.startswith("/"):
                    del stack[1:]
                pending += [part for part in reversed(target.split("/")) if part]
            else:
                stack.append(entry)
        return stack[-1]

    def lookup_plain(self, path: str) -> Entry | None:
        """Find a path whose every part is what it says: no link is followed, not even on the way."""
        entry = self._root()
        for name in path.split("/") if path else ():
            following = _child(entry, name) if entry.is_directory else None
            if following is None:
                return None
            entry = following
        return entry

    def read(self, path: str, limit: int) -> bytes | None:
        """Read the start of a regular file; None if there is none."""
        entry = self.lookup(path)
        if entry is None or not stat.S_ISREG(entry.status.st_mode):
            return None
        with entry.path.open("rb") as stream:
            return stream.read(limit)

    def listdir(self, path: str) -> list[str]:
        """Names in a directory, sorted; none if it is no directory."""
        entry = self.lookup(path)
        return sorted(children(entry)) if entry is not None and entry.is_directory else []

    def _root(self) -> Entry:
        """The roots of all layers are merged: overlayfs does not ask whether one is opaque."""
        return Entry(Path(self._roots[0]), os.lstat(self._roots[0]), self._roots)


def is_whiteout(status: os.stat_result) -> bool:
    """Say whether a name is a deletion mark of overlayfs."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(directory: str) -> bool:
    """Say whether a directory hides what is below it."""
    try:
        return os.getxattr(directory, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise


def _child(parent: Entry, name: str) -> Entry | None:
    """Find one name in a merged directory: the topmost decides, directories below it join in."""
    first: tuple[str, os.stat_result] | None = None
    merged: list[str] = []
    for directory in parent.merged:
        path = f"{directory}/{name}"
        status = _status(path)
        if status is None:
            continue
        if not stat.S_ISDIR(status.st_mode):
            if first is None and not is_whiteout(status):
                return Entry(Path(path), status)
            break
        first = first or (path, status)
        merged.append(path)
        if is_opaque(path):
            break
    return Entry(Path(first[0]), first[1], tuple(merged)) if first else None


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImageError(f"cannot look at {path}: {error.strerror}", hint="import the image again") from None


def children(directory: Entry) -> dict[str, Entry]:
    """Everything in a merged directory by name."""
    names = {name for path in directory.merged for name in os.listdir(path)}
    return {name: entry for name in names if (entry := _child(directory, name)) is not None}
