"""PURE. When an app starts, counts as started, and is started again."""

from __future__ import annotations

from typing import NamedTuple

from stage1.contract import App, PodManifest, Restart
from stage1.quoting import Escaped
from stage1.units.names import seconds

# RestartSteps=, RestartMaxDelaySec= and RestartMode= came with systemd 254.
WITH_BACKOFF = 254


class Start(NamedTuple):
    """When the app counts as started."""

    type: Escaped
    notify_access: Escaped
    init: bool
    ready_port: int
    ready_timeout: int


class Restarts(NamedTuple):
    """When it is started again; `limit` counts all starts, 0 for no limit."""

    when: Escaped
    limit: int
    delay: Escaped
    backoff: bool
    direct: bool


def init_apps_before(app: App, pod: PodManifest) -> tuple[str, ...]:
    """Init apps run one after the other in the order they were named; the others wait for all of them."""
    names = [other.name for other in pod.apps if other.init]
    return tuple(names[: names.index(app.name)][-1:] if app.init else names)


def start(app: App) -> Start:
    """When the app counts as started."""
    ready = app.readiness
    return Start(
        type=Escaped("oneshot" if app.init else "notify" if ready.notify else "exec"),
        notify_access=Escaped("all" if ready.notify and not app.init else ""),
        init=app.init,
        ready_port=0 if app.init or ready.port is None else ready.port,
        ready_timeout=max(1, round(ready.timeout)),
    )


def restarts(app: App, systemd: int) -> Restarts:
    """When it is started again, in words of this version of systemd."""
    policy = app.restart
    again = policy.when is not Restart.NO
    return Restarts(
        when=Escaped(policy.when.value),
        limit=policy.limit + 1 if again and policy.limit is not None else 0,
        delay=seconds(policy.delay) if again else Escaped(),
        backoff=again and systemd >= WITH_BACKOFF,
        direct=again and systemd >= WITH_BACKOFF,
    )
