"""PURE. Features of the host that single options need: what will not work without each.

A row a feature. What pods as such need is in `stage0.doctor`.
"""

from __future__ import annotations

from collections.abc import Callable

from stage1.contract.values import NamedTuple


class Versions(NamedTuple):
    """What the table asks for: systemd's version, and programs that are missing."""

    systemd: int
    missing: tuple[str, ...]


class Feature(NamedTuple):
    """`since` says where it came; `without` completes "without it …"."""

    name: str
    since: str
    is_there: Callable[[Versions], bool]
    without: str


def _systemd(version: int) -> Callable[[Versions], bool]:
    return lambda found: found.systemd >= version


def _program(name: str) -> Callable[[Versions], bool]:
    return lambda found: name not in found.missing


FEATURES = (
    Feature(
        "growing restart delays",
        "systemd 254",
        _systemd(254),
        "--restart-max-delay has no effect: the delay stays what --restart-delay says",
    ),
    Feature(
        "systemd-creds",
        "systemd 250, a package of its own on some systems",
        _program("systemd-creds"),
        "--encrypted-credential fails when the pod starts",
    ),
)
PROGRAMS = ("systemd-creds",)
