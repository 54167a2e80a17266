"""PURE. Names of units, and lists of them."""

from __future__ import annotations

from stage1.quoting import Escaped


def service_name(app: str) -> str:
    """An app called `shutdown` is just an app: all units of apps have a prefix."""
    return f"app-{app}.service"


def socket_unit_name(app: str, socket: str) -> str:
    """The unit of one of an app's sockets."""
    return f"app-{app}-{socket}.socket"


def services(*apps: str) -> tuple[Escaped, ...]:
    """Units of these apps, each once."""
    return tuple(Escaped(service_name(app)) for app in dict.fromkeys(apps))


def seconds(value: float) -> Escaped:
    """A time span as systemd.time(7) reads it."""
    return Escaped(f"{value:g}s" if value else "0")
