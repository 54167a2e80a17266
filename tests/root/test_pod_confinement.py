"""EFFECT. What an app may do, seen from inside: nothing that SECURITY.md says it may not."""

from __future__ import annotations

import json

import pytest

from tests.root.pods import Pods

pytestmark = pytest.mark.root

# Files of the kernel that are the host's own; each is given back what it says.
KERNEL_FILES = ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness", "/proc/irq/default_smp_affinity")
WRITE = 'for file; do text=$(cat "$file") || exit 3; echo "$text" > "$file" && echo "$file"; done 2> /dev/null; true'
FORBIDDEN = {
    "acct", "bpf", "clock_settime", "fsopen", "init_module", "kexec_load", "mknod", "mount", "open_by_handle_at",
    "open_tree", "perf_event_open", "pivot_root", "ptrace", "quotactl", "reboot", "sethostname", "setns", "swapon",
    "syslog", "umount", "unshare-mount", "unshare-net", "userfaultfd",
}  # fmt: skip
NOT_EVEN_ROOT = {
    "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_BOOT", "CAP_NET_ADMIN",
    "CAP_MKNOD", "CAP_DAC_READ_SEARCH", "CAP_SYSLOG",
}  # fmt: skip


@pytest.mark.parametrize("user", ["0", "1000:1000"])
def test_the_kernels_files_cannot_be_written(pods: Pods, user: str) -> None:
    done = pods.run("busybox", "--user", user, "--", "sh", "-c", WRITE, "sh", *KERNEL_FILES, status=0)
    assert done.out == ""


def test_root_has_at_most_fourteen_capabilities_and_none_over_the_host(pods: Pods) -> None:
    said = json.loads(pods.run("inspect", "--", "report", status=0).out)
    names = set(said["capabilities"]["bounding"]["names"])
    assert len(names) <= 14
    assert not names & NOT_EVEN_ROOT


def test_who_is_not_root_has_no_capabilities_and_cannot_gain_any(pods: Pods) -> None:
    said = json.loads(pods.run("inspect", "--user", "app", "--", "report", status=0).out)
    assert said["capabilities"]["effective"]["names"] == []
    assert said["no_new_privs"] == 1


def test_calls_that_change_the_host_say_eperm_and_kill_nobody(pods: Pods) -> None:
    said = dict(
        line.split() for line in pods.run("inspect", "--", "syscall", "all", status=0).out.splitlines()
    )
    assert {name for name in FORBIDDEN if said[name] != "EPERM"} == set()
    assert "SIGSYS" not in said.values()


def test_the_hosts_devices_are_not_there_and_cannot_be_made(pods: Pods) -> None:
    script = "mknod /tmp/disk b 8 0 2> /dev/null && echo made; ls /dev"
    found = set(pods.run("busybox", "--", "sh", "-c", script, status=0).out.split())
    assert "made" not in found
    assert found <= {
        "char", "fd", "full", "hugepages", "log", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
        "stdin", "stdout", "tty", "urandom", "zero",
    }  # fmt: skip
