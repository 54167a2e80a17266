"""EFFECT. `systemctl reload` of a pod's unit: what its manifest says now, as far as it can be had while it runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import Pods

pytestmark = pytest.mark.lab

UNIT = "pod@web.service"
FILE = "/etc/pod/pods/web.toml"
MANIFEST = """
publish = ["18080:80"]
memory = "300M"
[[app]]
image = "inspect"
args = ["trap", "TERM", "0", "pause"]
env = { A = "1" }
"""
OTHER = """
publish = ["18081:80"]
memory = "200M"
hostname = "other"
[[app]]
image = "inspect"
args = ["trap", "TERM", "0", "pause"]
env = { A = "1" }
volume = ["/tmp/reloaded:/srv/new:ro"]
"""
MORE = (
    MANIFEST.replace('A = "1"', 'A = "2"')
    + """
[[app]]
image = "inspect"
name = "second"
args = ["trap", "TERM", "0", "pause"]
"""
)
BAD = """
[[app]]
image = "inspect"
name = "bad"
exec = "/nothing"
"""


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """A pod of a manifest that runs in its unit."""
    with pods_of(lab) as found:
        found("unit", "--shared", "/etc/systemd/system")
        lab.write(FILE, MANIFEST)
        lab.write("/tmp/reloaded/file", "from the host\n")
        lab.run(["systemctl", "daemon-reload"])
        lab.run(["systemctl", "start", UNIT])
        yield found
        lab.run(["systemctl", "stop", UNIT], check=False)
        lab.run(
            ["sh", "-c", "rm -rf /etc/systemd/system/pod* /etc/pod /tmp/reloaded; systemctl daemon-reload"]
        )
        lab.run(["systemctl", "reset-failed"])


def shown(lab: LabHost, key: str) -> str:
    """One property of the unit."""
    return lab.run(["systemctl", "show", "-P", key, UNIT]).stdout.strip()


def ports(pods: Pods) -> str:
    """Where the host has the pod's ports."""
    return pods("port", "ls", "web").out


def test_a_reload_makes_what_can_be_made_and_names_the_rest(lab: LabHost, pods: Pods) -> None:
    before = pods.status("web")
    lab.write(FILE, OTHER)
    lab.run(["systemctl", "reload", UNIT])
    assert "18081" in ports(pods)
    assert "18080" not in ports(pods)
    assert shown(lab, "MemoryMax") == str(200 << 20)
    assert pods("exec", "web", "/inspect", "cat", "/srv/new/file").out == "from the host\n"
    assert shown(lab, "StatusText") == "needs a restart: --hostname"
    assert shown(lab, "ActiveState") == "active"
    assert pods.status("web")["apps"][0]["pid"] == before["apps"][0]["pid"]
    told = pods("reload", "-f", FILE, "web").out
    assert told == "needs a restart: --hostname\n", "what was made is made"
    lab.write(FILE, MANIFEST)
    lab.run(["systemctl", "reload", UNIT])
    assert "18080" in ports(pods)
    assert shown(lab, "MemoryMax") == str(300 << 20)
    assert pods("mount", "ls", "web").lines[1:] == []
    assert shown(lab, "StatusText") == "reloaded"


def test_a_reload_brings_replaces_and_takes_away_apps_and_the_unit_goes_on(lab: LabHost, pods: Pods) -> None:
    before, unit = pods.status("web"), [shown(lab, key) for key in ("MainPID", "InvocationID")]
    lab.write(FILE, MORE)
    lab.run(["systemctl", "reload", UNIT])
    after = {app["name"]: app for app in pods.status("web")["apps"]}
    assert {name: app["state"] for name, app in after.items()} == {"inspect": "running", "second": "running"}
    assert after["inspect"]["pid"] != before["apps"][0]["pid"]
    assert pods("exec", "--app", "inspect", "web", "/inspect", "env", "A").out == "2\n"
    assert "app-second.service" in lab.run(["systemctl", "status", "--no-pager", UNIT]).stdout
    lab.write(FILE, MORE.split("[[app]]")[0] + "[[app]]" + MORE.split("[[app]]")[2])
    lab.run(["systemctl", "reload", UNIT])
    assert [app["pid"] for app in pods.status("web")["apps"]] == [after["second"]["pid"]]
    assert [shown(lab, key) for key in ("MainPID", "InvocationID")] == unit
    assert (shown(lab, "ActiveState"), shown(lab, "StatusText")) == ("active", "reloaded")


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ("[[app]]\nimage = 3\n", "app.0.image"),
        ("not = [toml", "cannot be read"),
        (OTHER.replace('"200M"', '"much"'), "much"),
        (OTHER.replace("/tmp/reloaded", "/srv/none"), "/srv/none"),
        (OTHER.replace("18081", "70000"), "70000"),
        (OTHER + BAD, "app bad did not start"),
    ],
    ids=["schema", "syntax", "size", "source", "port", "app"],
)
def test_a_bad_manifest_fails_the_reload_and_changes_nothing(
    lab: LabHost, pods: Pods, bad: str, word: str
) -> None:
    lab.write(FILE, bad)
    assert lab.run(["systemctl", "reload", UNIT], check=False).returncode != 0
    assert shown(lab, "ActiveState") == "active"
    assert "18080" in ports(pods)
    assert "18081" not in ports(pods)
    assert shown(lab, "MemoryMax") == str(300 << 20)
    assert pods("mount", "ls", "web").lines[1:] == []
    assert shown(lab, "StatusText").startswith("not reloaded: ")
    assert word in shown(lab, "StatusText")
