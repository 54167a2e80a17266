"""EFFECT. Owner and mode of what stage0 makes."""

from __future__ import annotations

import os
from pathlib import Path


def give(path: Path, mode: int | None, uid: int | None, gid: int | None) -> None:
    """Give a directory what was asked for; None leaves what it has."""
    if uid is not None or gid is not None:
        os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
    if mode is not None:
        path.chmod(mode)
