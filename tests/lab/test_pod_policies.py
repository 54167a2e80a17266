"""EFFECT. Which app's end is the pod's end, and which apps are started again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import newer_debian, pods_of
from tests.root.pods import Pods, ending, eventually

pytestmark = pytest.mark.lab

GOOD = ("inspect", "--name", "good", "--", "exit", "0")
BAD = ("inspect", "--name", "bad", "--", "sleep", "1", "exit", "5")
SLEEPER = ("inspect", "--name", "sleeper", "--", "pause")
THREE = (*GOOD, "---", *BAD, "---", *SLEEPER)


@pytest.fixture(params=[False, True], ids=["own systemd", "newer systemd"])
def pods(lab: LabHost, request: pytest.FixtureRequest) -> Iterator[Pods]:
    """Pods of the session's lab, whose PID 1 is this machine's systemd, or that of a newer Debian."""
    base = newer_debian() if request.param else None
    with pods_of(lab, base=base) as found:
        yield found


def test_the_newer_systemd_is_what_pods_boot(lab: LabHost) -> None:
    with pods_of(lab, base=newer_debian()) as pods:
        pod = pods.start(*SLEEPER)
        maps = lab.run(["cat", f"/proc/{pods.status(pod.uuid)['leader']}/maps"]).stdout
        assert "libsystemd-shared-257" in maps
        pods("stop", pod.uuid)


def test_by_default_the_first_failure_ends_the_pod_with_its_status(pods: Pods) -> None:
    done = pods.run(*THREE, status=5)
    assert pods.endings(done.uuid) == {"good": "exited 0", "bad": "exited 5", "sleeper": "stopped TERM"}
    facts = pods.status(done.uuid)
    assert (facts["state"], facts["status"], facts["reason"], facts["by"]) == ("exited", 5, "decided", "bad")
    assert pods.results(done.uuid)["sleeper"]["status"] != 0


def test_by_default_a_pod_whose_apps_all_succeed_ends_with_0(pods: Pods) -> None:
    words = ("inspect", "--name", "later", "--", "sleep", "0.5", "exit", "0")
    done = pods.run(*GOOD, "---", *words, status=0)
    assert pods.endings(done.uuid) == {"good": "exited 0", "later": "exited 0"}


def test_all_waits_for_all_and_takes_the_worst_status(pods: Pods) -> None:
    words = ("inspect", "--name", "last", "--", "sleep", "2", "exit", "3")
    done = pods.run("--exit-policy", "all", *GOOD, "---", *BAD, "---", *words, status=5)
    assert pods.endings(done.uuid) == {"good": "exited 0", "bad": "exited 5", "last": "exited 3"}
    assert pods.status(done.uuid)["by"] == "bad"


def test_all_goes_on_while_an_app_sleeps(pods: Pods) -> None:
    pod = pods.start("--exit-policy", "all", *THREE)
    eventually(lambda: pods.endings(pod.uuid) == {"good": "exited 0", "bad": "exited 5"}, "two results")
    assert pods.status(pod.uuid)["state"] == "running"
    pods("stop", pod.uuid)
    assert pods.endings(pod.uuid) == {"good": "exited 0", "bad": "exited 5", "sleeper": "stopped TERM"}


def test_first_ends_the_pod_with_the_first_app_that_ends(pods: Pods) -> None:
    words = ("inspect", "--name", "good", "--", "sleep", "0.5", "exit", "0")
    done = pods.run("--exit-policy", "first", *words, "---", *BAD, "---", *SLEEPER, status=0)
    assert pods.endings(done.uuid) == {"good": "exited 0", "bad": "stopped TERM", "sleeper": "stopped TERM"}
    assert pods.status(done.uuid)["by"] == "good"


def test_first_takes_a_failure_as_well(pods: Pods) -> None:
    done = pods.run("--exit-policy", "first", *BAD, "---", *SLEEPER, status=5)
    assert pods.endings(done.uuid) == {"bad": "exited 5", "sleeper": "stopped TERM"}


def test_a_named_app_decides_alone(pods: Pods) -> None:
    decider = ("inspect", "--name", "decider", "--", "sleep", "2", "exit", "3")
    words = ("--exit-policy", "app:decider", *decider, "---", *GOOD, "---", *BAD, "---", *SLEEPER)
    done = pods.run(*words, status=3)
    assert pods.endings(done.uuid) == {
        "decider": "exited 3",
        "good": "exited 0",
        "bad": "exited 5",
        "sleeper": "stopped TERM",
    }


def test_a_named_app_that_ends_well_ends_the_pod_well(pods: Pods) -> None:
    done = pods.run("--exit-policy", "app:good", *THREE, status=0)
    assert pods.status(done.uuid)["by"] == "good"
    assert pods.endings(done.uuid)["sleeper"] == "stopped TERM"


def test_never_goes_on_until_it_is_stopped(pods: Pods) -> None:
    pod = pods.start("--exit-policy", "never", *GOOD, "---", *BAD)
    eventually(lambda: pods.endings(pod.uuid) == {"good": "exited 0", "bad": "exited 5"}, "both results")
    time.sleep(0.5)
    assert pods.status(pod.uuid)["state"] == "running"
    pods("stop", pod.uuid)
    pod.done(0)
    assert pods.status(pod.uuid)["reason"] == "stopped"


def test_a_restarted_app_is_counted_and_its_last_failure_ends_the_pod(pods: Pods) -> None:
    done = pods.run("inspect", "--restart", "on-failure:2", "--", "print", "run", "exit", "6", status=6)
    (result,) = pods.results(done.uuid).values()
    assert (ending(result), result["runs"], result["final"]) == ("exited 6", 3, True)
    assert done.out == "run\n" * 3


def test_failures_that_are_tried_again_do_not_end_the_pod(pods: Pods) -> None:
    pod = pods.start(
        "inspect", "--restart", "on-failure", "--", "sleep", "0.1", "exit", "6", "---", *SLEEPER
    )
    eventually(lambda: pods.results(pod.uuid).get("inspect", {}).get("runs", 0) >= 2, "a second run")
    facts = pods.status(pod.uuid)
    assert facts["state"] == "running"
    assert facts["apps"][0]["result"]["final"] is False
    assert facts["apps"][1]["state"] == "running"
    pods("stop", pod.uuid)
    pod.done(0)


def test_an_app_that_succeeds_after_failures_has_succeeded(pods: Pods) -> None:
    script = "test -e /tried && exit 0; touch /tried; exit 9"
    with_shell = ("busybox", "--restart", "on-failure:5", "--", "sh", "-c", script)
    pods("image", "import", "oci:build/images/busybox:latest")
    done = pods.run(*with_shell, status=0)
    (result,) = pods.results(done.uuid).values()
    assert (ending(result), result["runs"]) == ("exited 0", 2)


def test_always_starts_an_app_again_that_ended_well(pods: Pods) -> None:
    pod = pods.start("inspect", "--restart", "always", "--", "sleep", "0.1", "exit", "0")
    eventually(lambda: pods.results(pod.uuid).get("inspect", {}).get("runs", 0) >= 2, "a second run")
    assert pods.status(pod.uuid)["state"] == "running"
    pods("stop", pod.uuid)
    pod.done(0)


def test_a_limit_of_always_ends_the_pod(pods: Pods) -> None:
    done = pods.run("inspect", "--restart", "always:1", "--", "exit", "0", status=125)
    (result,) = pods.results(done.uuid).values()
    assert (result["reason"], result["runs"], result["final"]) == ("start-limit", 2, True)


def test_each_run_of_an_app_is_kept(pods: Pods) -> None:
    done = pods.run("inspect", "--restart", "on-failure:1", "--", "exit", "6", status=6)
    lines = (pods.directory(done.uuid) / "run" / "status" / "inspect.runs").read_text().splitlines()
    assert len(lines) == 2


def test_init_apps_run_to_their_end_one_after_the_other_before_the_others_start(pods: Pods) -> None:
    def init(name: str) -> tuple[str, ...]:
        words = ("sleep", "0.3", "append", "/v/order", name, "exit", "0")
        return ("inspect", "--name", name, "--init", "--volume", "shared:/v", "--", *words)

    main = ("inspect", "--name", "main", "--volume", "shared:/v", "--", "cat", "/v/order", "exit", "0")
    done = pods.run(*main, "---", *init("one"), "---", *init("two"), status=0)
    assert "main | onetwo" in done.out
    assert pods.endings(done.uuid) == {"main": "exited 0", "one": "exited 0", "two": "exited 0"}


def test_a_failing_init_app_ends_the_pod_and_the_others_never_start(pods: Pods) -> None:
    words = ("inspect", "--name", "init", "--init", "--", "exit", "8", "---", *SLEEPER)
    done = pods.run(*words, status=8)
    results = pods.results(done.uuid)
    assert ending(results["init"]) == "exited 8"
    sleeper = results.get("sleeper")
    assert sleeper is None or (sleeper["reason"] == "dependency" and sleeper["started_at"] is None)


def test_a_failing_init_app_ends_the_pod_under_every_policy(pods: Pods) -> None:
    for policy in ("all", "first", "app:sleeper"):
        init = ("inspect", "--name", "init", "--init", "--", "exit", "8")
        pods.run("--exit-policy", policy, *init, "---", *SLEEPER, status=8)


def test_an_init_app_that_ended_well_does_not_end_the_pod_of_policy_first(pods: Pods) -> None:
    init = ("inspect", "--name", "init", "--init", "--", "exit", "0")
    done = pods.run("--exit-policy", "first", *init, "---", *BAD, status=5)
    assert pods.endings(done.uuid) == {"init": "exited 0", "bad": "exited 5"}


def test_an_app_starts_after_the_apps_it_names(pods: Pods) -> None:
    late = ("inspect", "--name", "late", "--after", "early", "--", "print", "late", "exit", "0")
    early = ("inspect", "--name", "early", "--ready", "notify", "--",
             "sleep", "0.5", "print", "early", "notify", "READY=1", "sleep", "0.2", "exit", "0")  # fmt: skip
    done = pods.run(*late, "---", *early, status=0)
    results = pods.results(done.uuid)
    assert [line.split(" | ")[1] for line in done.lines] == ["early", "late"]
    assert results["late"]["started_at"] > results["early"]["started_at"]


def test_an_app_waits_until_a_port_answers(pods: Pods) -> None:
    server = (
        "inspect",
        "--name",
        "server",
        "--ready",
        "tcp:7001",
        "--",
        "sleep",
        "0.7",
        "serve",
        "7001",
        "hi",
    )
    client = ("inspect", "--name", "client", "--requires", "server", "--", "connect", "127.0.0.1", "7001")
    done = pods.run("--net", "none", "--exit-policy", "app:client", *client, "---", *server, status=0)
    assert "hi" in done.out


def test_a_pod_is_ready_when_all_its_apps_are(pods: Pods) -> None:
    words = ("inspect", "--ready", "notify", "--mount", "type=empty,source=sign,target=/sign")
    words += ("--", "wait-file", "/sign/go", "notify", "READY=1", "pause")
    pod = pods.start(*words, ready=False)
    eventually(lambda: any(app["pid"] for app in pods.status(pod.uuid)["apps"]), "the app's process")
    assert pods.status(pod.uuid)["ready"] is False
    (pods.directory(pod.uuid) / "volumes/sign/go").touch()
    pods.wait_ready(pod.uuid)
    assert pods.status(pod.uuid)["ready"] is True
    pods("stop", pod.uuid)


def test_apps_stop_in_the_reverse_order_of_their_start(pods: Pods) -> None:
    first = ("inspect", "--name", "first", "--", "trap", "TERM", "0", "pause")
    second = ("inspect", "--name", "second", "--after", "first", "--", "trap", "TERM", "0", "pause")
    pod = pods.start(*second, "---", *first)
    pods("stop", pod.uuid)
    results = pods.results(pod.uuid)
    assert results["second"]["ended_at"] < results["first"]["ended_at"]
