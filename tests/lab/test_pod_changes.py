"""EFFECT. Apps that come to a running pod where systemd is PID 1: machine, unit, journal, devices, limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import needs_devices, pods_of
from tests.lab.test_pod_devices import DEVICES, TRY
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.lab

UNIT = "pod-it.service"
KEEP = ("busybox", "--name", "keep", "--exec", "sleep", "--", "100000")
LOOKS = ("--", "sh", "-c", f"{TRY} echo looked; exec sleep 100000", "sh", *DEVICES)


@pytest.fixture(scope="module")
def pods(lab: LabHost) -> Iterator[Pods]:
    needs_devices(*DEVICES)
    with pods_of(lab, "busybox") as found:
        yield found


def entries(lab: LabHost, app: str) -> list[dict[str, Any]]:
    """What the host's journal has of an app."""
    lab.run(["journalctl", "--sync"])
    printed = lab.run(["journalctl", "--output=json", "POD_NAME=it", f"POD_APP={app}"]).stdout
    return [json.loads(line) for line in printed.splitlines()]


def shown(lab: LabHost, key: str) -> str:
    """A property of the pod's unit."""
    return lab.run(["systemctl", "show", "-P", key, UNIT]).stdout.strip()


def opened(pods: Pods, app: str) -> list[str]:
    """The devices that an app of root could open."""
    eventually(lambda: "looked" in pods.log("it", "--app", app), f"what {app} sees")
    return pods.log("it", "--app", app)[:-1]


def test_an_app_that_is_added_is_in_the_pods_machine_unit_journal_and_limits(
    lab: LabHost, pods: Pods
) -> None:
    pods.detach("--name", "it", "--userns=host", "--journal", "--bus", *KEEP)
    machine = lab.run(["machinectl", "show", "-p", "Leader", "it"]).stdout
    device = ("--device", f"{DEVICES[0]}:rw")
    pods("app", "add", "it", "busybox", "--name", "with", *device, *LOOKS)
    pods("app", "add", "it", "busybox", "--name", "without", *LOOKS)
    assert opened(pods, "with") == [f"{DEVICES[0]} read", f"{DEVICES[0]} written"]
    assert opened(pods, "without") == []
    assert f"{DEVICES[0]} rwm" in shown(lab, "DeviceAllow")
    assert [one["MESSAGE"] for one in entries(lab, "without")] == ["looked"]
    assert {one["_SYSTEMD_UNIT"] for one in entries(lab, "with")} == {UNIT}
    pods("limit", "it", "--pids-limit", "200")
    assert shown(lab, "TasksMax") == "200"
    pods("app", "rm", "it", "with", "without")
    assert f"{DEVICES[0]} m" in shown(lab, "DeviceAllow").splitlines()
    assert lab.run(["machinectl", "show", "-p", "Leader", "it"]).stdout == machine
    assert shown(lab, "ActiveState") == "active"
    pods("app", "add", "it", "busybox", "--name", "again", *LOOKS)
    assert opened(pods, "again") == []
    lab.run(["machinectl", "poweroff", "it"])
    pods("wait", "it", status=None)
    assert pods.endings("it") == {"keep": "stopped TERM", "again": "stopped TERM"}
