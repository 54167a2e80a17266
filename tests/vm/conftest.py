"""EFFECT. The tests that the emulated machine runs, and what became of them there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import required
from tests.vm.machine import Machine
from tests.vm.tree import REPO, ensure

PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "mke2fs")
# An emulated machine is twenty times slower than a real one, so it runs what only it can tell: everything that needs
# cgroup v2, and from each kind of the others what a newer systemd and that hierarchy could break.
SELECTION = (
    # what the host's ids, BPF and a label of AppArmor make of an app
    "tests/root/test_pod_confinement.py::test_devices_that_apps_ask_for_can_be_opened",
    "tests/root/test_pod_confinement.py::test_an_app_has_the_apparmor_profile_that_it_was_given",
    "tests/root/test_pod_confinement.py::test_root_has_at_most_fourteen_capabilities_and_none_over_the_host",
    # acting on a running pod
    "tests/root/test_pod_exec_rights.py::test_an_entered_process_has_what_the_app_has[root-auto]",
    "tests/root/test_pod_exec_rights.py::test_an_entered_process_has_what_the_app_has[user-host]",
    "tests/root/test_pod_exec_rights.py::test_the_cgroup_is_the_apps",
    "tests/root/test_pod_mount.py::test_a_directory_is_there_at_once_with_its_owners_and_goes_again",
    "tests/root/test_pod_cp.py::test_a_tree_comes_out_as_it_is",
    "tests/root/test_pod_cp.py::test_a_tree_goes_in_with_its_owners",
    # limits, and the end of who exceeds them
    "tests/root/test_pod_limits.py",
    # freezing
    "tests/root/test_pod_look.py::test_a_paused_pod_does_nothing_until_it_goes_on",
    "tests/root/test_pod_look.py::test_pausing_one_app_leaves_the_others",
    "tests/root/test_pod_look.py::test_a_paused_pod_can_be_stopped_in_order",
    "tests/root/test_pod_look.py::test_a_paused_pod_can_be_killed",
    "tests/root/test_pod_exec.py::test_an_app_that_is_paused_is_not_waited_for",
    # a life
    "tests/root/test_pod_life.py::test_a_prepared_pod_can_be_started_and_started_again_with_the_files_it_left",
    "tests/root/test_pod_order.py::test_an_app_that_gives_no_sign_of_life_has_failed",
    "tests/root/test_pod_order.py::test_what_an_app_says_of_itself_is_in_its_status",
    "tests/root/test_pod_order.py::test_the_first_connection_starts_an_activated_app",
    "tests/root/test_pod_results.py::test_an_app_that_ignores_its_stop_signal_is_told_by_its_stop_time",
    # a part of the host
    "tests/lab/test_pod_devices.py::test_a_device_is_open_as_far_as_it_was_given_even_for_root",
    "tests/lab/test_host_units.py::test_limits_of_a_drop_in_bind_the_apps",
    "tests/lab/test_host_integration.py::test_a_detached_pod_is_a_machine_and_a_unit",
    "tests/lab/test_host_integration.py::test_a_pod_in_the_foreground_is_a_machine_too",
    "tests/lab/test_host_integration.py::test_machinectl_ends_a_pod_in_order[poweroff]",
    "tests/lab/test_host_integration.py::test_systemctl_stops_a_detached_pod_in_order_and_its_unit_is_gone",
    "tests/lab/test_pod_host.py::test_a_pod_that_came_and_went_left_nothing",
    "tests/lab/test_pod_host.py::test_a_unit_whose_monitor_is_killed_stops_its_pod_in_order",
    "tests/lab/test_pod_host.py::test_a_pod_is_the_main_process_of_a_unit_of_the_users_own",
    "tests/lab/test_pod_policies.py::test_by_default_the_first_failure_ends_the_pod_with_its_status",
    "tests/lab/test_pod_policies.py::test_a_restarted_app_is_counted_and_its_last_failure_ends_the_pod",
)
NO_TESTS = 5  # pytest's exit status


def collected() -> list[str]:
    """Node ids of the selection (or of `POD_VM_TESTS`, words), as pytest on the machine will know them."""
    selection = os.environ.get("POD_VM_TESTS", "").split() or SELECTION
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *selection]
    done = subprocess.run([*argv, "--no-header"], cwd=REPO, capture_output=True, text=True, check=False)
    if done.returncode not in {0, NO_TESTS}:
        raise pytest.UsageError(f"cannot collect the tests of the machine:\n{done.stdout}{done.stderr}")
    return ids(done.stdout)


def ids(text: str) -> list[str]:
    """The lines of `--collect-only -q` that name a test."""
    return [line for line in text.splitlines() if "::" in line]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test here for each there."""
    if "inner" in metafunc.fixturenames:
        found = collected()
        metafunc.parametrize("inner", found, ids=[test.removeprefix("tests/") for test in found])


class Outcomes:
    """Reads what the machine reports until the wanted test is among it."""

    def __init__(self, lines: Iterator[dict[str, Any]]) -> None:
        self._lines = lines
        self._known: dict[str, dict[str, Any]] = {}

    def of(self, test: str) -> dict[str, Any]:
        """How this test ended there."""
        while test not in self._known:
            line = next(self._lines, None)
            if line is None:
                pytest.fail("the machine is done and did not run this test")
            if "test" in line:
                self._known[line["test"]] = line
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
    with Machine(ensure(), chosen) as lines:
        yield Outcomes(lines)
