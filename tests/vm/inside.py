"""EFFECT. In the emulated machine: runs the wanted tests and tells the other side of a serial port how each ended.

`python -m tests.vm.inside PORT` reads the node ids from `build/vm/wanted`, one a line; each line it writes is a JSON
object: `{"test": …, "outcome": …, "seconds": …, "text": …}`, or `{"status": …}` when pytest is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

WANTED = Path("build/vm/wanted")


class Reporter:
    """A pytest plugin that reports each test once, when its teardown is over too."""

    def __init__(self, port: IO[str]) -> None:
        self._port = port
        self._worst: pytest.TestReport | None = None

    def say(self, **facts: object) -> None:
        """Write a line."""
        self._port.write(json.dumps(facts) + "\n")
        self._port.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of setup, call and teardown the first that went wrong counts, else the call."""
        if self._worst is None or (self._worst.passed and not report.passed):
            self._worst = report
        if report.when == "teardown":
            worst, self._worst = self._worst, None
            self.say(
                test=worst.nodeid, outcome=worst.outcome, seconds=round(worst.duration, 2), text=text(worst)
            )


def text(report: pytest.TestReport) -> str:
    """Why a test was skipped, or how it failed and what was printed meanwhile."""
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    sections = "".join(f"\n--- {title}\n{content}" for title, content in report.sections)
    return f"{report.longrepr}{sections[-20000:]}" if report.failed else ""


def main(port: str) -> None:
    """Run the tests with everything required that only this machine has."""
    os.environ["REQUIRE"] = "root,lab,cgroup2"
    os.environ["POD_TEST_SLOWNESS"] = "10"
    # udev, which does not run there, would do it when the node is opened
    subprocess.run(["modprobe", "--all", "tun", "fuse", "loop"], check=True)
    with Path(port).open("w") as out:
        reporter = Reporter(out)
        reporter.say(started=os.uname().release)
        options = ["-q", "-p", "no:cacheprovider", "--color=no", "--tb=short"]
        status = pytest.main([*options, *WANTED.read_text().splitlines()], plugins=[reporter])
        reporter.say(status=int(status))


if __name__ == "__main__":
    main(sys.argv[1])
