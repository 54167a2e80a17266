"""EFFECT. Where files of a source lie: in a directory, or at offsets of a tar archive."""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stage0.image.extract import clean
from stage0.image.model import ImageError
from stage0.image.streams import PLAIN, compression_of, decompressed, read_chunks
from stage0.image.tarstream import TarStream
from stage1.contract.errors import NotFoundError

_MAX_LINKS = 8


def open_file(path: str, what: str) -> BinaryIO:
    """Open a file the user named."""
    try:
        return Path(path).open("rb", buffering=0)
    except OSError as error:
        raise NotFoundError(f"{what}: cannot open {path}: {error.strerror}", hint="check the path") from None


@dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """Files of a directory."""

    root: Path

    def open(self, name: str) -> BinaryIO:
        """Open a file; a name that leads out of the directory is not there."""
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            raise FileNotFoundError(name)
        return (self.root / name).open("rb", buffering=0)


@dataclass(frozen=True, slots=True)
class _Entry:
    offset: int
    size: int
    link: bytes


class Slice(io.RawIOBase):
    """A part of a file, with a position of its own."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        """Show `size` bytes from `offset`."""
        super().__init__()
        self._fd, self._position, self._end = fd, offset, offset + size

    def readable(self) -> bool:
        """Only reading is possible."""
        return True

    def readinto(self, buffer: object, /) -> int:
        """Fill a buffer as far as the slice reaches."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = os.preadv(self._fd, [view[: max(0, self._end - self._position)]], self._position)
        self._position += count
        return count


class ArchivePlace:
    """Files of a tar archive: one pass over its headers, then direct access."""

    def __init__(self, path: str, what: str, scratch: Path) -> None:
        """Index the archive; a compressed one is first written out to an unnamed file in `scratch`."""
        with ExitStack() as stack:
            file = stack.enter_context(open_file(path, what))
            self._file = stack.enter_context(_plain(file, what, scratch))
            try:
                self._entries = _index(self._file)
            except ImageError as error:
                raise error.within(what) from None
            self._open = stack.pop_all()

    def open(self, name: str) -> BinaryIO:
        """Open a member; links within the archive are followed."""
        wanted = clean(os.fsencode(name))
        for _ in range(_MAX_LINKS):
            entry = self._entries.get(wanted)
            if entry is None:
                break
            if not entry.link:
                return Slice(self._file.fileno(), entry.offset, entry.size)  # type: ignore[return-value]
            wanted = entry.link
        raise FileNotFoundError(name)

    def close(self) -> None:
        """Close the archive."""
        self._open.close()


def _plain(file: BinaryIO, what: str, scratch: Path) -> BinaryIO:
    kind = compression_of(file.read(8))
    file.seek(0)
    if kind == PLAIN:
        return file
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    plain = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 (handed out)
    try:
        for chunk in decompressed(read_chunks(file), kind, what):
            plain.write(chunk)
        plain.flush()
    except BaseException:
        plain.close()
        raise
    return plain


def _index(file: BinaryIO) -> dict[bytes, _Entry]:
    entries: dict[bytes, _Entry] = {}
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    for member in TarStream(file.read, lambda count: _skip(file, count, end)):
        name = clean(member.name)
        link = b""
        if member.kind == b"1":
            link = clean(member.link)
        elif member.kind == b"2":
            link = _resolve(name, member.link)
        entries[name] = _Entry(file.tell(), member.size, link)
    return entries


def _skip(file: BinaryIO, count: int, end: int) -> None:
    if count and file.seek(count, os.SEEK_CUR) > end:
        raise ImageError("the archive ends in the middle of a file", hint="fetch or save it again")


def _resolve(name: bytes, target: bytes) -> bytes:
    """Find the member a symbolic link means."""
    if target.startswith(b"/"):
        return clean(target)
    return clean(name.rpartition(b"/")[0] + b"/" + target)
