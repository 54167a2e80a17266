"""EFFECT. Facts about this host, asked once a boot."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from stage1 import tree
from stage1.contract import HostError
from stage1.contract.values import NamedTuple

SYSTEMD_FLOOR = 252
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SELINUX = Path("/sys/fs/selinux/enforce")


class HostFacts(NamedTuple):
    """What the plan needs to know of the host.

    `cgroups` are hierarchies in which a pod gets a group of its own, `devices` those a pod was given: path and number,
    `files_label` is what the policy of SELinux gives to files of containers.
    """

    nspawn: str
    systemd: int
    booted: bool
    machined: bool
    cgroups: tuple[str, ...]
    devices: tuple[tuple[str, str], ...] = ()
    files_label: str = ""


def facts(cache: Path, devices: Iterable[str] = ()) -> HostFacts:
    """The facts, from the cache if this boot and this systemd-nspawn wrote them; numbers of devices are asked anew."""
    return _lasting(cache)._replace(devices=tuple(_numbers(devices)))


def _numbers(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`char/MAJOR:MINOR` or `block/…` for each path, as below /dev; what is no device is the monitor's to refuse."""
    for path in paths:
        with contextlib.suppress(OSError):
            found = Path(path).stat()
            kind = "block" if stat.S_ISBLK(found.st_mode) else "char"
            yield path, f"{kind}/{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"


def _lasting(cache: Path) -> HostFacts:
    entry = cache / "host.json"
    stamp = _stamp()
    try:
        known = json.loads(entry.read_bytes())
        if known["stamp"] == stamp:
            return HostFacts(**{**known["facts"], "cgroups": tuple(known["facts"]["cgroups"])})
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = _ask()
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = entry.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps({"stamp": stamp, "facts": found._asdict()}))
    temporary.replace(entry)
    return found


def main_process_of_a_unit(environment: dict[str, str], pid: int) -> bool:
    """True in a process that systemd itself started: the pod then stays in that unit's cgroup."""
    return environment.get("SYSTEMD_EXEC_PID") == str(pid)


def _stamp() -> str:
    """Changes with each boot, each systemd, each fact asked for, and where systemd becomes PID 1 of a namespace."""
    nspawn = _nspawn()
    changed = Path(nspawn).stat().st_mtime_ns if nspawn else 0
    machined = _machined()
    boot = _BOOT_ID.read_text().strip()
    fields = " ".join(HostFacts._fields)
    return f"{boot} {nspawn} {changed} {booted()} {machined} {cgroup_mounts()} {tree.stamp()} {fields}"


def _files_label() -> str:
    """As libselinux's selinux_lxc_contexts_path(3) has it for programs that run containers; "" without SELinux."""
    try:
        if not _SELINUX.exists():
            return ""
        (policy,) = re.findall(r"^SELINUXTYPE=(\w+)", Path("/etc/selinux/config").read_text(), re.MULTILINE)
        known = Path(f"/etc/selinux/{policy}/contexts/lxc_contexts").read_text()
    except (OSError, ValueError):
        return ""
    found = re.search(r'^file\s*=\s*"([!-~]+)"', known, re.MULTILINE)
    return found[1] if found else ""


def systemd_version() -> int:
    """That of the host, whatever systemd pods boot; asked each time."""
    from stage1 import command  # noqa: PLC0415  rare

    return _version(command.run([_needed(), "--version"]))


def _needed() -> str:
    nspawn = _nspawn()
    if nspawn is None:
        raise HostError(
            "systemd-nspawn is not installed",
            hint="install systemd-container (Debian, Fedora) or systemd (Arch)",
        )
    return nspawn


def _ask() -> HostFacts:
    nspawn = _needed()
    version = systemd_version()
    if version < SYSTEMD_FLOOR:
        raise HostError(
            f"systemd-nspawn is version {version}, older than {SYSTEMD_FLOOR}", hint="update systemd"
        )
    own = tree.chosen()
    return HostFacts(
        nspawn=nspawn,
        systemd=version if own.is_host else _version(own.systemd_version()),
        booted=booted(),
        machined=_machined(),
        cgroups=() if booted() else cgroup_mounts(),
        files_label=_files_label(),
    )


def _nspawn() -> str | None:
    """Where systemd-nspawn is; shutil.which() would cost 3 ms of imports."""
    places = (os.environ.get("PATH") or os.defpath).split(":")
    return next((path for place in places if os.access(path := f"{place}/systemd-nspawn", os.X_OK)), None)


def _version(text: str) -> int:
    """`systemd 252 (252.39-1~deb12u2)` is 252, `systemd 258~rc1 (258~rc1-1)` is 258."""
    found = re.match(r"systemd ([0-9]{1,9})", text)
    return int(found[1]) if found else 0


def booted() -> bool:
    """See sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _machined() -> bool:
    return booted() and any(
        Path(place, "dbus-org.freedesktop.machine1.service").exists()
        for place in (
            "/run/systemd/system",
            "/etc/systemd/system",
            "/usr/lib/systemd/system",
            "/lib/systemd/system",
        )
    )


def cgroup_mounts() -> tuple[str, ...]:
    """Where systemd-nspawn needs a group of its own: the unified hierarchy and, beside v1, systemd's named one."""
    places = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
    legacy = tuple(place for place in places if Path(place, "cgroup.procs").exists())
    if legacy:
        return legacy
    return ("/sys/fs/cgroup",) if Path("/sys/fs/cgroup/cgroup.controllers").exists() else ()
