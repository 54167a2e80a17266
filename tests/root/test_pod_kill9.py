"""EFFECT. kill -9 of `pod run` at any moment: the pod ends, the results are true, one `pod gc` leaves nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.leftovers import Snapshot
from tests.root.pods import Pods, Running, eventually, text

pytestmark = pytest.mark.root

# Of 250 ms until an app runs: before the pod exists, while it is laid out, rendered, mounted, booted, and after.
MOMENTS = [20, 60, 100, 120, 140, 160, 180, 210, 250, 400]
APPS = ("inspect", "--volume", "data:/data", "--", "write", "/data/x", "x", "pause", "---",
        "inspect", "--name", "other", "--mount", "type=tmpfs,target=/t", "--", "pause")  # fmt: skip
PROPAGATION = Path("/run/systemd/nspawn/propagate")


def collected(pods: Pods, before: Snapshot, *markers: str) -> list[str]:
    """What is left after one gc."""
    pods("gc")
    difference = before.difference(Snapshot.take(pods.root))
    added = [line for line in difference.added if f"{pods.root}/cache/" not in line]
    return [line for line in added if any(marker in line for marker in (str(pods.root), *markers))]


@pytest.fixture
def warm(pods: Pods) -> Pods:
    """A data root in which a pod like this has run before: base root and renderings are there."""
    words = [word.replace("pause", "exit") for word in APPS]
    pods.run(
        "--rm",
        "--name",
        "victim",
        *[part for word in words for part in ([word, "0"] if word == "exit" else [word])],
    )
    return pods


@pytest.mark.parametrize("moment", MOMENTS)
def test_one_gc_cleans_up_after_a_command_killed_at_any_moment(warm: Pods, moment: int) -> None:
    before = Snapshot.take(warm.root)
    pod = warm.beside("run", "--name", "victim", "--uuid-file", warm.scratch / f"victim.{moment}", *APPS)
    time.sleep(moment / 1000)
    pod.send(signal.SIGKILL)
    pod.done(-signal.SIGKILL)
    uuid = text(warm.scratch / f"victim.{moment}").strip() or "no pod was made"
    left = collected(warm, before, uuid)
    assert not left, "\n".join(left)
    assert not (PROPAGATION / "victim").exists()
    warm.run("--name", "victim", "--rm", "inspect", "--", "exit", "0")


@pytest.mark.parametrize("moment", [60, 120, 160, 250])
def test_one_gc_cleans_up_after_a_detaching_command_killed_at_any_moment(warm: Pods, moment: int) -> None:
    before = Snapshot.take(warm.root)
    pod = warm.beside("run", "--detach", "--name", "victim", *APPS)
    time.sleep(moment / 1000)
    pod.send(signal.SIGKILL)
    pod.popen.wait()
    eventually(lambda: not preparing(warm), "the monitor to start or the lock to be free")
    for uuid in warm("ps", "--quiet").lines:
        warm("stop", uuid, status=None)
    assert collected(warm, before) == []


def preparing(pods: Pods) -> bool:
    """Whether a pod is being made."""
    return any("preparing" in line for line in pods("ps", "--all").lines)


@pytest.mark.parametrize("moment", [20, 60, 100])
def test_one_gc_cleans_up_after_a_killed_prepare(warm: Pods, moment: int) -> None:
    before = Snapshot.take(warm.root)
    pod = warm.beside("prepare", "--name", "victim", *APPS)
    time.sleep(moment / 1000)
    pod.send(signal.SIGKILL)
    pod.popen.wait()
    warm("gc", "--prepared-older-than", "0")
    assert collected(warm, before) == []


def start(pods: Pods, *words: str) -> Running:
    """A pod whose app is ready to be stopped."""
    pod = pods.start("--name", "it", *words)
    pod.prints("ready")
    return pod


def test_a_pod_whose_monitor_is_killed_stops_in_order_and_its_results_are_true(pods: Pods) -> None:
    polite = ("inspect", "--name", "polite", "--", "trap", "TERM", "3", "print", "ready", "pause")
    over = ("inspect", "--name", "over", "--", "exit", "0")
    pod = start(pods, *polite, "---", *over)
    eventually(lambda: "over" in pods.endings("it"), "the end of the other app")
    pod.send(signal.SIGKILL)
    pod.done(-signal.SIGKILL)
    eventually(lambda: pods.status("it")["state"] == "exited", "the end of the pod")
    assert pods.endings("it") == {"polite": "stopped 3", "over": "exited 0"}
    facts = pods.status("it")
    assert (facts["reason"], facts["status"]) == ("lost", 125)
    assert pods.log("it", "--app", "polite") == ["ready"]
    pods("gc")
    assert not pods.left(pod.uuid)


def test_a_killed_monitor_takes_an_app_with_it_that_does_not_stop(pods: Pods) -> None:
    words = ("inspect", "--stop-time", "1", "--", "ignore", "TERM", "print", "ready", "pause")
    pod = start(pods, *words)
    pod.send(signal.SIGKILL)
    pod.done(-signal.SIGKILL)
    eventually(lambda: pods.status("it")["state"] == "exited", "the end of the pod")
    assert pods.endings("it") == {"inspect": "stop-timeout KILL"}


def test_stop_and_wait_work_while_a_pod_without_monitor_ends(pods: Pods) -> None:
    words = ("inspect", "--stop-time", "1", "--", "ignore", "TERM", "print", "ready", "pause")
    pod = start(pods, *words)
    pod.send(signal.SIGKILL)
    pods("stop", "it", status=None)
    assert pods.status("it")["state"] == "exited"


def test_kill_ends_a_pod_without_monitor_at_once(pods: Pods) -> None:
    words = ("inspect", "--stop-time", "60", "--", "ignore", "TERM", "print", "ready", "pause")
    pod = start(pods, *words)
    pod.send(signal.SIGKILL)
    pod.popen.wait()
    begin = time.monotonic()
    pods("kill", "it")
    assert time.monotonic() - begin < 30  # the app's stop time is 60
    pods("rm", "it")
    assert not pods.left(pod.uuid)


def test_a_pod_that_is_removed_at_its_end_leaves_nothing_when_it_is_killed(pods: Pods) -> None:
    uuid = pods.detach("--rm", "inspect", "--", "pause")
    pods("kill", uuid)
    eventually(lambda: not pods.all(), "the pod to be gone")
    eventually(
        lambda: not (PROPAGATION / f"pod-{uuid}").exists(), "what systemd-nspawn made for it to be gone"
    )
    assert not pods.left(uuid)


def test_a_pod_whose_supervisor_is_killed_has_failed(pods: Pods) -> None:
    pod = start(pods, "inspect", "--", "print", "ready", "pause")
    monitor = int((pods.directory(pod.uuid) / "run" / "monitor").read_text().split()[0])
    (supervisor,) = (
        int(pid) for pid in Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split()
    )
    os.kill(supervisor, signal.SIGKILL)
    done = pod.done(125)
    assert "systemd-nspawn failed" in done.err
    assert pods.status("it")["reason"] == "supervisor-failed"
    pods("rm", "it")
    assert not pods.left(pod.uuid)


def test_a_pod_whose_first_process_is_killed_has_failed(pods: Pods) -> None:
    pod = start(pods, "inspect", "--", "print", "ready", "pause")
    os.kill(pods.status("it")["leader"], signal.SIGKILL)
    pod.done(125)
    assert pods.status("it")["apps"][0]["state"] == "lost"


def test_lines_printed_before_the_monitor_was_killed_are_kept(pods: Pods) -> None:
    pod = start(pods, "inspect", "--", "lines", "5000", "print", "ready", "pause")
    pod.send(signal.SIGKILL)
    eventually(lambda: pods.status("it")["state"] == "exited", "the end of the pod")
    assert pods.log("it") == [*(f"line {number}" for number in range(1, 5001)), "ready"]
