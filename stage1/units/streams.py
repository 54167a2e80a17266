"""PURE. What an app reads from and writes to."""

from __future__ import annotations

from typing import NamedTuple

from stage1.contract import App, Stdin
from stage1.contract.paths import STREAMS
from stage1.quoting import Escaped


class Streams(NamedTuple):
    """What it reads from and writes to."""

    tty: bool
    stdin: Escaped
    stdout: Escaped
    stderr: Escaped


def streams(app: App) -> Streams:
    """FIFOs held by the monitor, or the pod's terminal."""
    tty = app.stdin is Stdin.TTY
    fifo = {name: Escaped(f"file:{STREAMS}/{app.name}.{name}") for name in ("in", "out", "err")}
    stdin = {Stdin.NONE: Escaped("null"), Stdin.STREAM: fifo["in"], Stdin.TTY: Escaped("tty-force")}
    return Streams(
        tty=tty,
        stdin=stdin[app.stdin],
        stdout=Escaped("tty") if tty else fifo["out"],
        stderr=Escaped("tty") if tty else fifo["err"],
    )
