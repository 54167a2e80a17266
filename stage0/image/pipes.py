"""EFFECT. Read a pipe with few system calls and few copies: the unpacking child's end of its layer."""

from __future__ import annotations

import os

_SIZE = 1 << 20


class PipeReader:
    """A buffer that is filled by one read(2) and given out in pieces."""

    def __init__(self, fd: int) -> None:
        """Read from the descriptor."""
        self._fd = fd
        self._buffer = memoryview(bytearray(_SIZE))
        self._position = self._end = 0

    def take(self, limit: int) -> memoryview:
        """Give at most `limit` bytes, none only at the end; valid until the next call."""
        if self._position == self._end:
            self._position, self._end = 0, os.readv(self._fd, [self._buffer])
        start, self._position = self._position, min(self._position + limit, self._end)
        return self._buffer[start : self._position]

    def read(self, count: int) -> bytes:
        """Give exactly `count` bytes, fewer only at the end."""
        piece = self.take(count)
        if len(piece) == count:
            return bytes(piece)
        parts = [bytes(piece)]
        missing = count - len(piece)
        while missing and (piece := self.take(missing)):
            parts.append(bytes(piece))
            missing -= len(piece)
        return b"".join(parts)

    def drain(self) -> None:
        """Read to the end, so that the writer can hash all of it."""
        while os.readv(self._fd, [self._buffer]):
            pass
        self._position = self._end = 0


def feed(fd: int, chunk: bytes) -> None:
    """Write all of a chunk."""
    written = os.write(fd, chunk)
    if written < len(chunk):
        view = memoryview(chunk)[written:]
        while view:
            view = view[os.write(fd, view) :]
