"""EFFECT. `pod events`: what has happened to pods, and what happens."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from stage0 import moments, show
from stage0.pods import history, lifecycle, limits
from stage0.pods.history import Event
from stage0.pods.lifecycle import Pod
from stage0.pods.watching import Watch
from stage0.settings import Settings
from stage1.contract import State, UsageError

KINDS = (
    "create", "start", "ready", "app-exit", "oom", "health", "die", "remove", "pause", "unpause", "app-start",
    "app-stop", "app-restart", "app-add", "app-update", "app-remove", "limit", "mount", "unmount", "port",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which events, and whether to wait for more."""
    option = parser.add_argument
    option("pods", metavar="POD", nargs="*", help="name, UUID or the beginning of one (default: all)")
    option("-f", "--follow", action="store_true", help="go on with what happens")
    option("--since", metavar="WHEN", help="from then on: 10m (ago), a date and time, @SECONDS")
    option("--until", metavar="WHEN", help="up to then")
    option(
        "--kind", metavar="KIND", action="append", help=f"only these: {', '.join(KINDS)}; may be repeated"
    )
    option("--app", metavar="APP", action="append", help="only events of apps of this name; may be repeated")
    option("--json", action="store_true", help="an object a line")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """The past of the pods that are there, in order; with --follow what comes, as the records are written."""
    if unknown := set(arguments.kind or ()) - set(KINDS):
        raise UsageError(f"--kind {min(unknown)}: there is no such event", hint=f"one of {', '.join(KINDS)}")
    if arguments.follow and arguments.until:
        raise UsageError("--follow and --until exclude each other", hint="leave one of them out")
    uuids = frozenset(lifecycle.find(settings.data, reference).uuid for reference in arguments.pods)
    wanted = _filter(arguments, uuids)
    if not arguments.follow:
        _print(
            wanted(found for pod in lifecycle.pods(settings.data) for found in history.events(pod)),
            arguments,
        )
        return 0
    follow(settings, uuids, lambda found: _print(wanted(found), arguments))
    return 0


def _filter(
    arguments: argparse.Namespace, uuids: frozenset[str]
) -> Callable[[Iterable[Event]], list[Event]]:
    now = time.time_ns()
    since = moments.moment(arguments.since, where="--since", now=now) if arguments.since else ""
    until = moments.moment(arguments.until, where="--until", now=now) if arguments.until else "~"

    def wanted(events: Iterable[Event]) -> list[Event]:
        return sorted(
            (
                one
                for one in events
                if since <= one.moment <= until
                and (not uuids or one.pod in uuids)
                and (not arguments.kind or one.kind in arguments.kind)
                and (not arguments.app or one.app in arguments.app)
            ),
            key=lambda one: one.moment,
        )

    return wanted


def follow(settings: Settings, uuids: frozenset[str], tell: Callable[[Iterable[Event]], None]) -> None:
    """Tell the past, then each event as its record appears; ends when the pods asked for are gone."""
    seen: dict[str, set[str]] = {}
    places = history.places(settings.root)
    for place in places:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Watch() as watch:
        watch.add(*places)
        changed: frozenset[Path] | None = None
        while True:
            tell(_news(settings, watch, seen, changed))
            if uuids and not uuids & seen.keys():
                return
            changed = watch.wait()


def _news(
    settings: Settings, watch: Watch, seen: dict[str, set[str]], changed: frozenset[Path] | None
) -> list[Event]:
    """What has been written since the last look, in the pods whose directories changed (None: in all)."""
    found: list[Event] = []
    here = set()
    for pod in lifecycle.pods(settings.data):
        if pod.state is State.GARBAGE:  # its records are going
            continue
        here.add(pod.uuid)
        mine = history.watched(pod.directory)
        if changed is None or pod.uuid not in seen or changed & {*mine, *history.places(settings.root)}:
            watch.add(*mine)
            found += _new_of(pod, seen.setdefault(pod.uuid, set()))
    for uuid in seen.keys() - here:
        del seen[uuid]
        found.append(Event(moments.stamp(time.time_ns()), "remove", uuid, None, None, {}))
    return found


def _new_of(pod: Pod, seen: set[str]) -> list[Event]:
    new = []
    for one in history.events(pod):
        if (key := json.dumps(one)) not in seen:
            seen.add(key)
            new.append(one)
    return new


def _print(events: Iterable[Event], arguments: argparse.Namespace) -> None:
    for one in events:
        facts = {key: value for key, value in one.facts.items() if value is not None}
        if arguments.json:
            row = {
                "time": one.moment,
                "event": one.kind,
                "pod": one.pod,
                "name": one.name,
                "app": one.app,
                **facts,
            }
            sys.stdout.write(json.dumps(row) + "\n")
        else:
            where = f"{one.name or one.pod[:13]}{'/' + one.app if one.app else ''}"
            words = " ".join(f"{key}={_word(key, value)}" for key, value in facts.items())
            sys.stdout.write(f"{one.moment[:23]}Z {one.kind:<11} {where:<20} {words}".rstrip() + "\n")
    sys.stdout.flush()


def _word(key: str, value: object) -> str:
    if key == "limits" and isinstance(value, dict):
        return limits.sentence(value) or "none"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return show.printable(text)
