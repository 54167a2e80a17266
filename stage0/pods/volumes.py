"""EFFECT. Volumes that outlive pods: a directory each below `volumes/`, in use as long as a pod on disk mounts it.

Whoever is about to make a pod holds the volumes shared (`hold`) until its `pod.json` says which it uses; whoever
removes one holds them alone, and so sees every user.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stage0 import finding
from stage0.image import Entry
from stage0.image.scratch import remove as remove_tree
from stage0.ownership import give
from stage0.pods import lifecycle
from stage1.contract import ConflictError, DataRoot, NotFoundError, State, UsageError, VolumeDir, VolumeKind
from stage1.contract.text import NAME
from stage1.contract.values import NamedTuple

_UNFINISHED = "."


class NamedVolume(NamedTuple):
    """A volume as its record says."""

    name: str
    directory: VolumeDir
    created: str
    labels: Mapping[str, str]


@contextlib.contextmanager
def hold(root: DataRoot, *, alone: bool = False) -> Iterator[None]:
    """Keep volumes from being removed; `alone`: and pods from beginning to use them."""
    root.volumes.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lifecycle.locked(root.volumes, shared=not alone):
        yield


def create(root: DataRoot, name: str, created: str, labels: Mapping[str, str]) -> bool:
    """Make an empty volume, whole or not at all; False if there is one of this name."""
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{name!r} is not a name for a volume",
            hint="up to 63 letters, digits, - and _, beginning with a letter or digit",
        )
    if root.volume(name).path.exists():
        return False
    root.volumes.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = VolumeDir(root.volumes / f"{_UNFINISHED}new.{os.getpid()}.{name}")
    try:
        made.path.mkdir(mode=0o700)
        made.data.mkdir()
        made.data.chmod(0o755)
        record = {"version": 1, "name": name, "created": created, "labels": dict(labels)}
        made.record.write_text(json.dumps(record, indent=1) + "\n")
        made.path.rename(root.volume(name).path)
    except OSError:
        remove_tree(made.path)
        if root.volume(name).path.exists():
            return False
        raise
    return True


def listing(root: DataRoot) -> list[NamedVolume]:
    """All volumes, sorted by name."""
    return [get(root, name) for name in sorted(lifecycle.listing(root.volumes)) if re.fullmatch(NAME, name)]


def get(root: DataRoot, name: str) -> NamedVolume:
    """One volume; a record that cannot be read is an empty one, since the data is what matters."""
    directory = root.volume(name)
    if not re.fullmatch(NAME, name) or not directory.data.is_dir():
        raise NotFoundError(f"there is no volume {name!r}", hint="`pod volume ls` lists them")
    record: Any = {}
    with contextlib.suppress(OSError, ValueError):
        record = json.loads(directory.record.read_bytes())
    fields = record if isinstance(record, dict) else {}
    labels = fields.get("labels")
    return NamedVolume(
        name, directory, str(fields.get("created", "")), labels if isinstance(labels, dict) else {}
    )


def users(root: DataRoot) -> dict[str, list[str]]:
    """The UUIDs of the pods that mount each volume, whether they run or not."""
    found: dict[str, list[str]] = {}
    for pod in lifecycle.pods(root):
        if pod.state is State.GARBAGE:
            continue
        for volume in lifecycle.read_manifest(pod.directory).get("volumes", []):
            if isinstance(volume, dict) and volume.get("kind") == VolumeKind.NAMED:
                found.setdefault(str(volume.get("source")), []).append(pod.uuid)
    return found


def remove(root: DataRoot, name: str) -> None:
    """Remove a volume that no pod uses, with all that is in it."""
    with hold(root, alone=True):
        volume = get(root, name)
        if pods := users(root).get(name):
            raise ConflictError(
                f"volume {name} is in use by {_some([finding.label(str(root.path), uuid) for uuid in pods])}",
                hint="remove them first: pod rm; a pod that has ended keeps its volumes, too",
            )
        gone = root.volumes / f"{_UNFINISHED}gone.{os.getpid()}.{name}"
        volume.directory.path.rename(gone)
    remove_tree(gone)


def _some(pods: list[str]) -> str:
    more = f" and {len(pods) - 3} more" if len(pods) > 3 else ""
    return f"pod {', '.join(pods[:3])}{more}"


def prune(root: DataRoot) -> list[str]:
    """Remove every volume that no pod uses, and what was left half made or half removed."""
    with hold(root, alone=True):
        used = users(root)
        names = [volume.name for volume in listing(root) if volume.name not in used]
        doomed = [root.volume(name).path for name in names]
        for path in doomed:
            path.rename(root.volumes / f"{_UNFINISHED}gone.{os.getpid()}.{path.name}")
    for name in lifecycle.listing(root.volumes):
        if name.startswith(_UNFINISHED) and not _is_being_made(name):
            remove_tree(root.volumes / name)
    return names


def _is_being_made(name: str) -> bool:
    what, _, rest = name.lstrip(_UNFINISHED).partition(".")
    return what == "new" and Path("/proc", rest.partition(".")[0]).exists()


def fill(directory: VolumeDir, source: Entry | None, own: tuple[int | None, int | None, int | None]) -> None:
    """Give an empty volume what the image has at its place, whole however often this is cut short.

    The copy is made beside the data and moved in name by name, so that a pod that has the empty volume mounted sees
    it appear. `own` is mode, user and group to have in place of the image's.
    """
    from stage0.image.copy import copy_tree  # noqa: PLC0415  only for the first pod that uses a volume

    copy, unfinished = directory.path / "filling", directory.path / "copying"
    with lifecycle.locked(directory.path):
        if unfinished.exists():
            remove_tree(unfinished)
        if not copy.exists():
            if any(directory.data.iterdir()) or (source is None and own == (None, None, None)):
                return
            unfinished.mkdir(mode=0o755)
            if source is not None and source.is_directory:
                copy_tree(source, unfinished)
            give(unfinished, *own)
            unfinished.rename(copy)
        _move_in(copy, directory.data)


def _move_in(copy: Path, data: Path) -> None:
    for name in os.listdir(copy):
        (copy / name).rename(data / name)
    status = copy.stat()
    os.chown(data, status.st_uid, status.st_gid)
    data.chmod(status.st_mode & 0o7777)
    copy.rmdir()
