"""PURE. When an app counts as started, is started again, and ends the pod."""

from __future__ import annotations

from enum import StrEnum

from stage1.contract.text import Text
from stage1.contract.values import NamedTuple


class Restart(StrEnum):
    """When systemd starts an app again."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


class ExitRule(StrEnum):
    """Which app's end is the pod's end."""

    ANY_FAILURE = "any-failure"
    ALL = "all"
    FIRST = "first"
    APP = "app"
    NEVER = "never"


class Condition(StrEnum):
    """What an app waits for in another: `ready` is also `started` for an app that does not say when it is ready.

    `healthy` is to be ready under a watchdog, which ends the app when it falls silent.
    """

    STARTED = "started"
    READY = "ready"
    HEALTHY = "healthy"
    FINISHED = "finished"


class KillMode(StrEnum):
    """Who gets the stop signal, and who SIGKILL after the stop time (systemd.kill(5))."""

    MIXED = "mixed"
    CONTROL_GROUP = "control-group"
    PROCESS = "process"


class Dependency(NamedTuple):
    """Another app of the pod, and how far it has to be."""

    app: str
    condition: Condition = Condition.READY


class Hooks(NamedTuple):
    """Commands around an app's life: each an argument vector, run in the app's root with the app's rights."""

    pre_start: tuple[tuple[Text, ...], ...] = ()
    post_start: tuple[tuple[Text, ...], ...] = ()
    pre_stop: tuple[tuple[Text, ...], ...] = ()
    post_stop: tuple[tuple[Text, ...], ...] = ()


class RestartPolicy(NamedTuple):
    """`limit`: how many starts after the first, None for no end.

    `delay` before the first of them in seconds; it grows to `max_delay` where systemd can (254).
    """

    when: Restart = Restart.NO
    limit: int | None = None
    delay: float = 1.0
    max_delay: float = 60.0


class Readiness(NamedTuple):
    """When an app counts as started: at once, at its READY=1, or when a TCP port of the pod answers.

    `timeout` bounds the start of an app that is not `init`, in seconds; 0 for no bound.
    """

    notify: bool = False
    port: int | None = None
    timeout: float = 60.0

    @property
    def is_told(self) -> bool:
        """Whether the app is ready later than its program is executed."""
        return self.notify or self.port is not None


class ExitPolicy(NamedTuple):
    """When the pod ends and with what; `app` only with the rule `app`."""

    rule: ExitRule = ExitRule.ANY_FAILURE
    app: str | None = None

    def __str__(self) -> str:
        return f"app:{self.app}" if self.rule is ExitRule.APP else self.rule.value
