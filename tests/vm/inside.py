"""EFFECT. In the emulated machine: runs the wanted tests and tells the other side of a serial port how each ended.

`python -m tests.vm.inside PORT` reads the node ids from `build/vm/wanted`, one a line; each line it writes is a JSON
object: `{"test": …, "outcome": …, "seconds": …, "text": …}`, or `{"status": …}` when all are done.

Tests on the machine itself and tests in a lab on it have a process each: two systemds and two name spaces keep them
apart, and each has a processor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest

WANTED = Path("build/vm/wanted")
LAB = "tests/lab/"


class Reporter:
    """A pytest plugin that reports each test once, when its teardown is over too."""

    def __init__(self, port: IO[str]) -> None:
        self._port = port
        self._worst: pytest.TestReport | None = None
        self._seconds = 0.0

    def say(self, **facts: object) -> None:
        """Write a line."""
        self._port.write(json.dumps(facts) + "\n")
        self._port.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of setup, call and teardown the first that went wrong counts, else the call."""
        self._seconds += report.duration
        if self._worst is None or (self._worst.passed and not report.passed):
            self._worst = report
        if report.when == "teardown":
            worst, self._worst = self._worst, None
            seconds, self._seconds = round(self._seconds, 1), 0.0
            self.say(test=worst.nodeid, outcome=worst.outcome, seconds=seconds, text=text(worst))


def text(report: pytest.TestReport) -> str:
    """Why a test was skipped, or how it failed and what was printed meanwhile."""
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    sections = "".join(f"\n--- {title}\n{content}" for title, content in report.sections)
    return f"{report.longrepr}{sections[-20000:]}" if report.failed else ""


def one_part(tests: Sequence[str]) -> int:
    """Run these tests, one after the other; what becomes of them goes to the standard output alone."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        options = ["-q", "-p", "no:cacheprovider", "--color=no", "--tb=short"]
        return int(pytest.main([*options, *tests], plugins=[Reporter(out)]))


def forward(part: subprocess.Popen[str], port: IO[str], lock: threading.Lock) -> None:
    """Lines of one part, whole."""
    assert part.stdout is not None
    for line in part.stdout:
        with lock:
            port.write(line)
            port.flush()


def all_parts(port: IO[str]) -> int:
    """Run both parts side by side; the worse of their statuses."""
    tests = WANTED.read_text().splitlines()
    chosen = [[test for test in tests if test.startswith(LAB) == in_lab] for in_lab in (False, True)]
    words = [sys.executable, "-m", "tests.vm.inside", "--part"]
    parts = [
        subprocess.Popen([*words, *part], stdout=subprocess.PIPE, text=True) for part in filter(None, chosen)
    ]
    lock = threading.Lock()
    readers = [threading.Thread(target=forward, args=(part, port, lock)) for part in parts]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return max(part.wait() for part in parts)


def system() -> dict[str, str]:
    """What the tests run on."""
    said = subprocess.run(["systemctl", "--version"], check=True, capture_output=True, text=True).stdout
    found = {"kernel": os.uname().release, "systemd": said.split("(")[1].split(")")[0]}
    enforcing = Path("/sys/fs/selinux/enforce")
    if enforcing.exists():
        found["SELinux"] = "enforcing" if enforcing.read_text() == "1" else "permissive"
    return found


def main(port: str) -> None:
    """Run the tests with everything required that only this machine has."""
    module = "selinux" if "security=selinux" in Path("/proc/cmdline").read_text() else "apparmor"
    os.environ["REQUIRE"] = f"root,lab,cgroup2,{module}"
    os.environ["POD_TEST_SLOWNESS"] = "10"
    # udev, which does not run there, would do it when the node is opened
    subprocess.run(["modprobe", "--all", "tun", "fuse", "loop"], check=True)
    with Path(port).open("w") as out:
        Reporter(out).say(started=system())
        Reporter(out).say(status=all_parts(out))


if __name__ == "__main__":
    sys.exit(one_part(sys.argv[2:]) if sys.argv[1] == "--part" else main(sys.argv[1]))
