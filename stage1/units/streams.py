"""PURE. What an app reads from and writes to."""

from __future__ import annotations

from stage1.contract import App, Output, Stdin
from stage1.contract.paths import STREAMS
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped


class Streams(NamedTuple):
    """What it reads from and writes to."""

    tty: bool
    stdin: Escaped
    stdout: Escaped
    stderr: Escaped


def streams(app: App) -> Streams:
    """FIFOs held by the monitor, the pod's terminal, or nothing."""
    stdin = {
        Stdin.NONE: Escaped("null"),
        Stdin.STREAM: _fifo(app, "in"),
        Stdin.TTY: Escaped("tty-force"),
    }
    return Streams(
        tty=app.stdin is Stdin.TTY,
        stdin=stdin[app.stdin],
        stdout=_output(app, app.stdout, "out"),
        stderr=_output(app, app.stderr, "err"),
    )


def _fifo(app: App, end: str) -> Escaped:
    return Escaped(f"file:{STREAMS}/{app.name}.{end}")


def _output(app: App, kind: Output, end: str) -> Escaped:
    known = {Output.NULL: Escaped("null"), Output.TTY: Escaped("tty")}
    return known.get(kind) or _fifo(app, end)
