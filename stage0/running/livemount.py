"""PURE. The grammar of `pod mount add`, and where mounts are in a mount table."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from stage1.contract import UsageError
from stage1.contract.values import NamedTuple

_HINT = "write SOURCE:TARGET[:OPTIONS], where OPTIONS are ro, rw, rec, joined by commas"
_OPTIONS = {"ro", "rw", "rec"}


class LiveMount(NamedTuple):
    """A tree of the host wanted at a place in a running app."""

    source: str
    target: str
    read_only: bool = False
    recursive: bool = False

    @property
    def options(self) -> str:
        """As they are written."""
        return ",".join((["ro"] if self.read_only else ["rw"]) + (["rec"] if self.recursive else []))


class Mounted(NamedTuple):
    """One line of a mount table: the number statx(2) knows the mount by, and the path it is at."""

    id: int
    path: str


def parse(text: str, *, directory: str) -> LiveMount:
    """`SOURCE:TARGET[:OPTIONS]`; a backslash before a colon makes it part of a path. Relative to `directory`."""
    parts = [part.replace("\\:", ":") for part in re.split(r"(?<!\\):", text)]
    words = parts[2].split(",") if len(parts) == 3 else []
    if len(parts) not in {2, 3} or not parts[0] or not set(words) <= _OPTIONS or {"ro", "rw"} <= set(words):
        raise UsageError(f"{text!r} is not a mount", hint=_HINT)
    target = posixpath.normpath(parts[1])
    if not target.startswith("/") or target.strip("/") == "" or "\0" in text or ".." in parts[1].split("/"):
        raise UsageError(
            f"{text!r}: {parts[1]!r} is no place below the app's root", hint="write an absolute path"
        )
    return LiveMount(
        source=posixpath.normpath(posixpath.join(directory, parts[0])),
        target=f"/{target.lstrip('/')}",
        read_only="ro" in words,
        recursive="rec" in words,
    )


def mount_table(text: str) -> Iterator[Mounted]:
    """Lines of /proc/PID/mountinfo (proc(5)): blanks and backslashes in paths are octal there."""
    for line in text.split("\n"):
        fields = line.split(" ")
        if len(fields) > 5:
            path = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4])
            yield Mounted(id=int(fields[0]), path=path)
