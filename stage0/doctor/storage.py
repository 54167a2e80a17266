"""PURE. Checks of the data root: whether it can be written, holds overlays, and has room."""

from __future__ import annotations

from stage0.doctor.facts import Facts
from stage0.doctor.finding import Finding, Level

LITTLE_SPACE = 1 << 30


def data_root(facts: Facts) -> Finding:
    """Where everything of pods lies."""
    where = facts.data_root + (f" ({facts.filesystem})" if facts.filesystem else "")
    if facts.writable:
        return Finding(check="data root", level=Level.OK, found=where)
    return Finding(
        check="data root",
        level=Level.MISSING if facts.writable is False and facts.root else Level.WARN,
        found=f"{where} cannot be written to" if facts.root else f"{where} was not tried, that needs root",
        advice=("choose another with --dir or POD_DIR",)
        if facts.root
        else ("ask as root: sudo pod doctor",),
    )


def overlay(facts: Facts) -> Finding:
    """By trying: no list of file systems is complete."""
    if facts.overlay == "":
        return Finding(check="overlayfs", level=Level.OK, found=f"works on {facts.filesystem}")
    if facts.overlay is None:
        return Finding(
            check="overlayfs",
            level=Level.WARN,
            found="was not tried, that needs root and a data root",
            advice=("ask as root: sudo pod doctor",),
        )
    advice = [
        "put the data root on ext4, xfs or btrfs (--dir, POD_DIR)",
        "load the kernel's module: modprobe overlay",
    ]
    if facts.filesystem == "overlayfs":
        advice[1] = "in a container: mount a volume at the data root; an overlay cannot lie on an overlay"
    return Finding(
        check="overlayfs",
        level=Level.MISSING,
        found=f"does not work on {facts.filesystem}: {facts.overlay}",
        advice=tuple(advice),
    )


def space(facts: Facts) -> Finding:
    """A little is enough for pods, not for images."""
    if facts.free is None:
        return Finding(check="free space", level=Level.WARN, found="could not be found out")
    enough = facts.free >= LITTLE_SPACE
    return Finding(
        check="free space",
        level=Level.OK if enough else Level.WARN,
        found=f"{facts.free / (1 << 30):.1f} GiB at {facts.data_root}",
        advice=() if enough else ("`pod gc` and `pod image rm` make room", "or choose another with --dir"),
    )
