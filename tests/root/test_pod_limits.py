"""EFFECT. Limits of pods and apps as they are seen from inside, and what a host that cannot enforce them says.

Those of single apps need cgroup v2: tests/vm runs them on a machine that has it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import needs_unified_cgroups
from tests.root.pods import Pods, ending, eventually, groups

pytestmark = pytest.mark.root

UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers").exists()
BOOTED = Path("/run/systemd/system").is_dir()
GREEDY = ("busybox", "--", "sh", "-c", "a=0123456789; while :; do a=$a$a; done")
FORKING = (
    "busybox", "--", "sh", "-c", "i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i+1)); done; echo all started",
)  # fmt: skip
OF_APP = "/sys/fs/cgroup/system.slice/app-busybox.service"


def group_value(pods: Pods, uuid: str, controller: str, v1: str, v2: str) -> str:
    """What stands in a file of the pod's own control group, which is that of its unit or scope where it has one."""
    for line in Path(f"/proc/{pods.status(uuid)['leader']}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if UNIFIED or controller in controllers.split(","):
            place = Path("/sys/fs/cgroup", "" if UNIFIED else controller)
            # systemd-nspawn divides the pod's group with v2
            group = place / path.partition("/payload")[0].lstrip("/")
            return (group / (v2 if UNIFIED else v1)).read_text().strip()
    return "none"


def test_a_pod_that_takes_more_memory_than_it_may_is_said_to_be_out_of_memory(pods: Pods) -> None:
    done = pods.run("--memory", "64M", "--memory-swap", "64M", *GREEDY, status=137)
    (result,) = pods.results(done.uuid).values()
    assert ending(result) == "oom-kill KILL"
    assert result["status"] == 137
    assert "ran out of memory" in done.err
    assert pods.status(done.uuid)["limits"] == {"memory_max": 64 << 20, "swap_max": 0}


def test_an_app_that_is_killed_in_a_pod_with_a_limit_of_memory_is_not_out_of_memory(pods: Pods) -> None:
    done = pods.run("--memory", "64M", "inspect", "--", "kill", "KILL", status=137)
    assert pods.endings(done.uuid) == {"inspect": "signal KILL"}


def test_each_app_that_ran_out_of_memory_is_told(pods: Pods) -> None:
    greedy = ("busybox", "--restart", "on-failure:1", *GREEDY[1:])
    done = pods.run("--memory", "64M", "--memory-swap", "64M", *greedy, status=137)
    lines = (pods.directory(done.uuid) / "run" / "status" / "busybox.runs").read_text().splitlines()
    assert ['"reason": "oom-kill"' in line for line in lines] == [True, True]


def test_a_pod_cannot_have_more_processes_than_it_may(pods: Pods) -> None:
    pod = pods.run("--pids-limit", "40", *FORKING, status=None)
    assert "all started" not in pod.out
    assert "fork" in pod.err


@pytest.mark.skipif(not UNIFIED and BOOTED, reason="systemd has no cpuset with cgroup v1")
def test_the_limits_of_a_pod_are_those_of_its_group(pods: Pods) -> None:
    words = (
        "--cpus",
        "0.5",
        "--cpu-weight",
        "50",
        "--cpuset-cpus",
        "1",
        "--memory",
        "200M",
        "--pids-limit",
        "99",
    )
    pod = pods.start(*words, "inspect", "--", "pause")
    found = [
        group_value(pods, pod.uuid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0],
        group_value(pods, pod.uuid, "cpuset", "cpuset.cpus", "cpuset.cpus"),
        group_value(pods, pod.uuid, "memory", "memory.limit_in_bytes", "memory.max"),
        group_value(pods, pod.uuid, "pids", "pids.max", "pids.max"),
    ]
    assert found == ["50000", "1", str(200 << 20), "99"]
    pods("stop", pod.uuid)


def test_a_detached_pod_has_its_limits_too(pods: Pods) -> None:
    uuid = pods.detach("--memory", "100M", "--pids-limit", "99", "--cpus", "1.5", "inspect", "--", "pause")
    found = [
        group_value(pods, uuid, "memory", "memory.limit_in_bytes", "memory.max"),
        group_value(pods, uuid, "pids", "pids.max", "pids.max"),
        group_value(pods, uuid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0],
    ]
    assert found == [str(100 << 20), "99", "150000"]
    pods("stop", uuid)


def test_groups_of_a_limited_pod_are_gone_when_it_is_over_or_was_killed(pods: Pods) -> None:
    words = ("--memory", "100M", "--pids-limit", "99", "inspect", "--")
    uuid = pods.run(*words, "exit", "0").uuid
    pod = pods.start(*words, "pause")
    killed = pod.uuid
    pod.send(9)
    pod.popen.wait()
    eventually(lambda: pods.status(killed)["state"] == "exited", "the end of the pod")
    pods("rm", killed)
    assert [*groups(f"pod-{uuid}"), *groups(f"pod-{killed}")] == []


def test_limits_of_single_processes_are_seen_from_inside(pods: Pods) -> None:
    script = "ulimit -n; ulimit -Hn; ulimit -c; ulimit -u; cat /proc/self/oom_score_adj"
    words = ("--ulimit", "nofile=100:200", "--ulimit", "core=0", "--oom-score-adj", "500")
    done = pods.run(
        "--ulimit", "nproc=777", "--ulimit", "core=1M", "busybox", *words, "--", "sh", "-c", script
    )
    assert done.lines == ["100", "200", "0", "777", "500"]
    (app,) = pods.status(done.uuid)["apps"]
    assert app["limits"]["oom_score_adjust"] == 500
    assert "nofile 100:200" in pods("status", done.uuid).out


def test_more_open_files_than_the_kernel_has_are_refused(pods: Pods) -> None:
    done = pods("run", "busybox", "--ulimit", "nofile=9999999999", "--", "true", status=125)
    assert "--ulimit nofile" in done.err
    assert pods.all() == []


def test_nonsense_is_a_usage_error_with_a_hint(pods: Pods) -> None:
    for words in (("--memory", "x"), ("--cpus", "-1"), ("--io-max", "sda:rbps=1"), ("--ulimit", "files=1")):
        done = pods("run", *words, "busybox", status=2)
        assert words[0] in done.err


def test_a_device_that_is_none_is_refused(pods: Pods) -> None:
    done = pods("run", "--io-max", "/dev/null:rbps=1M", "busybox", "--", "true", status=125)
    assert "/dev/null" in done.err


@pytest.mark.skipif(UNIFIED, reason="with cgroup v2 these limits are enforced")
def test_a_limit_that_cannot_be_enforced_is_refused_and_nothing_is_left(pods: Pods) -> None:
    done = pods("run", "busybox", "--memory", "64M", "--", "true", status=125)
    assert "app busybox --memory: with cgroup v1 only whole pods" in done.err
    assert "--best-effort" in done.err
    assert "--memory-high" in pods("run", "--memory-high", "1G", "busybox", "--", "true", status=125).err
    assert pods.all() == []


@pytest.mark.skipif(UNIFIED, reason="with cgroup v2 these limits are enforced")
def test_best_effort_runs_without_it_and_says_so(pods: Pods) -> None:
    done = pods.run("--best-effort", "--pids-limit", "99", "busybox", "--memory", "64M", "--", "true")
    assert "not enforced here: app busybox --memory" in done.err
    facts = pods.status(done.uuid)
    assert len(facts["unenforced"]) == 1
    assert "without  app busybox --memory" in pods("status", done.uuid).out


@needs_unified_cgroups
def test_the_limits_of_an_app_are_those_of_its_group(pods: Pods) -> None:
    words = (
        "--memory", "100M", "--memory-high", "90M", "--memory-low", "10M", "--memory-swap", "150M", "--cpus", "250m",
        "--cpu-weight", "42", "--cpuset-cpus", "1", "--pids-limit", "33", "--io-weight", "77",
    )  # fmt: skip
    files = ("memory.max", "memory.high", "memory.low", "memory.swap.max", "cpu.max", "cpu.weight",
             "cpuset.cpus.effective", "pids.max", "io.weight")  # fmt: skip
    done = pods.run("busybox", *words, "--", "cat", *(f"{OF_APP}/{name}" for name in files))
    assert done.lines == [
        str(100 << 20), str(90 << 20), str(10 << 20), str(50 << 20), "25000 100000", "42", "1", "33", "default 77",
    ]  # fmt: skip


@needs_unified_cgroups
def test_an_app_of_a_detached_pod_is_limited_too(pods: Pods) -> None:
    """The monitor shares the pod's unit; a group with processes of its own could hand no controller on."""
    uuid = pods.detach("busybox", "--memory", "100M", "--pids-limit", "33", "--", "sleep", "100000")
    leader = Path(f"/proc/{pods.status(uuid)['leader']}/cgroup").read_text().strip().partition("::")[2]
    group = Path(f"/sys/fs/cgroup{leader}").parent / "system.slice/app-busybox.service"
    assert [(group / name).read_text().strip() for name in ("memory.max", "pids.max")] == [
        str(100 << 20),
        "33",
    ]


@needs_unified_cgroups
def test_an_app_out_of_memory_is_told_and_its_neighbour_goes_on(pods: Pods) -> None:
    greedy = ("busybox", "--name", "greedy", "--memory", "30M", "--memory-swap", "30M", *GREEDY[1:])
    pod = pods.start("--exit-policy", "never", *greedy, "---", "inspect", "--", "pause", ready=False)
    eventually(lambda: pods.endings(pod.uuid).get("greedy") == "oom-kill KILL", "the end of the greedy app")
    (inspect,) = (app for app in pods.status(pod.uuid)["apps"] if app["name"] == "inspect")
    assert inspect["state"] == "running"
    pods("stop", pod.uuid)


@needs_unified_cgroups
def test_an_app_cannot_have_more_processes_than_it_may(pods: Pods) -> None:
    done = pods.run("busybox", "--pids-limit", "20", *FORKING[1:], status=None)
    assert "all started" not in done.out
    assert "fork" in done.err


@needs_unified_cgroups
def test_an_app_that_is_killed_for_want_of_memory_is_started_again(pods: Pods) -> None:
    words = ("--memory", "30M", "--memory-swap", "30M", "--restart", "on-failure:1")
    done = pods.run("busybox", *words, *GREEDY[1:], status=137)
    (result,) = pods.results(done.uuid).values()
    assert (ending(result), result["runs"]) == ("oom-kill KILL", 2)


@needs_unified_cgroups
def test_disks_are_limited_for_pods_and_apps(pods: Pods) -> None:
    disk = next(path for path in ("/dev/vda", "/dev/nvme0n1") if Path(path).is_block_device())
    words = ("--io-max", f"{disk}:rbps=1M,wiops=50")
    done = pods.run("busybox", *words, "--", "cat", f"{OF_APP}/io.max")
    assert "rbps=1048576 wbps=max riops=max wiops=50" in done.out
    uuid = pods.detach(*words, "inspect", "--", "pause")
    assert "rbps=1048576 wbps=max riops=max wiops=50" in group_value(pods, uuid, "io", "", "io.max")
    pods("stop", uuid)


@needs_unified_cgroups
def test_what_systemd_has_no_limit_for_is_refused(pods: Pods) -> None:
    done = pods("run", "--hugepages", "2M=4M", "busybox", "--", "true", status=125)
    assert "--hugepages: systemd has no such limit" in done.err


@needs_unified_cgroups
def test_an_app_may_have_more_than_systemd_nspawn_gives_by_default(pods: Pods) -> None:
    words = ("--ulimit", "memlock=unlimited", "--ulimit", "nofile=1024:1000000", "--oom-score-adj", "-500")
    script = "ulimit -l; ulimit -Hn; cat /proc/self/oom_score_adj"
    done = pods.run("busybox", *words, "--", "sh", "-c", script)
    assert done.lines == ["unlimited", "1000000", "-500"]
