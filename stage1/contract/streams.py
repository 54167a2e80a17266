"""PURE. What an app reads from and writes to."""

from __future__ import annotations

from enum import StrEnum

from stage1.contract.values import NamedTuple


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


class Log(StrEnum):
    """Where lines are kept: in the pod's own files alone, or in the host's journal as well, if it has one."""

    FILE = "file"
    BOTH = "both"


class LogRate(NamedTuple):
    """At most so many lines of the pod go to the host's journal in so many seconds; `lines` 0: any number.

    The default is what journald allows a service (RateLimitBurst= and RateLimitIntervalSec= of journald.conf(5)).
    """

    lines: int = 10000
    seconds: int = 30
