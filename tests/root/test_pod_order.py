"""EFFECT. Apps that wait for each other, watch over themselves, and have commands around their lives."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root


def sh(script: str, *options: str, name: str = "") -> tuple[str, ...]:
    """An app that is a shell script, with its options."""
    return ("busybox", *(("--name", name) if name else ()), *options, "--", "sh", "-c", script)


def test_an_app_may_wait_for_the_good_end_of_another(pods: Pods) -> None:
    done = pods.run(
        *sh("sleep 0.3; echo one", name="one"),
        "---",
        *sh("echo two", "--requires", "one:finished", name="two"),
    )
    assert done.lines == ["one | one", "two | two"]


def test_an_app_does_not_start_if_the_one_it_requires_ended_badly(pods: Pods) -> None:
    words = (*sh("exit 3", name="one"), "---", *sh("echo two", "--requires", "one:finished", name="two"))
    done = pods.run("--exit-policy", "all", *words, status=125)
    assert pods.endings(done.uuid) == {"one": "exited 3", "two": "dependency"}
    assert done.out == ""


def test_an_app_that_only_waits_starts_all_the_same(pods: Pods) -> None:
    words = (*sh("exit 3", name="one"), "---", *sh("echo two", "--after", "one:finished", name="two"))
    assert pods.run("--exit-policy", "all", *words, status=3).lines == ["two | two"]


def test_started_is_before_ready(pods: Pods) -> None:
    """One listens only when the other runs: were it to wait for readiness, both would wait for ever."""
    server = sh(
        "until [ -e /shared/go ]; do sleep 0.05; done; nc -l -p 18734",
        "--ready",
        "tcp:18734",
        name="server",
    )
    other = sh("touch /shared/go; sleep 0.2", "--requires", "server:started", name="other")
    place = pods.scratch / "go"
    place.mkdir()
    place.chmod(0o777)
    pods.run("--volume", f"{place}:/shared", "--net", "none", *server, "---", *other)


def test_a_sidecar_is_there_before_init_apps_and_after_the_others(pods: Pods) -> None:
    side = "trap 'echo ends; exit 0' TERM; echo side; touch /up; while :; do sleep 0.05; done"
    is_up = "sh -c 'until [ -e /up ]; do sleep 0.05; done'"
    done = pods.run(
        "--exit-policy", "all",
        *sh("echo main; sleep 0.2", name="main"), "---",
        *sh("echo init; sleep 0.2", "--init", name="init"), "---",
        *sh(side, "--sidecar", "--post-start", is_up, name="side"),
    )  # fmt: skip
    assert [line.split("|")[1].strip() for line in done.lines] == ["side", "init", "main", "ends"]
    assert pods.endings(done.uuid)["side"] == "stopped 0"


HOOKS = (
    "--user", "app", "--env", "WORD=a b",
    "--pre-start", "sh -c 'echo pre-start $WORD $(id -u) $(cat /data/x)'",
    "--post-start", "sh -c 'echo post-start'",
    "--pre-stop", 'sh -c "echo pre-stop $([ -n \\"$MAINPID\\" ] && echo running)"',
    "--post-stop", "sh -c 'sleep 0.3; echo post-stop'",
)  # fmt: skip


def test_commands_run_around_the_life_of_an_app_in_its_root_with_its_rights(pods: Pods) -> None:
    pods.write("x", "volume\n")
    started = pods.start(
        "--volume",
        f"{pods.scratch}:/data",
        *sh("trap 'echo ends; exit 0' TERM; echo main; while :; do sleep 0.05; done", *HOOKS),
    )
    started.prints("post-start")
    started.prints("main")
    started.send(signal.SIGTERM)
    lines = started.done(0).lines
    assert lines[0] == "pre-start a b 1000 volume"
    assert sorted(lines[1:3]) == ["main", "post-start"]
    assert lines[3:] == ["pre-stop running", "ends", "post-stop"]
    assert pods.endings(started.uuid) == {"busybox": "stopped 0"}


def test_a_command_after_a_failure_does_not_change_the_result(pods: Pods) -> None:
    done = pods.run(*sh("exit 5", "--post-stop", "sh -c 'echo after; exit 9'"), status=5)
    assert done.out == "after\n"
    assert pods.endings(done.uuid) == {"busybox": "exited 5"}


@pytest.mark.parametrize("hook", ["--pre-start", "--post-start"])
def test_an_app_whose_start_commands_fail_has_failed(pods: Pods, hook: str) -> None:
    done = pods.run(*sh("sleep 60", hook, "sh -c 'exit 4'"), status=125)
    assert pods.results(done.uuid)["busybox"]["reason"] == "hook-failed"
    assert "a command before or after its start failed" in done.err


def test_a_command_runs_before_every_start(pods: Pods) -> None:
    done = pods.run(
        *sh("exit 1", "--pre-start", "echo again", "--restart", "on-failure:2", "--restart-delay", "50ms"),
        status=1,
    )
    assert done.lines == ["again"] * 3
    assert pods.results(done.uuid)["busybox"]["runs"] == 3


def test_an_app_that_runs_too_long_is_ended_as_failed(pods: Pods) -> None:
    done = pods.run(*sh("sleep 60", "--run-time", "300ms"), status=143)
    assert pods.endings(done.uuid) == {"busybox": "timeout TERM"}
    done = pods.run(
        *sh("sleep 60", "--init", "--run-time", "300ms", name="init"), "---", "busybox", status=143
    )
    assert pods.endings(done.uuid)["init"] == "timeout TERM"


def test_an_app_that_does_not_become_ready_in_its_time_has_failed(pods: Pods) -> None:
    for ready in ("notify", "tcp:18735"):
        done = pods.run("--net", "none", *sh("sleep 60", "--ready", ready, "--start-time", "1s"), status=143)
        assert pods.endings(done.uuid) == {"busybox": "timeout TERM"}


def test_an_app_that_gives_no_sign_of_life_has_failed(pods: Pods) -> None:
    done = pods.run(*sh('echo "$WATCHDOG_USEC"; sleep 60', "--watchdog", "500ms"), status=134)
    assert done.out == "500000\n"
    assert pods.results(done.uuid)["busybox"]["reason"] == "watchdog"
    told = json.loads(pods("events", "--kind", "health", "--json", done.uuid).out)
    assert (told["app"], told["status"]) == ("busybox", "unhealthy")


def test_an_app_may_wait_until_another_is_healthy(pods: Pods) -> None:
    """It ends the pod only if it started after the other's READY=1, and before its watchdog bites."""
    sign = ("print", "ready", "notify", "READY=1", "pause")
    words = ("inspect", "--name", "one", "--ready", "notify", "--watchdog", "1m", "--", *sign)
    other = ("inspect", "--name", "two", "--requires", "one:healthy", "--", "print", "after", "exit", "3")
    assert pods.run(*words, "---", *other, status=3).lines == ["one | ready", "two | after"]


def test_a_socket_that_an_app_left_is_its_own_again_after_a_restart(pods: Pods) -> None:
    """The first run leaves it and fails, who connects meanwhile is served by the second, and a third has it too."""
    words = ("--fd-store", "2", "--restart", "on-failure", "--restart-delay", "50ms", "--")
    commands = ("leave", "kept", "8080", "listen-fds")
    started = pods.start("--net", "private", "inspect", *words, *commands)

    def is_served() -> bool:
        done = pods("exec", started.uuid, "/inspect", "connect", "127.0.0.1", "8080", status=None)
        return done.out.startswith("kept ")

    eventually(is_served, "the second run")
    pods("app", "restart", started.uuid, "inspect")
    eventually(is_served, "the third run")

    def said() -> list[str]:
        return [line for line in started.out.splitlines() if line.startswith("listen-fds")]

    eventually(lambda: len(said()) >= 3, "the lines of all runs")
    runs = said()
    assert runs == ["listen-fds 0 for-me no", *["listen-fds 1 for-me yes"] * 2]
    started.send(signal.SIGTERM)
    started.done(None)


def test_what_an_app_leaves_behind_lives_on_where_only_its_main_process_is_stopped(pods: Pods) -> None:
    """With `mixed` the child would be killed at once; here it goes on and says so until the pod's end."""
    script = "(trap '' TERM; sleep 1; echo child) & echo up; exec sleep 60"
    words = sh(script, "--kill-mode", "process", name="a")
    started = pods.start("--exit-policy", "never", *words)
    started.prints("up")
    leader = (pods.directory(started.uuid) / "run/leader").read_text().split()[0]
    subprocess.run(["nsenter", "-t", leader, "-a", "systemctl", "stop", "app-a.service"], check=True)
    started.prints("child")
    started.send(signal.SIGTERM)
    started.done(0)


def test_what_an_app_says_of_itself_is_in_its_status(pods: Pods) -> None:
    words = (
        "--ready",
        "notify",
        "--",
        "notify",
        "STATUS=warming up",
        "notify",
        "READY=1",
        "wait-file",
        "/shared/go",
    )
    place = pods.scratch / "said"
    place.mkdir()
    started = pods.start(
        "--volume", f"{place}:/shared", "inspect", *words, "notify", "STATUS=42 \x1b clients", "pause"
    )

    def said() -> str | None:
        message: str | None = pods.status(started.uuid)["apps"][0]["message"]
        return message

    eventually(lambda: said() == "warming up", "the first status")
    (place / "go").write_text("")
    eventually(lambda: said() == "42 ? clients", "the second status")
    assert "42 ? clients" in pods("status", started.uuid).out
    started.send(signal.SIGTERM)
    started.done(0)


# Sockets


def ask(path: Path) -> bytes:
    """What a server answers on a socket in the file system."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_the_first_connection_starts_an_activated_app(pods: Pods) -> None:
    place = pods.scratch / "sockets"
    place.mkdir()
    started = pods.start(
        "--volume", f"{place}:/sockets",
        "inspect", "--name", "web", "--socket", "s=/sockets/s,activated,mode=0600,owner=app", "--", "accept",
    )  # fmt: skip
    assert (place / "s").stat().st_mode & 0o777 == 0o600
    assert (place / "s").stat().st_uid == 1000
    assert [app["state"] for app in pods.status(started.uuid)["apps"]] == ["listening"]
    for _ in range(2):  # after its good end the socket starts it again
        answer = ask(place / "s").decode()
        assert answer == "s unix\n"
    eventually(lambda: pods.results(started.uuid)["web"]["runs"] == 2, "the second end")
    assert pods.status(started.uuid)["state"] == "running"
    started.send(signal.SIGTERM)
    started.done(0)
    assert not (place / "s").exists()
