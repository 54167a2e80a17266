"""EFFECT. Files below `run/` are changed while the pod runs: each by rename, so that its readers read a whole one.

PID 1, the reaper and whoever enters find the old file or the new one.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from stage1.contract import PodDir
from stage1.running.difference import Difference


def left_to_do(directory: PodDir, files: Difference) -> Difference:
    """What of this has not been done; what a command that was killed left beside the files is removed."""
    for name in (*files.changed, *files.removed):
        _beside(directory.run / name).unlink(missing_ok=True)
    changed = {name: text for name, text in files.changed.items() if _content(directory.run / name) != text}
    removed = tuple(name for name in files.removed if os.path.lexists(directory.run / name))
    return Difference(changed, removed)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def write(directory: PodDir, files: Difference) -> None:
    """Write what has changed in the order of names, then take away what is there no more."""
    for name, content in sorted(files.changed.items()):
        path = directory.run / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace(path, content)
    for name in files.removed:
        (directory.run / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # of `apps/APP/words`
            if name.startswith("apps/"):
                (directory.run / name).parent.rmdir()


def replace(path: Path, content: bytes) -> None:
    """Another content of a file that anybody may read."""
    beside = _beside(path)
    beside.write_bytes(content)
    beside.chmod(0o644)
    beside.replace(path)


def _beside(path: Path) -> Path:
    """Where the next content of a file waits: under a name that nobody takes for one of his own."""
    return path.with_name(f".{path.name}.new")
