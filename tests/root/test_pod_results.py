"""EFFECT. How an app ended is told apart in `pod status --json`, and the pod's status follows."""

from __future__ import annotations

import pytest

from tests.root.pods import Pods, ending, eventually

pytestmark = pytest.mark.root


@pytest.mark.parametrize("code", [0, 1, 2, 5, 7, 125, 126, 127, 133, 137, 143, 216, 217, 255])
def test_a_pod_ends_with_the_exit_code_of_its_app(pods: Pods, code: int) -> None:
    check_exit(pods, code, "exit")


@pytest.mark.parametrize("code", [200, 203, 209, 226])
def test_a_pod_ends_with_its_apps_code_when_systemd_has_a_meaning_for_it(pods: Pods, code: int) -> None:
    # A busy PID 1 older than systemd 256 has to see first that the app was executed (docs/architecture.md).
    check_exit(pods, code, "sleep", "1", "exit")


def check_exit(pods: Pods, code: int, *words: str) -> None:
    done = pods.run("inspect", "--", *words, str(code), status=code)
    (result,) = pods.results(done.uuid).values()
    assert ending(result) == f"exited {code}"
    assert result["status"] == code
    assert result["runs"] == 1
    assert result["final"] is True


@pytest.mark.parametrize("name", ["KILL", "TERM", "INT", "HUP", "USR1", "PIPE"])
def test_an_app_ended_by_a_signal_is_told_by_the_signals_name(pods: Pods, name: str) -> None:
    number = {"KILL": 9, "TERM": 15, "INT": 2, "HUP": 1, "USR1": 10, "PIPE": 13}[name]
    done = pods.run("inspect", "--", "kill", name, status=128 + number)
    (result,) = pods.results(done.uuid).values()
    assert (result["reason"], result["signal"], result["code"], result["core"]) == (
        "signal",
        name,
        None,
        False,
    )


@pytest.mark.parametrize(("word", "name", "status"), [("abort", "ABRT", 134), ("segv", "SEGV", 139)])
def test_an_app_that_crashes_is_told_by_its_signal(pods: Pods, word: str, name: str, status: int) -> None:
    done = pods.run("inspect", "--", word, status=status)
    (result,) = pods.results(done.uuid).values()
    # whether the kernel wrote a core is the host's setting (core_pattern, limits): both are right
    assert result["reason"] == ("core-dump" if result["core"] else "signal")
    assert result["signal"] == name
    assert result["status"] == status


def test_a_core_is_written_where_the_kernel_is_told_to_write_one(pods: Pods) -> None:
    done = pods.run("busybox", "--", "sh", "-c", "ulimit -c unlimited; kill -SEGV $$", status=139)
    (result,) = pods.results(done.uuid).values()
    assert (result["reason"], result["signal"], result["core"]) == ("core-dump", "SEGV", True)


def test_an_app_that_ignores_its_stop_signal_is_told_by_its_stop_time(pods: Pods) -> None:
    words = ("--stop-time", "1", "--", "ignore", "TERM", "print", "deaf", "pause")
    pod = pods.start("--name", "deaf", "inspect", *words)
    pod.prints("deaf")
    pods("stop", "deaf")
    pod.done(0)
    (result,) = pods.results("deaf").values()
    assert ending(result) == "stop-timeout KILL"
    assert result["status"] == 137
    assert result["stopping"] is True


def test_an_app_that_ends_well_when_it_is_stopped_was_stopped(pods: Pods) -> None:
    pod = pods.start("--name", "polite", "inspect", "--", "trap", "TERM", "0", "print", "up", "pause")
    pod.prints("up")
    pods("stop", "polite")
    pod.done(0)
    assert pods.endings("polite") == {"inspect": "stopped 0"}
    assert pods.status("polite")["reason"] == "stopped"


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program", "/etc/passwd/x"])
def test_a_program_that_is_not_there_is_told_from_any_exit_code(pods: Pods, program: str) -> None:
    done = pods.run("inspect", "--exec", program, status=127)
    (result,) = pods.results(done.uuid).values()
    assert ending(result) == "not-found"
    assert result["status"] == 127
    assert program in done.err


def test_a_file_that_is_not_executable_is_told_from_one_that_is_not_there(pods: Pods) -> None:
    done = pods.run("inspect", "--exec", "/etc/passwd", status=126)
    assert pods.endings(done.uuid) == {"inspect": "cannot-execute"}
    assert "/etc/passwd" in done.err


@pytest.mark.parametrize("user", ["no-such-user", "app:no-such-group", "1000x", "so me\tone"])
def test_a_user_or_group_the_image_does_not_have_is_told(pods: Pods, user: str) -> None:
    done = pods.run("inspect", "--user", user, "--", "exit", "0", status=125)
    (result,) = pods.results(done.uuid).values()
    assert result["reason"] == ("no-such-group" if ":" in user else "no-such-user")
    assert (result["code"], result["signal"], result["status"]) == (None, None, 125)
    name = user.rpartition(":")[2].replace("\t", "?")
    assert f"its {'group' if ':' in user else 'user'} {name} does not exist" in done.err


def test_a_group_given_beside_the_user_that_the_image_does_not_have_is_told(pods: Pods) -> None:
    done = pods.run("inspect", "--group", "no-such-group", "--", "exit", "0", status=125)
    assert pods.endings(done.uuid) == {"inspect": "no-such-group"}
    assert "its group does not exist" in done.err


def test_the_image_need_not_have_a_user_known_by_its_number(pods: Pods) -> None:
    pods.run("inspect", "--user", "4711:4712", "--", "exit", "3", status=3)


def test_a_working_directory_that_is_a_file_is_told(pods: Pods) -> None:
    done = pods.run("inspect", "--workdir", "/etc/passwd", "--", "exit", "0", status=125)
    assert pods.endings(done.uuid) == {"inspect": "no-workdir"}


def test_an_app_that_waited_for_one_that_failed_to_start_never_ran(pods: Pods) -> None:
    words = ("inspect", "--name", "first", "--exec", "/nowhere")
    done = pods.run(*words, "---", "inspect", "--name", "second", "--requires", "first", status=127)
    results = pods.results(done.uuid)
    assert ending(results["first"]) == "not-found"
    assert results.get("second", {}).get("started_at") is None
    if "second" in results:
        assert results["second"]["reason"] in {"dependency", "stopped"}


def test_results_are_there_the_moment_an_app_ends(pods: Pods) -> None:
    words = (
        "inspect",
        "--name",
        "short",
        "--",
        "exit",
        "0",
        "---",
        "inspect",
        "--name",
        "long",
        "--",
        "pause",
    )
    pod = pods.start("--name", "two", *words)
    eventually(lambda: "short" in pods.results("two"), "the result of the app that ended")
    facts = pods.status("two")
    assert facts["state"] == "running"
    assert [app["state"] for app in facts["apps"]] == ["exited", "running"]
    assert pods.endings("two") == {"short": "exited 0"}
    pods("stop", "two")
    pod.done(0)
    assert pods.endings("two") == {"short": "exited 0", "long": "stopped TERM"}


def test_times_of_a_result_enclose_the_run(pods: Pods) -> None:
    done = pods.run("inspect", "--", "sleep", "0.5", "exit", "4", status=4)
    (result,) = pods.results(done.uuid).values()
    facts = pods.status(done.uuid)
    assert facts["created"] < result["started_at"] < result["ended_at"] <= facts["ended_at"]


def test_a_status_is_written_for_people_too(pods: Pods) -> None:
    done = pods.run("--name", "told", "inspect", "--", "exit", "5", status=5)
    said = pods("status", done.uuid[:8]).out
    assert "(told)" in said
    assert "5 (decided by inspect)" in said
    assert "exit 5" in said
    assert "told" in pods("ps", "--all").out
