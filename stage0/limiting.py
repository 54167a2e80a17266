"""EFFECT. Limits of a pod or an app are changed: decided, noted, put into force, recorded in `pod.json`.

The note (`run/limiting.json`) is there while a change is under way: what a killed call left half done the next one, or
the next look, finishes.
"""

from __future__ import annotations

import json
import os
from typing import Any

from stage0 import changing, handoff, history, layout, limits, results
from stage0.lifecycle import Pod
from stage0.plan import limitchange
from stage0.request import PodRequest
from stage1.contract import (
    ConflictError,
    HugePages,
    PodDir,
    PodError,
    PodManifest,
    Resources,
    Throttle,
    codec,
)


def change(pod: Pod, app: str | None, wish: PodRequest, *, best_effort: bool) -> list[str]:
    """All of it or nothing; what this host cannot enforce of it is told."""
    changing.require_mutable(pod)
    with changing.locked(pod):
        changing.settle(pod)
        if pod.running:
            _settle(pod.directory)
        old = _manifest(pod.directory)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        found = limitchange.limits_after(limitchange.resources_of(old, app), wish, memory)
        new = limitchange.with_resources(old, app, found, best_effort=best_effort)
        if not pod.running:
            layout.rewrite(new, pod.directory)
            return []
        _note(pod.directory, new, app)
        try:
            return _carry_out(pod.directory, old, new, app)
        except PodError:
            pod.directory.limiting.unlink()
            raise


def settle(pod: Pod) -> None:
    """Finish what a killed call began."""
    if pod.running and pod.directory.limiting.exists():
        with changing.locked(pod):
            _settle(pod.directory)


def _settle(directory: PodDir) -> None:
    """If it cannot be as that call wished (memory was taken meanwhile), it is as before."""
    try:
        note = json.loads(directory.limiting.read_bytes())
    except FileNotFoundError:
        return
    old, app = _manifest(directory), note["app"]
    new = limitchange.with_resources(old, app, _resources(note["limits"]), best_effort=note["best_effort"])
    try:
        _carry_out(directory, old, new, app)
    except PodError:
        handoff.limit(new, old, directory, _leader(directory), app, best_effort=True)
        directory.limiting.unlink()


def _carry_out(directory: PodDir, old: PodManifest, new: PodManifest, app: str | None) -> list[str]:
    refused = handoff.limit(old, new, directory, _leader(directory), app, best_effort=new.best_effort)
    _note_unenforced(directory, app, refused)
    layout.rewrite(new, directory)
    history.note(directory, "limit", app, limits=limits.limits_of(_plain(new, app)))
    directory.limiting.unlink()
    return refused


def _note(directory: PodDir, new: PodManifest, app: str | None) -> None:
    found = codec.plain(limitchange.resources_of(new, app))
    beside = directory.limiting.with_suffix(".new")
    beside.write_text(json.dumps({"app": app, "limits": found, "best_effort": new.best_effort}))
    beside.replace(directory.limiting)


def _resources(found: dict[str, Any]) -> Resources:
    lists = {
        "io_max": tuple(Throttle(**one) for one in found["io_max"]),
        "huge_pages": tuple(HugePages(**one) for one in found["huge_pages"]),
    }
    return Resources(**{**found, **lists})


def _manifest(directory: PodDir) -> PodManifest:
    found: PodManifest = codec.decode(directory.manifest.read_bytes(), where=str(directory.manifest))
    return found


def _leader(directory: PodDir) -> int:
    leader = results.live_process(directory.leader)
    if leader is None:
        raise ConflictError(f"pod {directory.uuid} is starting or ending", hint="try again")
    return leader


def _note_unenforced(directory: PodDir, app: str | None, refused: list[str]) -> None:
    """What is said of this app, or of the pod, makes room for what is true now."""
    others = [line for line in results.unenforced(directory) if _owner(line) != app]
    directory.unenforced.write_text("".join(f"{line}\n" for line in (*others, *refused)))


def _owner(reason: str) -> str | None:
    return reason.split()[1] if reason.startswith("app ") else None


def _plain(pod: PodManifest, app: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = codec.plain(pod)
    return facts if app is None else next(one for one in facts["apps"] if one["name"] == app)
