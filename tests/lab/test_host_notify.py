"""EFFECT. What a pod's unit hears of it, and keeps for it: watchdog, time for a pull, sockets, credentials, limits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import REPO, Pods, eventually

pytestmark = pytest.mark.lab

UNIT = "pod-web.service"
WORDS = ("inspect", "--", "trap", "TERM", "0", "pause")
ASK = """
import socket
server = socket.create_connection(("127.0.0.1", 18080))
print("connected", flush=True)
print(server.makefile().read(), end="", flush=True)
"""
GREEDY = "a=0123456789; while :; do a=$a$a; done"
BUSY = "while :; do :; done"
# A pull of six seconds, as the start of a pod tells of it, in a unit whose start may take three.
PULL = f"""
import sys, time; sys.path.insert(0, {str(REPO)!r})
from stage0.progress import notify
say = notify.extending(lambda event: None)
for _ in range(60):
    say(None)
    time.sleep(0.1)
notify._send({{address}}, 'READY=1')
"""


IMPORT_CREDENTIAL = 254


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """Pods of the session's lab; units that a test wrote are gone afterwards."""
    with pods_of(lab, "inspect", "busybox") as found:
        yield found
        lab.run(["systemctl", "stop", "pod-web.socket", UNIT, "pull.service"], check=False)
        lab.run(
            [
                "sh",
                "-c",
                "cd /etc/systemd/system && rm -rf pod* web.slice pull.service; systemctl daemon-reload",
            ]
        )
        lab.run(["systemctl", "reset-failed"])


def lab_systemd(lab: LabHost) -> int:
    """The version of the host's systemd."""
    return int(lab.run(["systemctl", "--version"]).stdout.split()[1])


def install(lab: LabHost, pods: Pods, *words: str, drop_in: str = "", slices: str = "machine.slice") -> None:
    """A pod with a unit and its drop-in."""
    pods("prepare", "--name", "web", *words)
    pods("unit", "--install", "--slice", slices, "web")
    if drop_in:
        lab.write(f"/etc/systemd/system/{UNIT}.d/test.conf", f"[Service]\n{drop_in}\n")
    lab.run(["systemctl", "daemon-reload"])


def shown(lab: LabHost, key: str) -> str:
    """One property of the unit."""
    return lab.run(["systemctl", "show", "-P", key, UNIT]).stdout.strip()


def test_the_watchdog_hears_of_a_pod_as_long_as_its_pid_1_is_well(lab: LabHost, pods: Pods) -> None:
    """A pod that stands still is paused and not ill; one whose PID 1 hangs is ended and started again."""
    install(lab, pods, *WORDS, drop_in="WatchdogSec=6s\nTimeoutStopSec=1s\nTimeoutAbortSec=1s")
    lab.run(["systemctl", "start", UNIT])

    def heard(more: int) -> None:
        for _ in range(more):
            last = shown(lab, "WatchdogTimestampMonotonic")
            eventually(lambda last=last: shown(lab, "WatchdogTimestampMonotonic") != last, "a beat")

    heard(2)
    pods("pause", "web")
    heard(4)
    pods("unpause", "web")
    assert shown(lab, "NRestarts") == "0"
    leader = lab.run(["machinectl", "show", "web", "--property=Leader", "--value"]).stdout.strip()
    lab.run(["kill", "-STOP", leader])
    eventually(lambda: shown(lab, "NRestarts") == "1", "another start")
    eventually(lambda: shown(lab, "ActiveState") == "active", "the pod")
    assert "Watchdog timeout" in lab.run(["journalctl", "-u", UNIT, "-o", "cat", "--no-pager"]).stdout


def test_a_pull_may_take_longer_than_the_units_start(lab: LabHost, pods: Pods) -> None:
    assert pods
    script = PULL.format(address="__import__('os').environ['NOTIFY_SOCKET']")
    lab.write("/etc/pull.py", script)
    lab.write(
        "/etc/systemd/system/pull.service",
        f"[Service]\nType=notify\nTimeoutStartSec=3s\nExecStart={sys.executable} /etc/pull.py\n",
    )
    lab.run(["systemctl", "daemon-reload"])
    lab.run(["systemctl", "start", "pull.service"])


def test_a_listening_socket_outlives_a_restart_of_the_unit(lab: LabHost, pods: Pods) -> None:
    """Who connects before the restart is served by the pod after it: the socket is the .socket unit's."""
    lab.run(["mkdir", "-p", "/tmp/goes"])
    install(lab, pods, "inspect", "--volume", "/tmp/goes:/goes", "--socket", "http=127.0.0.1:18080,host",
            "--", "wait-file", "/goes/now", "accept", "pause")  # fmt: skip
    lab.write("/etc/systemd/system/pod-web.socket", "[Socket]\nListenStream=127.0.0.1:18080\n")
    lab.run(["systemctl", "daemon-reload"])
    lab.run(["systemctl", "start", "pod-web.socket", UNIT])
    before = shown(lab, "MainPID")
    with lab.popen(["python3", "-c", ASK]) as client:
        assert client.stdout
        assert client.stdout.readline() == "connected\n"
        lab.run(["systemctl", "restart", UNIT])
        assert shown(lab, "MainPID") != before
        lab.write("/tmp/goes/now", "")
        assert client.stdout.readline().startswith("http 127.0.0.1:")


@pytest.mark.parametrize(
    "drop_in",
    [
        "LoadCredential=token:/etc/credstore/token",
        "LoadCredential=token",
        "LoadCredentialEncrypted=token:/etc/token.cred",
        "SetCredential=token:a secret\\n",
        "ImportCredential=tok*",
    ],
    ids=["file", "store", "encrypted", "text", "import"],
)
def test_a_credential_of_the_unit_is_the_apps(lab: LabHost, pods: Pods, drop_in: str) -> None:
    if drop_in.startswith("Import") and lab_systemd(lab) < IMPORT_CREDENTIAL:
        pytest.skip(f"ImportCredential= came with systemd {IMPORT_CREDENTIAL}")
    lab.write("/etc/credstore/token", "a secret\n", mode=0o600)
    if "Encrypted" in drop_in:
        lab.run(["systemd-creds", "--name=token", "encrypt", "-", "/etc/token.cred"], input="a secret\n")
    reader = ("--credential", "token", "--", "cat", "/run/credentials/app-inspect.service/token", "pause")
    install(lab, pods, "inspect", *reader, drop_in=drop_in)
    lab.run(["systemctl", "start", UNIT])
    eventually(lambda: pods.log("web"), "what the app reads")
    assert pods.log("web") == ["a secret"]


@pytest.mark.parametrize("place", ["the unit", "its slice"])
def test_memory_and_processor_of_unit_and_slice_bind_the_apps(lab: LabHost, pods: Pods, place: str) -> None:
    limits = "MemoryMax=64M\nMemorySwapMax=0\nCPUQuota=20%"
    lab.write("/etc/systemd/system/web.slice", f"[Slice]\n{limits if place == 'its slice' else ''}\n")
    script = f"timeout 1 sh -c '{BUSY}'; {GREEDY}"
    drop_in = f"Restart=no\n{limits if place == 'the unit' else ''}"
    install(lab, pods, "busybox", "--", "sh", "-c", script, drop_in=drop_in, slices="web.slice")
    lab.run(["systemctl", "start", UNIT])
    group = shown(lab, "ControlGroup") if place == "the unit" else "/web.slice"
    stats = [
        path
        for top in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup")
        if (path := Path(pods.there(f"{top}{group}/cpu.stat"))).exists()
    ]
    eventually(lambda: "nr_throttled 0\n" not in stats[0].read_text(), "less than the app would take")
    pods("wait", "web", status=137)
    result = pods.results("web")["busybox"]
    assert (result["reason"], result["signal"]) == ("oom-kill", "KILL")
