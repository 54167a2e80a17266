"""PURE. When an app starts, counts as started, and is started again."""

from __future__ import annotations

from stage1.contract import App, Restart
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped
from stage1.units.names import seconds

# RestartSteps=, RestartMaxDelaySec= and RestartMode= came with systemd 254.
WITH_BACKOFF = 254
_PROBE_ENDS_FIRST = 5.0
_FOR_EVER = 2**31 - 1


class Start(NamedTuple):
    """When the app counts as started."""

    type: Escaped
    notify_access: Escaped
    init: bool
    ready_port: int
    ready_timeout: int
    timeout: Escaped
    run_time: Escaped
    watchdog: Escaped
    fd_store: int


class Restarts(NamedTuple):
    """When it is started again; `limit` counts all starts, 0 for no limit."""

    when: Escaped
    limit: int
    delay: Escaped
    max_delay: Escaped
    backoff: bool
    direct: bool


def start(app: App) -> Start:
    """When the app counts as started, and how long it may take and run."""
    ready = app.readiness
    port = None if app.init else ready.port
    listens = ready.notify or app.watchdog is not None or app.fd_store > 0
    return Start(
        type=Escaped("oneshot" if app.init else "notify" if ready.notify else "exec"),
        notify_access=Escaped("all" if listens and not app.init else ""),
        init=app.init,
        ready_port=port or 0,
        ready_timeout=max(1, round(ready.timeout)) if ready.timeout else _FOR_EVER,
        timeout=_start_timeout(app),
        run_time=seconds(app.run_time) if app.run_time is not None and not app.init else Escaped(),
        watchdog=seconds(app.watchdog) if app.watchdog is not None else Escaped(),
        fd_store=app.fd_store,
    )


def _start_timeout(app: App) -> Escaped:
    """An init app's start is its whole run; and a readiness probe is to be the one that says that it took too long."""
    most = app.run_time if app.init else app.readiness.timeout
    if not most:
        return Escaped("infinity")
    return seconds(most if app.readiness.port is None or app.init else most + _PROBE_ENDS_FIRST)


def restarts(app: App, systemd: int) -> Restarts:
    """When it is started again, in words of this version of systemd."""
    policy = app.restart
    again = policy.when is not Restart.NO
    grows = again and systemd >= WITH_BACKOFF and policy.max_delay > policy.delay
    return Restarts(
        when=Escaped(policy.when.value),
        limit=policy.limit + 1 if again and policy.limit is not None else 0,
        delay=seconds(policy.delay) if again else Escaped(),
        max_delay=seconds(policy.max_delay) if grows else Escaped(),
        backoff=grows,
        direct=again and systemd >= WITH_BACKOFF,
    )
