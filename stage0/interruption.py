"""EFFECT. SIGINT and SIGTERM as exceptions, so that what was being made is undone on the way out."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


def heed_sigterm() -> None:
    """From now on SIGTERM ends this process as SIGINT does, with what it was making, until the monitor runs."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Both signals wait until the body is done: by then it is known what there is to undo, or nothing is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminated(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
