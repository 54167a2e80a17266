"""EFFECT. Fixtures of the tests that need a real systemd host."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.lab.host import LabError, LabHost
from tests.leftovers import Difference, Snapshot
from tests.patience import SLOWNESS

PROGRAMS = (
    "systemd-nspawn", "systemd-run", "machinectl", "journalctl", "dbus-daemon",
    "unshare", "nsenter", "setpriv", "setsid", "mount", "ip", "nft",
)  # fmt: skip
CAP_SYS_ADMIN = 21
SETTLE = 5.0 * SLOWNESS
STARTED = pytest.StashKey[float]()
PASSED = pytest.StashKey[bool]()


def has_capability(number: int) -> bool:
    """Tell whether this process may use a capability."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> number & 1)


def missing() -> str | None:
    """Say what this machine lacks for a lab, or nothing."""
    if os.geteuid() != 0 or not has_capability(CAP_SYS_ADMIN):
        return "a lab needs root with CAP_SYS_ADMIN"
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=search) is None]
    if not Path("/lib/systemd/systemd").exists():
        absent.append("/lib/systemd/systemd")
    return f"a lab needs {', '.join(absent)}" if absent else None


def require_lab() -> None:
    """Skip where a lab cannot be; fail there if REQUIRE names it."""
    reason = missing()
    if reason is None:
        return
    if "lab" in os.environ.get("REQUIRE", "").split(","):
        pytest.fail(f"REQUIRE names lab, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lab() -> Iterator[LabHost]:
    """One booted systemd host for all tests of the session."""
    require_lab()
    with LabHost() as host:
        yield host


@pytest.fixture
def own_lab() -> Iterator[LabHost]:
    """A host for one test only, which may reboot or wreck it."""
    require_lab()
    with LabHost() as host:
        yield host


def settled_difference(lab: LabHost, before: Snapshot) -> Difference:
    """Compare once nothing changes any more: units and scopes go a moment after their last process."""
    limit = time.monotonic() + SETTLE
    while (left := before.difference(lab.snapshot())) and time.monotonic() < limit:
        time.sleep(0.1)
    return left


@pytest.fixture
def clean_lab(lab: LabHost, request: pytest.FixtureRequest) -> Iterator[LabHost]:
    """The session's host, and a failure if the test passed but left a mount, cgroup, process or file in it."""
    before = lab.snapshot()
    yield lab
    if request.node.stash.get(PASSED, False):
        left = settled_difference(lab, before)
        assert not left, left.report()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Note when the test began, for the excerpt of the journal."""
    item.stash[STARTED] = time.time()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the lab's journal said during a test that failed."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    if report.failed and isinstance(item, pytest.Function):
        for host in {
            id(value): value for value in item.funcargs.values() if isinstance(value, LabHost)
        }.values():
            report.sections.append((f"journal of {host.name}", excerpt(host, item.stash.get(STARTED, 0.0))))
    return report


def excerpt(host: LabHost, since: float) -> str:
    """Print the last lines of a lab's journal, or why there are none."""
    try:
        return host.journal("--lines=80", since=since)
    except (LabError, OSError) as error:
        return str(error)
