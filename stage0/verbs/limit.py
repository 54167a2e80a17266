"""EFFECT. `pod limit`: show the limits of a pod and its apps, or change them, at once and for good."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from stage0 import show
from stage0.plan import limitchange
from stage0.pods import cgroups, lifecycle, limits, results
from stage0.pods.lifecycle import Pod
from stage0.request import PodRequest
from stage0.request.options import resources
from stage0.running import limiting
from stage0.settings import Settings

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
        limiting.settle(pod)
        _show(pod, arguments.app, as_json=arguments.json)
        return 0
    for reason in limiting.change(pod, arguments.app, wish, best_effort=arguments.best_effort):
        sys.stderr.write(f"pod: not enforced here: {reason}\n")
    if arguments.json:
        _show(pod, arguments.app, as_json=True)
    return 0


def _wish(arguments: argparse.Namespace) -> PodRequest:
    said = {name: getattr(arguments, name) for name in limitchange.OPTIONS}
    said |= {name: tuple(said[name] or ()) for name in _LISTS}
    return PodRequest(app=(), **said)


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
        used = f"{show.amount(usage['memory'] or 0)}, {usage['tasks']} tasks"
        if usage["cpu"] is not None:
            used += f", {usage['cpu'] / 1e6:.2f} s"
    return row["app"] or "(all)", used, limits.sentence(row["limits"]) or "none"
