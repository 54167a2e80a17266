"""EFFECT. The client's side of `pod attach`: a terminal or streams on one side, the pod's monitor on the other.

The packets are those of native/monitor/control/attach.h. The monitor waits for nobody, so it is we who may be
slow: what we did not take in time we are told the size of, and say so.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import termios
import tty
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Literal

from stage0.pods.watching import Watch
from stage0.running.detachkeys import DetachKeys
from stage1.contract.errors import PodError
from stage1.contract.values import NamedTuple

End = Literal["detached", "ended", "gone"]

_PIECE = 16384
_ROOM = 65536
_NUMBERS = {b"o": 1, b"e": 2}
# Of those that ask a program for something; Ctrl-Z and SIGCONT are between us and our shell.
_PROXIED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Streams(NamedTuple):
    """Ours: whether input goes to the app, and what ends it; a terminal to hand over; the keys to get it back.

    `proxy` hands a signal that came for us to the app; None: it is for us. A PodError of its is told, no more.
    """

    takes_input: bool
    raw: bool
    keys: DetachKeys
    end: bytes = b""
    proxy: Callable[[int], None] | None = None


class Attachment:
    """An attached client; `ended` looks whether the app has ended for good."""

    def __init__(self, client: socket.socket, streams: Streams, watch: Watch) -> None:
        self._client = client
        self._streams = streams
        self._watch = watch
        self._reads = streams.takes_input
        self._may_send = True
        self._inside = dict.fromkeys(_NUMBERS, False)
        self._at_end = False
        self._asked = False
        self._poll = select.poll()
        self._poll.register(client, select.POLLIN)
        self._poll.register(watch.fileno(), select.POLLIN)

    def run(self, ended: Callable[[], bool]) -> End:
        """Until the keys were pressed (`detached`), the app has ended (`ended`), or the monitor is gone (`gone`)."""
        with _wake_up_on(signal.SIGWINCH, *(_PROXIED if self._streams.proxy else ())) as woken:
            self._poll.register(woken, select.POLLIN)
            self._tell_size()
            while True:
                if not self._asked and ended():
                    self._send(b"f")
                    self._asked = True
                self._choose_input()
                for descriptor, _ in self._poll.poll():
                    if done := self._serve(descriptor, woken):
                        return done

    def _choose_input(self) -> None:
        """Input is read only while the app takes some: what is not read stays the next program's."""
        if self._reads and self._may_send:
            self._poll.register(0, select.POLLIN)
        else:
            with contextlib.suppress(KeyError):
                self._poll.unregister(0)

    def _serve(self, descriptor: int, woken: int) -> End | None:
        if descriptor == self._client.fileno():
            return self._take(_receive(self._client))
        if descriptor == self._watch.fileno():
            self._watch.wait(0)
        elif descriptor == woken:
            self._take_signals(os.read(woken, 512))
        elif descriptor == 0 and self._read():
            return "detached"
        return None

    def _take(self, packet: bytes) -> End | None:
        kind, data = packet[:1], packet[1:]
        match kind:
            case b"":
                return "gone"
            case b"o" | b"e":
                _write(_NUMBERS[kind], data)
                self._inside[kind] = not data.endswith(b"\n")
            case b"d":
                self._end_lines()
                self.note(f"{data.decode(errors='replace')} bytes are not shown; see `pod logs`")
            case b"a":
                self._may_send = True
                self._end_input()
            case b"c":
                self._reads = False
            case b"f":
                return "ended"
            case _:
                pass
        return None

    def _end_lines(self) -> None:
        """A line whose rest is missing must not run into the next."""
        for kind, inside in self._inside.items():
            if inside and not self._streams.raw:
                _write(_NUMBERS[kind], b"\n")
                self._inside[kind] = False

    def _read(self) -> bool:
        """True if it was the keys that detach."""
        data = os.read(0, _PIECE - 64)  # what the keys held back comes on top
        if not data:
            self._reads, self._at_end = False, True
            self._end_input()
            return False
        data, found = self._streams.keys.typed(data) if self._streams.raw else (data, False)
        if data:
            self._send(b"i" + data)
            self._may_send = False
        return found

    def _end_input(self) -> None:
        """The app's input ends where ours does, if that is wished: after the last piece has gone."""
        if self._at_end and self._may_send and self._streams.end:
            self._send(self._streams.end)
            self._at_end = False

    def _take_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGWINCH:
                self._tell_size()
            elif self._streams.proxy and number in _PROXIED:
                try:
                    self._streams.proxy(number)
                except PodError as error:
                    self.note(f"{signal.Signals(number).name}: {error}")

    def _tell_size(self) -> None:
        if self._streams.raw:
            with contextlib.suppress(OSError):
                size = os.get_terminal_size(0)
                self._send(f"s{size.columns}x{size.lines}".encode())

    def _send(self, packet: bytes) -> None:
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # its end is read where it is waited for
            self._client.send(packet)

    def note(self, text: str) -> None:
        """Something about the attachment itself, on a line of its own."""
        end = b"\r\n" if self._streams.raw else b"\n"
        _write(2, end * self._streams.raw + f"pod: {text}".encode() + end)


def _receive(client: socket.socket) -> bytes:
    """The next packet, empty at the end.

    Where the monitor ended without having read our last one, the kernel says so first, once; what it had sent follows.
    """
    try:
        return client.recv(_ROOM)
    except ConnectionResetError:
        return client.recv(_ROOM)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _heard(*numbers: int) -> list[int]:
    """All but those that we were started to ignore, as by nohup(1)."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextlib.contextmanager
def _wake_up_on(*numbers: int) -> Iterator[int]:
    """A descriptor to read the numbers of signals from that came: a sleep would otherwise just go on."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    before = signal.set_wakeup_fd(theirs)
    handlers = {number: signal.signal(number, lambda *_: None) for number in _heard(*numbers)}
    try:
        yield ours
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(ours)
        os.close(theirs)


@contextlib.contextmanager
def raw_terminal(wanted: bool) -> Iterator[None]:
    """Every key goes to the app; whatever happens, the terminal is as it was afterwards."""
    if not wanted:
        yield
        return
    saved = termios.tcgetattr(0)
    handlers = {number: signal.signal(number, _leave) for number in _heard(signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(0, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
