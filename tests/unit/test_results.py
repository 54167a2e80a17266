"""EFFECT. How pods and apps are doing, from what is on disk and in /proc."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stage0.pods import cgroups, results
from stage0.pods.lifecycle import Pod
from stage0.pods.status import describe, status_of
from stage1.contract import DataRoot, PodDir, State, codec
from tests.samples import UUID, app, pod

EXITED = {"app": "web", "final": True, "reason": "exited", "code": 3, "signal": None, "status": 3, "runs": 1}


@pytest.fixture
def directory(tmp_path: Path) -> PodDir:
    found = DataRoot(tmp_path).pod(State.RUN, UUID)
    found.status.mkdir(parents=True)
    found.manifest.write_bytes(codec.encode(pod(app("web"), app("db"))))
    return found


def record(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(values))


def own_start_time(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


# The pod


def test_a_pod_ended_as_its_monitor_says(directory: PodDir) -> None:
    record(
        directory.outcome, status=3, reason="decided", by="web", started_at="a", ready_at="b", ended_at="c"
    )
    assert results.outcome(directory) == results.Outcome(3, "decided", "web", "a", "b", "c", None)


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "5", '{"status": "x"}', '{"status": null}', "\xff", "[" * 100_000]
)
def test_without_a_record_a_pod_was_lost_and_the_runtime_failed(text: str | None, directory: PodDir) -> None:
    if text is not None:
        directory.outcome.write_text(text, encoding="latin-1")
    found = results.outcome(directory)
    assert (found.status, found.reason) == (125, "lost")


# Apps


@pytest.mark.parametrize(
    ("state", "running", "result", "word"),
    [
        (State.PREPARED, False, None, "created"),
        (State.PREPARING, True, None, "created"),
        (State.RUN, True, None, "starting"),
        (State.RUN, True, EXITED, "exited"),
        (State.RUN, True, EXITED | {"final": False}, "restarting"),
        (State.RUN, False, None, "lost"),
        (State.RUN, False, EXITED, "exited"),
        (State.RUN, False, EXITED | {"final": False}, "lost"),
        (State.EXITED, False, EXITED, "exited"),
    ],
)
def test_an_app_is_what_its_record_and_its_pod_say(
    state: State, running: bool, result: dict[str, Any] | None, word: str, directory: PodDir
) -> None:
    if result:
        record(directory.result("web"), **result)
    web, db = results.app_states(Pod(directory, state, running))
    assert (web.name, web.state, web.result) == ("web", word, result)
    assert web.image == "web:latest"
    assert db.result is None


def test_a_damaged_record_of_an_app_is_none(directory: PodDir) -> None:
    directory.result("web").write_text("{")
    assert results.app_states(Pod(directory, State.RUN, False))[0].state == "lost"


# Processes


def test_a_process_is_the_one_of_a_record_if_it_started_then(tmp_path: Path) -> None:
    path = tmp_path / "leader"
    path.write_text(f"{os.getpid()} {own_start_time(os.getpid())}\n")
    assert results.live_process(path) == os.getpid()
    path.write_text(f"{os.getpid()} 1\n")
    assert results.live_process(path) is None


@pytest.mark.parametrize("text", ["", "x", "1", "1 2 3", "0 0", "-1 5", "99999999999 1", "²  1", "\xff"])
def test_a_record_that_names_no_process_is_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "leader"
    assert results.live_process(path) is None
    path.write_text(text, encoding="latin-1")
    assert results.live_process(path) is None


def test_a_process_with_an_odd_name_is_still_read_right(tmp_path: Path) -> None:
    """The name in /proc/PID/stat may hold spaces and parentheses."""
    program = tmp_path / "a) b (c"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "60"]) as child:
        path = tmp_path / "leader"
        while "a) b" not in Path(f"/proc/{child.pid}/stat").read_text():
            pass
        path.write_text(f"{child.pid} {own_start_time(child.pid)}")
        assert results.live_process(path) == child.pid
        child.kill()
    assert results.live_process(path) is None


def test_the_group_of_an_app_lies_beside_that_of_the_pods_first_process() -> None:
    tree = cgroups.of_pod(os.getpid())
    assert tree is not None
    found = tree.app("web").processes
    assert found.parts[:4] == ("/", "sys", "fs", "cgroup")
    assert found.parts[-2:] == ("system.slice", "app-web.service")
    assert cgroups.of_pod(2**22 + 1) is None


def test_an_app_without_a_group_has_no_process() -> None:
    assert results.main_process(os.getpid(), "surely-no-such-app") is None


# For people


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "-"),
        (EXITED, "exit 3"),
        (EXITED | {"runs": 4}, "exit 3, run 4"),
        ({"reason": "signal", "code": None, "signal": "KILL"}, "SIGKILL"),
        ({"reason": "core-dump", "code": None, "signal": "SEGV"}, "core dump (SIGSEGV)"),
        ({"reason": "stopped", "code": None, "signal": "TERM"}, "stopped (SIGTERM)"),
        ({"reason": "stopped", "code": 0, "signal": None}, "stopped (exit 0)"),
        ({"reason": "not-found", "code": None, "signal": None}, "not found"),
        ({"reason": "start-limit", "code": 1, "signal": None, "runs": 5}, "start limit (exit 1), run 5"),
    ],
)
def test_a_result_is_told_in_a_few_words(result: dict[str, Any] | None, text: str) -> None:
    assert describe(result) == text


def test_a_status_has_the_same_keys_whatever_the_pod_does(directory: PodDir) -> None:
    keys = None
    for state, running in (
        (State.PREPARED, False),
        (State.RUN, True),
        (State.RUN, False),
        (State.GARBAGE, False),
    ):
        found = status_of(Pod(directory, state, running))
        assert keys in {None, tuple(found)}
        keys = tuple(found)
        json.dumps(found)
