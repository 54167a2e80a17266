"""PURE. What an app reads from and writes to."""

from __future__ import annotations

from enum import StrEnum


class Stdin(StrEnum):
    """What an app reads from: nothing, the standard input of whoever starts the pod, or a terminal of its own."""

    NONE = "none"
    STREAM = "stream"
    TTY = "tty"


class Output(StrEnum):
    """Where an app's output goes.

    `log`: into its log, and to whoever started the pod in the foreground. `stream`: only there, byte for byte. `null`:
    nowhere. `tty`: to its terminal, and from there as with `log`.
    """

    LOG = "log"
    STREAM = "stream"
    NULL = "null"
    TTY = "tty"
