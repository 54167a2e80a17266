"""EFFECT. Properties of a pod's transient unit or scope, asked for on the command line or in a manifest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.lab

WORDS = ("inspect", "--", "trap", "TERM", "0", "print", "hello", "pause")
WISHES = ("--slice", "web.slice", "--property", "MemoryMax=200M", "--property", "CPUQuota=50%")
MANIFEST = """
name = "web"
slice = "web.slice"
property = ["MemoryMax=200M", "CPUQuota=50%", "Restart=on-failure", "RestartSec=50ms",
            "RestartSteps=4", "RestartMaxDelaySec=200ms"]

[[app]]
image = "inspect"
args = ["print", "hello", "sleep", "1", "exit", "3"]
"""
SHOWN = "Slice=web.slice\nCPUQuotaPerSecUSec=500ms\nMemoryMax=209715200\n"
RARER_RESTARTS = 254


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """Pods of the session's lab."""
    with pods_of(lab) as found:
        yield found


def shown(lab: LabHost, unit: str, *names: str) -> str:
    """Properties of a unit, in systemd's own order."""
    return lab.run(["systemctl", "show", f"--property={','.join(names)}", unit]).stdout


def test_a_detached_pods_unit_has_what_was_asked_for(lab: LabHost, pods: Pods) -> None:
    label = "system_u:system_r:unconfined_t:s0"  # where no kernel has SELinux it is kept, and means nothing
    more = ("--property", "Environment=A=b c", "--property", f"SELinuxContext=-{label}")
    uuid = pods.detach("--name", "web", *WISHES, *more, *WORDS)
    assert shown(lab, "pod-web.service", "Slice", "MemoryMax", "CPUQuotaPerSecUSec") == SHOWN
    assert shown(lab, "pod-web.service", "Environment") == 'Environment="A=b c"\n'
    assert shown(lab, "pod-web.service", "SELinuxContext") == f"SELinuxContext=-{label}\n"
    pods("stop", uuid)
    pods("start", "-d", "web")
    assert shown(lab, "pod-web.service", "Slice", "MemoryMax", "CPUQuotaPerSecUSec") == SHOWN


def test_a_pod_in_the_foreground_has_a_scope_with_what_was_asked_for(lab: LabHost, pods: Pods) -> None:
    pod = pods.start("--name", "web", *WISHES, *WORDS)
    assert shown(lab, "pod-web.scope", "Slice", "MemoryMax", "CPUQuotaPerSecUSec") == SHOWN
    assert "Unit=pod-web.scope" in lab.run(["machinectl", "show", "web"]).stdout
    pods("stop", "web")
    assert pod.done(0).out == "hello\n"
    assert pods.endings("web") == {"inspect": "stopped 0"}


def test_a_manifests_restart_policy_starts_the_same_pod_again(lab: LabHost, pods: Pods) -> None:
    done = pods("run", "-d", "-f", pods.write("web.toml", MANIFEST))
    uuid = done.out.strip()
    rarer = int(lab.run(["systemctl", "--version"]).stdout.split()[1]) >= RARER_RESTARTS
    assert ("does not know --property RestartSteps=4" in done.err) is not rarer
    assert not rarer or shown(lab, "pod-web.service", "RestartSteps") == "RestartSteps=4\n"
    eventually(
        lambda: int(shown(lab, "pod-web.service", "NRestarts").strip().rpartition("=")[2]) >= 2, "restarts"
    )
    assert shown(lab, "pod-web.service", "Slice", "MemoryMax", "CPUQuotaPerSecUSec") == SHOWN
    assert pods.all() == [uuid]
    lab.run(["systemctl", "stop", "pod-web.service"])
    assert pods.status("web")["state"] == "exited"
    assert "hello" in lab.run(["journalctl", "-u", "pod-web.service", "-o", "cat", "--no-pager"]).stdout


def test_a_bad_property_is_one_error_and_nothing_stays(lab: LabHost, pods: Pods) -> None:
    bad = {
        "Restart=sometimes": (125, "did not start pod-web.service: Invalid Restart setting: sometimes"),
        "Foo=1": (2, "--property Foo: not a property"),
        "MemoryMax=much": (2, "--property MemoryMax: 'much' cannot be it"),
        "Type=simple": (2, "--property Type: the pod's unit needs its own"),
    }
    for text, (status, words) in bad.items():
        done = pods("run", "-d", "--name", "web", "--property", text, *WORDS, status=status)
        assert words in done.err
        assert len(done.err.splitlines()) == 2
    done = pods("run", "--name", "web", "--property", "Restart=always", *WORDS, status=125)
    assert "run it detached" in done.err
    assert pods.all() == []
    assert lab.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "pod-web*"]).stdout == ""
