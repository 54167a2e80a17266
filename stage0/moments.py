"""PURE. Points in time: what people write for them, and stamps that sort as text.

A stamp is RFC 3339 in UTC with nine digits after the point, as logs have it: two of them compare as times do.
"""

from __future__ import annotations

import re
import time

from stage0 import quantities
from stage1.contract import UsageError

_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


def stamp(nanoseconds: int) -> str:
    """A moment since the epoch as a stamp."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def normal(text: str | None) -> str | None:
    """A record's time, with however many digits, as a stamp; None for what is none."""
    found = _STAMP.fullmatch(text) if isinstance(text, str) else None
    return f"{found[1]}.{(found[2] or ''):0<9}Z" if found else None


def moment(text: str, *, where: str, now: int) -> str:
    """`10m` (so long ago), `2026-01-31`, `2026-01-31T12:00:00+01:00`, `@1767225600`; without a zone the host's.

    `now` is in nanoseconds since the epoch.
    """
    if re.fullmatch(r"[0-9.]+\s*(us|ms|s|m|min|h|d)", text):
        return stamp(max(0, now - round(quantities.seconds(text, where=where) * 1e9)))
    if re.fullmatch(r"@[0-9]{1,10}", text):
        return stamp(int(text[1:]) * 10**9)
    from datetime import datetime  # noqa: PLC0415  2 ms, and only for absolute times

    try:
        found = datetime.fromisoformat(text).astimezone()
        return stamp(max(0, int(found.timestamp()) * 10**9 + found.microsecond * 1000))
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{where}: {text!r} is not a moment",
            hint="write how long ago (10m, 2h, 1d), a date and time (2026-01-31T12:00:00Z) or @SECONDS",
        ) from None
