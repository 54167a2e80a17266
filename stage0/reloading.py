"""EFFECT. Another manifest for a pod that runs: what can be had at once is made so, all of it or nothing."""

from __future__ import annotations

import contextlib

from stage0 import handoff, history, layout, livemount, livemounts, results
from stage0.lifecycle import Pod
from stage0.livemounts import Record
from stage0.plan import reloading
from stage0.plan.reloading import Changes, LiveMount
from stage1.contract import ConflictError, PodDir, PodManifest, codec


def manifest(directory: PodDir) -> PodManifest:
    """The manifest of a pod, checked: somebody may have edited it."""
    return codec.decode(directory.manifest.read_bytes(), where=str(directory.manifest))


def compare(old: PodManifest, new: PodManifest, directory: PodDir) -> Changes:
    """What would be done, and what would wait."""
    with livemounts.locked(directory):
        live = frozenset(_place(one) for one in livemounts.records(directory))
    return reloading.changes(old, new, live)


def apply(pod: Pod, old: PodManifest, new: PodManifest, found: Changes) -> list[str]:
    """Make the changes, and let `pod.json` say so; what this host cannot enforce of the limits is told.

    If one of them fails the others are undone: the pod is as it was.
    """
    with contextlib.ExitStack() as held, contextlib.ExitStack() as undo:
        if found.mount or found.unmount:
            held.enter_context(livemounts.locked(pod.directory))
        _publish(pod.directory, found, undo)
        _mount(pod, new, found, undo)
        refused = _limit(pod, old, new, found)
        undo.pop_all()
    layout.rewrite(reloading.after(old, new, found), pod.directory)
    return refused


def _publish(directory: PodDir, found: Changes, undo: contextlib.ExitStack) -> None:
    networks = handoff.networks()
    if found.unpublish:
        networks.unpublish(directory, found.unpublish)
        undo.callback(networks.publish, directory, found.unpublish)
    if found.publish:
        added = networks.publish(directory, found.publish)
        undo.callback(networks.unpublish, directory, added)
    for kind, ports in (("publish", found.publish), ("unpublish", found.unpublish)):
        if ports:
            history.note(directory, "port", change=kind, ports=[port.pod for port in ports])


def _mount(pod: Pod, new: PodManifest, found: Changes, undo: contextlib.ExitStack) -> None:
    for one in found.mount:
        record = _add(pod, new, one)
        undo.callback(livemounts.remove, pod.directory, record)
    gone = livemounts.records(pod.directory) if found.unmount else []
    for record in gone:
        if (place := _place(record)) in found.unmount and place not in found.mount:
            livemounts.remove(pod.directory, record)
            undo.callback(_add, pod, new, place)


def _add(pod: Pod, new: PodManifest, one: LiveMount) -> Record:
    wanted = livemount.LiveMount(one.source, one.target, one.read_only, one.recursive)
    return livemounts.add(pod.directory, one.app, wanted, machine=new.machine, propagate=False)


def _place(record: Record) -> LiveMount:
    return LiveMount(record.app, record.source, record.target, record.read_only, record.recursive)


def _limit(pod: Pod, old: PodManifest, new: PodManifest, found: Changes) -> list[str]:
    """The last of the changes: of what they refuse nothing was changed."""
    if not found.limits:
        return []
    leader = results.live_process(pod.directory.leader)
    if leader is None:
        raise ConflictError(f"pod {pod.uuid} is starting or ending", hint="try again")
    refused: list[str] = []
    with contextlib.ExitStack() as undo:
        for app in found.limits:
            refused += handoff.limit(old, new, pod.directory, leader, app, best_effort=new.best_effort)
            undo.callback(handoff.limit, new, old, pod.directory, leader, app, best_effort=True)
            history.note(pod.directory, "limit", app)
        undo.pop_all()
    return refused
