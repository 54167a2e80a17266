"""EFFECT. Streams of layers: copied to a blob, decompressed and hashed in one pass.

Pieces stay small whatever the compression: a megabyte of input is never turned into a gigabyte at once.
"""

from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from stage0.image.model import ImageError
from stage1.contract.errors import HostError

CHUNK = 1 << 20
GZIP, ZSTD, BZIP2, XZ, PLAIN = "gzip", "zstd", "bzip2", "xz", "plain"
_MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD, b"BZh": BZIP2, b"\xfd7zXZ\0": XZ}
_MAX_WINDOW = 1 << 27
_HINT = "the file is damaged; fetch or build it again"


class Tally:
    """A running sha256 and length."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    def update(self, data: bytes) -> None:
        """Count more bytes."""
        self._hash.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """`sha256:HEX` of all bytes so far."""
        return f"sha256:{self._hash.hexdigest()}"


def digest_of(data: bytes) -> str:
    """Give `sha256:HEX` of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def compression_of(start: bytes) -> str:
    """Recognise a compression by the first bytes; media types are often wrong."""
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), PLAIN)


def read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Read a stream to its end and close it."""
    with stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def tallied(chunks: Iterable[bytes], tally: Tally, sink: BinaryIO | None = None) -> Iterator[bytes]:
    """Pass chunks on, counting and hashing them, and copying them to `sink`."""
    for chunk in chunks:
        tally.update(chunk)
        if sink:
            sink.write(chunk)
        yield chunk


def decompressed(chunks: Iterator[bytes], kind: str, what: str) -> Iterator[bytes]:
    """Decompress chunks of one kind; several compressed members one after the other are one stream."""
    try:
        match kind:
            case "plain":
                yield from chunks
            case "gzip":
                yield from _gzip(chunks)
            case "zstd":
                yield from _zstd(chunks)
            case _:
                yield from _by_module(chunks, kind)
    except (zlib.error, lzma.LZMAError, EOFError, _DecompressError) as error:
        raise ImageError(f"{what} cannot be decompressed as {kind}: {error}", hint=_HINT) from None


class _DecompressError(Exception):
    """The errors of bz2 and zstandard, which would pass for others."""


def _gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    machine, begun = zlib.decompressobj(wbits=31), False
    for chunk in chunks:
        data = chunk
        while data:
            if not begun:
                data = data.lstrip(b"\0")  # padding of tapes and of some writers
                begun = bool(data)
                continue
            piece = machine.decompress(data, CHUNK)
            yield piece
            data = machine.unconsumed_tail
            if machine.eof:
                data, begun = machine.unused_data, False
                machine = zlib.decompressobj(wbits=31)
    if begun:
        yield machine.flush()
        if not machine.eof:
            raise EOFError("it ends in the middle")


def _by_module(chunks: Iterable[bytes], kind: str) -> Iterator[bytes]:
    """Decompress with bz2 or lzma, whose objects are alike."""
    machine, begun = _new(kind), False
    for chunk in chunks:
        data = chunk
        while data or (begun and not machine.needs_input):
            if not begun:
                data = data.lstrip(b"\0")
                begun = bool(data)
                continue
            try:
                yield machine.decompress(data, CHUNK)
            except OSError as error:
                raise _DecompressError(str(error)) from None
            data = b""
            if machine.eof:
                data, machine, begun = machine.unused_data, _new(kind), False
    if begun:
        raise EOFError("it ends in the middle")


def _new(kind: str) -> bz2.BZ2Decompressor | lzma.LZMADecompressor:
    return bz2.BZ2Decompressor() if kind == BZIP2 else lzma.LZMADecompressor()


class _ChunkFile(io.RawIOBase):
    """Chunks as a file, for readers that want one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """Give at most `size` bytes, b"" at the end."""
        while not self._rest:
            following = next(self._chunks, None)
            if following is None:
                return b""
            self._rest = following
        data = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(data) :]
        return data


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress frames; a cut is not noticed here but by the layer's digest or the archive's end."""
    try:
        import zstandard  # noqa: PLC0415 (most layers are gzip)
    except ImportError:
        hint = "install python3-zstandard (Debian, Fedora) or python-zstandard (Arch)"
        raise HostError(
            "a layer is compressed by zstd, but the Python package zstandard is missing", hint=hint
        ) from None
    source = cast("BinaryIO", _ChunkFile(chunks))
    reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(
        source, read_across_frames=True
    )
    try:
        while piece := reader.read(CHUNK):
            yield piece
    except zstandard.ZstdError as error:
        raise _DecompressError(str(error)) from None
