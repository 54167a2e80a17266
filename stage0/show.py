"""PURE. Tables and JSON for people and programs: the same facts, two clothes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be."""
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    return "\n".join(lines) + "\n"


def as_json(value: object) -> str:
    """Indented JSON; text that is not UTF-8 stays readable by programs."""
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def ago(moment: str | None, now: datetime | None = None) -> str:
    """`2026-11-22T06:13:00Z` as `5 minutes`."""
    from datetime import UTC, datetime  # noqa: PLC0415  2 ms, and most calls print no time

    if not moment:
        return "-"
    try:
        seconds = int(((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds())
    except (ValueError, TypeError):  # a damaged record
        return "-"
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {word}{'s' if count > 1 else ''}"
    return f"{max(seconds, 0)} s"


def amount(size: float) -> str:
    """`12345678` as `12.3 MB`: powers of 1000, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:  # more would be shown as 1e+03
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def binary(size: int) -> str:
    """Bytes in the unit of 1024 that says them exactly: `67108864` as `64M`."""
    for power, unit in ((40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if size and size % (1 << power) == 0:
            return f"{size >> power}{unit}"
    return str(size)


def printable(text: str) -> str:
    """Text of an image or a user on a terminal: control characters shown, not obeyed."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
