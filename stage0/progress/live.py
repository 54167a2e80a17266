"""EFFECT. The door of rich: a line for each layer on a terminal, with size and rate, redrawn as it grows."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from stage0.image.events import Event, Fetching, Note, Resolved, Unpacked, Unpacking, Waiting
from stage0.progress.words import short, summary
from stage0.show import printable

_BEAT = 0.1


class Live:
    """Progress of one pull after the other."""

    def __init__(self, stream: TextIO) -> None:
        """Draw on a terminal. No thread of its own: events come often enough."""
        console = Console(file=stream, highlight=False, markup=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False), TextColumn("{task.fields[state]:<9}", markup=False),
            BarColumn(bar_width=30), DownloadColumn(), TransferSpeedColumn(),
            console=console, auto_refresh=False,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._fetched: set[str] = set()
        self._drawn = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture on the terminal."""
        with self._lock:
            self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Take an event into the picture."""
        with self._lock:
            self._take(event)
            now = time.monotonic()
            if now - self._drawn > _BEAT or not isinstance(event, Fetching | Unpacking):
                self._drawn = now
                self._progress.refresh()

    def _take(self, event: Event) -> None:
        match event:
            case Resolved():
                self._begin(event)
            case Waiting(digest):
                self._progress.print(f"layer {short(digest)}: another pull fetches it, waiting")
            case Note(text):
                self._progress.print(printable(text))
            case Fetching(digest, done, size):
                self._fetched -= {digest} if done < size else set()
                self._fetched |= {digest} if done >= size else set()
                self._update(digest, "fetching", done, size)
            case Unpacking(digest, done, size) if digest in self._fetched:
                self._update(digest, "unpacking", done, size)
            case Unpacked(digest):
                self._finish(digest)
            case _:
                pass

    def _begin(self, event: Resolved) -> None:
        self._progress.print(printable(summary(event)))
        for digest, size in event.layers:
            state = "here" if digest in event.present else "waiting"
            self._fetched |= {digest} if digest in event.present or event.work == "unpack" else set()
            self._tasks[digest] = self._progress.add_task(
                f"  {short(digest)}", total=_known(size), state=state
            )

    def _update(self, digest: str, state: str, done: int, size: int) -> None:
        if digest in self._tasks:
            task = self._progress.tasks[self._tasks[digest]]
            if task.fields["state"] != state:  # the rate begins anew with each kind of work
                self._progress.reset(self._tasks[digest], total=_known(size), state=state)
            self._progress.update(self._tasks[digest], completed=done, total=_known(size))

    def _finish(self, digest: str) -> None:
        if digest in self._tasks:
            task = self._progress.tasks[self._tasks[digest]]
            total = task.completed if task.total is None else task.total
            self._progress.update(self._tasks[digest], completed=total, total=total, state="done")


def _known(size: int) -> int | None:
    return size if size >= 0 else None
