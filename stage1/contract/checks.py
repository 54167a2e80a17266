"""PURE. What is asked of one field at a time: each a complaint, by the path of the field, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def matches(where: str, pattern: re.Pattern[str] | str, text: str) -> Iterator[str]:
    """The whole text is as the pattern says."""
    if not re.fullmatch(pattern, text):
        yield f"{where}: {text[:80]!r} may not stand there"


def absolute(where: str, path: str) -> Iterator[str]:
    """A path leads from the root, and not up."""
    if not path.startswith("/") or ".." in path.split("/"):
        yield f"{where}: {path[:80]!r} is not an absolute path without .."


def within(where: str, number: float | None, least: float, most: float) -> Iterator[str]:
    """A number, if there is one, is in these bounds, themselves among them."""
    if number is not None and not least <= number <= most:
        yield f"{where}: {_shown(number)} is not from {_shown(least)} to {_shown(most)}"


def _shown(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def unique(where: str, names: Iterable[str]) -> Iterator[str]:
    """No two have one name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{where}: two are called {name[:80]!r}"
        seen.add(name)
