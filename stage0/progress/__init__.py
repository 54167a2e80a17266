"""EFFECT. What a pull tells, for people and programs: a live table on a terminal, plain lines elsewhere, JSON lines.

Listeners are called from several threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from stage0.image.events import (
    Event,
    Fetching,
    Listener,
    Note,
    Resolved,
    Unpacked,
    Waiting,
    as_json,
    nobody,
)
from stage0.progress.words import short, summary
from stage0.show import amount, printable


@contextmanager
def shown(stream: TextIO, *, quiet: bool) -> Iterator[Listener]:
    """A listener that shows progress to people as the stream allows it."""
    if quiet:
        yield nobody
    elif stream.isatty():
        from stage0.progress.live import Live  # noqa: PLC0415 (rich takes 60 ms)

        with Live(stream) as live:
            yield live
    else:
        yield Plain(stream)


def json_lines(stream: TextIO) -> Listener:
    """A listener that writes each event as a line of JSON at once."""
    lock = threading.Lock()

    def say(event: Event) -> None:
        with lock:
            stream.write(as_json(event))
            stream.flush()

    return say


class Plain:
    """Lines about what has happened; none about what is just happening."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream."""
        self._stream = stream
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._fetched: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Tell an event."""
        with self._lock:
            line = self._line(event)
            if line:
                self._stream.write(f"{printable(line)}\n")
                self._stream.flush()

    def _line(self, event: Event) -> str:
        match event:
            case Resolved():
                self._start = time.monotonic()
                return summary(event)
            case Waiting(digest):
                return f"layer {short(digest)}: another pull fetches it, waiting"
            case Fetching(digest, done, size) if done == size and digest not in self._fetched:
                self._fetched.add(digest)
                seconds = max(time.monotonic() - self._start, 0.001)
                return f"layer {short(digest)}: fetched, {amount(size)}, {amount(size / seconds)}/s"
            case Unpacked(digest):
                return f"layer {short(digest)}: unpacked"
            case Note(text):
                return text
            case _:
                return ""
