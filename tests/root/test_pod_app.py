"""EFFECT. Apps of a running pod started, stopped and started again by hand."""

from __future__ import annotations

import pytest

from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root

POLITE = ("inspect", "--name", "polite", "--", "trap", "TERM", "3", "print", "ready", "pause")
IDLE = ("busybox", "--name", "idle", "--exec", "sleep", "--", "1000")


def states(pods: Pods) -> dict[str, str]:
    """The state of each app."""
    return {app["name"]: app["state"] for app in pods.status("it")["apps"]}


def test_an_app_that_is_stopped_does_not_end_the_pod(pods: Pods) -> None:
    pods.detach("--name", "it", *POLITE, "---", *IDLE)
    eventually(lambda: pods.log("it", "--app", "polite") == ["ready"], "its handler")
    pods("app", "stop", "it", "polite")
    assert states(pods) == {"polite": "exited", "idle": "running"}
    assert pods.endings("it") == {"polite": "stopped 3"}
    assert pods.status("it")["state"] == "running"
    pods("app", "start", "it", "polite")
    assert states(pods) == {"polite": "running", "idle": "running"}
    eventually(lambda: pods.log("it", "--app", "polite") == ["ready", "ready"], "the second start")


def test_the_policy_judges_an_app_that_was_started_again(pods: Pods) -> None:
    told = "until [ -e /go ]; do sleep 0.05; done; exit 5"
    pods.detach("--name", "it", "busybox", "--exec", "sh", "--", "-c", told, "---", *IDLE)
    pods("app", "stop", "it", "busybox")
    pods("app", "start", "it", "busybox")
    pods("exec", "--app", "busybox", "it", "touch", "/go", status=None)  # it may end with the app
    assert pods("wait", "it", status=5).out == "5\n"


def test_an_app_that_had_ended_can_be_started_again(pods: Pods) -> None:
    pods.detach("--name", "it", "busybox", "--exec", "true", "---", *IDLE)
    pods("wait", "--for", "app:busybox", "it")
    pods("app", "start", "it", "busybox")
    pods("wait", "--for", "app:busybox", "it")
    eventually(lambda: len(pods("events", "--kind", "app-exit", "it").lines) == 2, "the second run")
    assert pods.status("it")["state"] == "running"


def test_who_waits_for_an_app_waits_for_the_commands_after_its_end(pods: Pods) -> None:
    """Its result is there before them, and nothing tells of their end."""
    pods.detach("--name", "it", "busybox", "--exec", "true", "--post-stop", "sleep 1", "---", *IDLE)
    assert pods("wait", "--for", "app:busybox", "it").out == "0\n"
    assert states(pods) == {"busybox": "exited", "idle": "running"}


def test_restart_gives_an_app_a_new_process_and_leaves_the_others(pods: Pods) -> None:
    pods.detach("--name", "it", *POLITE, "---", *IDLE)
    before = {app["name"]: app["pid"] for app in pods.status("it")["apps"]}
    pods("app", "restart", "it", "polite")
    after = {app["name"]: app["pid"] for app in pods.status("it")["apps"]}
    assert after["idle"] == before["idle"]
    assert after["polite"] not in {before["polite"], None}


def test_an_app_that_was_restarted_is_stopped_in_order_when_another_ends_the_pod(pods: Pods) -> None:
    told = "until [ -e /go ]; do sleep 0.05; done; exit 5"
    pods.detach("--name", "it", *POLITE, "---", "busybox", "--exec", "sh", "--", "-c", told)
    eventually(lambda: pods.log("it", "--app", "polite") == ["ready"], "its handler")
    pods("app", "restart", "it", "polite")
    eventually(lambda: pods.log("it", "--app", "polite") == ["ready", "ready"], "its handler once more")
    pods("exec", "--app", "busybox", "it", "touch", "/go", status=None)  # it may end with the app
    assert pods("wait", "it", status=5).out == "5\n"
    assert pods.endings("it")["polite"] == "stopped 3"


def test_an_app_that_was_restarted_is_one_that_runs(pods: Pods) -> None:
    """How its last run ended is no result of it: it can be attached to and gets signals."""
    app = ("inspect", "--name", "app", "--", "trap", "USR1", "4", "print", "ready", "pause")
    pods.detach("--name", "it", *app, "---", *IDLE)
    pods("app", "restart", "it", "app")
    assert "app" not in pods.results("it")
    client = pods.beside("attach", "--tail", "9", "it", "app")
    eventually(lambda: client.out.count("ready") == 2 or client.popen.poll() is not None, "its handler")
    pods("kill", "-s", "USR1", "--app", "app", "it")
    client.done(4)
    assert len(pods("events", "--kind", "app-exit", "--app", "app", "it").lines) == 2


def test_apps_that_require_one_are_stopped_and_restarted_with_it(pods: Pods) -> None:
    pods.detach("--name", "it", *IDLE, "---", "inspect", "--requires", "idle", *POLITE[1:])
    pods("app", "restart", "it", "idle")
    assert states(pods) == {"polite": "running", "idle": "running"}
    pods("app", "stop", "it", "idle")
    assert states(pods) == {"polite": "exited", "idle": "exited"}
    pods("app", "start", "it", "polite")
    assert states(pods) == {"polite": "running", "idle": "running"}
    assert pods.status("it")["state"] == "running"


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_it_works_whoever_the_pods_root_is(pods: Pods, userns: str) -> None:
    pods.detach("--name", "it", "--userns", userns, *POLITE)
    pods("app", "restart", "it", "polite")
    pods("app", "stop", "it", "polite")
    assert states(pods) == {"polite": "exited"}


def test_an_app_that_cannot_start_is_told(pods: Pods) -> None:
    pods.detach("--name", "it", "--exit-policy", "never", "busybox", "--exec", "/no/such", "---", *IDLE)
    done = pods("app", "start", "it", "busybox", status=125)
    assert "app busybox: the pod's systemd says failed" in done.err


def test_bad_words_change_nothing(pods: Pods) -> None:
    pods("prepare", "--name", "it", *IDLE)
    assert "is prepared" in pods("app", "stop", "it", "idle", status=125).err
    pods("start", "-d", "it")
    assert "has no app 'nobody'" in pods("app", "stop", "it", "idle", "nobody", status=125).err
    pods("pause", "it")
    assert "is paused" in pods("app", "stop", "it", "idle", status=125).err
    pods("unpause", "it")
    assert states(pods) == {"idle": "running"}
    assert pods("app", "ls", "-q", "it").lines == ["idle"]
