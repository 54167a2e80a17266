"""EFFECT. A tree as a tar stream and back, inside the root this process is locked into.

Owners, modes, times, hard links and links are kept; devices are left out on both sides, and so are file systems below
the tree: a copy of a whole root must not read the kernel's memory by way of /proc.
"""

# System calls for each member, and names that need not be UTF-8: pathlib has neither.
# ruff: noqa: PTH101, PTH103, PTH108, PTH112, PTH114, PTH118, PTH120

from __future__ import annotations

import os
import stat
import tarfile
from typing import IO

from stage1.contract import NotFoundError, UsageError
from stage1.contract.values import NamedTuple

_CHUNK = 1 << 20


class Place(NamedTuple):
    """Where a copy goes: `path`; `name` is what it is called below a directory, None for its contents only.

    `archive`: the stream is somebody's, and its names lie below `path`. `to_host`: set-user-ID bits stay behind.
    """

    path: str
    name: str | None
    archive: bool = False
    to_host: bool = False


def pack(path: str, stream: IO[bytes], name: str | None) -> None:
    """The file or tree at `path`, itself as `name` or `.`; a link is followed only with a slash after it."""
    top = path.rstrip("/") or "/"
    if not os.path.lexists(top):
        raise NotFoundError(f"{path}: no such file or directory", hint="check the path")
    if path.endswith(("/", "/.")):
        top = os.path.realpath(top)
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, errorlevel=2) as archive:
        device = os.lstat(top).st_dev
        waiting = [(top, name or ".")]  # no recursion: an app makes trees as deep as it likes
        while waiting:
            path, name = waiting.pop()
            if _pack(archive, path, name) and os.lstat(path).st_dev == device:
                entries = sorted(os.listdir(path), reverse=True)
                waiting += ((os.path.join(path, entry), f"{name}/{entry}") for entry in entries)


def _pack(archive: tarfile.TarFile, path: str, name: str) -> bool:
    """True for a directory, whose entries come after it."""
    if stat.S_ISSOCK(os.lstat(path).st_mode):
        return False
    member = archive.gettarinfo(path, arcname=name)
    if member.ischr() or member.isblk():
        return False
    if member.isreg():
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
            archive.addfile(member, file)
        return False
    archive.addfile(member)
    return member.isdir()


def unpack(stream: IO[bytes], place: Place) -> None:
    """Members below `place`; what is there already is replaced, directories are added to."""
    with tarfile.open(fileobj=stream, mode="r|", errorlevel=2) as archive:
        target = ""
        directories: list[tuple[str, tarfile.TarInfo]] = []
        for member in archive:
            target = target or _top(place, member)
            path = os.path.join(target, *_parts(member.name)) if _parts(member.name) else target
            if place.to_host:
                member.mode &= 0o1777
            _place(archive, member, path, target)
            if member.isdir():
                directories.append((path, member))
        for path, member in reversed(directories):
            _describe(path, member)
    while stream.read(_CHUNK):
        pass  # padding, which its writer must get rid of


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise UsageError(f"the archive has a name with '..': {name!r}", hint="make the archive anew")
    return parts


def _top(place: Place, first: tarfile.TarInfo) -> str:
    """What the stream's top becomes: a thing in a directory that is there, or of the name that is not."""
    if os.path.isdir(place.path):
        if place.name is None and not first.isdir() and not place.archive:
            raise UsageError(f"{place.path} is a directory", hint="name the file")
        return place.path if place.name is None or place.archive else os.path.join(place.path, place.name)
    if place.archive or (first.isdir() and os.path.lexists(place.path)) or place.path.endswith("/"):
        raise NotFoundError(f"{place.path} is no directory", hint="make it first")
    if not os.path.isdir(os.path.dirname(place.path) or "/"):
        raise NotFoundError(f"{os.path.dirname(place.path)} is no directory", hint="make it first")
    return place.path


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, target: str) -> None:
    if not (member.isdir() and os.path.isdir(path)) and os.path.lexists(path):
        if os.path.isdir(path) and not os.path.islink(path):
            raise UsageError(f"{path} is a directory", hint="remove it first")
        os.unlink(path)
    if path != target:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    if member.isdir():
        os.makedirs(path, mode=0o700, exist_ok=True)
    elif member.isreg():
        _write(archive, member, path)
    elif member.issym():
        os.symlink(member.linkname, path)
        os.lchown(path, member.uid, member.gid)
    elif member.islnk():
        os.link(os.path.join(target, *_parts(member.linkname)) if _parts(member.linkname) else target, path)
    elif member.isfifo():
        os.mkfifo(path, 0o600)
        _describe(path, member)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    file = archive.extractfile(member)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        while file and (data := file.read(_CHUNK)):
            while data:
                data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
    _describe(path, member)


def _describe(path: str, member: tarfile.TarInfo) -> None:
    os.chown(path, member.uid, member.gid, follow_symlinks=False)
    os.chmod(path, stat.S_IMODE(member.mode))
    os.utime(path, (member.mtime, member.mtime))
