"""EFFECT. What another start of a pod would change in its `run/`: rendered anew, compared, and nothing written there.

The network is left out: which addresses and ports a pod gets is decided when it starts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping

from stage1 import launch
from stage1.contract import PodDir, PodManifest

_COMPARED = ("units/", "etc/", "apps/", "nspawn.json", "launch")
_NETWORK = {"netns", "sysctl", "link", "address", "route", "rules", "unlink"}


def changes(pod: PodManifest, directory: PodDir) -> str:
    """A unified diff from what lies in `run/` to what would; empty if nothing would change."""
    import difflib  # noqa: PLC0415  only here

    old, new = dict(_present(directory)), dict(_planned(pod, directory))
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        one, other = (side.get(name, "").splitlines(keepends=True) for side in (old, new))
        lines += difflib.unified_diff(one, other, f"run/{name}", f"new/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _planned(pod: PodManifest, directory: PodDir) -> Iterator[tuple[str, str]]:
    """With the host as it is now; whether the pod stays in its unit is taken from the last time."""
    keep = directory.nspawn.exists() and launch.stays_in_its_unit(directory)
    found = launch.drawn(pod, directory, lambda: None, keep_unit=keep).plan
    yield from _readable(found.files)
    for name, target in found.links.items():
        yield name, f"-> {target}\n"


def _present(directory: PodDir) -> Iterator[tuple[str, str]]:
    files: dict[str, bytes] = {}
    for top, _, names in os.walk(directory.run):
        for path in (os.path.join(top, name) for name in names):  # noqa: PTH118  os.walk's own paths
            name = os.path.relpath(path, directory.run)
            if not name.startswith(_COMPARED):
                continue
            if os.path.islink(path):  # noqa: PTH114
                yield name, f"-> {os.readlink(path)}\n"
            else:
                files[name] = (directory.run / name).read_bytes()
    yield from _readable(files)


def _readable(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Words that end with NUL become lists, one record a line; all else is text."""
    for name, content in files.items():
        if name == "launch":
            records = [_words(record) for record in content.split(b"\0\0")[:-1]]
            yield name, "".join(f"{json.dumps(words)}\n" for words in records if not _of_network(words))
        elif name.startswith("apps/"):
            yield name, "".join(f"{json.dumps(word)}\n" for word in _words(content.removesuffix(b"\0")))
        elif name.startswith(_COMPARED):
            yield name, content.decode(errors="surrogateescape")


def _of_network(words: list[str]) -> bool:
    return words[0] in _NETWORK or (words[0] == "bind" and words[1].startswith("run/network/"))


def _words(block: bytes) -> list[str]:
    return [word.decode(errors="surrogateescape") for word in block.split(b"\0")]
