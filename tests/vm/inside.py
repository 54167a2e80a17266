"""EFFECT. In the emulated machine: runs the wanted tests and tells the other side of a serial port how each ended.

`python -m tests.vm.inside PORT` reads the node ids from `build/vm/wanted`, one a line; each line it writes is a JSON
object: `{"test": …, "outcome": …, "seconds": …, "text": …}`, or `{"status": …}` when pytest is done.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO

import pytest

WANTED = Path("build/vm/wanted")


class Reporter:
    """A pytest plugin that reports each test once: its call, or the setup or teardown that went wrong."""

    def __init__(self, port: IO[str]) -> None:
        self._port = port

    def say(self, **facts: object) -> None:
        """Write a line."""
        self._port.write(json.dumps(facts) + "\n")
        self._port.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Setups and teardowns that went well are no news."""
        if report.when == "call" or not report.passed:
            text = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr or "")
            sections = "".join(f"\n--- {title}\n{content}" for title, content in report.sections)
            self.say(
                test=report.nodeid,
                outcome=report.outcome,
                seconds=round(report.duration, 2),
                text=text + (sections[-20000:] if report.failed else ""),
            )


def main(port: str) -> None:
    """Run the tests with everything required that only this machine has."""
    os.environ["REQUIRE"] = "root,lab,cgroup2"
    with Path(port).open("w") as out:
        reporter = Reporter(out)
        reporter.say(started=os.uname().release)
        options = ["-q", "-p", "no:cacheprovider", "--color=no", "--tb=short"]
        status = pytest.main([*options, *WANTED.read_text().splitlines()], plugins=[reporter])
        reporter.say(status=int(status))


if __name__ == "__main__":
    main(sys.argv[1])
