"""PURE. Words about a pull that lines and the table share."""

from __future__ import annotations

from stage0.image.events import Resolved
from stage0.show import amount

_DIGITS = 12


def short(layer: str) -> str:
    """A layer in a few letters: the first digits of its digest, or the last part of where it comes from."""
    return (layer.removeprefix("sha256:") if layer.startswith("sha256:") else layer.rpartition("/")[2])[
        :_DIGITS
    ]


def summary(event: Resolved) -> str:
    """What is about to come, in a line."""
    missing = [size for digest, size in event.layers if digest not in event.present]
    which = f" is {event.digest[:19]}" if event.digest else ""
    what = f"{event.name}{which}: {len(event.layers)} layer{'s' * (len(event.layers) != 1)}"
    size = f", {amount(sum(missing))}" if min(missing, default=-1) >= 0 else ""
    return f"{what}, {len(missing)} to {event.work}{size}" if missing else f"{what}, all here"
