"""EFFECT. A pod directory for the monitor whose supervisor is whatever a test wants: most often a few lines of sh."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.patience import SLOWNESS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NATIVE = Path(__file__).resolve().parents[2] / "stage1" / "native"
BIN = NATIVE / "bin"
PATIENCE = 20.0 * SLOWNESS

Word = str | bytes | Path | int


@functools.cache
def program(name: str) -> str:
    """The program as a user gets it, up to date; with NATIVE_CHECKED=1 the one with the compiler's sanitizers."""
    target = f"{'build' if os.environ.get('NATIVE_CHECKED') else 'bin'}/{name}"
    subprocess.run(["make", "-s", "-C", str(NATIVE), target], check=True)
    return str(NATIVE / target)


def encode_records(records: Sequence[Sequence[Word]]) -> bytes:
    """The text of run/launch."""
    return b"".join(
        b"".join(os.fsencode(str(w) if isinstance(w, int) else w) + b"\0" for w in r) + b"\0"
        for r in records
    )


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Looks often until it holds; a test that would wait for ever fails and says for what."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)


@dataclass
class Pod:
    """One pod directory in the place where pods lie."""

    path: Path
    records: list[Sequence[Word]] = field(default_factory=list)
    apps: list[Sequence[Word]] = field(default_factory=list)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def make(cls, root: Path, name: str = "one") -> Pod:
        """An empty pod below a data root of its own."""
        path = root / "pods" / "run" / name
        path.mkdir(parents=True)
        for part in ("run", "rootfs"):
            (path / part).mkdir()
        return cls(path)

    def app(self, name: str = "web", uid: int = 0, gid: int = 0, stdin: str = "none") -> Pod:
        """One more app."""
        self.apps.append(["app", name, uid, gid, stdin])
        return self

    def add(self, *record: Word) -> Pod:
        """One more record."""
        self.records.append(record)
        return self

    def supervise(self, *argv: Word) -> Pod:
        """Writes run/launch with this supervisor."""
        records: list[Sequence[Word]] = [
            ["version", "1"],
            ["pod", "test"],
            *self.records,
            *self.apps,
            ["exec", *argv],
        ]
        (self.path / "run" / "launch").write_bytes(encode_records(records))
        return self

    def shell(self, script: str) -> Pod:
        """Writes run/launch with a supervisor that is a shell script, run in the pod directory."""
        return self.supervise("/bin/sh", "-c", script)

    def run(self, *options: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
        """Runs the monitor to its end."""
        how = {
            "stdin": subprocess.DEVNULL,
            "timeout": 60,
            **({} if "stdout" in how else {"capture_output": True}),
            **how,
        }
        if "input" in how:
            del how["stdin"]
        return subprocess.run([program("monitor"), *options, str(self.path)], check=False, **how)

    def start(self, *options: str, **how: Any) -> subprocess.Popen[bytes]:
        """Starts the monitor and leaves it running."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        self.started.append(subprocess.Popen([program("monitor"), *options, str(self.path)], **how))
        return self.started[-1]

    def close(self) -> None:
        """Ends what a test left running."""
        for monitor in self.started:
            if monitor.poll() is None:
                monitor.send_signal(signal.SIGTERM)
                monitor.send_signal(signal.SIGTERM)
            monitor.wait(PATIENCE)
            for stream in (monitor.stdout, monitor.stderr):
                if stream:
                    stream.close()

    def read(self, path: str) -> str:
        """A file of the pod."""
        return (self.path / path).read_text()

    def log(self, app: str = "web") -> list[tuple[str, str, str]]:
        """An app's log, its rotated part first: stream, F or P, text."""
        lines = []
        for name in (f"run/logs/{app}.log.1", f"run/logs/{app}.log"):
            if (self.path / name).exists():
                for line in (
                    (self.path / name).read_bytes().decode(errors="surrogateescape").split("\n")[:-1]
                ):
                    _time, stream, kind, text = line.split(" ", 3)
                    lines.append((stream, kind, text))
        return lines

    def result(self) -> dict[str, Any]:
        """run/result.json."""
        value = json.loads(self.read("run/result.json"))
        assert isinstance(value, dict)
        return value

    def wait_for(self, path: str) -> None:
        """Until a file is there."""
        wait_until((self.path / path).exists, path)
