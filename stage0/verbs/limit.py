"""EFFECT. `pod limit`: show the limits of a pod and its apps, or change them, at once and for good."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from stage0 import cgroups, handoff, history, layout, lifecycle, limits, results, show
from stage0.lifecycle import Pod
from stage0.options import resources
from stage0.plan import limitchange
from stage0.request import PodRequest
from stage0.settings import Settings
from stage1.contract import ConflictError, PodDir, PodManifest, codec

_LISTS = ("io_max", "hugepages")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod or app, and what it may use from now on."""
    parser.add_argument("--app", metavar="APP", help="this app's limits, not the pod's (cgroup v2)")
    parser.add_argument("--json", action="store_true", help="limits and what is in use, a list of objects")
    resources.add_changes(parser)
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Without a limit: what there is. Else change them, of a running pod or for the next start of one."""
    pod = lifecycle.find(settings.data, arguments.pod)
    if arguments.app is not None:
        results.require_app(pod, arguments.app)
    wish = _wish(arguments)
    if wish == PodRequest(app=()):
        _show(pod, arguments.app, as_json=arguments.json)
        return 0
    _change(pod, arguments.app, wish, best_effort=arguments.best_effort)
    if arguments.json:
        _show(pod, arguments.app, as_json=True)
    return 0


def _wish(arguments: argparse.Namespace) -> PodRequest:
    said = {name: getattr(arguments, name) for name in limitchange.OPTIONS}
    said |= {name: tuple(said[name] or ()) for name in _LISTS}
    return PodRequest(app=(), **said)


def _change(pod: Pod, app: str | None, wish: PodRequest, *, best_effort: bool) -> None:
    with _locked(pod):
        old = codec.decode(pod.directory.manifest.read_bytes(), where=str(pod.directory.manifest))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        found = limitchange.limits_after(limitchange.resources_of(old, app), wish, memory)
        new = limitchange.with_resources(old, app, found, best_effort=best_effort)
        if pod.running:
            _apply(pod.directory, old, new, app)
        layout.rewrite(new, pod.directory)
        if pod.running:
            history.note(pod.directory, "limit", app, limits=limits.limits_of(_plain(new, app)))


@contextlib.contextmanager
def _locked(pod: Pod) -> Iterator[None]:
    """A running pod is changed by one at a time; one that does not run is kept from starting."""
    if pod.running:
        with handoff.changing(pod.directory):
            yield
        return
    lock = lifecycle.lock_exclusive(pod.directory)
    if lock is None:
        raise ConflictError(f"pod {pod.uuid} is just being started or removed", hint="try again")
    try:
        yield
    finally:
        os.close(lock)


def _apply(directory: PodDir, old: PodManifest, new: PodManifest, app: str | None) -> None:
    leader = results.live_process(directory.leader)
    if leader is None:
        raise ConflictError(f"pod {directory.uuid} is starting or ending", hint="try again")
    refused = handoff.limit(old, new, directory, leader, app, best_effort=new.best_effort)
    for reason in refused:
        sys.stderr.write(f"pod: not enforced here: {reason}\n")
    _note_unenforced(directory, app, refused)


def _note_unenforced(directory: PodDir, app: str | None, refused: list[str]) -> None:
    """What is said of this app, or of the pod, makes room for what is true now."""
    others = [line for line in results.unenforced(directory) if _owner(line) != app]
    directory.unenforced.write_text("".join(f"{line}\n" for line in (*others, *refused)))


def _owner(reason: str) -> str | None:
    return reason.split()[1] if reason.startswith("app ") else None


def _plain(pod: PodManifest, app: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = codec.plain(pod)
    return facts if app is None else next(one for one in facts["apps"] if one["name"] == app)


def _show(pod: Pod, app: str | None, *, as_json: bool) -> None:
    rows = [row for row in _facts(pod) if app in {None, row["app"]}]
    if as_json:
        sys.stdout.write(show.as_json(rows))
    else:
        sys.stdout.write(show.table(("APP", "IN USE", "LIMITS"), [_row(row) for row in rows]))
        sys.stdout.write(
            "".join(f"not enforced here: {line}\n" for line in results.unenforced(pod.directory))
        )


def _facts(pod: Pod) -> list[dict[str, Any]]:
    """The pod itself (`app` null) and each app: what was set, and what is in use (null if it does not run)."""
    manifest = lifecycle.read_manifest(pod.directory)
    tree = results.groups(pod)
    parts = [(None, manifest), *((app["name"], app) for app in manifest.get("apps", []))]
    return [
        {
            "app": name,
            "limits": limits.limits_of(part),
            "usage": _usage(tree.app(name) if name else tree) if tree else None,
        }
        for name, part in parts
    ]


def _usage(tree: cgroups.Groups) -> dict[str, Any]:
    found = cgroups.usage(tree)
    return {"memory": found.memory, "tasks": found.tasks, "cpu": found.cpu}


def _row(row: dict[str, Any]) -> tuple[str, str, str]:
    usage = row["usage"]
    used = "-"
    if usage:
        used = f"{show.binary(usage['memory'] or 0)}, {usage['tasks']} tasks"
        if usage["cpu"] is not None:
            used += f", {usage['cpu'] / 1e6:.2f} s"
    return row["app"] or "(all)", used, limits.sentence(row["limits"]) or "none"
