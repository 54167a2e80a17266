"""EFFECT. The base root: what a pod boots, gathered from a system's own systemd and kept under a key of its inputs.

A base is never changed once it has its name, so it is safe as the lower layer of any number of running pods; a newer
systemd on the host gives another key.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from stage1 import resources
from stage1.contract import DataRoot, HostError, PodManifest
from stage1.contract.values import NamedTuple
from stage1.tree import Tree, chosen

_LOADER_CACHE = "/etc/ld.so.cache"
_HELPERS = ("reaper", "begin", "launcher")
_INPUTS = "pod/inputs"


class Entry(NamedTuple):
    """One line of the recipe: a verb and its words."""

    verb: str
    words: tuple[str, ...]


def recipes(pod: PodManifest) -> tuple[str, ...]:
    """What the pod's own root is made from; most pods ask for nothing beside the first."""
    return ("contents", *(["bus"] if pod.bus else []), *(["journal"] if pod.journal else []))


def ensure(root: DataRoot, names: tuple[str, ...] = ("contents",)) -> Path:
    """The base root of these recipes for this host as it is now, built if no pod needed it before."""
    paths = tuple(resources.base_recipe(name) for name in names)
    entries = tuple(entry for path in paths for entry in parse(path.read_text()))
    tree = chosen()
    inputs = _inputs(paths, entries, tree)
    place = root.base / f"{zlib.crc32(inputs.encode()):08x}"
    try:
        known = (place / _INPUTS).read_text() == inputs
    except FileNotFoundError:
        known = False
    if known:
        os.utime(place)  # gc spares what was used of late
    else:
        _build(place, entries, tree, inputs)
    return place


def parse(text: str) -> Iterator[Entry]:
    """Lines of words; `#` begins a comment."""
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words:
            yield Entry(words[0], tuple(words[1:]))


def _inputs(recipe: tuple[Path, ...], entries: tuple[Entry, ...], tree: Tree) -> str:
    """What a base is made of, a file a line with what changes when the file does."""
    paths = [
        *recipe,
        *(resources.base_recipe(entry.words[0]) for entry in entries if entry.verb == "copy"),
        *(resources.native(helper) for helper in _HELPERS),
        tree.find(_LOADER_CACHE),
    ]
    paths += [tree.find(entry.words[0]) for entry in entries if entry.verb == "program"]
    lines = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        lines.append(f"{path} {status.st_mtime_ns} {status.st_size} {status.st_ino}\n")
    return "".join(lines)


def _build(place: Path, entries: tuple[Entry, ...], tree: Tree, inputs: str) -> None:
    import shutil  # noqa: PLC0415  3 ms, and a base is built once

    temporary = place.with_name(f"{place.name}.{os.getpid()}")
    temporary.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o755)
    try:
        for entry in entries:
            _VERBS[entry.verb](temporary, tree, *entry.words)
        for helper in _HELPERS:
            _copy(resources.native(helper), temporary / "pod/bin" / helper)
        (temporary / _INPUTS).write_text(inputs)
        os.sync()  # a base half on disk after a power cut would break every later pod
        temporary.rename(place)
    except OSError as error:
        if not (place / _INPUTS).is_file():
            raise HostError(
                f"cannot build the base root {place}: {error}",
                hint="make room there, or mend what the message names: `pod doctor` may know more",
            ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    import shutil  # noqa: PLC0415  see _build

    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _program(root: Path, tree: Tree, path: str, optional: str = "") -> None:
    if not tree.find(path).exists():
        if optional:
            return
        raise HostError(
            f"{tree.find(path)} is not installed",
            hint="install systemd (253 packages on some systems: systemd-container)"
            if "system" in path
            else "install it: the pod's own root is made of the host's files",
        )
    _copy(tree.find(path), _inside(root, path))
    for library in tree.shared_objects(path):
        _copy(tree.find(library), _inside(root, library))


def _library(root: Path, tree: Tree, name: str, optional: str = "") -> None:
    """A library that systemd loads by dlopen(3), which ldd cannot see."""
    found = tree.libraries(name)
    for path in found:
        _program(root, tree, path)
    if not found and not optional:
        raise HostError(f"the library {name} is not installed", hint="`pod doctor` says what to install")


def _inside(root: Path, path: str) -> Path:
    """The same path below the root, by way of its merged /usr."""
    first, _, rest = path.lstrip("/").partition("/")
    return root / ("usr" if first in {"bin", "sbin", "lib", "lib64"} else "") / first / rest


def _directory(root: Path, _tree: Tree, path: str, mode: str = "0755") -> None:
    target = root / path.lstrip("/")
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(int(mode, 8))


def _link(root: Path, _tree: Tree, path: str, target: str) -> None:
    (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (root / path.lstrip("/")).symlink_to(target)


def _file(root: Path, _tree: Tree, path: str, *words: str) -> None:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(" ".join(words) + "\n" if words else "")


def _ours(root: Path, _tree: Tree, name: str, path: str) -> None:
    _copy(resources.base_recipe(name), root / path.lstrip("/"))


_VERBS: dict[str, Callable[..., None]] = {
    "program": _program,
    "library": _library,
    "dir": _directory,
    "link": _link,
    "file": _file,
    "copy": _ours,
}
