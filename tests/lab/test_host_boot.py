"""EFFECT. An installed host that boots with pods as units of its own."""

from __future__ import annotations

import json

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of

pytestmark = pytest.mark.lab

MANIFEST = """
[[app]]
image = "inspect"
args = ["trap", "TERM", "0", "print", "up", "pause"]
"""
NAMES = [f"w{number}" for number in range(10)]
UNITS = [f"pod@{name}.service" for name in NAMES]


def test_pods_of_an_installed_host_are_there_after_each_boot(own_lab: LabHost) -> None:
    """Ten at once, first after a shutdown in order, then after a power cut, with a pod that was never enabled."""
    with pods_of(own_lab) as pods:
        # what was made already stays: the rules of `make install` itself are what is tried
        own_lab.run(["make", "--assume-old=venv", "--assume-old=native", "install"])
        unit = own_lab.read("/usr/local/lib/systemd/system/pod@.service")
        assert "/usr/local/bin/pod run" in unit.replace(chr(34), "")
        assert "fs.inotify" in own_lab.run(["/lib/systemd/systemd-sysctl", "--cat-config"]).stdout
        for name in [*NAMES, "off"]:
            own_lab.write(f"/etc/pod/pods/{name}.toml", MANIFEST)
        own_lab.run(["systemctl", "daemon-reload"])
        own_lab.run(["systemctl", "enable", "--now", UNITS[0]])
        own_lab.run(["systemctl", "enable", *UNITS[1:]])
        before = set(pods.all())
        assert len(before) == 1
        for orderly in (True, False):
            own_lab.reboot(orderly=orderly)
            shown = own_lab.run(["systemctl", "is-active", *UNITS]).stdout.split()
            assert shown == ["active"] * len(UNITS)
            running = json.loads(pods("ps", "--json").out)
            assert sorted(pod["name"] for pod in running) == NAMES
            assert before.isdisjoint({pod["uuid"] for pod in running}), "a pod of the boot before"
            assert set(pods.all()) == {pod["uuid"] for pod in running}, "what was cut off made room"
            machines = own_lab.run(["machinectl", "list", "--no-legend"]).stdout
            assert sorted(line.split()[0] for line in machines.splitlines()) == NAMES
            before = {pod["uuid"] for pod in running}
        assert own_lab.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout == ""
