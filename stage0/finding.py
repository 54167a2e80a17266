"""EFFECT. The pod and the app that words of the command line mean: a name's link, a directory, its lock.

`pod exec` needs of a pod no more than this, and so this needs no more than `os`: see `stage1.contract.places`.
"""

from __future__ import annotations

import os

from stage1.contract.errors import ConflictError, NotFoundError, UsageError
from stage1.contract.places import (
    ENTER,
    NAMES,
    PODS,
    STATES,
    TWIN_SUFFIX,
    is_start_of_uuid,
    is_uuid,
    pod_directory,
)
from stage1.contract.running import is_locked

# Of a beginning of a UUID: `pod rm db` must not take a pod that is not called so.
_SHORTEST = 4


def find(root: str, reference: str) -> tuple[str, str, bool]:
    """State, UUID and whether it runs of the pod by this name, UUID or unique beginning of a UUID."""
    for _ in range(10):  # it may move on while we look
        uuid = _uuid_of(root, reference)
        for state in STATES:
            directory = pod_directory(root, state, uuid)
            running = is_locked(directory)
            if os.path.exists(directory):
                return state, uuid, running
    raise _no_pod(reference)


def owner_of(root: str, name: str) -> str | None:
    """The UUID a name stands for; what leads elsewhere is not a name."""
    if "/" in name:
        return None
    try:
        uuid = os.readlink(f"{root}/{NAMES}/{name}")
    except (OSError, ValueError):
        return None
    return uuid if is_uuid(uuid) else None


def label(root: str, uuid: str) -> str:
    """What people call a pod: its name, or its UUID where it has none."""
    return next((name for name in listing(f"{root}/{NAMES}") if owner_of(root, name) == uuid), uuid)


def choose_app(directory: str, wanted: str | None) -> str:
    """The app asked for, or the only one."""
    try:
        found = os.listdir(f"{directory}/{ENTER}")
        names = sorted(name for name in found if name[0] != "." and not name.endswith(TWIN_SUFFIX))
    except FileNotFoundError:
        raise ConflictError(
            f"pod {_label(directory)} is not up yet, or was started by an older version", hint="try again"
        ) from None
    if wanted is None and len(names) != 1:
        raise UsageError(
            f"pod {_label(directory)} has {len(names)} apps", hint=f"choose: --app {'|'.join(names)}"
        )
    if wanted is not None and wanted not in names:
        raise NotFoundError(
            f"pod {_label(directory)} has no app {wanted!r}", hint=f"its apps: {', '.join(names)}"
        )
    return wanted or names[0]


def _label(directory: str) -> str:
    root, _, _, uuid = directory.rsplit("/", 3)
    return label(root, uuid)


def listing(directory: str | os.PathLike[str]) -> list[str]:
    """Names in a directory, none if it is not there."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def _uuid_of(root: str, reference: str) -> str:
    if (named := owner_of(root, reference)) is not None:
        return named
    if is_uuid(reference):
        return reference
    if len(reference) < _SHORTEST or not is_start_of_uuid(reference):
        raise _no_pod(reference)
    names = {name for state in STATES for name in listing(f"{root}/{PODS}/{state}")}
    found = {name for name in names if name.startswith(reference) and is_uuid(name)}
    if len(found) > 1:
        raise ConflictError(f"{reference!r} begins {len(found)} UUIDs", hint="write more of it")
    if not found:
        raise _no_pod(reference)
    return found.pop()


def _no_pod(reference: str) -> NotFoundError:
    return NotFoundError(f"no pod {reference!r}", hint="`pod ps --all` lists the pods there are")
