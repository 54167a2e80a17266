"""EFFECT. What all tests share: a needed thing that is missing is a skip here, and a failure where it is required."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Two busy cores: no test may fail because an example took long, and the whole of `make check` has a minute.
# Failing examples are remembered where there is a place for them.
settings.register_profile(
    "check",
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow],
    database=settings().database if os.access(Path(__file__).parent.parent, os.W_OK) else None,
)
settings.register_profile("quick", parent=settings.get_profile("check"), max_examples=5)
settings.register_profile("whole", parent=settings.get_profile("check"), max_examples=60)  # `make test`
settings.register_profile("thorough", parent=settings.get_profile("check"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))


# Whoever runs tests in the background of a shell without job control has them ignore signals, and so would every
# program that they start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)


def required(what: str) -> bool:
    """Tell whether `REQUIRE=root,lab` or a CI run says that `what` may not be missing."""
    return what in os.environ.get("REQUIRE", "").split(",")


needs_unified_cgroups = pytest.mark.cgroup2


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The markers `root` and `cgroup2`."""
    if item.get_closest_marker("cgroup2") is not None:
        _needs_cgroup2()
    if item.get_closest_marker("root") is not None:
        needs_root()


def needs_root() -> None:
    """uid 0, or a skip with its reason, or a failure if REQUIRE names it."""
    if os.geteuid() == 0:
        return
    if required("root"):
        pytest.fail("REQUIRE names root, but this is not uid 0")
    pytest.skip("needs uid 0")


_MODULES = {
    "apparmor": Path("/sys/kernel/security/apparmor/profiles"),
    "selinux": Path("/sys/fs/selinux/enforce"),
}


def needs_label(module: str) -> None:
    """A security module that labels processes, or a skip, or a failure if REQUIRE names it."""
    if _MODULES[module].exists():
        return
    if required(module):
        pytest.fail(f"REQUIRE names {module}, but the kernel does not run it")
    pytest.skip(f"needs {module} in the kernel; tests/vm runs it on a machine that has it")


def _needs_cgroup2() -> None:
    """cgroup v2 and nothing beside it, or a skip with its reason, or a failure if REQUIRE names it."""
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return
    if required("cgroup2"):
        pytest.fail("REQUIRE names cgroup2, but this machine has cgroup v1")
    pytest.skip("needs cgroup v2; tests/vm runs it on a machine that has it")


def needs_program(name: str) -> None:
    """Skip a test whose program is not here; fail it in CI or where REQUIRE names the program."""
    if shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"):
        return
    if os.environ.get("CI") == "true" or required(name):
        pytest.fail(f"{name} is not installed")
    pytest.skip(f"{name} is not installed")
