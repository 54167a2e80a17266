"""EFFECT. Lock this process into one directory for good, before it reads anything an image made.

After `confine` the directory is the root of a private mount namespace that holds nothing else: there is no
path, no descriptor and no mount to the host's files. Device nodes can be made in it but not opened (nodev), and
of the rights of root only those remain that describing files needs.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

from stage1.contract.errors import HostError

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x2, 0x4, 0x8
_MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_SYS_PIVOT_ROOT = {
    "x86_64": 155,
    "aarch64": 41,
    "riscv64": 41,
    "s390x": 217,
    "ppc64le": 203,
    "loongarch64": 41,
}
_CAPABILITY_VERSION_3 = 0x20080522

# chown, dac_override, fowner, fsetid, sys_admin (trusted.* attributes), mknod, setfcap
_KEPT = (0, 1, 3, 4, 21, 27, 31)
_LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL at the parent's death; leave at once if it is dead already."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def confine(directory: Path, keep: tuple[int, ...]) -> None:
    """Make the directory all there is; of the open files only `keep` stay."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _mount(None, b"/", _MS_REC | _MS_PRIVATE)
    _mount(os.fsencode(directory), os.fsencode(directory), _MS_BIND)
    os.chdir(directory)
    _mount(None, b".", _MS_REMOUNT | _MS_BIND | _MS_NODEV | _MS_NOSUID | _MS_NOEXEC)
    _check(_libc.syscall(_pivot_root_number(), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")
    close_all_but(keep)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _drop_capabilities()


def _pivot_root_number() -> int:
    machine = os.uname().machine
    if machine not in _SYS_PIVOT_ROOT:
        raise HostError(
            f"unpacking is not prepared for {machine}", hint="report the architecture to the project"
        )
    return _SYS_PIVOT_ROOT[machine]


def _mount(source: bytes | None, target: bytes, flags: int) -> None:
    _check(_libc.mount(source, target, None, ctypes.c_ulong(flags), None), "mount")


def close_all_but(keep: tuple[int, ...]) -> None:
    """Close every other descriptor."""
    start = 0
    for fd in sorted(keep):
        if start < fd:  # an empty range that ends at 0 would be taken for all of them
            os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _drop_capabilities() -> None:
    """Keep `_KEPT` in the effective and permitted sets only; nothing can be gained by exec."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in _KEPT and _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # above the kernel's last one
    low = sum(1 << capability for capability in _KEPT)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0)
    _check(_libc.capset(header, data), "capset")


def _check(result: int, call: str) -> None:
    if result < 0:
        reason = os.strerror(ctypes.get_errno())
        raise HostError(f"cannot lock the unpacking process into its directory: {call}: {reason}",
                        hint="run as root, where mount namespaces are allowed")  # fmt: skip
