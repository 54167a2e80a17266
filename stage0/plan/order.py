"""PURE. Which app waits for which, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from stage1.contract import App, Condition, Dependency, Restart, UsageError

_STATES = ", ".join(Condition)


def dependencies(texts: Sequence[str], option: str) -> tuple[Dependency, ...]:
    """`--after`, `--wants`, `--requires`: `APP[:STATE]`."""
    return tuple(_dependency(text, option) for text in texts)


def _dependency(text: str, option: str) -> Dependency:
    app, colon, state = text.partition(":")
    if colon and state not in set(Condition):
        raise UsageError(
            f"{option} {text}: no state {state!r} of an app", hint=f"write APP or APP:STATE: {_STATES}"
        )
    return Dependency(app=app, condition=Condition(state) if colon else Condition.READY)


def check_order(apps: Sequence[App]) -> None:
    """Every app that another waits for is there and can get that far, and none waits for itself by any way round."""
    known = {app.name: app for app in apps}
    waits: dict[str, set[str]] = {}
    for app in apps:
        wished = (*app.after, *app.wants, *app.requires)
        waits[app.name] = {other.app for other in wished}
        if unknown := waits[app.name] - known.keys():
            raise UsageError(
                f"app {app.name} waits for {min(unknown)!r}, which is no app of this pod", hint="see --after"
            )
        for other in wished:
            _check_condition(app, known[other.app], other.condition)
    _check_init(apps, waits)
    _check_sidecars(apps, waits)
    _check_circles(waits)


def _check_condition(app: App, other: App, condition: Condition) -> None:
    """`healthy` and `finished` are states that not every app can reach."""
    if condition is Condition.HEALTHY and not other.is_watched:
        raise UsageError(
            f"app {app.name} waits for {other.name} to be healthy, and nothing watches over that app's health",
            hint="give it --watchdog, and --ready=notify or tcp:PORT; or wait for it to be ready",
        )
    endless = (
        other.sidecar or other.restart.when is Restart.ALWAYS or any(one.activated for one in other.sockets)
    )
    if condition is Condition.FINISHED and endless:
        raise UsageError(
            f"app {app.name} waits for {other.name} to be finished, and that app is never finished",
            hint="it is a sidecar, is activated by a socket, or has --restart=always",
        )


def _check_init(apps: Sequence[App], waits: dict[str, set[str]]) -> None:
    """Init apps run one after the other as they were named, each to its end; `waits` learns of that order."""
    inits = [app.name for app in apps if app.init]
    early = {*inits, *(app.name for app in apps if app.sidecar)}
    for app in apps:
        if app.init and not waits[app.name] <= early:
            raise UsageError(
                f"init app {app.name} cannot wait for an app that starts after it", hint="see --init"
            )
        if app.init and app.restart.when is Restart.ALWAYS:
            raise UsageError(
                f"init app {app.name} has --restart=always and would never end",
                hint="use on-failure[:TIMES]",
            )
    for earlier, later in pairwise(inits):
        waits[later].add(earlier)


def _check_sidecars(apps: Sequence[App], waits: dict[str, set[str]]) -> None:
    sidecars = {app.name for app in apps if app.sidecar}
    for name in sidecars:
        if not waits[name] <= sidecars:
            raise UsageError(
                f"sidecar {name} cannot wait for an app that starts after it", hint="see --sidecar"
            )
    if apps and all(app.sidecar for app in apps):
        raise UsageError("every app is a sidecar, and nothing keeps the pod alive", hint="see --sidecar")


def _check_circles(waits: dict[str, set[str]]) -> None:
    ready: set[str] = set()
    while waits.keys() - ready:
        free = {name for name in waits.keys() - ready if waits[name] <= ready}
        if not free:
            raise UsageError(
                f"apps wait for each other: {', '.join(sorted(waits.keys() - ready))}", hint="see --after"
            )
        ready |= free


def in_order(apps: Sequence[App]) -> list[App]:
    """Each app behind those it waits for, else as they are; for apps that were checked."""
    waits = {app.name: {one.app for one in (*app.after, *app.wants, *app.requires)} for app in apps}
    left, found = list(apps), list[App]()
    while left:
        ahead = {app.name for app in left}
        free = [app for app in left if not waits[app.name] & ahead]
        found += free or left
        left = [app for app in left if free and app not in free]
    return found
