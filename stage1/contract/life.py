"""PURE. When an app counts as started, is started again, and ends the pod."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


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


class RestartPolicy(NamedTuple):
    """`limit`: how many starts after the first, None for no end; `delay` in seconds."""

    when: Restart = Restart.NO
    limit: int | None = None
    delay: float = 1.0


class Readiness(NamedTuple):
    """When an app counts as started: at once, at its READY=1, or when a TCP port of the pod answers."""

    notify: bool = False
    port: int | None = None
    timeout: float = 60.0


class ExitPolicy(NamedTuple):
    """When the pod ends and with what; `app` only with the rule `app`."""

    rule: ExitRule = ExitRule.ANY_FAILURE
    app: str | None = None

    def __str__(self) -> str:
        return f"app:{self.app}" if self.rule is ExitRule.APP else self.rule.value
