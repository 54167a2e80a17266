"""EFFECT. Work under way: locked scratch files and directories, made durable and put in place all at once.

Whatever an import writes has a `tmp-` name and a flock(2) until the batch is committed; a name without
a lock belongs to nobody and `sweep_scratch` removes it. So a killed import leaves such names and nothing else.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from stage1.contract.errors import HostError

PREFIX = "tmp-"
_SECTOR = 512
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Scratch:
    """One scratch file or directory, and the place it will have."""

    path: Path
    final: Path | None = None


@dataclass(slots=True)
class Batch:
    """Scratch of one import, in the order in which it will be put in place; threads may add to it.

    One locked directory beside each final place holds all of it: a thousand layers need no thousand descriptors.
    """

    items: list[Scratch] = field(default_factory=list)
    rooms: dict[Path, tuple[Path, int]] = field(default_factory=dict)
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove whatever was not put in place."""
        for path, fd in self.rooms.values():
            remove(path)
            os.close(fd)
        self.rooms.clear()
        self.items.clear()

    def new_directory(self, parent: Path) -> Scratch:
        """Make a scratch directory."""
        scratch = self._new(parent)
        scratch.path.mkdir(mode=0o755)
        return scratch

    def new_file(self, parent: Path) -> Scratch:
        """Choose the path of a scratch file; the caller makes it."""
        return self._new(parent)

    def write_file(self, parent: Path, data: bytes, final: Path) -> None:
        """Make a scratch file with this content for a place."""
        scratch = self.new_file(parent)
        _write(scratch.path, data)
        scratch.final = final

    def adopt(self, path: Path, final: Path) -> None:
        """Put a file that is somebody else's in place too; if the batch fails it stays where it is."""
        with self.lock:
            self.items.append(Scratch(path, final))

    def move_last(self, item: Scratch) -> None:
        """Put an item in place after all that is there so far."""
        with self.lock:
            self.items.remove(item)
            self.items.append(item)

    def commit(self) -> None:
        """Write everything to disk, then rename each item to its place, then write the directories."""
        for fd in {os.fstat(fd).st_dev: fd for _, fd in self.rooms.values()}.values():
            sync_file_system(fd)
        parents = set()
        for item in self.items:
            if item.final is not None and _put(item.path, item.final):
                parents.add(item.final.parent)
        for parent in sorted(parents):
            sync_directory(parent)

    def _new(self, parent: Path) -> Scratch:
        with self.lock:
            if parent not in self.rooms:
                self.rooms[parent] = locked_scratch(parent, _make_directory)
            scratch = Scratch(self.rooms[parent][0] / str(self.count))
            self.items.append(scratch)
            self.count += 1
        return scratch


def locked_scratch(parent: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """Make something with a scratch name, locked as long as the descriptor is open."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        path = parent / (PREFIX + os.urandom(8).hex())
        try:
            fd = make(path)
        except FileNotFoundError:
            if parent.is_dir():
                continue  # a sweep came while it was being made
            raise
        fcntl.flock(fd, fcntl.LOCK_EX)
        if _is_at(path, fd):
            return path, fd
        os.close(fd)  # a sweep came between making and locking


def _make_directory(path: Path) -> int:
    """Make a directory that passes on to what is made in it neither group nor access list of its parent."""
    path.mkdir(mode=0o700)
    os.chown(path, os.geteuid(), os.getegid())
    path.chmod(0o700)
    with suppress(OSError):  # there is none, or the file system has no access lists
        os.removexattr(path, "system.posix_acl_default")
    return os.open(path, _DIRECTORY)


def _make_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(_make_file(path), "wb") as stream:
        stream.write(data)


def _is_at(path: Path, fd: int) -> bool:
    try:
        there, mine = path.lstat(), os.fstat(fd)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def _put(path: Path, final: Path) -> bool:
    """Rename into place; a directory that is there already came from someone faster and is as good."""
    try:
        path.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def sync_file_system(fd: int) -> None:
    """Write a whole file system to disk: one wait for ten thousand files."""
    if ctypes.CDLL(None, use_errno=True).syncfs(fd) < 0:
        reason = os.strerror(ctypes.get_errno())
        raise HostError(
            f"cannot write the image to disk: {reason}", hint="look for disk errors in the kernel's log"
        )


def sync_directory(path: Path) -> None:
    """Make renames in a directory durable."""
    fd = os.open(path, _DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole and durably; the caller holds the lock that belongs to it."""
    scratch, fd = locked_scratch(path.parent, _make_file)
    try:
        with os.fdopen(os.dup(fd), "wb") as stream:
            stream.write(data)
        os.fsync(fd)
        scratch.rename(path)
    finally:
        remove(scratch)
        os.close(fd)
    sync_directory(path.parent)


def sweep_scratch(parent: Path) -> int:
    """Remove scratch that nobody has locked; give the bytes freed."""
    return sum(_remove_if_free(path) for path in parent.glob(PREFIX + "*"))


def _remove_if_free(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return remove(path)
    except BlockingIOError:
        return 0
    finally:
        os.close(fd)


def discard(path: Path) -> int:
    """Remove something from its place: first by name, so that nobody ever finds half of it there."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        doomed = path.rename(path.with_name(PREFIX + os.urandom(8).hex()))
        sync_directory(path.parent)
        return remove(doomed)
    finally:
        os.close(fd)


def remove(path: Path) -> int:
    """Remove a file or a tree of any depth, following nothing; give the bytes freed. Nothing there is fine."""
    try:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode):
            path.unlink()
            return _bytes_of(status)
        return _remove_tree(path)
    except FileNotFoundError:
        return 0


def _bytes_of(status: os.stat_result) -> int:
    return status.st_blocks * _SECTOR if status.st_nlink == 1 else 0


def _remove_tree(root: Path) -> int:
    """Empty a tree by moving directories up to its root: then depth costs neither stack nor path length."""
    top = os.open(root, _DIRECTORY)
    try:
        freed, pending = _empty(top, top)
        while pending:
            name = pending.pop()
            fd = os.open(name, _DIRECTORY, dir_fd=top)
            try:
                bytes_below, more = _empty(fd, top)
            finally:
                os.close(fd)
            freed += bytes_below
            pending += more
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    root.rmdir()
    return freed


def _empty(fd: int, top: int) -> tuple[int, list[str]]:
    """Unlink what is no directory and move directories to `top`; give the bytes and the names that wait there."""
    freed, waiting = 0, []
    with os.scandir(fd) as entries:
        listed = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    for name, status in listed:
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=fd)
            freed += _bytes_of(status)
        elif fd == top:
            waiting.append(name)
        else:
            new = PREFIX + os.urandom(12).hex()
            os.rename(name, new, src_dir_fd=fd, dst_dir_fd=top)
            waiting.append(new)
    return freed, waiting
