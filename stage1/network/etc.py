"""EFFECT. What the host's own files say of names, as far as a pod can use it."""

from __future__ import annotations

from pathlib import Path

from stage1.network import names

_HOSTS, _RESOLV, _UPSTREAM = (
    Path("/etc/hosts"),
    Path("/etc/resolv.conf"),
    Path("/run/systemd/resolve/resolv.conf"),
)


def hosts() -> str:
    """The host's hosts file, for a pod that shares a network with it."""
    return read(_HOSTS)


def resolver() -> str:
    """A pod's resolv.conf."""
    return names.resolver(read(_RESOLV), read(_UPSTREAM))


def read(path: Path) -> str:
    """A text, empty if there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
