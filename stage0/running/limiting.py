"""EFFECT. Limits of a pod or an app are changed: decided, put into force, recorded in `pod.json`."""

from __future__ import annotations

import os
from typing import Any

from stage0 import layout
from stage0.plan import limitchange
from stage0.pods import history, lifecycle, limits
from stage0.pods.lifecycle import Pod
from stage0.request import PodRequest
from stage0.running import changing, limitnote
from stage1.contract import PodManifest, codec


def change(pod: Pod, app: str | None, wish: PodRequest, *, best_effort: bool) -> list[str]:
    """All of it or nothing; what this host cannot enforce of it is told."""
    with changing.held(pod.directory.root, pod.uuid) as held:
        old = lifecycle.manifest(held.directory)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        found = limitchange.limits_after(limitchange.resources_of(old, app), wish, memory)
        new = limitchange.with_resources(old, app, found, best_effort=best_effort)
        refused: list[str] = []
        if held.running:
            refused = limitnote.change(held.directory, old, new, (app,))
        layout.rewrite(new, held.directory)
        if held.running:
            history.note(held.directory, "limit", app, limits=limits.limits_of(_plain(new, app)))
            limitnote.done(held.directory)
        return refused


def settle(pod: Pod) -> None:
    """Finish what a killed call began."""
    if pod.running and pod.directory.limiting.exists():
        with changing.locked(pod):
            changing.settle(pod)


def _plain(pod: PodManifest, app: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = codec.plain(pod)
    return facts if app is None else next(one for one in facts["apps"] if one["name"] == app)
