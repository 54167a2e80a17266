"""PURE. Where the C programs are: a string, all that is needed to become one of them."""

from __future__ import annotations

_HERE = __file__.rpartition("/")[0]


def native(name: str) -> str:
    """One of the C programs."""
    return f"{_HERE}/native/bin/{name}"
