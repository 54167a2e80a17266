"""PURE. When apps start, count as started, start again, and end the pod."""

from __future__ import annotations

from collections.abc import Sequence

from stage0 import quantities
from stage0.request import AppRequest, PodRequest
from stage1.contract import (
    App,
    ExitPolicy,
    ExitRule,
    KillMode,
    Readiness,
    Restart,
    RestartPolicy,
    UsageError,
)

MOST_RESTARTS = 2**31 - 2  # systemd counts starts in an unsigned int
LONGEST_DELAY = 60.0
SHORTEST_BOUND = 0.001


def exit_policy(pod: PodRequest, apps: Sequence[App]) -> ExitPolicy:
    """`--exit-policy`; apps that come and go later do not end a pod that began without any, unless it says so."""
    text = pod.exit_policy
    if text is None:
        text = "never" if pod.empty else "any-failure"
    rule, _, app = text.partition(":")
    known = {one.name: one for one in apps}
    if rule == ExitRule.APP and app in known and known[app].sidecar:
        raise UsageError(
            f"--exit-policy={text}: a sidecar decides nothing", hint="name an app without --sidecar"
        )
    if rule == ExitRule.APP and app in known:
        return ExitPolicy(rule=ExitRule.APP, app=app)
    if rule == ExitRule.APP:
        raise UsageError(
            f"--exit-policy={text}: no app is called {app!r}", hint=f"the apps are {', '.join(known)}"
        )
    if app or rule not in set(ExitRule):
        raise UsageError(
            f"--exit-policy={text}: no such policy", hint="any-failure, all, first, app:NAME or never"
        )
    return ExitPolicy(rule=ExitRule(rule))


def restart(wish: AppRequest) -> RestartPolicy:
    """`--restart`, `--restart-delay`, `--restart-max-delay`."""
    text = wish.restart
    when, colon, limit = text.partition(":")
    times = quantities.whole(limit, MOST_RESTARTS)
    if when not in set(Restart) or (colon and (times is None or when == Restart.NO)):
        raise UsageError(
            f"--restart={text}: no such policy", hint="no, on-failure[:TIMES] or always[:TIMES]"
        )
    delay = quantities.seconds(wish.restart_delay, where="--restart-delay")
    most = max(delay, LONGEST_DELAY)
    if wish.restart_max_delay is not None:
        most = quantities.seconds(wish.restart_max_delay, where="--restart-max-delay")
    if most < delay:
        raise UsageError(
            f"--restart-max-delay={wish.restart_max_delay} is shorter than --restart-delay={wish.restart_delay}",
            hint="the delay grows from the second to the first",
        )
    return RestartPolicy(when=Restart(when), limit=times if colon else None, delay=delay, max_delay=most)


def readiness(wish: AppRequest, name: str) -> Readiness:
    """`--ready`, `--start-time`."""
    if wish.start_time is None:
        return _readiness(wish.ready)
    if wish.init:
        raise UsageError(
            f"init app {name}: its start is its whole run",
            hint="bound that: --run-time in place of --start-time",
        )
    return _readiness(wish.ready)._replace(timeout=quantities.seconds(wish.start_time, where="--start-time"))


def _readiness(text: str | None) -> Readiness:
    kind, _, digits = (text or "started").partition(":")
    if kind == "tcp" and (port := quantities.whole(digits, 65535)):
        return Readiness(port=port)
    if text in {None, "started", "notify"}:
        return Readiness(notify=text == "notify")
    raise UsageError(f"--ready={text}: no such readiness", hint="started, notify or tcp:PORT")


def kill_mode(text: str) -> KillMode:
    """`--kill-mode`."""
    try:
        return KillMode(text)
    except ValueError:
        raise UsageError(
            f"--kill-mode={text}: no such mode", hint="mixed, control-group or process"
        ) from None


def bound(text: str | float | None, option: str) -> float | None:
    """A time that is not nothing, if one was given."""
    if text is None:
        return None
    value = quantities.seconds(text, where=option)
    if value < SHORTEST_BOUND:
        raise UsageError(f"{option}={text} is no time to live", hint="leave the option out for no bound")
    return value


def watchdog(wish: AppRequest, name: str) -> float | None:
    """`--watchdog`; systemd watches over no oneshot service."""
    if wish.init and wish.watchdog is not None:
        raise UsageError(f"init app {name} cannot have a watchdog", hint="bound its run: --run-time")
    return bound(wish.watchdog, "--watchdog")


def sidecar(wish: AppRequest, name: str) -> bool:
    """`--sidecar`."""
    if wish.init and wish.sidecar:
        raise UsageError(f"app {name} is both --init and --sidecar", hint="one ends early, the other last")
    return wish.sidecar
