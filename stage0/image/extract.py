"""EFFECT. Unpack one layer into `/`: runs only in a process that `confine` has locked into the layer.

Every path is resolved by the kernel inside that root, so no name and no link leads out, whatever it says. Nothing
existing is ever opened for writing: what a member replaces is removed first. Whiteouts become what overlayfs
reads. Directories get their owner, mode, attributes and time last: until then nothing is inherited from them.
"""

# Bytes paths, and a system call for each member: pathlib has neither.
# ruff: noqa: PTH101, PTH102, PTH106, PTH108, PTH114, PTH118

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from stage0.image.attributes import OF_THE_HOST
from stage0.image.model import ImageError
from stage0.image.policy import Limits, over
from stage0.image.tarstream import Member, TarStream, bad, show

_WHITEOUT = b".wh."
_AUFS = b".wh..wh."
_OPAQUE = b".wh..wh..opq"
_OVERLAY_OPAQUE = b"trusted.overlay.opaque"
_XATTRS = (b"user.", b"trusted.", b"security.", b"system.posix_acl_")
_HOST_XATTRS = tuple(map(os.fsencode, OF_THE_HOST))
_CHUNK = 1 << 20
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_TIME_NS = (1 << 63) - 1
_HINT = "the layer is damaged or hostile; fetch or build the image again"
_HINTS = {
    errno.ENOSPC: "free space on the file system of the data root",
    errno.EDQUOT: "free space on the file system of the data root",
    errno.ENOTSUP: "the data root's file system lacks extended attributes; choose another with --dir",
    errno.ENAMETOOLONG: "the image has a name that Linux cannot store",
}


@dataclass(slots=True)
class Report:
    """What the parent needs to know; `implied` are directories that no member described."""

    members: int
    complete: bool
    implied: list[bytes]


@dataclass(slots=True)
class Extraction:
    """What is known of the tree so far. Paths are those of real directories; `aliases` leads there through links."""

    directories: set[bytes] = field(default_factory=lambda: {b""})
    aliases: dict[bytes, bytes] = field(default_factory=dict)
    described: dict[bytes, Member] = field(default_factory=dict)
    implied: set[bytes] = field(default_factory=set)
    whiteouts: set[bytes] = field(default_factory=set)
    made: int = 0


def extract(stream: TarStream, limits: Limits) -> Report:
    """Unpack all members of a stream into the root directory; the mask of new files (umask) must be 0."""
    state = Extraction()
    for member in stream:
        state.made += 1
        _check(state, member, limits)
        try:
            _place(state, stream, member)
        except OSError as error:
            raise _explain(member, error) from None
    for path, member in state.described.items():
        try:
            _describe(b"/" + path, member)
        except OSError as error:
            raise _explain(member, error) from None
    for path in state.implied if b"" in state.described else {*state.implied, b""}:
        os.utime(b"/" + path, ns=(0, 0), follow_symlinks=False)  # the same layer gives the same tree
    return Report(members=state.made, complete=stream.complete, implied=sorted(state.implied))


def _check(state: Extraction, member: Member, limits: Limits) -> None:
    """Refuse what no image needs; the parent counts bytes, but not those of holes."""
    if state.made > limits.files:
        raise over("files", limits.files, f"more than {limits.files} files and directories")
    if len(member.name) > limits.path or len(member.link) > limits.path:
        raise over("path", limits.path, f"a path of {max(len(member.name), len(member.link))} bytes")
    if member.real_size > limits.size:
        raise over("size", limits.size, f"a file of {member.real_size} bytes")


def _explain(member: Member, error: OSError) -> ImageError:
    what = f"cannot unpack {show(member.name)}: {error.strerror or error}"
    return ImageError(what, hint=_HINTS.get(error.errno or 0, _HINT))


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
    parent, _, base = clean(member.name).rpartition(b"/")
    if parent.startswith(_WHITEOUT) or b"/.wh." in parent:
        if any(part.startswith(_AUFS) for part in parent.split(b"/")):
            return
        raise bad(f"the name {show(member.name)} lies below a deletion mark")
    if not base:
        if member.kind != b"5":
            raise bad(f"the member {show(member.name)} would replace the root directory")
        state.described[b""] = member
    elif base.startswith(_WHITEOUT):
        _place_mark(state, parent, base)
    else:
        path = _join(_require(state, parent), base)
        if member.kind == b"5":
            _place_directory(state, member, path)
        else:
            _place_other(state, stream, member, path)


def _join(parent: bytes, base: bytes) -> bytes:
    return parent + b"/" + base if parent else base


def _place_mark(state: Extraction, parent: bytes, base: bytes) -> None:
    """Turn a deletion mark into overlayfs's form; it never hides what this same layer brings."""
    hidden = base[len(_WHITEOUT) :]
    if base == _OPAQUE:
        os.setxattr(b"/" + _require(state, parent), _OVERLAY_OPAQUE, b"y")
    elif base.startswith(_AUFS):
        return
    elif hidden in (b"", b".", b".."):
        raise bad(f"a deletion mark for {show(hidden)} has no meaning")
    else:
        _hide(state, _join(_require(state, parent), hidden))


def _hide(state: Extraction, path: bytes) -> None:
    try:
        os.mknod(b"/" + path, stat.S_IFCHR, 0)
        state.whiteouts.add(path)
    except FileExistsError:
        if _is_directory(b"/" + path):
            os.setxattr(b"/" + path, _OVERLAY_OPAQUE, b"y")


def _place_directory(state: Extraction, member: Member, path: bytes) -> None:
    if path not in state.directories:
        _make_directory(state, path)
    state.implied.discard(path)
    state.described[path] = member


def _is_directory(full: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(full).st_mode)
    except FileNotFoundError:
        return False


def _make_directory(state: Extraction, path: bytes) -> None:
    """Make a directory in place of whatever is there; over a deletion mark of this layer it starts opaque."""
    full = b"/" + path
    try:
        os.mkdir(full, 0o755)
    except FileExistsError:
        marked = path in state.whiteouts
        _remove(state, path)
        os.mkdir(full, 0o755)
        if marked:
            os.setxattr(full, _OVERLAY_OPAQUE, b"y")
    state.directories.add(path)


def _require(state: Extraction, parent: bytes) -> bytes:
    """Give the real path of the directory a member lies in; what nobody described is made and noted."""
    missing = []
    while parent not in state.directories and parent not in state.aliases:
        missing.append(parent)
        parent = parent.rpartition(b"/")[0]
    real = state.aliases.get(parent, parent)
    for path in reversed(missing):
        real = _enter(state, _join(real, path.rpartition(b"/")[2]))
        if real != path:
            state.aliases[path] = real
    return real


def _enter(state: Extraction, path: bytes) -> bytes:
    """Go to a directory that should be there, through a link if it is one; make it if it is not."""
    full = b"/" + path
    if path in state.directories:
        return path
    if path not in state.whiteouts and os.path.lexists(full):
        if not os.path.islink(full):
            raise NotADirectoryError(errno.ENOTDIR, f"{show(path)} is not a directory")
        return _follow(state, full)
    _make_directory(state, path)
    state.implied.add(path)
    state.made += 1
    return path


def _follow(state: Extraction, full: bytes) -> bytes:
    """Find where a link leads inside this root and make the directory there if it is missing."""
    target = os.path.realpath(full)
    if target == full or os.path.islink(target):
        raise OSError(errno.ELOOP, f"{show(full)} is a link that leads nowhere")
    real = b""
    for part in target.strip(b"/").split(b"/"):
        real = _enter(state, _join(real, part)) if part else real
    return real


def _place_other(state: Extraction, stream: TarStream, member: Member, path: bytes) -> None:
    full = b"/" + path
    target = b""
    if member.kind == b"1":
        target = b"/" + clean(member.link)
        if _is_same(target, full):
            return
    try:
        _create(stream, member, full, target)
    except FileExistsError:
        _remove(state, path)
        _create(stream, member, full, target)


def _is_same(one: bytes, other: bytes) -> bool:
    try:
        first, second = os.lstat(one), os.lstat(other)
    except FileNotFoundError:
        return False
    return (first.st_ino, first.st_dev) == (second.st_ino, second.st_dev)


def _create(stream: TarStream, member: Member, full: bytes, target: bytes) -> None:
    match member.kind:
        case b"0" | b"\0" | b"7":
            _create_file(stream, member, full)
            return
        case b"1":
            os.link(target, full, follow_symlinks=False)
            return
        case b"2":
            os.symlink(member.link, full)
        case b"3" | b"4":
            kind = stat.S_IFCHR if member.kind == b"3" else stat.S_IFBLK
            os.mknod(full, kind | 0o600, os.makedev(*member.device))
        case b"6":
            os.mkfifo(full, 0o600)
        case _:
            raise bad(f"{show(member.name)} is of the unknown type {member.kind!r}")
    _describe(full, member)


def _create_file(stream: TarStream, member: Member, full: bytes) -> None:
    """Make a file with as few calls as its attributes allow: of ten thousand each one counts."""
    fd = os.open(full, _NEW_FILE, member.mode & 0o777)
    try:
        if member.sparse is None:
            while data := stream.take_body(_CHUNK):
                _write_all(fd, data)
        else:
            _fill_sparse(stream, member, fd)
        if member.uid or member.gid:
            os.fchown(fd, member.uid, member.gid)
        if member.mode & 0o7000:  # changing the owner clears these
            os.fchmod(fd, member.mode)
        if member.xattrs:
            _set_xattrs(fd, member)
        time = _time(member)
        os.utime(fd, ns=(time, time))
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes | memoryview) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def _fill_sparse(stream: TarStream, member: Member, fd: int) -> None:
    for offset, length in member.sparse or ():
        os.lseek(fd, offset, os.SEEK_SET)
        left = length
        while left:
            data = stream.take_body(min(left, _CHUNK))
            if not data:
                raise bad(f"the sparse file {show(member.name)} is cut short")
            _write_all(fd, data)
            left -= len(data)
    os.ftruncate(fd, member.real_size)


def _describe(full: bytes, member: Member) -> None:
    """Give a node that is no file its attributes; the owner first, since changing it clears others."""
    os.chown(full, member.uid, member.gid, follow_symlinks=False)
    if member.kind != b"2":
        os.chmod(full, member.mode)
    if member.xattrs:
        _set_xattrs(full, member)
    time = _time(member)
    os.utime(full, ns=(time, time), follow_symlinks=False)


def _set_xattrs(target: bytes | int, member: Member) -> None:
    """Set what Linux knows; what overlayfs or the host's policy would act on is the host's own business."""
    for key, value in member.xattrs.items():
        if key.startswith(_XATTRS) and not key.startswith(_HOST_XATTRS):
            if isinstance(target, int):
                os.setxattr(target, key, value)
            elif member.kind == b"5" or not key.startswith(
                b"user."
            ):  # the kernel allows user.* on no other node
                os.setxattr(target, key, value, follow_symlinks=False)


def _time(member: Member) -> int:
    return max(-_MAX_TIME_NS, min(_MAX_TIME_NS, member.mtime_ns))


def _remove(state: Extraction, path: bytes) -> None:
    """Remove whatever lies at a path and forget what was known of it and below."""
    full = b"/" + path
    state.whiteouts.discard(path)
    state.aliases.clear()
    if not _is_directory(full):
        os.unlink(full)
        return
    _remove_tree(full)
    below = path + b"/"
    for known in (state.directories, state.implied, state.whiteouts):
        known.difference_update([entry for entry in known if entry == path or entry.startswith(below)])
    for gone in [known for known in state.described if known == path or known.startswith(below)]:
        del state.described[gone]


def _remove_tree(full: bytes) -> None:
    """Remove a directory; os.walk follows no symbolic link."""
    for directory, directories, files in os.walk(full, topdown=False):
        for name in (*files, *directories):
            entry = os.path.join(directory, name)
            if _is_directory(entry):
                os.rmdir(entry)
            else:
                os.unlink(entry)
    os.rmdir(full)
