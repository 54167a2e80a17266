"""EFFECT. What machinectl does to a pod, verb by verb, on a systemd host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.lab

# Tells how often it was started.
COUNT = (
    "inspect",
    "--",
    "trap",
    "TERM",
    "0",
    "append",
    "/starts",
    "x",
    "cat",
    "/starts",
    "print",
    "",
    "pause",
)


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """Pods of the session's lab."""
    with pods_of(lab) as found:
        yield found


def refused(lab: LabHost, *words: str) -> str:
    """What machinectl says when it fails."""
    done = lab.run(["machinectl", *words], check=False)
    assert done.returncode != 0
    return done.stderr


def ready_again(pods: Pods, uuid: str, starts: int) -> None:
    """A pod of COUNT that was started so often."""
    eventually(
        lambda: pods.log(uuid) == ["x" * starts] and pods.status(uuid)["ready"], f"start number {starts}"
    )


def test_a_reboot_starts_the_same_pod_again_in_its_unit(lab: LabHost, pods: Pods) -> None:
    uuid = pods.detach("--name", "web", "-p", "18081:80", *COUNT)
    ready_again(pods, uuid, 1)
    main = lab.run(["systemctl", "show", "-P", "MainPID", "pod-web.service"]).stdout
    for starts in (2, 3):
        lab.run(["machinectl", "reboot", "web"])
        ready_again(pods, uuid, starts)
    shown = lab.run(["systemctl", "show", "-P", "MainPID", "-P", "ActiveState", "pod-web.service"]).stdout
    assert shown.split() == [main.strip(), "active"]
    assert "18081" in pods("port", "ls", "web").out
    pods("stop", "web")
    assert (pods.status(uuid)["state"], pods.endings(uuid)) == ("exited", {"inspect": "stopped 0"})


def test_a_pod_in_the_foreground_reboots_under_its_command(lab: LabHost, pods: Pods) -> None:
    pod = pods.start("--rm", "--name", "shown", *COUNT)
    ready_again(pods, pod.uuid, 1)
    lab.run(["machinectl", "reboot", "shown"])
    ready_again(pods, pod.uuid, 2)
    assert pod.popen.poll() is None
    pods("stop", "shown")
    assert pod.done(0).out == "x\nxx\n"
    assert pods.all() == []


def test_names_of_pods_are_names_of_hosts(lab: LabHost, pods: Pods) -> None:
    uuid = pods.detach("--name", "web", *COUNT)
    found = lab.run(["getent", "-s", "hosts:mymachines", "ahostsv4", "web"]).stdout.split()[0]
    assert found in (pods.directory(uuid) / "run/network/network.json").read_text()


def test_files_are_copied_in_and_out_and_where_not_pod_cp_does_it(lab: LabHost, pods: Pods) -> None:
    root = "/pod/apps/inspect/rootfs"
    lab.write("/run/sent", "text\n")
    pods.detach("--name", "mapped", *COUNT)
    pods.detach("--name", "plain", "--userns", "host", *COUNT)
    for name in ("mapped", "plain"):
        ready_again(pods, name, 1)
        lab.run(["machinectl", "copy-from", name, f"{root}/starts", f"/run/{name}-starts"])
        assert lab.read(f"/run/{name}-starts") == "x"
    lab.run(["machinectl", "copy-to", "plain", "/run/sent", f"{root}/sent"])
    assert pods("exec", "plain", "/inspect", "cat", "/sent").out == "text\n"
    assert "Value too large" in refused(lab, "copy-to", "mapped", "/run/sent", f"{root}/sent")
    pods("cp", "/run/sent", "mapped:/sent")
    assert pods("exec", "mapped", "/inspect", "cat", "/sent").out == "text\n"


def test_binding_needs_a_pod_without_ids_of_its_own_and_pod_mount_does_not(lab: LabHost, pods: Pods) -> None:
    lab.write("/run/bound/file", "text\n")
    pods.detach("--name", "mapped", *COUNT)
    pods.detach("--name", "plain", "--userns", "host", *COUNT)
    lab.run(["machinectl", "bind", "--mkdir", "plain", "/run/bound", "/pod/apps/inspect/rootfs/srv"])
    assert pods("exec", "plain", "/inspect", "cat", "/srv/file").out == "text\n"
    assert "user namespacing" in refused(lab, "bind", "--mkdir", "mapped", "/run/bound", "/srv")
    pods("mount", "add", "mapped", "/run/bound:/srv")
    assert pods("exec", "mapped", "/inspect", "cat", "/srv/file").out == "text\n"


def test_a_killed_machine_is_a_lost_pod(lab: LabHost, pods: Pods) -> None:
    uuid = pods.detach("--name", "web", *COUNT)
    lab.run(["machinectl", "kill", "--signal=KILL", "web"])
    eventually(lambda: pods.status(uuid)["state"] == "exited", "the end of the pod")
    assert pods.status(uuid)["reason"] == "lost"


def test_without_a_bus_there_is_no_shell_and_no_login(lab: LabHost, pods: Pods) -> None:
    pods.detach("--name", "web", *COUNT)
    for verb in ("shell", "login"):
        assert "There is no system bus in container web" in refused(lab, verb, "web")


def test_with_a_bus_there_is_a_shell_and_a_login(lab: LabHost, pods: Pods) -> None:
    pods.detach("--name", "web", "--bus", *COUNT)
    said = lab.run(
        ["machinectl", "shell", "web", "/bin/sh", "-c", "systemctl is-active app-inspect"], tty=True
    )
    assert "active" in said.stdout.split()
    with lab.terminal(["machinectl", "login", "web"]) as terminal:
        terminal.read_until("#")
        terminal.send("systemctl show -P Description app-inspect\n")
        terminal.read_until("app inspect (")
        terminal.send("\x1d\x1d\x1d")
        terminal.read_until("terminated")
    assert "app-inspect.service" in lab.run(["systemctl", "--machine=web", "list-units"]).stdout
    assert "dbus" not in pods("exec", "web", "/inspect", "ls", "/run").out


def test_a_journal_of_the_pods_own_is_read_from_the_host_while_and_after_it_runs(lab: LabHost) -> None:
    with pods_of(lab, "busybox") as pods:
        words = (
            "busybox",
            "--exec",
            "/bin/sh",
            "--",
            "-c",
            "logger -t mine to the journal; echo printed; sleep 1000",
        )
        uuid = pods.detach("--name", "web", "--journal", *words)
        pods.detach("--name", "other", *words)
        own = ["journalctl", "-M", "web", "-o", "cat", "-t", "mine"]
        eventually(lambda: lab.run(own, check=False).stdout == "to the journal\n", "the app's message")
        assert "Started app-busybox.service" in lab.run(["journalctl", "-M", "web", "-t", "systemd"]).stdout
        assert pods.log("web") == ["printed"]
        assert (
            "systemd-journald"
            not in lab.run(["systemctl", "status", "--no-pager", "pod-other.service"]).stdout
        )
        lab.run(["machinectl", "reboot", "web"])
        eventually(
            lambda: lab.run(own, check=False).stdout.count("to the journal\n") == 2,
            "the message of the second run",
        )
        pods("stop", "web")
        kept = ["journalctl", "-D", f"/var/lib/pod/pods/run/{uuid}/journal", "-o", "cat", "-t", "mine"]
        assert lab.run(kept).stdout.count("to the journal\n") == 2
