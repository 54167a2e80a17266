"""EFFECT. Unpack one layer into `/`: runs only in a process that `confine` has locked into the layer's directory.

Every path is resolved by the kernel inside that root, so no name and no link leads out, whatever it says. Nothing
existing is ever opened for writing: what a member replaces is removed first. Whiteouts become what overlayfs reads.
"""
# Bytes paths, and a system call for each member: pathlib has neither.
# ruff: noqa: PTH101, PTH102, PTH103, PTH106, PTH108, PTH112, PTH114, PTH115, PTH118, PTH208, PTH211

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from stage0.image.model import ImageError
from stage0.image.tarstream import Member, TarStream, bad, show

_WHITEOUT = b".wh."
_AUFS = b".wh..wh."
_OPAQUE = b".wh..wh..opq"
_OVERLAY_OPAQUE = b"trusted.overlay.opaque"
_IGNORED_XATTRS = (
    b"trusted.overlay.",
    b"user.overlay.",
    b"security.selinux",
    b"security.evm",
    b"security.ima",
)
_CHUNK = 1 << 20
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_TIME_NS = (1 << 63) - 1


@dataclass(slots=True)
class Report:
    """What the parent needs to know; `implied` are directories that no member described."""

    members: int
    complete: bool
    implied: list[bytes]


@dataclass(slots=True)
class Extraction:
    """The state of one unpacking: what is known of the tree so far."""

    directories: set[bytes] = field(default_factory=lambda: {b""})
    times: dict[bytes, int] = field(default_factory=dict)
    implied: set[bytes] = field(default_factory=set)
    whiteouts: set[bytes] = field(default_factory=set)


def extract(stream: TarStream) -> Report:
    """Unpack all members of a stream into the root directory."""
    state = Extraction()
    count = 0
    for member in stream:
        count += 1
        try:
            _place(state, stream, member)
        except OSError as error:
            raise _explain(member, error) from None
    for path, time in reversed(state.times.items()):
        os.utime(b"/" + path, ns=(time, time), follow_symlinks=False)
    return Report(members=count, complete=stream.complete, implied=sorted(state.implied))


def _explain(member: Member, error: OSError) -> ImageError:
    what = f"cannot unpack {show(member.name)}: {error.strerror or error}"
    hints = {
        errno.ENOSPC: "free space on the file system of the data root",
        errno.EDQUOT: "free space on the file system of the data root",
        errno.ENOTSUP: "the file system of the data root lacks extended attributes; choose another with --dir",
        errno.ENAMETOOLONG: "the image has a name that Linux cannot store",
    }
    return ImageError(
        what, hint=hints.get(error.errno or 0, "the layer is damaged or hostile; fetch it again")
    )


def clean(name: bytes) -> bytes:
    """Reduce a name to one below the root, "" for the root itself; refuse what climbs above it."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise bad(f"the name {show(name)} leads out of the layer")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def _place(state: Extraction, stream: TarStream, member: Member) -> None:
    path = clean(member.name)
    parent, _, base = path.rpartition(b"/")
    if parent.startswith(_WHITEOUT) or b"/.wh." in parent:
        if _in_aufs(parent):
            return
        raise bad(f"the name {show(member.name)} lies below a deletion mark")
    if base.startswith(_WHITEOUT):
        _place_mark(state, parent, base)
    elif member.kind == b"5":
        _place_directory(state, member, path, parent)
    elif not path:
        raise bad(f"the member {show(member.name)} would replace the root directory")
    else:
        _require(state, parent)
        _place_other(state, stream, member, path)


def _in_aufs(parent: bytes) -> bool:
    return any(part.startswith(_AUFS) for part in parent.split(b"/"))


def _place_mark(state: Extraction, parent: bytes, base: bytes) -> None:
    """Turn a deletion mark into overlayfs's form; it never hides what this same layer brings."""
    if base == _OPAQUE:
        _require(state, parent)
        os.setxattr(b"/" + parent, _OVERLAY_OPAQUE, b"y")
        return
    if base.startswith(_AUFS):
        return
    hidden = base[len(_WHITEOUT) :]
    if hidden in (b"", b".", b".."):
        raise bad(f"a deletion mark for {show(hidden)} has no meaning")
    _require(state, parent)
    path = parent + b"/" + hidden if parent else hidden
    try:
        os.mknod(b"/" + path, stat.S_IFCHR, 0)
        state.whiteouts.add(path)
    except FileExistsError:
        if stat.S_ISDIR(os.lstat(b"/" + path).st_mode):
            os.setxattr(b"/" + path, _OVERLAY_OPAQUE, b"y")


def _place_directory(state: Extraction, member: Member, path: bytes, parent: bytes) -> None:
    full = b"/" + path
    if path:
        _require(state, parent)
    if path not in state.directories or path in state.implied or not _is_directory(full):
        _make_directory(state, path)
    state.directories.add(path)
    state.implied.discard(path)
    state.times.pop(path, None)
    os.chown(full, member.uid, member.gid, follow_symlinks=False)
    os.chmod(full, member.mode)
    _set_xattrs(full, member)
    state.times[path] = _time(member)


def _is_directory(full: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(full).st_mode)
    except FileNotFoundError:
        return False


def _make_directory(state: Extraction, path: bytes) -> None:
    """Make one directory, in place of anything that is none; over a deletion mark it starts opaque."""
    full = b"/" + path
    try:
        os.mkdir(full, 0o755)
    except FileExistsError:
        if _is_directory(full):
            return
        marked = path in state.whiteouts
        _remove(state, path)
        os.mkdir(full, 0o755)
        if marked:
            os.setxattr(full, _OVERLAY_OPAQUE, b"y")


def _require(state: Extraction, parent: bytes) -> None:
    """Make sure the directory a member lies in exists; what nobody described is root's, 0755, and noted."""
    missing = []
    while parent not in state.directories:
        missing.append(parent)
        parent = parent.rpartition(b"/")[0]
    for path in reversed(missing):
        _require_one(state, path)


def _require_one(state: Extraction, path: bytes) -> None:
    full = b"/" + path
    try:
        os.mkdir(full, 0o755)
        state.implied.add(path)
    except FileExistsError:
        if path in state.whiteouts:
            _make_directory(state, path)
            state.implied.add(path)
        elif os.path.islink(full):
            os.makedirs(os.path.realpath(full), mode=0o755, exist_ok=True)
        elif not os.path.isdir(full):
            raise NotADirectoryError(errno.ENOTDIR, f"{show(path)} is not a directory") from None
    state.directories.add(path)


def _place_other(state: Extraction, stream: TarStream, member: Member, path: bytes) -> None:
    full = b"/" + path
    if member.kind == b"1" and clean(member.link) == path:
        os.lstat(full)
        return
    try:
        _create(stream, member, full)
    except FileExistsError:
        if member.kind == b"1" and _same_file(full, b"/" + clean(member.link)):
            return
        _remove(state, path)
        _create(stream, member, full)


def _same_file(one: bytes, other: bytes) -> bool:
    first, second = os.lstat(one), os.lstat(other)
    return (first.st_ino, first.st_dev) == (second.st_ino, second.st_dev)


def _create(stream: TarStream, member: Member, full: bytes) -> None:
    match member.kind:
        case b"0" | b"\0" | b"7":
            _create_file(stream, member, full)
        case b"1":
            os.link(b"/" + clean(member.link), full, follow_symlinks=False)
        case b"2":
            os.symlink(member.link, full)
            _finish_node(member, full, symlink=True)
        case b"3" | b"4":
            kind = stat.S_IFCHR if member.kind == b"3" else stat.S_IFBLK
            os.mknod(full, kind | 0o600, os.makedev(*member.device))
            _finish_node(member, full)
        case b"6":
            os.mkfifo(full, 0o600)
            _finish_node(member, full)
        case _:
            raise bad(f"{show(member.name)} is of the unknown type {member.kind!r}")


def _create_file(stream: TarStream, member: Member, full: bytes) -> None:
    fd = os.open(full, _NEW_FILE, 0o600)
    try:
        if member.sparse is None:
            _fill(stream, fd)
        else:
            _fill_sparse(stream, member, fd)
        os.fchown(fd, member.uid, member.gid)
        os.fchmod(fd, member.mode)
        if member.xattrs:
            _set_xattrs(fd, member)
        time = _time(member)
        os.utime(fd, ns=(time, time))
    finally:
        os.close(fd)


def _fill(stream: TarStream, fd: int) -> None:
    while data := stream.read_body(_CHUNK):
        _write_all(fd, data)


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def _fill_sparse(stream: TarStream, member: Member, fd: int) -> None:
    for offset, length in member.sparse or ():
        os.lseek(fd, offset, os.SEEK_SET)
        left = length
        while left:
            data = stream.read_body(min(left, _CHUNK))
            if not data:
                raise bad(f"the sparse file {show(member.name)} is cut short")
            _write_all(fd, data)
            left -= len(data)
    os.ftruncate(fd, member.real_size)


def _finish_node(member: Member, full: bytes, *, symlink: bool = False) -> None:
    os.chown(full, member.uid, member.gid, follow_symlinks=False)
    if not symlink:
        os.chmod(full, member.mode)
    _set_xattrs(full, member)
    time = _time(member)
    os.utime(full, ns=(time, time), follow_symlinks=False)


def _set_xattrs(target: bytes | int, member: Member) -> None:
    """Set attributes after the owner, since a change of owner clears file capabilities."""
    for key, value in member.xattrs.items():
        if not key.startswith(_IGNORED_XATTRS):
            os.setxattr(
                target, key, value, **({} if isinstance(target, int) else {"follow_symlinks": False})
            )


def _time(member: Member) -> int:
    return max(-_MAX_TIME_NS, min(_MAX_TIME_NS, member.mtime_ns))


def _remove(state: Extraction, path: bytes) -> None:
    """Remove whatever lies at a path and forget what was known below it."""
    full = b"/" + path
    state.whiteouts.discard(path)
    if not _is_directory(full):
        os.unlink(full)
        return
    _remove_tree(full)
    below = path + b"/"
    for known in (state.directories, state.implied, state.whiteouts):
        _forget(known, path, below)
    for gone in [known for known in state.times if known == path or known.startswith(below)]:
        del state.times[gone]


def _forget(known: set[bytes], path: bytes, below: bytes) -> None:
    known.difference_update({entry for entry in known if entry == path or entry.startswith(below)})


def _remove_tree(full: bytes) -> None:
    """Remove a directory; os.walk follows no symbolic link."""
    for directory, directories, files in os.walk(full, topdown=False):
        _remove_all(os.path.join(directory, name) for name in files)
        for name in directories:
            entry = os.path.join(directory, name)
            if os.path.islink(entry):
                os.unlink(entry)
            else:
                os.rmdir(entry)
    os.rmdir(full)


def _remove_all(entries: Iterable[bytes]) -> None:
    for entry in entries:
        os.unlink(entry)
