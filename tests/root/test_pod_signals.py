"""EFFECT. Ends of pods that somebody asks for: in order, at once, by which command or signal."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.root import killing
from tests.root.pods import Pods, Running, eventually

pytestmark = pytest.mark.root

POLITE = ("inspect", "--name", "polite", "--", "trap", "TERM", "3", "print", "ready", "pause")
DEAF = ("inspect", "--name", "deaf", "--stop-time", "60", "--", "ignore", "TERM", "print", "ready", "pause")


def start(pods: Pods, *words: str) -> Running:
    """A pod whose apps have all said that they are ready."""
    pod = pods.start("--name", "it", *words)
    eventually(lambda: pod.out.count("ready") == words.count("ready"), "the apps")
    return pod


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_command_stops_the_pod_in_order(pods: Pods, number: int) -> None:
    pod = start(pods, *POLITE)
    pod.send(number)
    pod.done(0)
    assert pods.endings("it") == {"polite": "stopped 3"}
    facts = pods.status("it")
    assert (facts["state"], facts["reason"], facts["by"]) == ("exited", "stopped", None)


def test_a_stop_does_not_outlast_the_stop_times_of_the_apps(pods: Pods) -> None:
    pod = start(pods, "inspect", "--stop-time", "500ms", "--", "ignore", "TERM", "print", "ready", "pause")
    begin = time.monotonic()
    pod.send(signal.SIGINT)
    pod.done(0)
    assert time.monotonic() - begin < 60  # systemd's own limit is 90
    assert pods.endings("it") == {"inspect": "stop-timeout KILL"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_kills(pods: Pods, number: int) -> None:
    pod = start(pods, *DEAF)
    pod.send(number)
    eventually((pods.directory(pod.uuid) / "run/status/stopping").exists, "the stop")
    pod.send(number)
    pod.done(137)
    facts = pods.status("it")
    assert (facts["status"], facts["reason"]) == (137, "killed")


def test_a_quit_signal_kills_at_once(pods: Pods) -> None:
    pod = start(pods, *DEAF)
    pod.send(signal.SIGQUIT)
    pod.done(137)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pod_can_be_stopped_while_it_is_made_and_while_it_boots(pods: Pods, number: int) -> None:
    for delay in (0.0, 0.02, 0.05, 0.08, 0.12):
        pod = pods.start(*POLITE, ready=False)
        time.sleep(delay)
        pod.send(number)
        status = pod.done(None).status
        if pods.all():
            assert pods.status(pod.uuid)["state"] == "exited"
            assert status in {0, 3, -number}
        else:  # it was not yet a pod
            assert status == 128 + number
        pods.clear()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_moment_a_pod_gets_its_directory_leaves_none(
    pods: Pods, number: signal.Signals
) -> None:
    found = killing.moments(pods, "prepare", "--name", "whole", "inspect", at="/embryo/")
    assert {name for name, _ in found} >= {"mkdir", "rename"}
    for moment in found:
        status = killing.status_when_sent(number, moment, pods, "prepare", "--name", "half", "inspect")
        assert (status, len(pods.all())) == (128 + number, 1), moment


def test_stop_waits_for_the_end(pods: Pods) -> None:
    pod = start(pods, *POLITE)
    pods("stop", "it")
    assert pods.status("it")["state"] == "exited"
    pod.done(0)


def test_stop_with_a_time_kills_when_it_is_over(pods: Pods) -> None:
    pod = start(pods, *DEAF)
    begin = time.monotonic()
    pods("stop", "--time", "500ms", "it")
    assert 0.4 < time.monotonic() - begin < 60  # the app's own limit
    assert pod.done(137)
    assert pods.status("it")["reason"] == "killed"


def test_several_pods_are_stopped_by_one_command(pods: Pods) -> None:
    running = [pods.start("--name", name, "inspect", "--", "pause") for name in ("one", "two")]
    pods("stop", "one", "two")
    assert [pod.done(0).status for pod in running] == [0, 0]


def test_several_pods_are_told_to_stop_before_one_is_waited_for(pods: Pods) -> None:
    """The first ends only when the second has been told, or when systemd kills it: no good end."""
    place = pods.scratch / "told"
    place.mkdir()
    place.chmod(0o777)
    patient = "trap 'until [ -e /s/told ]; do sleep 0.05; done; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    telling = "trap 'touch /s/told; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    running = [
        pods.start("--name", name, "--volume", f"{place}:/s", "busybox", "--", "sh", "-c", script)
        for name, script in (("first", patient), ("second", telling))
    ]
    for one in running:
        one.prints("ready")
    pods("stop", "first", "second")
    for one, name in zip(running, ("first", "second"), strict=True):
        one.done(0)
        assert pods.endings(name) == {"busybox": "stopped 0"}


def test_a_pod_that_does_not_run_is_stopped_already_and_cannot_be_killed(pods: Pods) -> None:
    pods.run("--name", "over", "inspect", "--", "exit", "0")
    pods("stop", "over")
    assert "pod over is not running" in pods("kill", "over", status=125).err


def test_what_is_wrong_with_one_pod_does_not_keep_others_from_being_stopped_or_removed(pods: Pods) -> None:
    first = pods.start("--name", "first", "inspect", "--", "pause")
    second = pods.start("--name", "second", "inspect", "--", "pause")
    refused = pods("stop", "nobody", "first", "no-one", status=125)
    assert "no pod 'nobody'; no pod 'no-one'" in refused.err
    first.done(0)
    assert "pod second is running" in pods("rm", "second", "first", status=125).err
    assert pods.all() == [second.uuid]
    pods("rm", "--force", "nobody", "second")
    second.done(137)
    assert not pods.all()


def test_kill_ends_a_pod_at_once(pods: Pods) -> None:
    pod = start(pods, *DEAF)
    pods("kill", "it")
    pod.done(137)
    facts = pods.status("it")
    assert (facts["state"], facts["status"], facts["reason"]) == ("exited", 137, "killed")
    assert pods.endings("it").get("deaf") in {None, "signal KILL", "stopped KILL"}


def test_kill_sends_a_signal_to_every_app(pods: Pods) -> None:
    words = ("--", "trap", "USR1", "4", "print", "ready", "pause")
    pod = start(pods, "inspect", "--name", "a", *words, "---", "inspect", "--name", "b", *words)
    pods("kill", "--signal", "USR1", "it")
    pod.done(4)


def test_kill_sends_a_signal_to_an_app_that_runs_again_and_not_to_one_that_is_over(pods: Pods) -> None:
    told = (
        "--restart",
        "on-failure",
        "--restart-delay",
        "50ms",
        "--",
        "trap",
        "USR1",
        "4",
        "print",
        "ready",
    )
    again = ("inspect", "--name", "again", *told, "sleep", "1000")
    over = ("inspect", "--name", "over", "--", "exit", "0")
    pod = pods.start("--name", "it", "--exit-policy", "all", *again, "---", *over)
    eventually(lambda: "over" in pods.endings("it"), "the end of one")
    for times in (1, 2, 3):
        eventually(lambda times=times: pod.out.count("ready") == times, "a run")
        pods("kill", "-s", "USR1", "it")
    pods("stop", "it")
    pod.done(None)
    lines = pods("events", "--json", "--kind", "app-exit", "--app", "again", "it").lines
    assert [json.loads(line)["status"] for line in lines][:3] == [4, 4, 4]


def test_kill_sends_a_signal_to_one_app(pods: Pods) -> None:
    words = ("--", "trap", "USR1", "4", "print", "ready", "pause")
    two = ("inspect", "--name", "a", *words, "---", "inspect", "--name", "b", *words)
    pod = start(pods, "--exit-policy", "all", *two)
    pods("kill", "-s", "10", "--app", "b", "it")
    eventually(lambda: pods.endings("it") == {"b": "exited 4"}, "the end of b")
    assert pods.status("it")["state"] == "running"
    pods("kill", "--app", "a", "it")
    pod.done(137)
    assert pods.endings("it") == {"a": "signal KILL", "b": "exited 4"}


def test_kill_knows_the_apps_and_the_signals(pods: Pods) -> None:
    pod = start(pods, *POLITE)
    assert "no app 'x'" in pods("kill", "--app", "x", "it", status=125).err
    assert "'NOSUCH' is not a signal" in pods("kill", "--signal", "NOSUCH", "it", status=2).err
    assert pods.status("it")["state"] == "running"
    pods("stop", "it")
    pod.done(0)


def test_wait_tells_the_status_when_the_pod_ends(pods: Pods) -> None:
    uuid = pods.detach("inspect", "--", "sleep", "2", "exit", "6")
    begin = time.monotonic()
    done = pods("wait", uuid, status=6)
    assert done.out == "6\n"
    assert time.monotonic() - begin > 0.2
    assert pods("wait", uuid, status=6).out == "6\n"


def test_wait_for_a_prepared_pod_is_refused(pods: Pods) -> None:
    uuid = pods("prepare", "inspect", "--", "exit", "0").out.strip()
    assert "not running" in pods("wait", uuid, status=125).err


def test_rm_leaves_a_running_pod_alone_unless_forced(pods: Pods) -> None:
    pod = start(pods, *DEAF)
    assert "is running" in pods("rm", "it", status=125).err
    assert pods.status("it")["state"] == "running"
    pods("rm", "--force", "it")
    pod.done(137)
    assert pods.all() == []


def test_a_detached_pod_is_ready_when_the_command_returns(pods: Pods) -> None:
    uuid = pods.detach("inspect", "--", "print", "hello", "pause")
    facts = pods.status(uuid)
    assert (facts["state"], facts["ready"]) == ("running", True)
    assert facts["apps"][0]["pid"]
    pods("stop", uuid)


def test_a_detached_pod_that_fails_at_once_says_so(pods: Pods) -> None:
    done = pods("run", "--detach", "inspect", "--exec", "/nowhere", status=127)
    assert pods.endings(done.out.strip()) == {"inspect": "not-found"}


def test_a_detached_pod_that_is_gone_at_once_says_so_too(pods: Pods) -> None:
    done = pods("run", "--detach", "--rm", "inspect", "--exec", "/nowhere", status=125)
    assert "ended before it was ready" in done.err
    assert "--rm" in done.err


def test_a_detached_pod_outlives_the_session_that_started_it(pods: Pods) -> None:
    uuid = pods.detach("inspect", "--", "pause")
    monitor = int((pods.directory(uuid) / "run" / "monitor").read_text().split()[0])
    assert os.getsid(monitor) != os.getsid(0)
    assert [os.readlink(f"/proc/{monitor}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
    pods("stop", uuid)


def test_the_pids_of_a_running_pod_are_told(pods: Pods) -> None:
    pod = start(pods, *POLITE)
    facts = pods.status("it")
    assert Path(f"/proc/{facts['leader']}/comm").read_text() == "systemd\n"
    assert Path(f"/proc/{facts['apps'][0]['pid']}/cmdline").read_bytes().startswith(b"/inspect\0trap")
    os.kill(facts["apps"][0]["pid"], signal.SIGTERM)
    pod.done(3)
    assert pods.status("it")["leader"] is None
