"""EFFECT. inotify(7): sleep until something below a few directories changes, instead of looking again and again."""

from __future__ import annotations

import ctypes
import os
import select
import struct
from collections.abc import Callable
from pathlib import Path

_EVENT = struct.Struct("iIII")
_MODIFY, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
_ONLY_DIRECTORY = 0x01000000
_CHANGES = _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLY_DIRECTORY
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Directories that are watched; closed at the end of a `with`."""

    def __init__(self) -> None:
        self._descriptor = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), f"inotify: {os.strerror(ctypes.get_errno())}")
        self._paths: dict[int, Path] = {}
        self._ends: list[int] = []
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (self._descriptor, *self._ends):
            os.close(descriptor)

    def fileno(self) -> int:
        """For who waits for other things as well; `wait(0)` then tells what has changed."""
        return int(self._descriptor)

    def add(self, *paths: Path) -> bool:
        """Watch these directories too; True if one of them was not watched before.

        One that is not there (yet) is left out, one that is watched stays so.
        """
        known = len(self._paths)
        for path in paths:
            number = _libc.inotify_add_watch(self._descriptor, os.fsencode(path), _CHANGES)
            if number >= 0:
                self._paths[number] = path
        return len(self._paths) > known

    def add_file(self, path: Path) -> None:
        """Wake up as well when this file of the kernel says something new; one that is not there is left out."""
        _libc.inotify_add_watch(self._descriptor, os.fsencode(path), _MODIFY)

    def also_call(self, call: Callable[[], object]) -> None:
        """Wake up as well when this call returns, which sleeps in the kernel: for flock(2) nothing can be polled."""
        import threading  # noqa: PLC0415  few who watch need it

        ours, theirs = os.pipe2(os.O_CLOEXEC)
        self._ends.append(ours)
        self.also(ours)

        def run() -> None:
            try:
                call()
            finally:
                os.close(theirs)

        threading.Thread(target=run, daemon=True).start()

    def also(self, descriptor: int) -> None:
        """Wake up as well when this descriptor can be read or has ended."""
        self._poll.register(descriptor, select.POLLIN)

    def wait(self, seconds: float | None = None) -> frozenset[Path]:
        """The directories in which something has changed since the last call; sleeps until there is one."""
        for descriptor, _ in self._poll.poll(None if seconds is None else seconds * 1000):
            if descriptor in self._ends:  # it has said all it has to say
                self._poll.unregister(descriptor)
        try:
            data = os.read(self._descriptor, 65536)
        except BlockingIOError:
            return frozenset()
        changed, offset = set(), 0
        while offset < len(data):
            number, _, _, size = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size + size
            if number in self._paths:
                changed.add(self._paths[number])
        return frozenset(changed)
