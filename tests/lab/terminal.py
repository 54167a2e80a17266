"""EFFECT. A terminal of the lab: its device lies in the lab, its other end is held by the test."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.patience import SLOWNESS

PATIENCE = 30.0 * SLOWNESS
TIOCSPTLCK = 0x40045431  # asm-generic/ioctls.h; the termios module lacks both
TIOCGPTPEER = 0x5441  # opens the slave through the master: no path, so no namespace, is involved


def open_terminal(ptmx: Path) -> tuple[int, int]:
    """Open a new terminal of the devpts this ptmx belongs to: (master, slave)."""
    master = os.open(ptmx, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return master, slave


@dataclass(kw_only=True)
class Terminal:
    """A running command and the master side of its terminal."""

    process: subprocess.Popen[bytes]
    master: int
    screen: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up: the kernel sends SIGHUP to the session on the terminal."""
        os.close(self.master)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def send(self, text: str) -> None:
        """Type."""
        os.write(self.master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, text: str, timeout: float = PATIENCE) -> str:
        """Read until the screen shows a text; answer with all that was shown so far."""
        limit = time.monotonic() + timeout
        while text not in self.screen:
            if not self._read_some(limit):
                raise AssertionError(f"the terminal never showed {text!r}, but:\n{self.screen}")
        return self.screen

    def converse(self, text: str, timeout: float = PATIENCE) -> str:
        """Type a text, then read until the command has hung up."""
        self.send(text)
        limit = time.monotonic() + timeout
        while self._read_some(limit):
            pass
        return self.screen.replace("\r\n", "\n")

    def _read_some(self, limit: float) -> bool:
        remaining = limit - time.monotonic()
        if remaining <= 0 or not select.select([self.master], [], [], remaining)[0]:
            raise TimeoutError(f"the terminal was silent for too long; it showed:\n{self.screen}")
        try:
            piece = os.read(self.master, 65536)
        except OSError:  # EIO: no process has the terminal open any more
            return False
        self.screen += piece.decode(errors="replace")
        return bool(piece)


def relay(terminal: Terminal, keyboard: int, screen: int) -> None:
    """Copy between a terminal of ours and one of the lab until the lab's has no process any more."""
    before = termios.tcgetattr(keyboard)
    size = os.get_terminal_size(keyboard)
    terminal.resize(size.lines, size.columns)
    signal.signal(signal.SIGWINCH, lambda *_: terminal.resize(*reversed(os.get_terminal_size(keyboard))))
    tty.setraw(keyboard)
    try:
        while copy_some(terminal.master, keyboard, screen):
            pass
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def copy_some(master: int, keyboard: int, screen: int) -> bool:
    """Copy what is there, in both directions; false at the end."""
    ready = select.select([master, keyboard], [], [])[0]
    if keyboard in ready:
        os.write(master, os.read(keyboard, 4096))
    if master in ready:
        try:
            os.write(screen, os.read(master, 65536))
        except OSError:  # EIO, as above
            return False
    return True
