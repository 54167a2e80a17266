"""EFFECT. What is left on a systemd host after pods: nothing, whatever happened to them."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.leftovers import ON_DEMAND, Snapshot
from tests.patience import SLOWNESS
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.lab

WORDS = (
    "inspect",
    "--mount",
    "type=empty,source=data,target=/data",
    "--",
    "trap",
    "TERM",
    "3",
    "write",
    "/data/x",
    "x",
    "pause",
)
VICTIM = ("--name", "victim", "inspect", "--mount", "type=empty,source=data,target=/data")
# Renderings are a cache; what a session's commands leave in the session's own scratch directory is the test's.
CACHED = re.compile(rf"/var/lib/pod/cache/|{ON_DEMAND.pattern}")


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """Pods of the session's lab, one like the test's has already run."""
    with pods_of(lab) as found:
        found("run", "--rm", *VICTIM, "--", "exit", "0")
        yield found


def left(lab: LabHost, before: Snapshot) -> str:
    """What is there that was not; machined and the manager may take a moment."""
    limit = time.monotonic() + 5 * SLOWNESS
    while (added := before.difference(lab.snapshot(), ignore=CACHED).added) and time.monotonic() < limit:
        time.sleep(0.1)
    return "\n".join(added)


@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["in the foreground", "as a unit"])
def test_a_pod_that_came_and_went_left_nothing(lab: LabHost, pods: Pods, detach: tuple[str, ...]) -> None:
    before = lab.snapshot()
    pods("run", *detach, *VICTIM, "--", "sleep", "0.5", "exit", "0")
    pods("wait", "victim")
    pods("rm", "victim")
    assert left(lab, before) == ""


@pytest.mark.parametrize("moment", [20, 60, 100, 120, 140, 160, 180, 210, 250, 400])
def test_one_gc_cleans_up_after_a_command_killed_at_any_moment(
    lab: LabHost, pods: Pods, moment: int
) -> None:
    before = lab.snapshot()
    pod = pods.beside("run", "--name", "victim", *WORDS)
    time.sleep(moment / 1000)
    pod.send(signal.SIGKILL)
    pod.popen.wait()
    pods("gc")
    assert left(lab, before) == ""


@pytest.mark.parametrize("moment", [60, 120, 180, 250])
def test_one_gc_cleans_up_after_a_killed_unit(lab: LabHost, pods: Pods, moment: int) -> None:
    before = lab.snapshot()
    pod = pods.beside("run", "--detach", "--name", "victim", *WORDS)
    time.sleep(moment / 1000)
    lab.run(["systemctl", "kill", "--signal=KILL", "pod-victim.service"], check=False)
    pod.popen.wait()
    pods("stop", "victim", status=None)  # it may have come up after all
    lab.run(["systemctl", "reset-failed"], check=False)
    pods("gc")
    assert left(lab, before) == ""


def test_a_unit_whose_monitor_is_killed_stops_its_pod_in_order(lab: LabHost, pods: Pods) -> None:
    uuid = pods.detach("--name", "victim", *WORDS)
    lab.run(["systemctl", "kill", "--kill-who=main", "--signal=KILL", "pod-victim.service"])
    eventually(lambda: pods.status(uuid)["state"] == "exited", "the end of the pod")
    assert pods.endings(uuid) == {"inspect": "stopped 3"}, pods.more(uuid)
    assert pods.status(uuid)["reason"] == "lost"


def test_a_reboot_in_order_stops_pods_in_order(own_lab: LabHost) -> None:
    with pods_of(own_lab) as pods:
        uuid = pods.detach("--name", "unit", *WORDS)
        own_lab.reboot(orderly=True)
        facts = pods.status(uuid)
        assert facts["state"] == "exited"
        assert pods.endings(uuid) == {"inspect": "stopped 3"}
        pods("start", "--detach", "unit")
        pods("stop", "unit")


def test_gc_after_a_power_cut_leaves_nothing(own_lab: LabHost) -> None:
    with pods_of(own_lab) as pods:
        pods("run", "--rm", "--name", "one", *WORDS[:3], "--", "exit", "0")
        running = [pods.detach("--name", name, *WORDS) for name in ("one", "two")]
        foreground = pods.start("--name", "three", *WORDS).uuid
        own_lab.reboot(orderly=False)
        pods.running[-1].popen.wait()
        for uuid in [*running, foreground]:
            assert (pods.status(uuid)["state"], pods.status(uuid)["reason"]) == ("exited", "lost")
        before = own_lab.snapshot()
        assert sorted(pods("gc").lines) == sorted([*running, foreground])
        assert left(own_lab, before) == ""
        assert pods.all() == []
        assert not list(pods.left_files())


def test_a_pod_is_the_main_process_of_a_unit_of_the_users_own(lab: LabHost, pods: Pods) -> None:
    run = [
        "systemd-run",
        "--quiet",
        "--unit=mine",
        "--service-type=notify",
        "--property=Delegate=yes",
        "--property=KillMode=mixed",
    ]
    lab.run([*run, *pods.argv("run", "--name", "victim", *WORDS)[-len(WORDS) - 4 :]])
    uuid = pods.status("victim")["uuid"]
    assert pods.status(uuid)["ready"] is True
    assert "Unit=mine.service" in lab.run(["machinectl", "show", "victim"]).stdout
    lab.run(["systemctl", "stop", "mine.service"])
    assert pods.endings(uuid) == {"inspect": "stopped 3"}


def test_ten_detached_pods_at_once_are_ten_machines(lab: LabHost, pods: Pods) -> None:
    running = [pods.beside("run", "--detach", "--name", f"n{number}", *WORDS) for number in range(10)]
    uuids = [pod.done(0).out.strip() for pod in running]
    listed = lab.run(["machinectl", "list", "--no-legend"]).stdout
    assert {line.split()[0] for line in listed.splitlines()} >= {f"n{number}" for number in range(10)}
    pods("stop", *uuids)
    assert [pods.endings(uuid) for uuid in uuids] == [{"inspect": "stopped 3"}] * 10


def test_a_detached_pod_that_fails_leaves_no_failed_unit(lab: LabHost, pods: Pods) -> None:
    uuid = pods.detach("--name", "victim", "inspect", "--", "sleep", "0.5", "exit", "5")
    pods("wait", uuid, status=5)
    eventually(
        lambda: "pod-victim" not in lab.run(["systemctl", "list-units", "--all", "--plain"]).stdout,
        "the unit to go",
    )


def test_a_name_may_be_used_again_at_once(pods: Pods) -> None:
    for _ in range(3):
        pods.detach("--name", "victim", *WORDS)
        pods("rm", "--force", "victim")


def test_the_status_of_a_machine_shows_the_apps(lab: LabHost, pods: Pods) -> None:
    pods.detach("--name", "victim", *WORDS)
    shown = lab.run(["machinectl", "status", "--no-pager", "victim"]).stdout
    assert "app-inspect.service" in shown
    assert "/inspect" in shown
