"""EFFECT. Another manifest for a pod that runs: what can be had at once is made so, all of it or nothing."""

from __future__ import annotations

import contextlib
from typing import Any

from stage0 import handoff, layout
from stage0.plan import reloading, replacement
from stage0.plan.changes import Change, without_apps
from stage0.plan.order import check_order, in_order
from stage0.plan.reloading import Changes, LiveMount
from stage0.pods import history, results
from stage0.pods.lifecycle import Pod
from stage0.running import changing, limitnote, livemount, livemounts
from stage0.running.livemounts import Record
from stage1.contract import App, PodDir, PodManifest
from stage1.contract.values import NamedTuple


class Plan(NamedTuple):
    """What a reload does: to apps that go on meanwhile, which makes the pod `live`, and then to the others."""

    changes: Changes
    live: PodManifest
    after: PodManifest


def compare(old: PodManifest, new: PodManifest, directory: PodDir) -> Plan:
    """What would be done, and what would wait."""
    with livemounts.locked(directory):
        mounted = frozenset(_place(one) for one in livemounts.records(directory))
    found = reloading.changes(old, new, mounted)
    live = reloading.after(old, new, found)
    return _with_apps(Plan(found, live, live), new, directory)


def _with_apps(found: Plan, new: PodManifest, directory: PodDir) -> Plan:
    """Apps that come, are replaced and go; which of them have to wait is found out one by one."""
    changes, now = found.changes, found.live
    changed = {*changes.add, *changes.replace}
    plans = handoff.plans(directory) if changed else None
    later: dict[str, str] = {}
    for app in in_order(new.apps):
        if app.name in changed:
            if why := _obstacle(now, new, app, plans):
                later[app.name] = why
            else:
                now = replacement.adopted(now, new, app.name)
    kept = dict(replacement.kept_back(now, changes.remove))
    removed = tuple(name for name in changes.remove if name not in kept)
    if removed:
        now = without_apps(now, removed)
    check_order(now.apps)
    return Plan(_without(changes, later, kept)._replace(remove=removed), found.live, now)


def _obstacle(now: PodManifest, new: PodManifest, app: App, plans: Any) -> str | None:  # noqa: ANN401  of stage1
    if absent := sorted(replacement.waits_for(app) - {one.name for one in now.apps}):
        return f"it waits for {absent[0]}"
    candidate = replacement.adopted(now, new, app.name)
    return "; ".join(plans.missing(now, candidate)) or None


def _without(changes: Changes, later: dict[str, str], kept: dict[str, str]) -> Changes:
    waiting = (
        *(f"app {name}: {why}" for name, why in later.items()),
        *(f"app {name}: is gone, but {why}" for name, why in kept.items()),
    )
    return changes._replace(
        add=tuple(name for name in changes.add if name not in later),
        replace={name: why for name, why in changes.replace.items() if name not in later},
        later=(*changes.later, *waiting),
    )


def apply(pod: Pod, old: PodManifest, new: PodManifest, found: Plan) -> list[str]:
    """Make the changes, and let `pod.json` say so; what this host cannot enforce of the limits is told.

    If one of them fails the others are undone: the pod is as it was.
    """
    changes = found.changes
    _check_sources(found)
    with contextlib.ExitStack() as held, contextlib.ExitStack() as undo:
        if changes.mount or changes.unmount or changes.replace:
            held.enter_context(livemounts.locked(pod.directory))
        _publish(pod.directory, changes, undo)
        _mount(pod, new, changes, undo)
        refused = _limit(pod, old, new, changes)
        layout.rewrite(found.live, pod.directory)
        limitnote.done(pod.directory)
        if found.after != found.live:
            undo.callback(_settle_files, pod.directory, old, found.live)
            undo.callback(limitnote.done, pod.directory)
            undo.callback(layout.rewrite, old, pod.directory)
            undo.callback(_limit, pod, new, old, changes)
            _replace(pod, found)
        undo.pop_all()
    return refused


def _check_sources(found: Plan) -> None:
    """Of apps that go on, nothing is asked that may have changed on the host meanwhile."""
    known = {volume.name for volume in found.live.volumes}
    changed = {*found.changes.add, *found.changes.replace}
    more = (volume for volume in found.after.volumes if volume.name not in known)
    apps = (app for app in found.after.apps if app.name in changed)
    layout.check_sources(found.after._replace(volumes=tuple(more), apps=tuple(apps)))


def _replace(pod: Pod, found: Plan) -> None:
    """Apps that come, those that come anew, and those that go: all of them or none."""
    names = found.changes.replace
    mounted = [one for one in livemounts.records(pod.directory) if one.app in names] if names else []
    after = changing.apply(pod, Change(found.live, found.after))
    for record in mounted:
        _mount_again(pod, after, record)
    changing.note(pod.directory, Change(found.live, after))


def _settle_files(directory: PodDir, old: PodManifest, live: PodManifest) -> None:
    """When apps could not be changed, `run/` says what it said before."""
    if (leader := results.live_process(directory.leader)) is not None:
        handoff.joining().settle(handoff.plans(directory), leader, old, live, decide=False)


def _mount_again(pod: Pod, after: PodManifest, record: Record) -> None:
    """A live mount of an app that was replaced: what the manifest names is there, what `pod mount add` made is not."""
    if not livemounts.is_there(pod.directory, record):
        livemounts.forget(pod.directory, record)
        app = next(one for one in after.apps if one.name == record.app)
        if record.target not in {one.target for one in app.mounts}:
            _add(pod, after, _place(record))


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
    """The last of the changes that need no app: of what they refuse nothing was changed."""
    if not found.limits:
        return []
    refused = limitnote.change(pod.directory, old, new, found.limits)
    for app in found.limits:
        history.note(pod.directory, "limit", app)
    return refused
