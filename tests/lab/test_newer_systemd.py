"""EFFECT. Pods whose PID 1 is the systemd of a newer Debian: some tests of confinement and of an app's life.

They are the tests of this machine's own systemd, imported; the policies have theirs in test_pod_policies.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import newer_debian, pods_of
from tests.root import test_pod_confinement as confinement
from tests.root import test_pod_credentials as credentials
from tests.root import test_pod_order as order
from tests.root import test_pod_results as results
from tests.root.pods import Pods

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def booted(lab: LabHost) -> Iterator[Pods]:
    with pods_of(lab, "inspect", "busybox", base=newer_debian()) as pods:
        yield pods


@pytest.fixture
def pods(booted: Pods) -> Iterator[Pods]:
    yield booted
    booted.clear()


test_kernel_files = confinement.test_the_kernels_files_cannot_be_written
test_capabilities = confinement.test_root_has_at_most_fourteen_capabilities_and_none_over_the_host
test_user = confinement.test_who_is_not_root_has_no_capabilities_and_cannot_gain_any
test_calls = confinement.test_calls_that_change_the_host_say_eperm_and_kill_nobody
test_unknown_call = confinement.test_a_call_that_no_list_knows_is_one_the_kernel_does_not_have
test_devices = confinement.test_the_hosts_devices_are_not_there_and_cannot_be_made
test_read_only = confinement.test_a_read_only_root_and_what_stays_writable
test_sidecar = order.test_a_sidecar_is_there_before_init_apps_and_after_the_others
test_hooks = order.test_commands_run_around_the_life_of_an_app_in_its_root_with_its_rights
test_run_time = order.test_an_app_that_runs_too_long_is_ended_as_failed
test_watchdog = order.test_an_app_that_gives_no_sign_of_life_has_failed
test_no_program = results.test_a_program_that_is_not_there_is_told_from_any_exit_code
test_stop_time = results.test_an_app_that_ignores_its_stop_signal_is_told_by_its_stop_time
test_secret = credentials.test_a_secret_may_come_by_the_standard_input
