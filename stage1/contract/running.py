"""EFFECT. Whether a pod runs: the lock of its directory, held as long as its monitor or supervisor lives."""

from __future__ import annotations

import fcntl
import os


def is_locked(directory: str) -> bool:
    """Probe the lock of a pod's directory without keeping it; False if there is no such directory."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
