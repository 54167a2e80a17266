"""The reaper: a record says exactly what systemd said, and of several apps that end at once one ends the pod."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.root.native import program

APP_NAMES = ("web", "db", "job")
POLICIES = ("any-failure", "all", "first", "never", *(f"app:{name}" for name in APP_NAMES))


class Root:
    """A pod's root with only what the reaper looks at."""

    def __init__(self, path: Path, policy: str, apps: list[tuple[str, str, str]]) -> None:
        self.path, self.pod = path, path / "pod"
        self.status = self.pod / "status"
        self.status.mkdir(parents=True)
        lines = [f"policy {policy}", *(f"app {name} {restart} {role}" for name, restart, role in apps)]
        (self.pod / "etc").mkdir(exist_ok=True)
        (self.pod / "etc/policy").write_text("\n".join(lines) + "\n")

    def reap(self, *words: str, **environment: str) -> str:
        result = subprocess.run(
            [program("reaper"), "--root", str(self.path), *words],
            env=environment,
            capture_output=True,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, b"")
        return result.stdout.decode()

    def run(
        self, app: str, result: str, code: str, status: str, invocation: str = "i", *options: str
    ) -> str:
        how = {
            "SERVICE_RESULT": result,
            "EXIT_CODE": code,
            "EXIT_STATUS": status,
            "INVOCATION_ID": invocation,
        }
        return self.reap(*options, "run", app, **how)

    def give_up(
        self,
        app: str,
        result: str = "exit-code",
        code: str = "exited",
        status: str = "1",
        invocation: str = "i",
    ) -> str:
        how = {
            "RESULT": "SERVICE_RESULT",
            "CODE": "EXIT_CODE",
            "STATUS": "EXIT_STATUS",
            "ID": "INVOCATION_ID",
        }
        values = {"RESULT": result, "CODE": code, "STATUS": status, "ID": invocation}
        return self.reap(
            "final", app, **{f"MONITOR_{how[key]}": value for key, value in values.items() if value}
        )

    def record(self, app: str) -> dict[str, Any]:
        value = json.loads((self.status / f"{app}.json").read_text())
        assert isinstance(value, dict)
        return value

    def verdict(self) -> str | None:
        path = self.status / "verdict"
        return path.read_text() if path.exists() else None


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(
        tmp_path,
        "any-failure",
        [("web", "no", "main"), ("again", "on-failure", "main"), ("ever", "always", "main")],
    )


# What a record says


@pytest.mark.parametrize(
    ("ending", "expected", "sentence"),
    [
        (("success", "exited", "0"), ("exited", 0, None, 0), None),
        (("exit-code", "exited", "3"), ("exited", 3, None, 3), ""),
        (("exit-code", "exited", "255"), ("exited", 255, None, 255), ""),
        (("success", "killed", "TERM"), ("signal", None, "TERM", 143), "killed by SIGTERM"),
        (("signal", "killed", "KILL"), ("signal", None, "KILL", 137), "killed by SIGKILL"),
        (("signal", "killed", "SEGV"), ("signal", None, "SEGV", 139), "killed by SIGSEGV"),
        (("signal", "killed", "RTMIN+3"), ("signal", None, "RTMIN+3", 165), "killed by SIGRTMIN+3"),
        (
            ("core-dump", "dumped", "ABRT"),
            ("core-dump", None, "ABRT", 134),
            "killed by SIGABRT (core dumped)",
        ),
        (
            ("oom-kill", "killed", "KILL"),
            ("oom-kill", None, "KILL", 137),
            "ran out of memory and was killed",
        ),
        (("oom-kill", "exited", "0"), ("oom-kill", 0, None, 137), "ran out of memory and was killed"),
        (("timeout", "killed", "TERM"), ("timeout", None, "TERM", 143), "took too long and was ended"),
        (("timeout", "exited", "0"), ("timeout", 0, None, 125), "took too long and was ended"),
        (
            ("watchdog", "dumped", "ABRT"),
            ("watchdog", None, "ABRT", 134),
            "sent no sign of life in time and was ended",
        ),
        (("exit-code", "exited", "0"), ("failed", 0, None, 125), "failed (exit-code)"),
        (("exit-code", "", ""), ("failed", None, None, 125), "failed (exit-code)"),
        (("resources", "", ""), ("failed", None, None, 125), "failed (resources)"),
        (("protocol", "exited", "0"), ("failed", 0, None, 125), "failed (protocol)"),
        (("", "", ""), ("failed", None, None, 125), "failed ()"),
    ],
)
def test_every_end_has_its_reason_and_one_number(
    root: Root, ending: tuple[str, str, str], expected: tuple[Any, ...], sentence: str | None
) -> None:
    root.run("web", *ending)
    record = root.record("web")
    assert (record["reason"], record["code"], record["signal"], record["status"]) == expected
    assert (record["result"], record["core"], record["final"]) == (ending[0], ending[1] == "dumped", True)
    assert root.verdict() == (None if sentence is None else f"{expected[3]} web {sentence}\n")


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (("success", "killed", "TERM"), "stopped"),
        (("success", "exited", "0"), "stopped"),
        (("exit-code", "exited", "143"), "stopped"),
        (("signal", "killed", "QUIT"), "stopped"),
        (("timeout", "killed", "KILL"), "stop-timeout"),
        (("signal", "killed", "KILL"), "signal"),
        (("signal", "killed", "SEGV"), "signal"),
        (("core-dump", "dumped", "SEGV"), "core-dump"),
        (("oom-kill", "killed", "KILL"), "oom-kill"),
    ],
)
def test_an_end_while_the_pod_stops_says_so_and_decides_nothing(
    root: Root, ending: tuple[str, str, str], reason: str
) -> None:
    root.reap("stop", "signal SIGTERM")
    for app in ("web", "again", "ever"):
        assert root.run(app, *ending) == ""
        record = root.record(app)
        assert (record["reason"], record["stopping"], record["final"]) == (reason, True, True)
    assert root.verdict() is None


def test_who_asked_first_for_the_stop_stays_on_record(root: Root) -> None:
    root.reap("stop", "one")
    root.reap("stop", "two")
    assert (root.status / "stopping").read_text() == "one\n"


def test_a_record_has_exactly_the_keys_of_the_contract(root: Root) -> None:
    root.run("web", "success", "exited", "0")
    assert list(root.record("web")) == [
        "app", "final", "reason", "code", "signal", "core", "status", "stopping", "result", "runs",
        "started_at", "ended_at",
    ]  # fmt: skip


def test_the_start_is_when_systemd_marked_the_run(root: Root) -> None:
    units = root.path / "run/systemd/units"
    units.mkdir(parents=True)
    link = units / "invocation:app-web.service"
    link.symlink_to("0123")
    os.utime(link, ns=(0, 1_700_000_000_123_456_789), follow_symlinks=False)
    root.run("web", "success", "exited", "0")
    assert root.record("web")["started_at"] == "2023-11-14T22:13:20.123456Z"
    assert root.record("web")["ended_at"] > "2026"


@given(st.integers(min_value=0, max_value=253402300799))
def test_times_are_right_in_any_year(second: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Root(Path(directory), "never", [("web", "no", "main")])
        units = root.path / "run/systemd/units"
        units.mkdir(parents=True)
        link = units / "invocation:app-web.service"
        link.symlink_to("0123")
        # Years a file system can keep; which those are it says by what it gives back.
        os.utime(link, (0, second), follow_symlinks=False)
        kept = int(os.lstat(link).st_mtime)
        root.run("web", "success", "exited", "0")
        assert root.record("web")["started_at"] == time.strftime(
            "%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(kept)
        )


def test_each_run_is_counted_and_kept(root: Root) -> None:
    for status in ("1", "2", "3"):
        root.run("again", "exit-code", "exited", status, invocation=status)
    lines = [json.loads(line) for line in (root.status / "again.runs").read_text().splitlines()]
    assert [(line["runs"], line["code"], line["final"]) for line in lines] == [
        (1, 1, False),
        (2, 2, False),
        (3, 3, False),
    ]
    assert root.record("again") == lines[-1]


def test_the_history_is_bounded_and_keeps_the_newest(root: Root) -> None:
    line = json.dumps({"app": "again", "filler": "x" * 400}) + "\n"
    (root.status / "again.runs").write_text(line * ((256 << 10) // len(line)))
    root.run("again", "exit-code", "exited", "1")
    text = (root.status / "again.runs").read_text()
    assert 100_000 < len(text) < 256 << 10
    assert json.loads(text.splitlines()[-1])["code"] == 1
    assert {json.loads(old)["app"] for old in text.splitlines()} == {"again"}


def test_giving_up_keeps_what_the_last_run_said(root: Root) -> None:
    root.run("again", "signal", "killed", "SEGV", "one")
    assert root.verdict() is None
    assert root.give_up("again", "signal", "killed", "SEGV", "one") == "end 139 again\n"
    record = root.record("again")
    assert (record["final"], record["reason"], record["runs"]) == (True, "signal", 1)
    assert (root.status / "again.runs").read_text().count("\n") == 1


def test_giving_up_after_several_runs_is_told(root: Root) -> None:
    for run in ("one", "two", "three"):
        root.run("again", "exit-code", "exited", "7", run)
    root.give_up("again", "exit-code", "exited", "7", "three")
    assert root.verdict() == "7 again given up after 3 runs\n"


def test_an_app_that_ends_well_too_often_has_failed(root: Root) -> None:
    root.run("ever", "success", "exited", "0", "one")
    root.run("ever", "success", "exited", "0", "two")
    assert root.give_up("ever", "start-limit-hit", "exited", "0", "two") == "end 125 ever\n"
    record = root.record("ever")
    assert (record["reason"], record["result"], record["runs"]) == ("start-limit", "start-limit-hit", 2)


def test_a_failure_that_only_the_second_unit_saw_is_recorded_by_it(root: Root) -> None:
    root.run("again", "exit-code", "exited", "1", "one")
    assert root.give_up("again", "resources", "", "", "two") == "end 125 again\n"
    record = root.record("again")
    assert (record["reason"], record["status"], record["runs"], record["started_at"]) == (
        "failed",
        125,
        2,
        None,
    )


@pytest.mark.parametrize("result", ["", "success"])
def test_an_app_that_was_never_tried_failed_by_its_dependency(root: Root, result: str) -> None:
    assert root.give_up("web", result, "", "", "") == "end 125 web\n"
    record = root.record("web")
    assert (record["reason"], record["runs"], record["started_at"]) == ("dependency", 0, None)
    assert root.verdict() == "125 web not started, because an app it requires failed\n"


def test_an_init_app_is_done_before_its_unit_goes(tmp_path: Path) -> None:
    root = Root(tmp_path, "any-failure", [("setup", "no", "init"), ("web", "no", "main")])
    assert root.reap("done", "setup") == ""
    done = root.record("setup")
    assert (done["final"], done["reason"], done["status"], done["runs"]) == (True, "exited", 0, 1)
    assert root.run("web", "success", "exited", "0") == "end 0 web\n"
    assert root.run("setup", "success", "exited", "0") == ""
    assert root.record("setup") == done


# Who ends the pod


@dataclass
class Seen:
    final: bool = False
    status: int = 0
    stopping: bool = False


def model_end(
    policy: str, apps: list[tuple[str, str, str]], seen: dict[str, Seen], own: str
) -> tuple[set[str], int] | None:
    """Who may end the pod now, and with which status, in the words of the design."""
    if seen[own].stopping or not seen[own].final or policy == "never":
        return None
    over = {name: seen[name].status for name, _, _ in apps if seen[name].final and not seen[name].stopping}
    roles = {name: role for name, _, role in apps}
    failed = {name for name, status in over.items() if status != 0}
    deciders = {name for name in failed if roles[name] == "init"}
    if policy == "any-failure":
        deciders |= failed
    elif policy == "first":
        deciders |= {name for name in over if roles[name] == "main"}
    elif policy.startswith("app:"):
        deciders |= {policy.removeprefix("app:")} & set(over)
    if deciders:
        decider = own if own in deciders else next(name for name, _, _ in apps if name in deciders)
        return {decider}, over[decider]
    counted = {name for name, role in roles.items() if role != "sidecar"}
    if counted and counted <= set(over) and policy in ("all", "any-failure"):
        worst = max(over[name] for name in counted)
        return {name for name in counted if over[name] == worst}, worst
    return None


steps = st.lists(
    st.tuples(st.sampled_from(APP_NAMES), st.sampled_from([0, 0, 1, 5, 137]), st.booleans()),
    min_size=1,
    max_size=8,
)
kinds = st.tuples(
    st.sampled_from(["no", "on-failure", "always"]), st.sampled_from(["main", "main", "init", "sidecar"])
)


@given(
    policy=st.sampled_from(POLICIES),
    kinds=st.tuples(kinds, kinds, kinds),
    steps=steps,
    stop_after=st.integers(0, 12),
)
def test_the_pod_ends_when_the_policy_says_so_and_only_once(
    policy: str, kinds: tuple[tuple[str, str], ...], steps: list[tuple[str, int, bool]], stop_after: int
) -> None:
    apps = [(name, restart, role) for name, (restart, role) in zip(APP_NAMES, kinds, strict=True)]
    restarts = {name: restart for name, restart, _ in apps}
    seen = {name: Seen() for name in APP_NAMES}
    stopping, ended = False, False
    with tempfile.TemporaryDirectory() as directory:
        root = Root(Path(directory), policy, apps)
        for number, (app, status, give_up) in enumerate(steps):
            if seen[app].final:
                continue
            if number == stop_after and not stopping:
                root.reap("stop", "signal SIGTERM")
                stopping = True
            result, code = ("success", "0") if status == 0 else ("exit-code", str(status))
            said = root.run(app, result, "exited", code, str(number))
            final = stopping or restarts[app] == "no" or (restarts[app] == "on-failure" and status == 0)
            seen[app] = Seen(final, status, stopping)
            expected = model_end(policy, apps, seen, app)
            if not final and give_up and status != 0:
                assert said == ""
                said = root.give_up(app, result, "exited", code, str(number))
                seen[app].final = True
                expected = model_end(policy, apps, seen, app)
            if expected is None:
                assert said == ""
                continue
            assert not ended
            ended = stopping = True
            _, told_status, told_app = said.split()
            assert (told_app in expected[0], int(told_status)) == (True, expected[1])
            assert (root.verdict() or "").split()[:2] == [told_status, told_app]
        assert (root.verdict() is not None) == ended


@pytest.mark.parametrize(
    ("policy", "status"), [("any-failure", 0), ("all", 0), ("any-failure", 3), ("all", 3), ("first", 3)]
)
def test_many_reapers_at_once_end_the_pod_exactly_once(tmp_path: Path, policy: str, status: int) -> None:
    names = [f"app{i}" for i in range(12)]
    program("reaper")
    for turn in range(8):
        root = Root(tmp_path / str(turn), policy, [(name, "no", "main") for name in names])
        barrier = threading.Barrier(len(names))

        def end(name: str, root: Root = root, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            return root.run(name, "success" if status == 0 else "exit-code", "exited", str(status), name)

        with ThreadPoolExecutor(len(names)) as pool:
            said = list(pool.map(end, names))
        assert sum(text.startswith(f"end {status} ") for text in said) == 1
        assert (root.verdict() or "").startswith(f"{status} ")
        assert not [name for name in os.listdir(root.status) if name.endswith("~")]


def test_an_app_that_a_socket_starts_again_has_not_ended_when_it_has_ended_well(tmp_path: Path) -> None:
    root = Root(tmp_path, "any-failure", [("web", "no", "main activated"), ("job", "no", "main")])
    assert root.run("job", "success", "exited", "0") == ""
    assert root.run("web", "success", "exited", "0", "1") == ""
    assert root.record("web")["final"] is False
    assert root.run("web", "exit-code", "exited", "4", "2") == "end 4 web\n"


def test_a_command_before_the_start_that_fails_is_no_end_of_the_app(tmp_path: Path) -> None:
    root = Root(tmp_path, "any-failure", [("web", "no", "main")])
    root.run("web", "exit-code", "", "", "1", "--hooks")
    assert {key: root.record("web")[key] for key in ("reason", "code", "status")} == {
        "reason": "hook-failed",
        "code": None,
        "status": 125,
    }


def test_a_command_after_the_start_that_fails_is_told_from_a_probe(tmp_path: Path) -> None:
    for options, reason in ((("--hooks",), "hook-failed"), ((), "timeout")):
        root = Root(tmp_path / reason, "any-failure", [("web", "no", "main")])
        root.run("web", "exit-code", "killed", "TERM", "1", *options)
        assert root.record("web")["reason"] == reason


@pytest.mark.parametrize(
    ("ending", "status"), [(("success", "exited", "0"), 0), (("exit-code", "exited", "3"), 1)]
)
def test_waiting_for_the_end_of_an_app_tells_a_good_one_from_a_bad_one(
    tmp_path: Path, ending: tuple[str, str, str], status: int
) -> None:
    root = Root(tmp_path, "never", [("job", "no", "main")])
    waiting = subprocess.Popen([program("reaper"), "--root", str(tmp_path), "await", "finished", "job"])
    root.run("job", *ending)
    assert waiting.wait(30) == status


def test_waiting_for_an_app_that_is_gone_before_it_ran_is_in_vain(tmp_path: Path) -> None:
    root = Root(tmp_path, "never", [("job", "no", "main")])
    root.run("job", "resources", "", "")
    done = subprocess.run(
        [program("reaper"), "--root", str(tmp_path), "await", "started", "job"], check=False
    )
    assert done.returncode == 1


# Readiness


def test_a_port_that_listens_is_ready_at_once() -> None:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            server = socket.create_server((address, 0), family=family)
        except OSError:
            assert family == socket.AF_INET6  # a host may lack it
            continue
        with server:
            port = server.getsockname()[1]
            assert (
                subprocess.run(
                    [program("reaper"), "ready", f"tcp:{port}"], check=False, timeout=5
                ).returncode
                == 0
            )


def test_a_port_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen([program("reaper"), "ready", f"tcp:{port}", "10"]) as waiting:
        time.sleep(0.3)
        assert waiting.poll() is None
        with socket.create_server(("127.0.0.1", port), reuse_port=True):
            assert waiting.wait(5) == 0


def test_a_probe_ends_with_the_app_it_waits_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen(["sleep", "0.3"]) as app:
        result = subprocess.run(
            [program("reaper"), "ready", f"tcp:{port}", "30"],
            env={"MAINPID": str(app.pid)},
            capture_output=True,
            check=False,
            timeout=10,
        )
    assert result.returncode == 125
    assert result.stderr.decode() == f"reaper: the app ended before it listened on TCP port {port}\n"


def test_a_port_that_stays_closed_is_an_error_with_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    result = subprocess.run(
        [program("reaper"), "ready", f"tcp:{port}", "0"], capture_output=True, check=False
    )
    assert result.returncode == 125
    assert result.stderr.decode() == f"reaper: nothing listens on TCP port {port} after 0 seconds\n"


@pytest.mark.parametrize(
    "words", [["ready", "udp:1"], ["ready", "tcp:0"], ["ready", "tcp:70000"], ["ready", "tcp:1", "x"]]
)
def test_a_probe_that_means_nothing_is_refused(words: list[str]) -> None:
    assert subprocess.run([program("reaper"), *words], capture_output=True, check=False).returncode == 125


@pytest.mark.parametrize("words", [[], ["run"], ["run", "a", "b"], ["reap", "a"], ["--odd", "run", "a"]])
def test_a_wrong_call_is_refused(words: list[str]) -> None:
    assert subprocess.run([program("reaper"), *words], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize(
    "policy",
    [
        "policy odd\n",
        "app a\n",
        "app a no\n",
        "app a no odd\n",
        "policy app:x\napp web no main\n",
        "policy all\napp web no helper\n",
        "policy all\napp web no main listening\n",
        "what\n",
        "",
    ],
)
def test_a_policy_that_is_not_understood_is_refused(tmp_path: Path, policy: str) -> None:
    root = Root(tmp_path, "all", [])
    (root.pod / "etc/policy").write_text(policy)
    result = subprocess.run(
        [program("reaper"), "--root", str(tmp_path), "run", "web"], capture_output=True, check=False, env={}
    )
    assert (result.returncode, result.stderr.startswith(b"reaper: policy: ")) == (125, True)
