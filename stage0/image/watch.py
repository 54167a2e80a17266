"""EFFECT. inotify(7): wait for files to come, grow and get their names."""

from __future__ import annotations

import ctypes
import os
import select
from collections.abc import Sequence
from pathlib import Path

from stage1.contract.errors import HostError

MODIFIED, MOVED_TO, CREATED = 0x2, 0x80, 0x100
GONE = 0x4 | 0x400 | 0x800  # removed or renamed; of a file that is open the first sign is its link count
_IN_CLOEXEC, _IN_NONBLOCK = os.O_CLOEXEC, os.O_NONBLOCK


class Watch:
    """A descriptor that becomes readable when something happens to one of the paths."""

    def __init__(self, paths: Sequence[Path], mask: int) -> None:
        """What happens from now on counts; a path that is gone already is passed over."""
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(_IN_CLOEXEC | _IN_NONBLOCK)
        if self.fd < 0:
            raise HostError(
                f"cannot watch files: {os.strerror(ctypes.get_errno())}",
                hint="raise fs.inotify.max_user_instances with sysctl",
            )
        for path in paths:
            libc.inotify_add_watch(self.fd, os.fsencode(path), mask)

    def wait(self, seconds: float, *others: int) -> None:
        """Until something has happened, another descriptor is readable, or the time is over."""
        poller = select.poll()
        for fd in (self.fd, *others):
            poller.register(fd, select.POLLIN)
        ready = dict(poller.poll(seconds * 1000))
        if self.fd in ready:
            os.read(self.fd, 1 << 16)

    def close(self) -> None:
        """Watch no longer."""
        os.close(self.fd)
