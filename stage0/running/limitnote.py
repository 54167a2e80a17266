"""EFFECT. Limits of a running pod on their way into force, and the note that says so.

The note (`run/limiting.json`) is there from before the first of them changes until `pod.json` says them: what a killed
call left half done, whoever changes the pod next finishes. If it cannot be had any more it is as before.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

from stage0 import handoff, layout
from stage0.plan import limitchange
from stage0.pods import results
from stage1.contract import HugePages, PodDir, PodError, PodManifest, Resources, Throttle, codec


def change(directory: PodDir, old: PodManifest, new: PodManifest, apps: Sequence[str | None]) -> list[str]:
    """Put the limits of these apps (None: of the pod) into force, all or none; what this host cannot enforce.

    `done` follows when `pod.json` says them.
    """
    _write(directory, new, apps)
    try:
        return _enforce(directory, old, new, apps)
    except PodError:
        done(directory)
        raise


def _enforce(directory: PodDir, old: PodManifest, new: PodManifest, apps: Sequence[str | None]) -> list[str]:
    leader = results.leader(directory)
    refused: list[str] = []
    with contextlib.ExitStack() as undo:
        for app in apps:
            found = handoff.limit(old, new, directory, leader, app, best_effort=new.best_effort)
            undo.callback(handoff.limit, new, old, directory, leader, app, best_effort=True)
            undo.callback(_note_unenforced, directory, app, _unenforced(directory, app))
            _note_unenforced(directory, app, found)
            refused += found
        undo.pop_all()
    return refused


def done(directory: PodDir) -> None:
    """Nothing is half done any more."""
    directory.limiting.unlink(missing_ok=True)


def settle(directory: PodDir, now: PodManifest) -> PodManifest:
    """Finish what a killed call began; the manifest is `pod.json` before, and comes back as it is then."""
    try:
        note = json.loads(directory.limiting.read_bytes())
    except FileNotFoundError:
        return now
    new, apps = now, [one["app"] for one in note["changes"]]
    for one in note["changes"]:
        found = _resources(one["limits"])
        new = limitchange.with_resources(new, one["app"], found, best_effort=note["best_effort"])
    try:
        _enforce(directory, now, new, apps)
        layout.rewrite(new, directory)
    except PodError:
        leader = results.leader(directory)
        for app in apps:
            handoff.limit(new, now, directory, leader, app, best_effort=True)
        new = now
    done(directory)
    return new


def _write(directory: PodDir, new: PodManifest, apps: Sequence[str | None]) -> None:
    changes = [{"app": app, "limits": codec.plain(limitchange.resources_of(new, app))} for app in apps]
    beside = directory.limiting.with_suffix(".new")
    beside.write_text(json.dumps({"changes": changes, "best_effort": new.best_effort}))
    beside.replace(directory.limiting)


def _resources(found: dict[str, Any]) -> Resources:
    lists = {
        "io_max": tuple(Throttle(**one) for one in found["io_max"]),
        "huge_pages": tuple(HugePages(**one) for one in found["huge_pages"]),
    }
    return Resources(**{**found, **lists})


def _unenforced(directory: PodDir, app: str | None) -> list[str]:
    return [line for line in results.unenforced(directory) if _owner(line) == app]


def _note_unenforced(directory: PodDir, app: str | None, refused: list[str]) -> None:
    """What is said of this app, or of the pod, makes room for what is true now."""
    others = [line for line in results.unenforced(directory) if _owner(line) != app]
    directory.unenforced.write_text("".join(f"{line}\n" for line in (*others, *refused)))


def _owner(reason: str) -> str | None:
    return reason.split()[1] if reason.startswith("app ") else None
