"""EFFECT. A pod on a systemd host: a machine for machinectl, a unit for systemctl, and true after a reboot."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.lab

SLEEPER = ("inspect", "--", "print", "hello", "pause")


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """Pods of the session's lab."""
    with pods_of(lab) as found:
        yield found


def machines(lab: LabHost) -> dict[str, dict[str, str]]:
    """What machined knows, by name."""
    listed = lab.run(["machinectl", "list", "--output=json"], check=False).stdout
    return {machine["machine"]: machine for machine in json.loads(listed or "[]")}


def detached(pods: Pods, name: str, *words: str) -> str:
    """The UUID of a pod that is ready."""
    return pods("run", "-d", "--name", name, *(words or SLEEPER)).out.strip()


def test_a_detached_pod_is_a_machine_and_a_unit(lab: LabHost, pods: Pods) -> None:
    uuid = detached(pods, "web")
    assert machines(lab)["web"]["service"] == "systemd-nspawn"
    shown = lab.run(["machinectl", "show", "web"]).stdout
    assert "Unit=pod-web.service" in shown
    assert f"Id={uuid.replace('-', '')}" in shown
    unit = lab.run(["systemctl", "show", "pod-web.service", "--property=ActiveState,Type,Slice"]).stdout
    assert unit.splitlines() == ["Type=notify", "Slice=machine.slice", "ActiveState=active"]
    assert "app-inspect.service" in lab.run(["systemctl", "status", "pod-web.service"]).stdout


def test_a_pod_in_the_foreground_is_a_machine_too(lab: LabHost, pods: Pods) -> None:
    pod = pods.start("--name", "shown", *SLEEPER)
    assert "shown" in machines(lab)
    pods("stop", pod.uuid)
    assert "shown" not in machines(lab)


@pytest.mark.parametrize("verb", ["terminate", "poweroff"])
def test_machinectl_ends_a_pod_in_order(lab: LabHost, pods: Pods, verb: str) -> None:
    uuid = detached(pods, "ended")
    lab.run(["machinectl", verb, "ended"])
    eventually(lambda: pods.status(uuid)["state"] == "exited", f"the end by machinectl {verb}")
    assert pods.status(uuid)["status"] == 0
    assert pods.endings(uuid) == {"inspect": "stopped TERM"}
    assert "ended" not in machines(lab)


def test_systemctl_stops_a_detached_pod_in_order_and_its_unit_is_gone(lab: LabHost, pods: Pods) -> None:
    uuid = detached(pods, "unit")
    lab.run(["systemctl", "stop", "pod-unit.service"])
    assert pods.status(uuid)["status"] == 0
    assert pods.endings(uuid) == {"inspect": "stopped TERM"}
    assert "pod-unit.service" not in lab.run(["systemctl", "list-units", "--all", "--plain"]).stdout


def test_the_mount_table_of_the_host_does_not_grow_with_pods(lab: LabHost, pods: Pods) -> None:
    before = lab.run(["cat", "/proc/self/mountinfo"]).stdout.splitlines()
    uuid = detached(pods, "mounts")
    during = lab.run(["cat", "/proc/self/mountinfo"]).stdout.splitlines()
    pods("stop", uuid)
    assert [line for line in during if "/var/lib/pod/pods" in line] == []
    assert len(during) == len(before)


def test_results_and_logs_are_there_after_a_reboot_and_names_still_mean_their_pods(own_lab: LabHost) -> None:
    with pods_of(own_lab) as pods:
        ended = pods.run("--name", "done", "inspect", "--", "print", "bye", "exit", "3", status=3)
        running = detached(pods, "running")
        prepared = pods("prepare", "--name", "later", *SLEEPER).out.strip()
        own_lab.reboot(orderly=False)
        assert pods.status("done")["status"] == 3
        assert pods.endings(ended.uuid) == {"inspect": "exited 3"}
        assert pods("logs", "done").out == "bye\n"
        assert (pods.status(running)["state"], pods.status(running)["reason"]) == ("exited", "lost")
        assert pods.status(prepared)["state"] == "prepared"
        pods("start", "-d", "later")
        assert "later" in machines(own_lab)
        pods("stop", "later")
