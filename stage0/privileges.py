"""EFFECT. What a process gives up for good before it touches what it does not trust: rights, and open files.

Nothing is loaded here once a caller has entered a foreign root: the C library's own symbols are all that is called.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
# The numbers of capabilities(7).
CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SYS_ADMIN, MKNOD, SETFCAP = 0, 1, 2, 3, 4, 21, 27, 31

_libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise what errno says of a call of the C library that failed; `what` was tried."""
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"cannot {what}: {os.strerror(error)}")


def keep_capabilities(kept: tuple[int, ...]) -> None:
    """Have no others, permitted, effective or by executing anything; OSError if the kernel refuses."""
    check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up new privileges")
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in kept and _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # above the kernel's last one
    low = sum(1 << capability for capability in kept)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0)
    check(_libc.capset(header, data), "give up capabilities")


def close_all_but(keep: tuple[int, ...]) -> None:
    """Close every other descriptor."""
    start = 0
    for descriptor in sorted(set(keep)):
        if start < descriptor:  # an empty range that ends at 0 would be taken for all of them
            os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL at the parent's death; leave at once if it is dead already."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
