"""EFFECT. `pod doctor`: what this host lacks, and how to get it."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from stage0 import asking, doctor, handoff, show
from stage0.command import CommandError
from stage0.command import run as run_command
from stage0.doctor import network as doctor_network
from stage0.pods import ranges
from stage0.settings import Settings
from stage1 import contract
from stage1.contract import HostError, PodError

NEEDS_ROOT = False
# A program that pods need, beside the contract in stage1.
_NATIVE = Path(contract.__file__).parent.parent / "native" / "bin"
_NATIVE_PROGRAMS = ("monitor", "reaper", "begin", "launcher", "keeper", "enter", "mounter")
_CGROUP = Path("/sys/fs/cgroup")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to print."""
    parser.add_argument("--json", action="store_true", help="one object with a list of checks")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 if everything pods need is there, 1 if something is missing."""
    findings = (*doctor.judge(gather(settings)), *doctor_network.judge(gather_network()))
    good = doctor.has_all(findings)
    if arguments.json:
        sys.stdout.write(show.as_json({"ok": good, "checks": [finding._asdict() for finding in findings]}))
    else:
        sys.stdout.write(doctor.as_text(findings))
    return 0 if good else 1


def gather(settings: Settings) -> doctor.Facts:
    """Look at this host; nothing stays changed."""
    root = settings.root
    place = _existing(root)
    mode, hierarchies = _cgroups()
    booted = Path("/run/systemd/system").is_dir()
    is_root = os.geteuid() == 0
    writable = _is_writable(place) if is_root else None
    return doctor.Facts(
        root=is_root,
        kernel=platform.release(),
        data_root=str(root),
        filesystem=_filesystem(place),
        writable=writable,
        overlay=_try_overlay(place) if writable else None,
        mapped=_try_map(place) if writable else None,
        free=_free(place),
        nspawn=_said(["systemd-nspawn", "--version"]),
        booted=booted,
        machined=booted and handoff.unit_file("dbus-org.freedesktop.machine1.service") is not None,
        cgroups=mode,
        cgroups_writable=not is_root or all(os.access(path, os.W_OK) for path in hierarchies),
        controllers=_controllers(),
        seccomp=Path("/proc/sys/kernel/seccomp/actions_avail").exists(),
        user_namespaces=_allows_user_namespaces(),
        unbuilt=tuple(name for name in _NATIVE_PROGRAMS if not os.access(_NATIVE / name, os.X_OK)),
        modules=tuple(name for name in doctor.MODULES if find_spec(name) is None),
        programs=tuple(name for name in doctor.PROGRAMS if shutil.which(name) is None),
        skopeo=_said(["skopeo", "--version"]),
        image_policy=any(path.exists() for path in _policies()),
        inotify=_kernel_number("/proc/sys/fs/inotify/max_user_instances"),
        no_range=ranges.complaint(settings),
        labels=tuple(sorted(asking.labels())),
        enforcing=_kernel_number("/sys/fs/selinux/enforce") == 1,
        bus=Path("/run/dbus/system_bus_socket").exists(),
    )


# What a pod's network takes, in a network namespace that ends with the command.
_TRY_NETWORK = """
ip link add pod0 type bridge && ip link add vpod0 master pod0 type veth peer name eth0 &&
nft 'table bridge x { chain y { type filter hook prerouting priority 0; meta iifname "vpod*" accept; }; }'
"""


def gather_network() -> doctor_network.NetworkFacts:
    """Look at the host's network; nothing stays changed."""
    nft, said = _tried(["nft", "-j", "list", "ruleset"])
    bridge = None
    if os.geteuid() == 0:
        done, why = _tried(["unshare", "--net", "sh", "-c", _TRY_NETWORK])
        bridge = "" if done is not None else why
    bridged6 = Path("/proc/sys/net/bridge/bridge-nf-call-ip6tables")
    return doctor_network.NetworkFacts(
        nft=nft,
        said=said,
        bridge=bridge,
        bridged6=bridged6.exists() and bridged6.read_text().strip() != "0",
        ipv6=Path("/proc/sys/net/ipv6/conf/all").is_dir(),
        clashes=_clashes(),
    )


def _clashes() -> tuple[str, ...]:
    try:
        return tuple(handoff.networks().clashes())
    except PodError:
        return ()  # without what it takes to look, there are no networks either


def _tried(argv: list[str]) -> tuple[str | None, str]:
    """What a program printed, or what it said when it failed."""
    try:
        return run_command(argv).decode(errors="replace"), ""
    except HostError as error:
        return None, error.message
    except CommandError as error:
        return None, error.reason


def _policies() -> tuple[Path, ...]:
    """Where containers-policy.json(5) may lie."""
    return Path.home() / ".config/containers/policy.json", Path("/etc/containers/policy.json")


def _existing(path: Path) -> Path:
    """The data root, or the directory it would be made in."""
    while not path.is_dir():
        path = path.parent
    return path


def _filesystem(place: Path) -> str | None:
    """The kernel has one number for ext2, ext3 and ext4."""
    name = _said(["stat", "--file-system", "--format=%T", str(place)])
    return "ext4" if name == "ext2/ext3" else name


def _said(argv: list[str]) -> str | None:
    try:
        return run_command(argv).decode(errors="replace").strip()
    except PodError:
        return None


def _in_scratch(place: Path, action: Callable[[Path], str]) -> str:
    """Do something in a directory that is gone afterwards; the reason if that cannot be made."""
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place) as name:
            return action(Path(name))
    except OSError as error:
        return error.strerror or str(error)


def _is_writable(place: Path) -> bool:
    return _in_scratch(place, lambda _: "") == ""


def _try_overlay(place: Path) -> str:
    """Mount an overlay with its upper layer there, in a mount namespace that ends with the command."""
    return _in_scratch(place, _mount_overlay)


def _mount_overlay(scratch: Path) -> str:
    for name in ("lower", "upper", "work", "merged"):
        (scratch / name).mkdir()
    options = "lowerdir=lower,upperdir=upper,workdir=work"
    argv = ["unshare", "--mount", "mount", "-t", "overlay", "-o", options, "overlay", "merged"]
    try:
        run_command(argv, cwd=scratch)
    except HostError as error:
        return error.message
    except CommandError as error:
        return error.reason.split("; ")[0]
    return ""


def _try_map(place: Path) -> str:
    """Let the monitor mount an overlay there as for a pod with ids of its own, and run nothing in it."""
    return _in_scratch(place, _mount_mapped)


def _mount_mapped(scratch: Path) -> str:
    pod = scratch / "pods" / "run" / "doctor"
    for name in ("run", "rootfs", "lower", "data/upper", "data/work"):
        (pod / name).mkdir(parents=True)
    records = (
        "version 1",
        "pod doctor",
        "userns 1073741824 65536",
        "overlay rootfs data lower",
        "exec true",
    )
    text = "".join("".join(f"{word}\0" for word in record.split()) + "\0" for record in records)
    (pod / "run" / "launch").write_text(text)
    try:
        run_command([str(_NATIVE / "monitor"), str(pod)])
    except HostError as error:
        return error.message
    except CommandError as error:
        return error.reason.replace(f"{scratch}/", "")
    return ""


def _free(place: Path) -> int | None:
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def _cgroups() -> tuple[doctor.Cgroups, list[Path]]:
    """The mode, and the hierarchies in which a pod gets a group of its own."""
    if (_CGROUP / "cgroup.controllers").exists():
        return doctor.Cgroups.V2, [_CGROUP]
    named, unified = _CGROUP / "systemd", _CGROUP / "unified"
    found = [path for path in (named, unified) if (path / "cgroup.procs").exists()]
    if unified in found:
        return doctor.Cgroups.HYBRID, found
    return (doctor.Cgroups.V1 if found else doctor.Cgroups.NONE), found


def _controllers() -> tuple[str, ...]:
    """v2 names them in a file; v1 mounts each, or several together, in a directory with their names."""
    try:
        return tuple((_CGROUP / "cgroup.controllers").read_text().split())
    except OSError:
        names = {name for path in _CGROUP.glob("*/cgroup.procs") for name in path.parent.name.split(",")}
        return tuple(sorted("io" if name == "blkio" else name for name in names))


def _allows_user_namespaces() -> bool:
    return (_kernel_number("/proc/sys/user/max_user_namespaces") or 0) > 0


def _kernel_number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None
