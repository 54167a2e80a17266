"""EFFECT. Streams of layers: copied to a blob, decompressed and hashed in one pass."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

from stage0.image.model import ImageError

CHUNK = 1 << 20
GZIP, ZSTD, BZIP2, XZ, PLAIN = "gzip", "zstd", "bzip2", "xz", "plain"
_MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD, b"BZh": BZIP2, b"\xfd7zXZ\0": XZ}
_HINT = "fetch or build it again"


class Decompressor(Protocol):
    """What zlib, zstandard, bz2 and lzma have in common."""

    @property
    def unused_data(self) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, /) -> bytes: ...


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
    """`sha256:HEX` of some bytes."""
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


def decompressed(chunks: Iterable[bytes], kind: str, what: str) -> Iterator[bytes]:
    """Decompress chunks of one kind; several compressed members one after the other are one stream."""
    if kind == PLAIN:
        yield from chunks
        return
    machine, begun = _new(kind), False
    for chunk in chunks:
        data = chunk
        while data:
            if not begun:
                data = data.lstrip(b"\0")  # padding of tapes and of some writers
                begun = bool(data)
                continue
            yield _step(machine, data, what)
            data = machine.unused_data if machine.eof else b""
            if machine.eof:
                machine, begun = _new(kind), False
    if begun:
        raise ImageError(f"{what} ends in the middle of its {kind} data", hint=_HINT)


def _step(machine: Decompressor, data: bytes, what: str) -> bytes:
    try:
        return machine.decompress(data)
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise ImageError(f"{what} cannot be decompressed ({error})", hint=_HINT) from None


def _new(kind: str) -> Decompressor:
    match kind:
        case "gzip":
            return zlib.decompressobj(wbits=31)
        case "bzip2":
            return bz2.BZ2Decompressor()
        case "xz":
            return lzma.LZMADecompressor()
        case _:
            return _Zstd()


class _Zstd:
    """The zstandard package with its own error turned into one that all share."""

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 (most layers are gzip)

        self._error = zstandard.ZstdError
        self._object = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    @property
    def eof(self) -> bool:
        return self._object.eof

    def decompress(self, data: bytes, /) -> bytes:
        try:
            return self._object.decompress(data)
        except self._error as error:
            raise OSError(str(error)) from None
