"""EFFECT. What few plans need to know of the host, asked when one does."""

from __future__ import annotations

from pathlib import Path

from stage0.command import run
from stage1.contract import PodError


def system_calls() -> frozenset[str] | None:
    """Names that the host's systemd knows; None without systemd-analyze."""
    try:
        said = run(["systemd-analyze", "syscall-filter", "@known"]).decode(errors="replace")
    except PodError:
        return None
    return frozenset(
        line.strip() for line in said.splitlines() if line.startswith("    ") and "#" not in line
    )


def labels() -> frozenset[str]:
    """Which security modules are at work that label processes."""
    found = set()
    if Path("/sys/fs/selinux/enforce").exists():
        found.add("selinux")
    try:
        if Path("/sys/module/apparmor/parameters/enabled").read_text().strip() == "Y":
            found.add("apparmor")
    except OSError:
        pass
    return frozenset(found)
