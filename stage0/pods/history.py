"""EFFECT. What has happened to pods, read out of the records that lie in their directories anyway.

There is no log of events to be kept, bounded or lost: a pod's making is in `pod.json`, its start, readiness and end in
the monitor's files, each run of an app in the reaper's, and what commands did to it while it ran in `run/history`. So
the past is there until the pod is removed, as far as the start before the last one, and following is watching these
directories.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stage0 import moments
from stage0.pods import lifecycle, results
from stage0.pods.lifecycle import Pod
from stage1.contract import PodDir, State
from stage1.contract.values import NamedTuple

# More than anybody changes a running pod; a file that grows beyond it is cut in half.
_MOST = 1 << 20


class Event(NamedTuple):
    """Something that happened to a pod or an app of it; `moment` is a stamp, `facts` depend on the kind."""

    moment: str
    kind: str
    pod: str
    name: str | None
    app: str | None
    facts: dict[str, Any]


def note(directory: PodDir, kind: str, app: str | None = None, **facts: Any) -> None:  # noqa: ANN401
    """Record what a command has just done to a pod; one write, so that two at once do not mix."""
    line = json.dumps({"at": moments.stamp(time.time_ns()), "kind": kind, "app": app, **facts}) + "\n"
    with contextlib.suppress(FileNotFoundError), directory.history.open("ab") as file:
        file.write(line.encode())
        if file.tell() > _MOST:
            _halve(directory.history)


def _halve(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(b"".join(lines[len(lines) // 2 :]))
    temporary.replace(path)


def events(pod: Pod) -> Iterator[Event]:
    """Everything known of one pod, in no order; what is damaged is left out."""
    manifest = lifecycle.read_manifest(pod.directory)
    name = manifest.get("name")

    def event(at: object, kind: str, app: str | None = None, **facts: Any) -> Iterator[Event]:  # noqa: ANN401
        if (moment := moments.normal(at if isinstance(at, str) else None)) is not None:
            yield Event(moment, kind, pod.uuid, name, app, facts)

    yield from event(
        manifest.get("created"), "create", apps=[app["name"] for app in manifest.get("apps", [])]
    )
    for life in (pod.directory.before, pod.directory):
        yield from _life(life, manifest, event)


def _life(
    directory: PodDir, manifest: Mapping[str, Any], event: Callable[..., Iterator[Event]]
) -> Iterator[Event]:
    """What the records of one start tell."""
    yield from event(results.started(directory), "start")
    yield from event(results.ready(directory), "ready")
    for ended in _objects(directory.outcome):
        yield from event(
            ended.get("ended_at"),
            "die",
            status=ended.get("status"),
            reason=ended.get("reason"),
            by=ended.get("by"),
        )
    for app in manifest.get("apps", []):
        for record in _objects(directory.runs(app["name"])):
            facts = {
                key: record.get(key) for key in ("reason", "code", "signal", "status", "runs", "started_at")
            }
            kind = "oom" if record.get("reason") == "oom-kill" else "app-exit"
            yield from event(record.get("ended_at"), kind, app["name"], **facts)
            if record.get("reason") == "watchdog":
                yield from event(record.get("ended_at"), "health", app["name"], status="unhealthy")
    for record in _objects(directory.history):
        facts = {key: value for key, value in record.items() if key not in {"at", "kind", "app"}}
        yield from event(record.get("at"), str(record.get("kind")), record.get("app"), **facts)


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """A file of one JSON object a line."""
    try:
        text = path.read_bytes()
    except OSError:
        return
    for line in text.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(line)
            if isinstance(found, dict):
                yield found


def watched(directory: PodDir) -> tuple[Path, ...]:
    """The directories in which a pod's records appear."""
    return directory.path, directory.run, directory.status


def places(root: Path) -> tuple[Path, ...]:
    """The directories in which pods appear and move."""
    return tuple(root / "pods" / state.value for state in State)
