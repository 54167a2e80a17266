"""PURE. Names of units, and times."""

from __future__ import annotations

from stage1.contract import Condition
from stage1.quoting import Escaped


def service_name(app: str) -> str:
    """An app called `shutdown` is just an app: all units of apps have a prefix."""
    return f"app-{app}.service"


def socket_unit_name(app: str, socket: str) -> str:
    """The unit of one of an app's sockets."""
    return f"app-{app}-{socket}.socket"


def await_name(app: str, condition: Condition) -> str:
    """The unit that has started when the app is that far."""
    return f"await-{app}-{condition.value}.service"


def seconds(value: float) -> Escaped:
    """A time span as systemd.time(7) reads it."""
    return Escaped(f"{value:g}s" if value else "0")
