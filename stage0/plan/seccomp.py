"""PURE. `--seccomp`: which system calls an app can make, as a list, as one of systemd's sets, or as an OCI profile."""

from __future__ import annotations

import errno
import re
from collections.abc import Collection

from stage0.plan.ociseccomp import from_profile
from stage1.contract import SystemCalls, UsageError

# Groups of systemd 252 (systemd-analyze syscall-filter); later releases have more, which older ones would ignore.
SETS = frozenset({
    "@aio", "@basic-io", "@chown", "@clock", "@cpu-emulation", "@debug", "@default", "@file-system", "@io-event",
    "@ipc", "@keyring", "@known", "@memlock", "@module", "@mount", "@network-io", "@obsolete", "@pkey", "@privileged",
    "@process", "@raw-io", "@reboot", "@resources", "@setuid", "@signal", "@swap", "@sync", "@system-service",
    "@timer",
})  # fmt: skip
# Beyond systemd's list for services: what images of whole systems do to their own root, and what programs use to
# confine themselves or to protect memory.
_MORE = (
    "chroot", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "memfd_secret", "mincore",
    "@pkey", "process_mrelease", "seccomp",
)  # fmt: skip
# What programs try and expect to be forbidden. Any other call ends as if the kernel did not have it: a newer C library
# then falls back, where EPERM would be an error to it.
_FORBIDDEN = (
    "acct", "bpf", "clock_settime", "delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen",
    "fspick", "init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load", "mount", "mount_setattr", "move_mount",
    "open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd", "pivot_root", "process_vm_readv",
    "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "setdomainname", "sethostname", "settimeofday",
    "swapoff", "swapon", "syslog", "umount2", "vhangup",
    # in systemd's list, but keys are the user's and not the pod's, and the others have led into the kernel before
    "add_key", "io_uring_enter", "io_uring_register", "io_uring_setup", "kcmp", "keyctl", "migrate_pages",
    "move_pages", "request_key", "userfaultfd",
)  # fmt: skip
# A capability is of no use without its calls.
_WITH_CAPABILITY = {
    "CAP_BPF": ("bpf",),
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
    "CAP_PERFMON": ("perf_event_open",),
    "CAP_SYSLOG": ("syslog",),
    "CAP_SYS_ADMIN": (
        "bpf", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount",
        "open_tree", "perf_event_open", "pivot_root", "quotactl", "quotactl_fd", "setdomainname", "sethostname",
        "syslog", "umount2",
    ),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYS_MODULE": ("delete_module", "finit_module", "init_module"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp", "pidfd_getfd", "process_vm_readv", "process_vm_writev", "ptrace"),
    "CAP_SYS_RAWIO": ("ioperm", "iopl"),
    "CAP_SYS_TIME": ("adjtimex", "clock_adjtime", "clock_settime", "settimeofday"),
    "CAP_SYS_TTY_CONFIG": ("vhangup",),
}  # fmt: skip
OFF = SystemCalls(architectures=(), namespaces=True)
_HINT = (
    "default, unconfined, FILE.json, @SET,CALL,… to allow these only, or ~@SET,CALL[:ERRNO],… to forbid them"
)
_CALL = r"@?[a-z][a-z0-9_-]*"


def system_calls(
    text: str | None, capabilities: Collection[str], architecture: str, known: Collection[str] | None = None
) -> SystemCalls:
    """What an app with these capabilities can call; `known` are all names there are, if that could be found out."""
    if text is None or text == "default":
        return default(capabilities)
    if text == "unconfined":
        return OFF
    if text.lstrip().startswith("{"):
        return from_profile(text, capabilities, architecture)
    return _listed(text, known)


def default(capabilities: Collection[str]) -> SystemCalls:
    """The list for apps that ask for none."""
    more = tuple(call for name in sorted(capabilities) for call in _WITH_CAPABILITY.get(name, ()))
    return SystemCalls(
        allow=("@system-service", *dict.fromkeys((*_MORE, *more))),
        deny=tuple(f"{call}:EPERM" for call in _FORBIDDEN if call not in more),
        errno="ENOSYS",
        families=("AF_ALG", "AF_VSOCK"),
        namespaces="CAP_SYS_ADMIN" in capabilities,
        personality=False,
    )


def _listed(text: str, known: Collection[str] | None) -> SystemCalls:
    forbids, words = text.startswith("~"), [word.strip() for word in text.removeprefix("~").split(",")]
    number = "EPERM"
    calls: list[str] = []
    for word in words:
        if word.startswith("errno="):
            number = _errno(word.removeprefix("errno="), text)
        else:
            calls.append(_call(word, text, known))
    if not calls:
        raise UsageError(f"--seccomp={text}: names no system call", hint=_HINT)
    allow, deny = ((), tuple(calls)) if forbids else (tuple(calls), ())
    return SystemCalls(allow=allow, deny=deny, errno=number, namespaces=True)


def _call(word: str, text: str, known: Collection[str] | None) -> str:
    """A name or set, maybe with the error it ends with: what systemd does not know it would leave out in silence."""
    name, colon, number = word.partition(":")
    unknown = name not in SETS if name.startswith("@") else known is not None and name not in known
    if not re.fullmatch(_CALL, name) or unknown:
        raise UsageError(f"--seccomp={text}: there is no {name!r} here", hint=_HINT)
    return f"{name}:{_errno(number, text)}" if colon else name


def _errno(word: str, text: str) -> str:
    if word == "kill" or word in errno.errorcode.values():
        return word
    raise UsageError(
        f"--seccomp={text}: {word!r} is no error", hint="such as EPERM, ENOSYS, EACCES; or kill"
    )
