"""EFFECT. Mounts into running apps: a record each below `run/mounts`, and the program that makes them.

A record is there before its mount and after it: a call that is killed leaves one whose mount's number is not yet
known, and whoever looks next finds out from the pod's mount table what became of it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from stage0 import command, handoff
from stage0.making import utc_now
from stage0.pods import history, lifecycle, results
from stage0.running.livemount import LiveMount, mount_table
from stage1.contract import ConflictError, HostError, NotFoundError, PodDir, PodError
from stage1.contract.values import NamedTuple


class Removal(StrEnum):
    """What became of a mount, in the words of the program that unmounts."""

    UNMOUNTED = "unmounted"
    BUSY = "busy"
    GONE = "gone"


class Record(NamedTuple):
    """One live mount; `mount` is its number in the pod's mount table, None while it is being made."""

    id: str
    app: str
    source: str
    target: str
    read_only: bool
    recursive: bool
    added_at: str
    mount: int | None


@contextlib.contextmanager
def locked(directory: PodDir) -> Iterator[None]:
    """One change of a pod's mounts at a time."""
    directory.mounts.mkdir(mode=0o700, exist_ok=True)
    with lifecycle.locked(directory.mounts):
        yield


def add(directory: PodDir, app: str, wanted: LiveMount, *, machine: str, propagate: bool) -> Record:
    """Mount and record; if it fails, neither is there."""
    record = Record(
        id=os.urandom(6).hex(),
        app=app,
        source=wanted.source,
        target=wanted.target,
        read_only=wanted.read_only,
        recursive=wanted.recursive,
        added_at=utc_now(),
        mount=None,
    )
    _write(directory, record)
    try:
        said = _mounter("add", *_options(directory, record, machine, propagate=propagate), str(directory.path), app,
                        wanted.source, wanted.target)  # fmt: skip
    except PodError:
        forget(directory, record)
        raise
    record = record._replace(mount=int(said))
    _write(directory, record)
    history.note(directory, "mount", app, source=record.source, target=record.target)
    return record


def _options(directory: PodDir, record: Record, machine: str, *, propagate: bool) -> Iterator[str]:
    leader = results.live_process(directory.leader)
    yield f"--note={_note(directory, record).relative_to(directory.path)}"
    yield f"--machine={machine}"
    if leader is not None and results.main_process(leader, record.app) is not None:
        yield "--app-runs"
    if record.read_only:
        yield "--read-only"
    if record.recursive:
        yield "--recursive"
    if propagate:
        yield "--propagate"


def remove(directory: PodDir, record: Record) -> Removal:
    """Unmount and forget; a mount that is `busy` goes when who uses it does."""
    found = Removal.GONE
    if record.mount is not None:
        said = _mounter("remove", str(directory.path), record.app, record.target, str(record.mount))
        found = Removal(said)
    forget(directory, record)
    history.note(directory, "unmount", record.app, source=record.source, target=record.target)
    return found


def _mounter(*words: str) -> str:
    try:
        return os.fsdecode(command.run([handoff.native("mounter"), *words])).strip()
    except command.CommandError as error:
        killed = error.status < 0  # and may have been half way
        what = "see `pod mount ls`" if killed else "nothing was changed; see `pod mount ls`"
        raise HostError(error.reason, hint=what) from None


def records(directory: PodDir) -> list[Record]:
    """Every one, oldest first, with what became of those that a killed call left."""
    names = [name for name in lifecycle.listing(directory.mounts) if name.endswith(".json")]
    found = [record for name in names if (record := _read(directory.mounts / name))]
    return sorted((_settled(directory, record) for record in found), key=lambda record: record.added_at)


def find(directory: PodDir, reference: str, app: str | None) -> Record:
    """One by its id, or by the path in the app where it is: the uppermost there."""
    found = [one for one in records(directory) if app in {None, one.app}]
    by_place = [one for one in found if one.target == (f"/{reference.strip('/')}")]
    by_id = [one for one in found if one.id.startswith(reference)]
    if by_place and len({one.app for one in by_place}) == 1:
        return by_place[-1]
    if len(by_id) == 1 and not by_place:
        return by_id[0]
    if by_place or by_id:
        raise ConflictError(f"{reference!r} means several mounts", hint="write more of the id, or --app")
    raise NotFoundError(
        f"pod {lifecycle.label(directory)} has no mount {reference!r}", hint="`pod mount ls POD` lists them"
    )


def is_there(directory: PodDir, record: Record) -> bool:
    """Whether the pod's mount table still has it."""
    return any(mounted.id == record.mount for mounted in mount_table(_table(directory)))


def _settled(directory: PodDir, record: Record) -> Record:
    if record.mount is not None:
        return record
    try:
        place = _note(directory, record).read_text(errors="surrogateescape")
    except FileNotFoundError:
        return record
    here = [mounted.id for mounted in mount_table(_table(directory)) if mounted.path == place]
    known = {
        other.mount
        for name in lifecycle.listing(directory.mounts)
        if (other := _read(directory.mounts / name))
    }
    return record._replace(mount=next((one for one in reversed(here) if one not in known), None))


def _table(directory: PodDir) -> str:
    leader = results.live_process(directory.leader)
    try:
        return Path(f"/proc/{leader}/mountinfo").read_text(errors="surrogateescape") if leader else ""
    except OSError:
        return ""


def forget(directory: PodDir, record: Record) -> None:
    """Remove a record."""
    _note(directory, record).unlink(missing_ok=True)
    (directory.mounts / f"{record.id}.json").unlink(missing_ok=True)


def _note(directory: PodDir, record: Record) -> Path:
    return directory.mounts / f"{record.id}.place"


def _write(directory: PodDir, record: Record) -> None:
    path = directory.mounts / f"{record.id}.json"
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(record._asdict()))
    temporary.replace(path)


def _read(path: Path) -> Record | None:
    if path.suffix != ".json":
        return None
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        return Record(**said)
    except (OSError, ValueError, TypeError):
        return None
