"""EFFECT. The tests that the emulated machine runs, and what became of them there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

import pytest

from tests.conftest import required
from tests.vm.inside import LAB
from tests.vm.machine import MODULES, Machine
from tests.vm.selection import SELECTION, WITH_SELINUX
from tests.vm.tree import CACHE, REPO, ensure

PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "mke2fs")
NO_TESTS = 5  # pytest's exit status
SECONDS = "seconds on the machine"
BOOT = pytest.StashKey[str]()


def module() -> str:
    """`POD_VM_LSM`: which security module labels processes in this boot."""
    found = os.environ.get("POD_VM_LSM", "apparmor")
    if found not in MODULES:
        raise pytest.UsageError(f"POD_VM_LSM={found}: choose one of {', '.join(MODULES)}")
    return found


def collected() -> list[str]:
    """Node ids of the selection (or of `POD_VM_TESTS`, words), as pytest on the machine will know them."""
    usual = SELECTION if module() == "apparmor" else WITH_SELINUX
    selection = os.environ.get("POD_VM_TESTS", "").split() or usual
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *selection]
    done = subprocess.run([*argv, "--no-header"], cwd=REPO, capture_output=True, text=True, check=False)
    if done.returncode not in {0, NO_TESTS}:
        raise pytest.UsageError(f"cannot collect the tests of the machine:\n{done.stdout}{done.stderr}")
    return ids(done.stdout)


def ids(text: str) -> list[str]:
    """The lines of `--collect-only -q` that name a test, in about the order in which the machine has run them."""
    found = [line for line in text.splitlines() if "::" in line]
    lab = [test for test in found if test.startswith(LAB)]
    rest = [test for test in found if not test.startswith(LAB)]
    return sorted(found, key=lambda test: part_done(test, lab if test in lab else rest))


def part_done(test: str, part: list[str]) -> float:
    """How much of its part has been run with this test: both parts run side by side."""
    return (part.index(test) + 1) / len(part)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test here for each there."""
    if "inner" in metafunc.fixturenames:
        found = collected()
        metafunc.parametrize("inner", found, ids=[test.removeprefix("tests/") for test in found])


class Outcomes:
    """Reads what the machine reports until the wanted test is among it."""

    def __init__(self, lines: Iterator[dict[str, Any]], failures: IO[str]) -> None:
        self._lines = lines
        self._failures = failures
        self._known: dict[str, dict[str, Any]] = {}
        self.system: dict[str, str] = {}

    def of(self, test: str) -> dict[str, Any]:
        """How this test ended there."""
        while test not in self._known:
            line = next(self._lines, None)
            if line is None:
                pytest.fail(
                    "the machine is done and did not run this test: see build/vm/console.log", pytrace=False
                )
            if "test" in line:
                self._known[line["test"]] = line
            if line.get("outcome") == "failed":
                print(line["test"], line["text"], sep="\n", end="\n\n", file=self._failures, flush=True)
            self.system = line.get("started", self.system)
        return self._known[test]


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[Outcomes]:
    """One boot for all tests that were chosen."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if absent := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        reason = f"an emulated machine needs {', '.join(absent)}"
        if required("vm"):
            pytest.fail(f"REQUIRE names vm, but {reason}")
        pytest.skip(reason)
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = [found["inner"] for found in parameters if "inner" in found]
    start = time.monotonic()
    tree = ensure()  # the first of all on a fresh machine: it makes the place of the rest
    with (CACHE / "failures.log").open("w") as failures, Machine(tree, chosen, module()) as lines:
        found = Outcomes(lines, failures)
        yield found
    minutes = (time.monotonic() - start) / 60
    what = ", ".join(f"{name} {version}" for name, version in found.system.items())
    request.config.stash[BOOT] = f"{len(chosen)} tests in one boot of {minutes:.0f} minutes: {what}"


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """With `-v`: how long the test took there."""
    took = dict(report.user_properties).get(SECONDS)
    if report.when != "call" or took is None:
        return None
    return (
        report.outcome,
        {"passed": ".", "skipped": "s"}.get(report.outcome, "F"),
        f"{report.outcome.upper()} ({took} s)",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What the tests ran on."""
    if said := config.stash.get(BOOT, ""):
        terminalreporter.write_line(said)
