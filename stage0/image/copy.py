"""EFFECT. Copy a directory of a merged tree, as a volume that starts with the image's content."""
# Text paths with surrogate escapes, and a system call for each attribute.
# ruff: noqa: PTH101, PTH102

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from stage0.image.attributes import OF_THE_HOST
from stage0.image.tree import Entry, MergedTree, children

_CHUNK = 1 << 24
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Copying:
    """Hard links already copied, and directories whose attributes come last."""

    links: dict[tuple[int, int], str] = field(default_factory=dict)
    directories: list[tuple[Entry, str]] = field(default_factory=list)


def copy_directory(tree: MergedTree, path: str, destination: Path) -> None:
    """Copy a directory's content and its own attributes to `destination`; no directory, no copy."""
    entry = tree.lookup(path)
    if entry is not None and entry.is_directory:
        copy_tree(entry, destination)


def copy_tree(source: Entry, destination: Path) -> None:
    """Copy what a merged directory holds, and its own attributes, to a directory that is made if missing."""
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    copying = Copying()
    pending = [(source, os.fspath(destination))]
    while pending:
        directory, target = pending.pop()
        copying.directories.append((directory, target))
        for name, entry in children(directory).items():
            below = f"{target}/{name}"
            if entry.is_directory:
                os.mkdir(below, 0o700)
                pending.append((entry, below))
            else:
                _copy_other(copying, entry, below)
    for directory, target in reversed(copying.directories):
        _describe(os.fspath(directory.path), directory.status, target)


def _copy_other(copying: Copying, entry: Entry, target: str) -> None:
    identity = (entry.status.st_dev, entry.status.st_ino)
    if entry.status.st_nlink > 1:
        known = copying.links.setdefault(identity, target)
        if known != target:
            os.link(known, target, follow_symlinks=False)
            return
    source, mode = os.fspath(entry.path), entry.status.st_mode
    if stat.S_ISREG(mode):
        _copy_file(source, target, entry.status.st_size)
    elif stat.S_ISLNK(mode):
        os.symlink(os.readlink(source), target)
    elif not stat.S_ISSOCK(mode):
        os.mknod(target, stat.S_IFMT(mode) | 0o600, entry.status.st_rdev)
    _describe(source, entry.status, target)


def _copy_file(source: str, target: str, size: int) -> None:
    """Copy data, not holes; the kernel shares blocks where the file system can."""
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        writing = os.open(target, _NEW_FILE, 0o600)
        try:
            _copy_ranges(reading, writing, size)
            os.ftruncate(writing, size)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_ranges(reading: int, writing: int, size: int) -> None:
    end = 0
    while end < size:
        try:
            start = os.lseek(reading, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(reading, start, os.SEEK_HOLE)
        while start < end:
            start += _copy_range(reading, writing, start, min(end - start, _CHUNK))


def _copy_range(reading: int, writing: int, start: int, count: int) -> int:
    try:
        return os.copy_file_range(reading, writing, count, start, start)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    return os.pwrite(writing, os.pread(reading, min(count, 1 << 20), start), start)


def _describe(source: str, status: os.stat_result, target: str) -> None:
    """Give the copy its owner, attributes, mode and times, in the order in which the kernel keeps them."""
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith(OF_THE_HOST):
            os.setxattr(
                target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False
            )
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
