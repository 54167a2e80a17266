"""EFFECT. `pod limit`: limits of running pods and apps changed at once, kept for later starts, or refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from tests.conftest import needs_unified_cgroups
from tests.root.pods import Facts, Pods, ending, eventually, groups
from tests.root.test_pod_limits import BOOTED, FORKING, OF_APP, UNIFIED, group_value

pytestmark = pytest.mark.root

NONSENSE = (
    (("--memory", "0"), 2, "--memory"),
    (("--memory", "9999999999T"), 2, "--memory"),
    (("--memory-swap", "1G"), 2, "--memory is not limited"),
    (("--cpus", "1e9"), 2, "--cpus"),
    (("--pids-limit", "99999999999"), 2, "--pids-limit"),
    (("--cpuset-cpus", "8000"), 125, "--cpuset-cpus"),
    (("--io-max", "/dev/null:rbps=1M"), 125, "/dev/null"),
    (("--app", "other", "--memory", "1G"), 125, "no app"),
)
SLEEP = ("busybox", "--", "sleep", "100000")


def limits(pods: Pods, app: str | None = None) -> Facts:
    """What `pod limit` says was set."""
    rows = json.loads(pods("limit", "--json", "it").out)
    found: Facts = next(row["limits"] for row in rows if row["app"] == app)
    return found


def forks(pods: Pods) -> str:
    """What an app's command says that wants a hundred processes."""
    return pods("exec", "it", *FORKING[2:], status=None).err


def memory(pods: Pods) -> str:
    return group_value(pods, "it", "memory", "memory.limit_in_bytes", "memory.max")


def test_a_running_pod_is_bound_at_once_and_freed_again(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", *SLEEP)
    pods("limit", "it", "--pids-limit", "40", "--memory", "300M", "--cpus", "0.5")
    assert "fork" in forks(pods)
    assert memory(pods) == str(300 << 20)
    assert group_value(pods, "it", "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    assert limits(pods) == {"memory_max": 300 << 20, "cpu_quota": 500, "pids_max": 40}
    pods("limit", "it", "--pids-limit", "none", "--memory", "none", "--cpus", "max")
    assert forks(pods) == ""
    assert limits(pods) == {}
    pods("stop", "it")
    assert groups(f"pod-{uuid}") == []


def test_memory_that_an_app_takes_after_the_change_is_counted(pods: Pods) -> None:
    greedy = "read go < /go; a=0123456789; while :; do a=$a$a; done"
    pods.detach("--name", "it", "busybox", "--", "sh", "-c", f"mkfifo /go; {greedy}")
    pods("limit", "it", "--memory", "64M", *([] if BOOTED and not UNIFIED else ["--memory-swap", "64M"]))
    pods("exec", "it", "sh", "-c", "echo > /go")
    pods("wait", "it", status=137)
    assert ending(pods.results("it")["busybox"]).endswith("KILL")


def test_another_start_has_the_limits_too(pods: Pods) -> None:
    pods.detach("--name", "it", *SLEEP)
    pods("limit", "it", "--pids-limit", "40")
    pods("restart", "it")
    assert group_value(pods, "it", "pids", "pids.max", "pids.max") == "40"
    pods("stop", "it")
    pods("limit", "it", "--pids-limit", "41")
    pods("start", "-d", "it")
    assert group_value(pods, "it", "pids", "pids.max", "pids.max") == "41"


def test_a_pod_that_has_never_run_gets_them_when_it_starts(pods: Pods) -> None:
    pods("prepare", "--name", "it", *SLEEP)
    pods("limit", "it", "--pids-limit", "40")
    assert "pids 40" in pods("limit", "it").out
    pods("start", "-d", "it")
    assert "fork" in forks(pods)


@pytest.mark.skipif(BOOTED, reason="systemd has no limit of memory and swap together with cgroup v1")
def test_memory_alone_is_never_above_memory_with_swap(pods: Pods) -> None:
    """The kernel of v1 refuses one order of writes or the other."""
    pods.detach("--name", "it", "--memory", "100M", "--memory-swap", "100M", *SLEEP)
    for memory_, both in (("300M", "400M"), ("90M", "90M"), ("500M", "500M"), ("400M", "500M")):
        pods("limit", "it", "--memory", memory_, "--memory-swap", both)
        assert memory(pods) == str(int(memory_[:-1]) << 20)
    pods("limit", "it", "--memory", "80M")
    assert limits(pods) == {"memory_max": 80 << 20, "swap_max": 100 << 20}


def test_less_memory_than_is_in_use_is_refused_and_all_stays_as_it_was(pods: Pods) -> None:
    fill = "a=$(head -c 60000000 /dev/zero | tr '\\0' x); echo full > /dev/stdout; sleep 100000; exit"
    pods.detach(
        "--name", "it", "--memory", "500M", "--memory-swap", "500M", "busybox", "--", "sh", "-c", fill
    )
    eventually(lambda: pods.log("it") == ["full"], "the app to fill its memory")
    done = pods("limit", "it", "--pids-limit", "77", "--memory", "20M", status=125)
    assert "in use" in done.err
    assert (memory(pods), limits(pods)) == (str(500 << 20), {"memory_max": 500 << 20, "swap_max": 0})
    assert pods.status("it")["apps"][0]["state"] == "running"


def test_nonsense_is_refused(pods: Pods) -> None:
    pods.detach("--name", "it", "--pids-limit", "500", *SLEEP)
    for words, status, complaint in NONSENSE:
        assert complaint in pods("limit", "it", *words, status=status).err
    assert limits(pods) == {"pids_max": 500}


def test_changes_at_the_same_time_are_all_kept(pods: Pods) -> None:
    pods.detach("--name", "it", *SLEEP)
    changes = (("--memory", "400M"), ("--pids-limit", "90"), ("--cpu-weight", "50"), ("--cpus", "1.5"))
    threads = [threading.Thread(target=pods, args=("limit", "it", *words)) for words in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limits(pods) == {"memory_max": 400 << 20, "pids_max": 90, "cpu_weight": 50, "cpu_quota": 1500}


def test_a_call_that_is_killed_leaves_what_was_or_what_was_asked_for(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", "--memory", "300M", "--pids-limit", "80", *SLEEP)
    sides = (("300M", "80"), ("200M", "70"))
    for turn in range(10):
        memory_, pids = sides[1 - turn % 2]
        process = subprocess.Popen(
            pods.argv("limit", "it", "--memory", memory_, "--pids-limit", pids), start_new_session=True
        )
        time.sleep(0.25 + turn * 0.03)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        found = limits(pods)  # the next look
        assert (found["memory_max"] >> 20, found["pids_max"]) in {(300, 80), (200, 70)}
        assert memory(pods) == str(found["memory_max"])
        assert group_value(pods, "it", "pids", "pids.max", "pids.max") == str(found["pids_max"])
        assert not (pods.directory(uuid) / "run/limiting.json").exists()


@pytest.mark.skipif(UNIFIED, reason="with cgroup v2 apps have limits")
def test_an_app_is_not_limited_with_v1_and_the_reason_is_said(pods: Pods) -> None:
    pods.detach("--name", "it", *SLEEP)
    assert (
        "would need cgroup v2" in pods("limit", "--app", "busybox", "it", "--memory", "9M", status=125).err
    )
    assert limits(pods, "busybox") == {}
    pods("limit", "--app", "busybox", "it", "--memory", "90M", "--best-effort")
    assert limits(pods, "busybox") == {"memory_max": 90 << 20}
    assert "not enforced here: app busybox --memory" in pods("limit", "it").out
    pods("limit", "--app", "busybox", "it", "--memory", "none")
    assert pods.status("it")["unenforced"] == []


@needs_unified_cgroups
def test_an_app_is_bound_at_once_and_by_its_next_run(pods: Pods) -> None:
    pods.detach("--name", "it", "--exit-policy", "never", *SLEEP)
    words = ("--memory", "100M", "--cpus", "250m", "--pids-limit", "33", "--memory-high", "90M")
    pods("limit", "--app", "busybox", "it", *words)
    files = [f"{OF_APP}/{name}" for name in ("memory.max", "cpu.max", "pids.max", "memory.high")]
    wanted = [str(100 << 20), "25000 100000", "33", str(90 << 20)]
    assert pods("exec", "it", "cat", *files).lines == wanted
    assert "fork" in forks(pods)
    pods("app", "restart", "it", "busybox")
    assert pods("exec", "it", "cat", *files).lines == wanted
    pods("restart", "it")
    assert pods("exec", "it", "cat", *files).lines == wanted
    pods("limit", "--app", "busybox", "it", "--memory", "none", "--cpus", "none", "--memory-high", "none")
    del files[1]  # without a limit of it the pod's systemd gives the controller up, and the file goes
    assert pods("exec", "it", "cat", *files).lines == ["max", "33", "max"]


@needs_unified_cgroups
def test_less_memory_than_an_app_uses_is_refused(pods: Pods) -> None:
    fill = "a=$(head -c 60000000 /dev/zero | tr '\\0' x); echo full > /dev/stdout; sleep 100000; exit"
    words = ("--memory", "500M", "--memory-swap", "500M")
    pods.detach("--name", "it", "busybox", *words, "--", "sh", "-c", fill)
    eventually(lambda: pods.log("it") == ["full"], "the app to fill its memory")
    assert "in use" in pods("limit", "--app", "busybox", "it", "--memory", "20M", status=125).err
    assert limits(pods, "busybox") == {"memory_max": 500 << 20, "swap_max": 0}
