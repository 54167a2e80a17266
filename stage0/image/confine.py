"""EFFECT. Lock this process into one directory for good, before it reads anything an image made.

After `confine` the directory is the root of a private mount namespace that holds nothing else: there is no
path, no descriptor and no mount to the host's files. Device nodes can be made in it but not opened (nodev), and
of the rights of root only those remain that describing files needs.
"""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path

from stage0 import privileges
from stage1.contract.errors import HostError

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x2, 0x4, 0x8
_MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_SYS_PIVOT_ROOT = {
    "x86_64": 155,
    "aarch64": 41,
    "riscv64": 41,
    "s390x": 217,
    "ppc64le": 203,
    "loongarch64": 41,
}
# describing files, device nodes and trusted.* attributes too, and no other right of root
_KEPT = (
    privileges.CHOWN, privileges.DAC_OVERRIDE, privileges.FOWNER, privileges.FSETID, privileges.SYS_ADMIN,
    privileges.MKNOD, privileges.SETFCAP,
)  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


def confine(directory: Path, keep: tuple[int, ...]) -> None:
    """Make the directory all there is; of the open files only `keep` stay."""
    try:
        _lock_into(directory, keep)
    except OSError as error:
        raise HostError(f"cannot lock the unpacking process into its directory: {error.strerror}",
                        hint="run as root, where mount namespaces are allowed") from None  # fmt: skip


def _lock_into(directory: Path, keep: tuple[int, ...]) -> None:
    privileges.check(_libc.unshare(_CLONE_NEWNS), "make a mount namespace")
    _mount(None, b"/", _MS_REC | _MS_PRIVATE)
    _mount(os.fsencode(directory), os.fsencode(directory), _MS_BIND)
    os.chdir(directory)
    _mount(None, b".", _MS_REMOUNT | _MS_BIND | _MS_NODEV | _MS_NOSUID | _MS_NOEXEC)
    privileges.check(_libc.syscall(_pivot_root_number(), b".", b"."), "pivot the root")
    privileges.check(_libc.umount2(b".", _MNT_DETACH), "unmount the old root")
    os.chdir("/")
    privileges.close_all_but(keep)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    privileges.keep_capabilities(_KEPT)


def _pivot_root_number() -> int:
    machine = os.uname().machine
    if machine not in _SYS_PIVOT_ROOT:
        raise HostError(
            f"unpacking is not prepared for {machine}", hint="report the architecture to the project"
        )
    return _SYS_PIVOT_ROOT[machine]


def _mount(source: bytes | None, target: bytes, flags: int) -> None:
    privileges.check(_libc.mount(source, target, None, ctypes.c_ulong(flags), None), "mount")
