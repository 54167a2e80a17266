"""EFFECT. What of the host's own files a pod takes over when it is started."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from stage1.contract import HostError, PodManifest, Provider
from stage1.contract.identity import LOCAL_TIME
from stage1.identity import HostFiles

_ZONES = Path("/usr/share/zoneinfo")


def read(pod: PodManifest) -> HostFiles:
    """Only what this pod needs; a missing hosts or resolv.conf is an empty one, a missing time zone an error."""
    names, zone = pod.names, pod.identity.timezone
    return HostFiles(
        hosts=_text("/etc/hosts") if names.hosts is Provider.HOST else "",
        resolv=_text("/etc/resolv.conf") if names.dns is Provider.HOST else "",
        zone=_zone(zone) if zone is not None else b"",
        zone_name=(_local_name() if zone == LOCAL_TIME else zone) or "",
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_bytes().decode(errors="surrogateescape")
    except OSError:
        return ""


def _zone(name: str) -> bytes:
    """A file of tzfile(5); the host's own is UTC where it has none."""
    path = Path("/etc/localtime") if name == LOCAL_TIME else _ZONES / name
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if name == LOCAL_TIME:
            return _zone("UTC") if (_ZONES / "UTC").exists() else UTC
        raise _unknown(name) from None
    except OSError:
        raise _unknown(name) from None
    if not data.startswith(b"TZif"):
        raise _unknown(name)
    return data


def _unknown(name: str) -> HostError:
    return HostError(
        f"this host has no time zone {name!r}",
        hint="`timedatectl list-timezones` lists them; the host needs the package tzdata",
    )


def _local_name() -> str:
    """The name that /etc/localtime links to (localtime(5)); empty if it is no link."""
    with contextlib.suppress(OSError):
        target = os.path.normpath(os.path.join("/etc", os.readlink("/etc/localtime")))  # noqa: PTH118
        if target.startswith(f"{_ZONES}/"):
            return target.removeprefix(f"{_ZONES}/")
    return "UTC" if not Path("/etc/localtime").exists() else ""


# What tzfile(5) says of a zone that is UTC for ever: version 2, one type, no transition.
_HEADER = b"TZif2" + bytes(15) + bytes(4 * 3) + bytes(4) + (1).to_bytes(4, "big") + (4).to_bytes(4, "big")
_BLOCK = bytes(6) + b"UTC\0"
UTC = _HEADER + _BLOCK + _HEADER + _BLOCK + b"\nUTC0\n"
