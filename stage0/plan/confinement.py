"""PURE. What an app may do: rights, system calls, devices, hidden paths, labels."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Sequence

from stage0.plan import capabilities, seccomp
from stage0.plan.mounts import is_sayable
from stage0.request import AppRequest
from stage1.contract import Confinement, Device, Tmpfs, UsageError, User
from stage1.contract.values import NamedTuple

# What tells about the host, or of other pods, and is no business of an app. In a pod with ids of its own the kernel
# keeps it to itself: the files are the host's root's, show zeros, or only what is the pod's. Each hidden path costs an
# app's start 3 ms.
HIDDEN = ("/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/timer_list")
# What programs expect to be writable even where their image is not.
SCRATCH = ("/run", "/tmp", "/var/tmp")  # noqa: S108
_DEVICE_HINT = "write /dev/NODE[:/PATH][:RIGHTS], RIGHTS of r, w and m"


class Host(NamedTuple):
    """What the plan of confinement asks of the host: `calls` and `labels` only where an app's wish needs them."""

    architecture: str = "amd64"
    calls: frozenset[str] | None = None
    labels: frozenset[str] = frozenset()


def confinement(wish: AppRequest, user: User, *, own_ids: bool, host: Host, name: str) -> Confinement:
    """Everything an app may do, with all defaults resolved."""
    bounding, asked = _capabilities(wish)
    if wish.privileged:
        calls = (
            seccomp.OFF
            if wish.seccomp is None
            else seccomp.system_calls(wish.seccomp, bounding, host.architecture, host.calls)
        )
    else:
        calls = seccomp.system_calls(wish.seccomp, bounding, host.architecture, host.calls)
    needs_it = user.uid != 0 and not wish.privileged
    if needs_it and wish.no_new_privileges is False:
        # systemd(1) of 252 sets it for who is not root and has any filter, closed devices among them
        raise UsageError(
            f"app {name}: --no-new-privileges=no has no effect for an app that is not root and is filtered",
            hint="run it as root (--user 0), or --privileged",
        )
    apparmor, selinux = _labels(wish.security_label, host.labels)
    return Confinement(
        privileged=wish.privileged,
        capabilities=bounding,
        ambient=asked if user.uid != 0 else (),
        no_new_privileges=needs_it if wish.no_new_privileges is None else wish.no_new_privileges,
        system_calls=calls,
        devices=_devices(wish.device, name),
        hidden=_hidden(wish, name, own_ids=own_ids),
        read_only=wish.read_only,
        apparmor=apparmor,
        selinux=selinux,
    )


def _capabilities(wish: AppRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not wish.privileged:
        return capabilities.chosen(wish.cap_only, wish.cap_add, wish.cap_drop)
    if wish.cap_only is not None or wish.cap_add:
        raise UsageError("--privileged gives all capabilities", hint="leave out --cap-add and --cap-only")
    return capabilities.chosen(("all",), (), wish.cap_drop)[0], ()


def scratch(wish: AppRequest, taken: Collection[str]) -> tuple[Tmpfs, ...]:
    """With a read-only root, file systems in memory where nothing else is mounted."""
    return tuple(
        Tmpfs(target=path, mode=0o755 if path == "/run" else 0o1777)
        for path in SCRATCH
        if wish.read_only and path not in taken
    )


def _devices(texts: Sequence[str], app: str) -> tuple[Device, ...]:
    found = tuple(_device(text) for text in texts)
    targets = [device.target for device in found]
    for target in targets:
        if targets.count(target) > 1:
            raise UsageError(f"app {app}: two devices at {target}", hint="give one of them another path")
    return found


def _device(text: str) -> Device:
    parts = text.split(":")
    rights = parts.pop() if len(parts) > 1 and not parts[-1].startswith("/") else "rwm"
    target = parts[1] if len(parts) == 2 else parts[0]
    good = len(parts) <= 2 and all(is_absolute(path) for path in parts) and target != "/"
    # as systemd takes it for its own list of devices
    good = good and re.fullmatch(r"/+dev/\S+", parts[0]) is not None
    if not good or not re.fullmatch(r"(?!.*(.).*\1)[rwm]+", rights):
        raise UsageError(f"--device {text!r} is not a device", hint=_DEVICE_HINT)
    return Device(source=posixpath.normpath(parts[0]), target=posixpath.normpath(target), rights=rights)


def is_absolute(path: str) -> bool:
    """An absolute path that a unit can carry."""
    return path.startswith("/") and ".." not in path.split("/") and is_sayable(path)


def _hidden(wish: AppRequest, name: str, *, own_ids: bool) -> tuple[str, ...]:
    """What the app asks for, and what it did not ask to see."""
    asked = [posixpath.normpath(path) for path in (*wish.mask_path, *wish.unmask) if path != "all"]
    if bad := [path for path in asked if not is_absolute(path)]:
        raise UsageError(
            f"app {name}: {bad[0]!r} is not an absolute path", hint="see --mask-path and --unmask"
        )
    everything = "all" in wish.unmask or wish.privileged
    shown = set(HIDDEN) if everything else set(map(posixpath.normpath, wish.unmask))
    masked = map(posixpath.normpath, wish.mask_path)
    by_default = () if own_ids else HIDDEN
    return tuple(path for path in dict.fromkeys((*by_default, *masked)) if path not in shown)


def _labels(texts: Sequence[str], known: Collection[str]) -> tuple[str | None, str | None]:
    """`apparmor:PROFILE` and `selinux:CONTEXT`."""
    found: dict[str, str] = {}
    for text in texts:
        kind, _, label = text.partition(":")
        if kind not in {"apparmor", "selinux"} or not re.fullmatch(r"[!-~]+", label) or kind in found:
            raise UsageError(
                f"--security-label={text}: not a label",
                hint="write apparmor:PROFILE or selinux:CONTEXT, each once",
            )
        if kind not in known:
            raise UsageError(
                f"--security-label={text}: this host has no {'AppArmor' if kind == 'apparmor' else 'SELinux'}",
                hint="leave it out, or boot with security= or lsm= so that the kernel has it",
            )
        found[kind] = label
    return found.get("apparmor"), found.get("selinux")
