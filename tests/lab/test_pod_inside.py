"""EFFECT. On a systemd host, for pods in units: commands inside, files to and fro, live mounts, limits, attaching."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import POD, Pods, eventually

pytestmark = pytest.mark.lab

SLEEP = ("busybox", "--", "sleep", "100000")


@pytest.fixture(scope="module")
def pods(lab: LabHost) -> Iterator[Pods]:
    """Two pods for all tests here, detached: one with ids of its own, one without."""
    with pods_of(lab, "busybox") as found:
        found("run", "--detach", "--name", "own", *SLEEP)
        found("run", "--detach", "--name", "host", "--userns", "host", *SLEEP)
        yield found


@pytest.fixture(params=["own", "host"])
def pod(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def inside(pods: Pods, pod: str, script: str, status: int | None = 0) -> str:
    return pods("exec", pod, "sh", "-c", script, status=status).out


def group_of(lab: LabHost, pods: Pods, pod: str, controller: str) -> str:
    """The control group of the pod's unit, in the hierarchy of a controller."""
    lines = lab.run(["cat", f"/proc/{pods.status(pod)['leader']}/cgroup"]).stdout.splitlines()
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(",") or lines == [line]:
            place = "/sys/fs/cgroup" if lines == [line] else f"/sys/fs/cgroup/{controller}"
            return place + path[: path.index(".service") + len(".service")]
    pytest.fail(f"no {controller} in {lines}")


def test_commands_run_in_the_apps_group_and_end_with_their_status(
    lab: LabHost, pods: Pods, pod: str
) -> None:
    assert inside(pods, pod, "cat /proc/self/cgroup; exit 7", 7).count("app-busybox.service") >= 1
    assert pods("enter", pod, "sh", "-c", "echo $0 $(id -u)").lines == ["sh 0"]
    assert "systemd" in pods("enter", "--pod", "--with-host-tools", pod, "cat", "/proc/1/comm").out
    assert lab.run(["systemctl", "is-active", f"pod-{pod}.service"]).stdout.strip() == "active"


def test_files_go_in_and_out_with_their_owners(pods: Pods, pod: str) -> None:
    source = pods.write("letter", "hello\n")
    pods("cp", source, f"{pod}:/tmp/letter")
    assert inside(pods, pod, "chown 1000:1000 /tmp/letter; cat /tmp/letter") == "hello\n"
    pods("cp", f"{pod}:/tmp/letter", pods.scratch / f"back-{pod}")
    back = pods.there(pods.scratch / f"back-{pod}")
    assert (back.read_text(), back.stat().st_uid) == ("hello\n", 1000)


def test_a_live_mount_comes_survives_a_restart_of_the_app_and_goes(pods: Pods, pod: str) -> None:
    pods.write(f"of-the-host-{pod}", "of the host\n")
    name = pods("mount", "add", pod, f"{pods.scratch}:/new:ro").out.strip()
    assert inside(pods, pod, f"cat /new/of-the-host-{pod}; touch /new/x", 1) == "of the host\n"
    pods("app", "restart", pod, "busybox")
    assert inside(pods, pod, f"cat /new/of-the-host-{pod}") == "of the host\n"
    pods("mount", "rm", pod, name)
    assert inside(pods, pod, "ls /new") == ""


def test_the_propagation_directory_does_the_same_without_a_user_namespace(pods: Pods) -> None:
    """The host's /run is a shared mount where systemd is PID 1."""
    pods.write("by-propagation", "of the host\n")
    name = pods("mount", "add", "--propagate", "host", f"{pods.scratch}:/propagated:ro").out.strip()
    assert inside(pods, "host", "cat /propagated/by-propagation; touch /propagated/x", 1) == "of the host\n"
    pods("app", "restart", "host", "busybox")
    assert inside(pods, "host", "cat /propagated/by-propagation") == "of the host\n"
    (entry,) = json.loads(pods("mount", "ls", "--json", "host").out)
    assert (entry["id"], entry["mounted"], entry["read_only"]) == (name, True, True)
    one = pods.write("file", "one file\n")
    pods("mount", "add", "--propagate", "host", f"{one}:/etc/one")
    assert inside(pods, "host", "cat /etc/one; echo more >> /etc/one") == "one file\n"
    assert pods.there(one).read_text() == "one file\nmore\n"
    pods("mount", "rm", "host", "/etc/one", name)
    assert inside(pods, "host", "ls /propagated") == ""
    assert list(pods.there(Path("/run/systemd/nspawn/propagate/host")).iterdir()) == []
    assert "user namespace" in pods("mount", "add", "--propagate", "own", f"{one}:/etc/one", status=125).err


def test_where_the_kernel_or_a_filter_refuses_open_tree_it_is_the_propagation_directory(
    lab: LabHost, pods: Pods
) -> None:
    """A unit with a filter: the same as a kernel before 5.2, or a container that forbids the call."""
    pods.write("without-open-tree", "of the host\n")
    unit = ["systemd-run", "--quiet", "--wait", "--pipe", "-p", "SystemCallFilter=~open_tree",
            "-p", "SystemCallErrorNumber=ENOSYS"]  # fmt: skip

    def add(pod: str, status: int) -> str:
        words = pods.argv("mount", "add", pod, f"{pods.scratch}:/fallen-back:ro")
        place = next(index for index, word in enumerate(words) if word == str(POD))
        done = lab.run([*unit, *words[place:]], check=False)
        assert done.returncode == status, done.stderr
        return str(done.stdout.strip() or done.stderr)

    name = add("host", 0)
    assert (
        inside(pods, "host", "cat /fallen-back/without-open-tree; touch /fallen-back/x", 1)
        == "of the host\n"
    )
    pods("mount", "rm", "host", name)
    assert "needs open_tree(2)" in add("own", 125)


def test_machinectl_binds_where_a_pod_has_the_hosts_ids_and_nowhere_else(lab: LabHost, pods: Pods) -> None:
    pods.write("bound", "of the host\n")
    target = "/pod/apps/busybox/rootfs/bound"
    words = ["machinectl", "bind", "--mkdir", "--read-only"]
    lab.run([*words, "host", str(pods.scratch), target])
    assert inside(pods, "host", "cat /bound/bound; touch /bound/x", 1) == "of the host\n"
    refused = lab.run([*words, "own", str(pods.scratch), target], check=False)
    assert refused.returncode != 0
    assert inside(pods, "own", "ls /bound 2> /dev/null; true") == ""


def test_limits_of_a_unit_are_changed_by_systemd_and_kept(lab: LabHost, pods: Pods, pod: str) -> None:
    pods("limit", "--memory", "300M", "--pids-limit", "60", "--cpus", "0.5", pod)
    shown = lab.run(
        [
            "systemctl",
            "show",
            "-P",
            "MemoryMax",
            "-P",
            "TasksMax",
            "-P",
            "CPUQuotaPerSecUSec",
            f"pod-{pod}.service",
        ]
    ).stdout.split()
    assert sorted(shown) == sorted([str(300 << 20), "60", "500ms"])
    assert lab.run(["cat", f"{group_of(lab, pods, pod, 'pids')}/pids.max"]).stdout.strip() == "60"
    more = "i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i+1)); done"
    assert "fork" in pods("exec", pod, "sh", "-c", more, status=None).err
    pods("limit", "--memory", "none", "--pids-limit", "none", "--cpus", "none", pod)
    assert pods("exec", pod, "sh", "-c", more).err == ""
    assert "in use" in pods("limit", "--memory", "1M", pod, status=125).err  # its systemd alone has more
    assert pods.status(pod)["limits"] == {}


def test_attaching_sees_what_an_app_of_a_unit_says_and_its_end(pods: Pods) -> None:
    script = "until [ -e /go ]; do sleep 0.02; done; echo hello; read x; echo got $x; exit 4"
    pods("run", "--detach", "--name", "talker", "-i", "busybox", "--", "sh", "-c", script)
    client = pods.beside("attach", "--tail", "1", "talker")
    pods("exec", "talker", "touch", "/go")
    client.prints("hello")
    with pods.there(pods.write("word", "word\n")).open() as word:
        second = pods.beside("attach", "talker", stdin=word)
    assert "got word" in second.done(4).out
    client.done(4)
    eventually(lambda: pods.status("talker")["state"] == "exited", "the end of the pod")
