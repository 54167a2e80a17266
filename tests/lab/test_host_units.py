"""EFFECT. Pods as units of a systemd host: enabled, started, changed by drop-ins, bound by their limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.lab

WORDS = ("inspect", "--", "trap", "TERM", "0", "print", "hello", "pause")
MANIFEST = """
[[app]]
image = "inspect"
args = ["trap", "TERM", "0", "print", "from a file", "pause"]
"""


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """Pods of the session's lab; units that a test wrote are gone afterwards."""
    with pods_of(lab) as found:
        yield found
        lab.run(
            [
                "sh",
                "-c",
                "rm -rf /etc/systemd/system/pod* /run/systemd/system/pod* /etc/pod; systemctl daemon-reload",
            ]
        )


def shown(lab: LabHost, unit: str, key: str) -> str:
    """One property of a unit."""
    return lab.run(["systemctl", "show", "-P", key, unit]).stdout.strip()


def log_of(lab: LabHost, unit: str) -> str:
    """What the journal has of a unit."""
    return lab.run(["journalctl", "-u", unit, "-o", "cat", "--no-pager"]).stdout


def test_a_unit_for_a_pod_is_started_stopped_and_started_again(lab: LabHost, pods: Pods) -> None:
    pods("prepare", "--name", "web", *WORDS)
    pods("unit", "--install", "web")
    assert lab.run(["systemd-analyze", "verify", "--man=no", "pod-web.service"]).stderr == ""
    for _ in range(2):
        lab.run(["systemctl", "start", "pod-web.service"])
        assert pods.status("web")["ready"] is True
        assert shown(lab, "pod-web.service", "ActiveState") == "active"
        monitor = int((pods.directory(pods.status("web")["uuid"]) / "run/monitor").read_text().split()[0])
        assert int(shown(lab, "pod-web.service", "MainPID")) == monitor
        lab.run(["systemctl", "stop", "pod-web.service"])
        assert shown(lab, "pod-web.service", "Result") == "success"
        assert pods.endings("web") == {"inspect": "stopped 0"}
    assert "hello" in log_of(lab, "pod-web.service")


def test_a_pod_that_runs_detached_gets_a_unit_of_its_own_when_it_was_stopped(
    lab: LabHost, pods: Pods
) -> None:
    pods.detach("--name", "web", *WORDS)
    refused = pods("unit", "--install", "web", status=125).err
    assert "pod stop web, then this again" in refused
    pods("stop", "web")
    pods("unit", "--install", "web")
    lab.run(["systemctl", "enable", "--now", "pod-web.service"])
    assert pods.status("web")["ready"] is True
    for verb in (["restart"], ["start", "--detach"]):
        assert "systemctl restart pod-web.service" in pods(*verb, "web", status=125).err
    assert shown(lab, "pod-web.service", "ActiveState") == "active"
    lab.run(["systemctl", "disable", "--now", "pod-web.service"])


def test_a_machine_that_is_rebooted_is_the_same_pod_again(lab: LabHost, pods: Pods) -> None:
    pods("prepare", "--name", "web", *WORDS)
    pods("unit", "--install", "--restart", "no", "web")
    lab.run(["systemctl", "start", "pod-web.service"])
    lab.run(["machinectl", "reboot", "web"])
    eventually(lambda: shown(lab, "pod-web.service", "NRestarts") == "1", "another start")
    eventually(lambda: shown(lab, "pod-web.service", "ActiveState") == "active", "the pod")
    assert pods.status("web")["ready"] is True
    assert len(pods.all()) == 1
    lab.run(["systemctl", "stop", "pod-web.service"])
    assert shown(lab, "pod-web.service", "Result") == "success"


def test_a_pod_that_fails_is_started_again(lab: LabHost, pods: Pods) -> None:
    pods("prepare", "--name", "bad", "inspect", "--", "sleep", "0.2", "exit", "3")
    pods("unit", "--install", "bad")
    lab.run(["systemctl", "start", "pod-bad.service"], check=False)
    eventually(lambda: int(shown(lab, "pod-bad.service", "NRestarts")) >= 1, "a restart")
    assert shown(lab, "pod-bad.service", "ExecMainStatus") in {"3", "0"}
    lab.run(["systemctl", "stop", "pod-bad.service"])


def test_limits_of_a_drop_in_bind_the_apps(lab: LabHost, pods: Pods) -> None:
    pods("prepare", "--name", "web", *WORDS)
    pods("unit", "--install", "web")
    place = "/etc/systemd/system/pod-web.service.d"
    lab.run(["sh", "-c", f"mkdir -p {place}; printf '[Service]\\nTasksMax=77\\n' >{place}/limits.conf"])
    lab.run(["systemctl", "daemon-reload"])
    lab.run(["systemctl", "start", "pod-web.service"])
    pid = pods.status("web")["apps"][0]["pid"]
    group = lab.run(["sh", "-c", f"grep -E '^[0-9]+:(pids|):' /proc/{pid}/cgroup | head -1"]).stdout.strip()
    assert "pod-web.service" in group
    controller = "pids" if ":pids:" in group else ""
    parent = f"/sys/fs/cgroup/{controller}{group.split(':')[2].split('pod-web.service')[0]}pod-web.service"
    assert lab.run(["cat", f"{parent}/pids.max"]).stdout.strip() == "77"
    lab.run(["systemctl", "stop", "pod-web.service"])


def test_a_pod_of_a_file_is_enabled_and_started_by_its_name(lab: LabHost, pods: Pods) -> None:
    lab.run(["mkdir", "-p", "/etc/pod/pods"])
    pods.there("/etc/pod/pods/web.toml").write_text(MANIFEST)
    pods("unit", "--shared", "/etc/systemd/system")
    lab.run(["systemctl", "daemon-reload"])
    lab.run(["systemctl", "enable", "--now", "pod@web.service"])
    assert Path(pods.there("/etc/systemd/system/multi-user.target.wants/pod@web.service")).is_symlink()
    assert pods.status("web")["ready"] is True
    assert json.loads(pods("ps", "--json").out)[0]["name"] == "web"
    assert "from a file" in log_of(lab, "pod@web.service")
    lab.run(["systemctl", "kill", "--signal=KILL", "pod@web.service"])
    eventually(lambda: shown(lab, "pod@web.service", "NRestarts") == "1", "the restart")
    eventually(lambda: shown(lab, "pod@web.service", "ActiveState") == "active", "the second pod")
    assert len(pods.all()) == 1
    lab.run(["systemctl", "disable", "--now", "pod@web.service"])
    assert pods.all() == []


def test_the_house_is_kept(lab: LabHost, pods: Pods) -> None:
    pods("unit", "--shared", "/etc/systemd/system")
    lab.run(["systemctl", "daemon-reload"])
    assert lab.run(["systemd-analyze", "verify", "--man=no", "pod-gc.timer", "pod-gc.service"]).stderr == ""
    lab.run(["systemctl", "start", "pod-gc.service"])
    assert shown(lab, "pod-gc.service", "Result") == "success"


def test_a_unit_of_what_cannot_be_one_is_refused(pods: Pods) -> None:
    pods.detach("--name", "gone", "--rm", *WORDS)
    assert "--rm" in pods("unit", "gone", status=125).err
    assert "name a pod, or a manifest" in pods("unit", status=2).err
    assert "not a slice" in pods("unit", "--slice", "x", "gone", status=2).err
