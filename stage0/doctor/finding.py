"""PURE. How a check comes out, and the words for it."""

from __future__ import annotations

import re
from enum import StrEnum

from stage1.contract.values import NamedTuple


class Level(StrEnum):
    """How a check came out; only what is missing keeps pods from running."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


class Finding(NamedTuple):
    """One check, what was found, and what to do about it if that is not all right."""

    check: str
    level: Level
    found: str
    advice: tuple[str, ...] = ()


def install(debian: str, fedora: str, arch: str, suse: str) -> tuple[str, ...]:
    """One line for each family of systems."""
    return (
        f"Debian, Ubuntu: apt install {debian}",
        f"Fedora: dnf install {fedora}",
        f"Arch: pacman -S {arch}",
        f"openSUSE: zypper install {suse}",
    )


def version(text: str) -> tuple[int, ...]:
    """The leading numbers of `6.1.0-18-amd64` or `252.39`."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def systemd_version(text: str) -> int:
    """`systemd 252 (252.39-1~deb12u2)` is 252, `systemd 258~rc1 …` is 258; 0 if it is no such text."""
    found = re.match(r"systemd (\d{1,6})", text)
    return int(found[1]) if found else 0
