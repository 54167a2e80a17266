"""PURE. `--socket`: listening sockets of an app."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stage0.plan.names import NAME
from stage1.contract import Socket, UsageError


def sockets(texts: Sequence[str], app: str) -> tuple[Socket, ...]:
    """Every `--socket` of an app, no two with one name."""
    sockets = tuple(_socket(text, index) for index, text in enumerate(texts))
    names = [socket.name for socket in sockets]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"app {app}: two sockets are called {name!r}", hint="write --socket NAME=ADDRESS"
            )
    return sockets


def _socket(text: str, index: int) -> Socket:
    """`[NAME=]ADDRESS[/udp]`, the address as in systemd.socket(5)."""
    name, equals, address = text.rpartition("=")
    listen = address.removesuffix("/udp")
    if (equals and not NAME.fullmatch(name)) or not re.fullmatch(r"[!-~]+", listen) or "%" in listen:
        raise UsageError(
            f"--socket={text}: not an address", hint="write [NAME=]PORT, [NAME=]IP:PORT or [NAME=]/PATH"
        )
    return Socket(name=name or f"s{index}", listen=listen, datagram=listen != address)
