"""EFFECT. Say in what two trees differ: all that an image can say of a file counts, times of access do not."""

# Text paths with surrogate escapes; of ten thousand files each object counts.
# ruff: noqa: PTH123

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from stage0.image.attributes import POLICY

_CHUNK = 1 << 20


def differences(one: str, other: str) -> Iterator[str]:
    """Every path in which `other` differs from `one`, and how; `.` is the root of both."""
    yield from _node_differences(one, other, ".")
    pending = [""]
    groups: tuple[dict[int, str], dict[int, str]] = ({}, {})
    while pending:
        directory = pending.pop()
        here, there = _listed(f"{one}/{directory}"), _listed(f"{other}/{directory}")
        for name in sorted(here | there):
            path = f"{directory}{name}"
            if name not in there:
                yield f"{path} is missing"
            elif name not in here:
                yield f"{path} does not belong there"
            else:
                yield from _node_differences(f"{one}/{path}", f"{other}/{path}", path, groups)
                if _is_directory(f"{one}/{path}") and _is_directory(f"{other}/{path}"):
                    pending.append(f"{path}/")


def _is_directory(path: str) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)


def _listed(directory: str) -> set[str]:
    return set(os.listdir(directory))


def _node_differences(
    one: str, other: str, path: str, groups: tuple[dict[int, str], dict[int, str]] | None = None
) -> Iterator[str]:
    first, second = os.lstat(one), os.lstat(other)
    for what in _facts_that_differ(first, second):
        yield f"{path} has another {what}"
        return
    if _attributes(one) != _attributes(other):
        yield f"{path} has other extended attributes"
    elif stat.S_ISLNK(first.st_mode) and os.readlink(one) != os.readlink(other):
        yield f"{path} leads elsewhere"
    elif stat.S_ISREG(first.st_mode) and not _same_content(one, other):
        yield f"{path} has other content"
    elif groups and not stat.S_ISDIR(first.st_mode):
        known = [
            group.setdefault(found.st_ino, path)
            for group, found in zip(groups, (first, second), strict=True)
        ]
        if known[0] != known[1]:
            yield f"{path} is not linked as it should be"


def _facts_that_differ(first: os.stat_result, second: os.stat_result) -> Iterator[str]:
    is_file = stat.S_ISREG(first.st_mode)
    for what, mine, yours in (
        ("type", stat.S_IFMT(first.st_mode), stat.S_IFMT(second.st_mode)),
        ("mode", first.st_mode, second.st_mode),
        ("owner", (first.st_uid, first.st_gid), (second.st_uid, second.st_gid)),
        ("size", is_file and first.st_size, is_file and second.st_size),
        ("device number", first.st_rdev, second.st_rdev),
        ("time", first.st_mtime_ns, second.st_mtime_ns),
    ):
        if mine != yours:
            yield what


def _attributes(path: str) -> dict[str, bytes]:
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
        if not name.startswith(POLICY)
    }


def _same_content(one: str, other: str) -> bool:
    with open(one, "rb", buffering=0) as first, open(other, "rb", buffering=0) as second:
        while True:
            piece = first.read(_CHUNK)
            if piece != second.read(_CHUNK):
                return False
            if not piece:
                return True
