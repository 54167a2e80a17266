"""PURE. A seccomp profile as Docker, Podman and the OCI runtime specification have it, in words of systemd's.

A profile is a list of rules over names, with conditions on arguments. systemd has names only, so of conditions those
are taken that it has a setting of its own for; any other is refused by name. A profile never comes out weaker than it
is.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Collection, Iterator

from stage1.contract import SystemCalls, UsageError

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

_ARCHITECTURES = {
    "X86_64": "x86-64", "X86": "x86", "X32": "x32", "AARCH64": "arm64", "ARM": "arm", "PPC64LE": "ppc64-le",
    "PPC64": "ppc64", "PPC": "ppc", "S390X": "s390x", "S390": "s390", "RISCV64": "riscv64", "MIPS64": "mips64",
    "MIPS": "mips", "MIPSEL64": "mips64-le", "MIPSEL": "mips-le", "MIPS64N32": "mips64-n32",
    "MIPSEL64N32": "mips64-le-n32",
}  # fmt: skip
_FAMILIES = {16: "AF_NETLINK", 17: "AF_PACKET", 38: "AF_ALG", 40: "AF_VSOCK"}
_NAMESPACE_FLAGS = 0x7E020000
_ERRORS = {"SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD"}
_HINT = "a profile as of `docker run --security-opt seccomp=FILE`; see SYSTEM CALLS in pod(1)"
_KERNEL_FLOOR = (5, 15)


class _Profile:
    """Rules that apply to this app on this machine, sorted by what they do."""

    def __init__(self) -> None:
        self.allow: dict[str, None] = {}
        self.deny: dict[str, str] = {}
        self.families: set[str] = set()
        self.namespaces = True
        self.personality = True


def from_profile(text: str, capabilities: Collection[str], architecture: str) -> SystemCalls:
    """The text of a profile for an app with these capabilities; `architecture` as images name it."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(f"not JSON: {error}") from None
    try:
        return _translated(document, capabilities, architecture)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise _refused(f"not a profile: {error}") from None


def _refused(what: str) -> UsageError:
    return UsageError(f"--seccomp: {what}", hint=_HINT)


def _translated(document: dict[str, Any], capabilities: Collection[str], architecture: str) -> SystemCalls:
    found = _Profile()
    for rule in document.get("syscalls") or ():
        if _applies(rule, capabilities, architecture):
            _take(rule, found, document)
    default = document["defaultAction"]
    if default not in _ERRORS | {"SCMP_ACT_ALLOW"}:
        raise _refused(f"the default action {default} is none that systemd has")
    allows = default == "SCMP_ACT_ALLOW"
    return SystemCalls(
        allow=() if allows else tuple(name for name in found.allow if name not in found.deny),
        deny=tuple(f"{name}:{number}" for name, number in found.deny.items()),
        errno="EPERM" if allows else _number(default, document.get("defaultErrnoRet")),
        architectures=tuple(_architectures(document, architecture)),
        families=tuple(sorted(found.families)),
        namespaces=found.namespaces,
        personality=found.personality,
    )


def _applies(rule: dict[str, Any], capabilities: Collection[str], architecture: str) -> bool:
    wanted, barred = rule.get("includes") or {}, rule.get("excludes") or {}
    return not (
        any(name not in capabilities for name in wanted.get("caps") or ())
        or any(name in capabilities for name in barred.get("caps") or ())
        or (wanted.get("arches") and architecture not in wanted["arches"])
        or architecture in (barred.get("arches") or ())
        or (_depends_on_kernel(wanted, barred) and rule["action"] == "SCMP_ACT_ALLOW")
    )


def _depends_on_kernel(wanted: dict[str, Any], barred: dict[str, Any]) -> bool:
    """True for what not all kernels that pods run on have in common: then nothing is allowed by it."""
    return tuple(map(int, wanted.get("minKernel", "0").split("."))) > _KERNEL_FLOOR or "minKernel" in barred


def _take(rule: dict[str, Any], found: _Profile, document: dict[str, Any]) -> None:
    names = rule.get("names") or [rule["name"]]
    if bad := [name for name in names if not re.fullmatch(r"[a-z_][a-z0-9_]*", name)]:
        raise _refused(f"{bad[0]!r} is no system call")
    action = rule["action"]
    if action == "SCMP_ACT_ALLOW":
        for name in names:
            _condition(name, rule.get("args") or (), found)
            found.allow[name] = None
    elif action in _ERRORS and not rule.get("args"):
        number = rule.get("errnoRet", document.get("defaultErrnoRet"))
        found.deny |= dict.fromkeys(names, _number(action, number))
    else:
        what = (
            f"the action {action}"
            if action not in _ERRORS
            else "a condition on the arguments of what is forbidden"
        )
        raise _refused(f"{names[0]}: {what} is nothing that systemd can say")


def _condition(name: str, arguments: Collection[dict[str, Any]], found: _Profile) -> None:
    """Settings of systemd's that hold an app at least as tight as a condition of the profile."""
    for argument in arguments:
        what = (argument["op"], argument["value"], argument.get("valueTwo", 0))
        if name == "clone" and what == ("SCMP_CMP_MASKED_EQ", _NAMESPACE_FLAGS, 0):
            found.namespaces = False
        elif name == "personality" and what[0] == "SCMP_CMP_EQ":
            found.personality = False
        elif (
            name == "socket" and argument["index"] == 0 and what[0] == "SCMP_CMP_NE" and what[1] in _FAMILIES
        ):
            found.families.add(_FAMILIES[what[1]])
        else:
            raise _refused(f"{name}: its condition {argument} is nothing that systemd can say")


def _number(action: str, value: int | None) -> str:
    if action != "SCMP_ACT_ERRNO":
        return "kill"
    return errno.errorcode[errno.EPERM if value is None else value]


def _architectures(document: dict[str, Any], architecture: str) -> Iterator[str]:
    """The native one always; of the others those that the profile has beside it."""
    own = {
        "amd64": "X86_64",
        "arm64": "AARCH64",
        "386": "X86",
        "s390x": "S390X",
        "riscv64": "RISCV64",
        "ppc64le": "PPC64LE",
    }
    yield "native"
    native = own.get(architecture)
    names = list(document.get("architectures") or ())
    for entry in document.get("archMap") or ():
        if entry["architecture"] == f"SCMP_ARCH_{native}":
            names += entry.get("subArchitectures") or ()
    for name in dict.fromkeys(name.removeprefix("SCMP_ARCH_") for name in names):
        if name not in _ARCHITECTURES:
            raise _refused(f"there is no architecture {name}")
        if name != native:
            yield _ARCHITECTURES[name]
