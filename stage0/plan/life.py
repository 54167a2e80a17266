"""PURE. When apps start, count as started, start again, and end the pod."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from stage0 import quantities
from stage1.contract import App, ExitPolicy, ExitRule, Readiness, Restart, RestartPolicy, UsageError

MOST_RESTARTS = 2**31 - 2  # systemd counts starts in an unsigned int


def exit_policy(text: str, names: Sequence[str]) -> ExitPolicy:
    """`--exit-policy`."""
    rule, _, app = text.partition(":")
    if rule == ExitRule.APP and app in names:
        return ExitPolicy(rule=ExitRule.APP, app=app)
    if rule == ExitRule.APP:
        raise UsageError(
            f"--exit-policy={text}: no app is called {app!r}", hint=f"the apps are {', '.join(names)}"
        )
    if app or rule not in set(ExitRule):
        raise UsageError(
            f"--exit-policy={text}: no such policy", hint="any-failure, all, first, app:NAME or never"
        )
    return ExitPolicy(rule=ExitRule(rule))


def restart(text: str) -> RestartPolicy:
    """`--restart`."""
    when, colon, limit = text.partition(":")
    times = quantities.whole(limit, MOST_RESTARTS)
    if when not in set(Restart) or (colon and (times is None or when == Restart.NO)):
        raise UsageError(
            f"--restart={text}: no such policy", hint="no, on-failure[:TIMES] or always[:TIMES]"
        )
    return RestartPolicy(when=Restart(when), limit=times if colon else None)


def readiness(text: str | None) -> Readiness:
    """`--ready`."""
    kind, _, digits = (text or "started").partition(":")
    if kind == "tcp" and (port := quantities.whole(digits, 65535)):
        return Readiness(port=port)
    if text in {None, "started", "notify"}:
        return Readiness(notify=text == "notify")
    raise UsageError(f"--ready={text}: no such readiness", hint="started, notify or tcp:PORT")


def check_order(apps: Sequence[App]) -> None:
    """Every `after` and `requires` names another app, and none waits for itself by any way round."""
    waits = {app.name: {*app.after, *app.requires} for app in apps}
    for name, others in waits.items():
        if unknown := others - waits.keys():
            raise UsageError(
                f"app {name} waits for {min(unknown)!r}, which is no app of this pod",
                hint="see --after",
            )
    _check_init(apps, waits)
    ready: set[str] = set()
    while waits.keys() - ready:
        free = {name for name in waits.keys() - ready if waits[name] <= ready}
        if not free:
            raise UsageError(
                f"apps wait for each other: {', '.join(sorted(waits.keys() - ready))}", hint="see --after"
            )
        ready |= free


def _check_init(apps: Sequence[App], waits: dict[str, set[str]]) -> None:
    """Init apps run one after the other as they were named, each to its end; `waits` learns of that order."""
    inits = [app.name for app in apps if app.init]
    for app in apps:
        if app.init and not waits[app.name] <= set(inits):
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
