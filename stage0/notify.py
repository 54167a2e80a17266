"""EFFECT. A service manager that waits for a pull is told that it goes on: sd_notify(3), EXTEND_TIMEOUT_USEC=."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from stage0.image.events import Event, Listener

_EXTENDED = 60  # seconds
_EVERY = 5.0


def extending(say: Listener) -> Listener:
    """The same listener, which also keeps the start timeout of a unit of Type=notify away, while there are events."""
    address = os.environ.get("NOTIFY_SOCKET")
    return _beating(say, address) if address else say


def _beating(say: Listener, address: str, clock: Callable[[], float] = time.monotonic) -> Listener:
    last = -_EVERY

    def listener(event: Event) -> None:
        nonlocal last
        if clock() - last >= _EVERY:
            last = clock()
            _send(address, f"EXTEND_TIMEOUT_USEC={_EXTENDED * 10**6}\nSTATUS=pulling an image")
        say(event)

    return listener


def _send(address: str, text: str) -> None:
    """Say it or not: nobody has to listen."""
    import socket  # noqa: PLC0415 (only in a unit of Type=notify)

    name = f"\0{address[1:]}" if address.startswith("@") else address
    with (
        suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
    ):
        channel.sendto(text.encode(), name)
