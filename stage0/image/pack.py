"""EFFECT. Write a directory tree as a layer.

Pax where ustar cannot say it, names sorted, so that the same tree gives the same digest. Keeps owners, modes,
whole-second times, hard links, devices, fifos, attributes, access lists and holes.
"""
# Bytes paths: names need not be UTF-8.

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stage0.image.attributes import OF_THE_HOST
from stage0.image.model import ImageError
from stage0.image.streams import CHUNK
from stage0.image.tarstream import BLOCK, show
from stage1.contract.errors import NotFoundError

_MAX_OCTAL_7 = 0o7777777
_MAX_OCTAL_11 = 0o77777777777
_NAME_FIELD = 100
_END = bytes(2 * BLOCK)
_KINDS = {
    stat.S_IFREG: b"0", stat.S_IFLNK: b"2", stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4", stat.S_IFDIR: b"5", stat.S_IFIFO: b"6",
}  # fmt: skip


@dataclass(slots=True)
class Packing:
    """What is known while a tree is written: the first name of files with several, the tree's device."""

    root: bytes
    device: int
    links: dict[tuple[int, int], bytes] = field(default_factory=dict)


def pack_directory(root: Path) -> Iterator[bytes]:
    """Write the tree below `root`, and `root` itself, as a tar stream; other file systems in it stay out."""
    try:
        status = root.stat()
    except OSError as error:
        raise NotFoundError(f"dir:{root}: {error.strerror}", hint="check the path") from None
    if not stat.S_ISDIR(status.st_mode):
        raise NotFoundError(f"dir:{root} is not a directory", hint="for an archive write tar:FILE")
    return _gathered(_pack(Packing(os.fsencode(root), status.st_dev), status))


def pack_described(entries: Iterable[tuple[str, os.stat_result, str]]) -> Iterator[bytes]:
    """Write a layer of directories only: path, status, and where to take the extended attributes from."""
    for path, status, origin in entries:
        name = os.fsencode(path) + b"/" if path else b"./"
        yield from _header(name, b"5", status, 0, b"", _xattrs(os.fsencode(origin)))
    yield _END


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces: a header alone is not worth a system call."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _pack(packing: Packing, status: os.stat_result) -> Iterator[bytes]:
    """Write a directory, what lies in it, then its subdirectories: readers can finish one before the next."""
    pending = [(b"", status)]
    while pending:
        directory, status = pending.pop()
        yield from _member(packing, directory or b"./", status)
        below = []
        for name in _names(packing, directory) if status.st_dev == packing.device else ():
            path = directory + name
            found = os.lstat(packing.root + b"/" + path)
            if stat.S_ISDIR(found.st_mode):
                below.append((path + b"/", found))
            elif not stat.S_ISSOCK(found.st_mode):
                yield from _member(packing, path, found)
        pending += reversed(below)
    yield _END


def _names(packing: Packing, directory: bytes) -> list[bytes]:
    names = sorted(os.listdir(packing.root + b"/" + directory))
    for name in names:
        if name.startswith(b".wh."):
            raise ImageError(
                f"{show(directory + name)} has a name that means a deletion in an image",
                hint="rename or remove it",
            )
    return names


def _member(packing: Packing, path: bytes, status: os.stat_result) -> Iterator[bytes]:
    """Write one entry: its header, extended if needed, and its content."""
    full = packing.root + b"/" + path
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    link = b""
    if kind != b"5" and status.st_nlink > 1:
        link = packing.links.setdefault((status.st_dev, status.st_ino), path)
        link = b"" if link == path else link
    if link:
        yield from _header(path, b"1", status, 0, link, {})
        return
    pax = _xattrs(full)
    if kind == b"0" and status.st_size:
        yield from _file(full, path, status, pax)
    else:
        yield from _header(path, kind, status, 0, os.readlink(full) if kind == b"2" else b"", pax)


def _xattrs(full: bytes) -> dict[bytes, bytes]:
    try:
        names = os.listxattr(full, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    return {
        b"SCHILY.xattr." + os.fsencode(name): os.getxattr(full, name, follow_symlinks=False)
        for name in sorted(names)
        if not name.startswith(OF_THE_HOST)
    }


def _file(full: bytes, path: bytes, status: os.stat_result, pax: dict[bytes, bytes]) -> Iterator[bytes]:
    fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if status.st_blocks * BLOCK >= status.st_size:
            yield from _header(path, b"0", status, status.st_size, b"", pax)
            yield from _range(fd, path, 0, status.st_size)
            yield bytes(-status.st_size % BLOCK)
        else:
            yield from _sparse_file(fd, path, status, pax)
    finally:
        os.close(fd)


def _sparse_file(fd: int, path: bytes, status: os.stat_result, pax: dict[bytes, bytes]) -> Iterator[bytes]:
    """Write the map and the data of a file with holes, in pax's sparse format 1.0."""
    ranges = list(_data_ranges(fd, status.st_size))
    numbers = [len(ranges), *(number for pair in ranges for number in pair)]
    table = b"".join(b"%d\n" % number for number in numbers)
    table += bytes(-len(table) % BLOCK)
    size = len(table) + sum(length for _, length in ranges)
    sparse = {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": path,
        b"GNU.sparse.realsize": b"%d" % status.st_size,
    }
    yield from _header(path, b"0", status, size, b"", pax | sparse)
    yield table
    for offset, length in ranges:
        yield from _range(fd, path, offset, length)
    yield bytes(-size % BLOCK)


def _data_ranges(fd: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, end - start
    yield size, 0


def _range(fd: int, path: bytes, offset: int, length: int) -> Iterator[bytes]:
    while length:
        data = os.pread(fd, min(length, CHUNK), offset)
        if not data:
            raise ImageError(f"{show(path)} became shorter while it was read", hint="import a tree at rest")
        yield data
        offset += len(data)
        length -= len(data)


def _header(
    path: bytes, kind: bytes, status: os.stat_result, size: int, link: bytes, pax: dict[bytes, bytes]
) -> Iterator[bytes]:
    """Write a header block, and before it a pax header for what does not fit."""
    records = dict(pax)
    if len(path) > _NAME_FIELD:
        records[b"path"] = path
    if len(link) > _NAME_FIELD:
        records[b"linkpath"] = link
    mtime = status.st_mtime_ns // 10**9
    for key, value, most in (
        (b"uid", status.st_uid, _MAX_OCTAL_7), (b"gid", status.st_gid, _MAX_OCTAL_7),
        (b"size", size, _MAX_OCTAL_11), (b"mtime", mtime, _MAX_OCTAL_11),
    ):  # fmt: skip
        if not 0 <= value <= most:
            records[key] = b"%d" % value
    if records:
        body = b"".join(_record(key, records[key]) for key in sorted(records))
        yield _block(b"././@PaxHeader", b"x", len(body), b"", (0, 0, 0, 0, (0, 0)))
        yield body + bytes(-len(body) % BLOCK)
    device = (os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in b"34" else (0, 0)
    fields = (
        stat.S_IMODE(status.st_mode), _fits(status.st_uid, _MAX_OCTAL_7), _fits(status.st_gid, _MAX_OCTAL_7),
        _fits(mtime, _MAX_OCTAL_11), device,
    )  # fmt: skip
    yield _block(path[:_NAME_FIELD], kind, _fits(size, _MAX_OCTAL_11), link[:_NAME_FIELD], fields)


def _fits(value: int, most: int) -> int:
    return value if 0 <= value <= most else 0


def _record(key: bytes, value: bytes) -> bytes:
    """One pax record; its length counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _block(
    path: bytes, kind: bytes, size: int, link: bytes, fields: tuple[int, int, int, int, tuple[int, int]]
) -> bytes:
    mode, uid, gid, mtime, device = fields
    block = bytearray(BLOCK)
    block[0 : len(path)] = path
    block[100:108] = b"%07o\0" % mode
    block[108:116] = b"%07o\0" % uid
    block[116:124] = b"%07o\0" % gid
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"%011o\0" % mtime
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[157 : 157 + len(link)] = link
    block[257:265] = b"ustar\x0000"
    block[329:337] = b"%07o\0" % device[0]
    block[337:345] = b"%07o\0" % device[1]
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)
