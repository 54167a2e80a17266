"""EFFECT. SIGTERM as an exception, so that what was being made is undone on the way out."""

from __future__ import annotations

import signal


def heed_sigterm() -> None:
    """From now on SIGTERM ends this process as SIGINT does, with what it was making, until the monitor runs."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
