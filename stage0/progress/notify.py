"""EFFECT. A service manager that waits for a pull is told that it goes on: sd_notify(3), EXTEND_TIMEOUT_USEC=."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

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


@contextmanager
def reloading() -> Iterator[list[str]]:
    """Tell a unit's manager that its service is being reloaded, and then how that went: what the body adds is said."""
    said: list[str] = []
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        # systemd 253 takes the message for an answer to its own only if it is newer: MONOTONIC_USEC=
        _send(address, f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=reloading")
    try:
        yield said
    except BaseException as error:
        said.append(f"not reloaded: {' '.join(str(error).split())}")
        raise
    finally:
        if address:
            _send(address, f"READY=1\nSTATUS={' '.join(said)}")


def _send(address: str, text: str) -> None:
    """Say it or not: nobody has to listen."""
    import socket  # noqa: PLC0415 (only in a unit of Type=notify)

    name = f"\0{address[1:]}" if address.startswith("@") else address
    with (
        suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
    ):
        channel.sendto(text.encode(), name)
