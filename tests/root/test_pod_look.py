"""EFFECT. Looking at pods that run: what they use, what happens to them, waiting for it, and standing still."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root

COUNTING = ("busybox", "--name", "count", "--exec", "sh", "--", "-c", "while :; do echo x; sleep 0.02; done")
BUSY = ("busybox", "--name", "busy", "--exec", "sh", "--", "-c", "while :; do :; done")
IDLE = ("busybox", "--name", "idle", "--exec", "sleep", "--", "1000")


def events(pods: Pods, *options: str) -> list[dict[str, Any]]:
    """`pod events --json`."""
    return [json.loads(line) for line in pods("events", "--json", *options).lines]


# Standing still


def test_a_paused_pod_does_nothing_until_it_goes_on(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", *COUNTING)
    pods("pause", "it")
    assert pods.status("it")["state"] == "paused"
    assert [app["state"] for app in pods.status("it")["apps"]] == ["paused"]
    assert json.loads(pods("ps", "--json").out)[0]["state"] == "paused"
    before = len(pods.log(uuid))
    time.sleep(0.3)
    assert len(pods.log(uuid)) <= before + 1  # a line the monitor had not yet written
    pods("unpause", "it")
    assert pods.status("it")["state"] == "running"
    eventually(lambda: len(pods.log(uuid)) > before + 1, "the app to go on")


def test_pausing_one_app_leaves_the_others(pods: Pods) -> None:
    pods.detach("--name", "it", *COUNTING, "---", *IDLE)
    pods("pause", "--app", "count", "it")
    assert {app["name"]: app["state"] for app in pods.status("it")["apps"]} == {
        "count": "paused",
        "idle": "running",
    }
    assert pods.status("it")["state"] == "running"
    pods("unpause", "--app", "count", "it")
    assert {app["state"] for app in pods.status("it")["apps"]} == {"running"}


@pytest.mark.parametrize("app", [(), ("--app", "count")])
def test_a_paused_pod_can_be_stopped_in_order(pods: Pods, app: tuple[str, ...]) -> None:
    pods.detach("--name", "it", *COUNTING)
    pods("pause", *app, "it")
    pods("stop", "it")
    assert pods.endings("it") == {"count": "stopped TERM"}


def test_a_paused_pod_can_be_killed(pods: Pods) -> None:
    pods.detach("--name", "it", *COUNTING)
    pods("pause", "it")
    pods("kill", "it")
    assert pods.status("it")["status"] == 137


def test_what_does_not_run_cannot_be_paused(pods: Pods) -> None:
    pods("prepare", "--name", "it", *IDLE)
    assert "is prepared" in pods("pause", "it", status=125).err
    pods("start", "-d", "it")
    assert "has no app 'nobody'" in pods("pause", "--app", "nobody", "it", status=125).err


# What they use


def test_stats_tell_the_busy_app_from_the_idle_one(pods: Pods) -> None:
    pods.detach("--name", "it", *BUSY, "---", *IDLE)
    rows = {row["app"]: row for row in json.loads(pods("stats", "--json", "--interval", "500ms", "it").out)}
    assert set(rows) == {None, "busy", "idle"}
    assert rows["busy"]["cpu_share"] > 5 * rows["idle"]["cpu_share"] + 0.05
    assert rows[None]["cpu"] >= rows["busy"]["cpu"] > 0
    assert rows["idle"]["processes"] == rows["idle"]["tasks"] == 1
    assert all(row["memory"] > 100_000 for row in rows.values())
    assert pods("stats", "it").lines[0].split()[0] == "POD"


def test_following_stats_end_with_the_pod(pods: Pods) -> None:
    pods.detach("--name", "it", *IDLE)
    seen = pods.beside("stats", "-f", "--json", "--interval", "100ms", "it")
    eventually(lambda: seen.out.count("\n") > 2, "three samples")
    pods("stop", "it")
    seen.done(0)
    assert all(json.loads(line) for line in seen.out.splitlines()[:3])


def test_top_lists_every_process_once(pods: Pods) -> None:
    pods.detach(
        "--name", "it", "busybox", "--name", "two", "--user", "1000", "--exec", "sh", "--",
        "-c", "sleep 1000 & sleep 1000; true", "---", *IDLE,
    )  # fmt: skip

    def rows() -> list[dict[str, Any]]:
        return list(json.loads(pods("top", "--json", "it").out))

    eventually(lambda: len(rows()) == 5, "all processes")
    found = rows()
    assert sorted(str(row["app"]) for row in found) == ["None", "idle", "two", "two", "two"]
    assert {row["uid"] for row in found if row["app"] == "two"} == {1000}
    systemd = next(row for row in found if row["app"] is None)
    assert (systemd["pid_inside"], systemd["uid"]) == (1, 0)
    assert Path(f"/proc/{systemd['pid']}/comm").read_text() == "systemd\n"
    assert ["sleep", "1000"] in [row["command"] for row in found if row["app"] == "two"]
    assert len(json.loads(pods("top", "--json", "--app", "idle", "it").out)) == 1


# What happens


def test_events_tell_a_life_in_order(pods: Pods) -> None:
    told = "until [ -e /go ]; do sleep 0.05; done; exit 3"
    pod = pods.start("--name", "it", "busybox", "--exec", "sh", "--", "-c", told)
    # an app that ends at once may do so before the pod is told to be ready
    pods("exec", "it", "touch", "/go")
    pod.done(3)
    found = events(pods)
    assert [one["event"] for one in found] == ["create", "start", "ready", "app-exit", "die"]
    assert found[-1]["status"] == 3
    assert found[-1]["by"] == "busybox"
    assert {one["name"] for one in found} == {"it"}
    moments = [one["time"] for one in found]
    assert moments == sorted(moments)
    assert [one["event"] for one in events(pods, "--kind", "die")] == ["die"]
    assert [one["app"] for one in events(pods, "--app", "busybox")] == ["busybox"]
    assert events(pods, "--until", "1h") == []
    assert events(pods, "--since", "1h") == found


def test_following_events_sees_each_of_them_once(pods: Pods) -> None:
    seen = pods.beside("events", "-f", "--json")
    eventually(lambda: "inotify" in inodes(seen.pid), "the watching")
    pods.detach("--name", "it", *COUNTING)
    pods("pause", "it")
    pods("unpause", "it")
    pods("restart", "it")
    pods("stop", "it")
    eventually(lambda: seen.out.count('"die"') == 2, "its second end")  # which goes with it
    pods("rm", "it")
    eventually(lambda: '"remove"' in seen.out, "the removal")
    kinds = [json.loads(line)["event"] for line in seen.out.splitlines()]
    assert kinds == [
        "create", "start", "ready", "pause", "unpause", "app-exit", "die",
        "start", "ready", "app-exit", "die", "remove",
    ]  # fmt: skip
    seen.send(2)
    seen.done(130)


def inodes(pid: int) -> str:
    """What the descriptors of a process lead to."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(path.readlink()))
        except FileNotFoundError:
            continue
    return " ".join(found)


def test_following_one_pod_ends_when_it_is_removed(pods: Pods) -> None:
    pods.detach("--name", "it", *IDLE)
    seen = pods.beside("events", "-f", "it")
    eventually(lambda: "ready" in seen.out, "the past")
    pods("rm", "-f", "it")
    seen.done(0)
    assert "remove" in seen.out


# Waiting


def test_wait_for_ready_and_for_an_app(pods: Pods) -> None:
    told = "until [ -e /go ]; do sleep 0.05; done; exit 4"
    pods.detach("--name", "it", "busybox", "--exec", "sh", "--", "-c", told, "---", *IDLE)
    pods("wait", "--for", "ready", "it")
    pods("exec", "--app", "busybox", "it", "touch", "/go")
    assert pods("wait", "--for", "app:busybox", "it", status=4).out == "4\n"
    assert pods("wait", "it", status=4).out == "4\n"
    assert "is exited" in pods("wait", "--for", "ready", "it", status=125).err


def test_a_wait_that_takes_too_long_says_so(pods: Pods) -> None:
    pods.detach("--name", "it", *IDLE)
    done = pods("wait", "--timeout", "200ms", "it", status=124)
    assert "is running, after the time given" in done.err
    assert "no such condition" in pods("wait", "--for", "godot", "it", status=2).err


def test_wait_for_removed_is_told_of_the_removal(pods: Pods) -> None:
    pods.detach("--name", "it", *IDLE)
    waiting = pods.beside("wait", "--for", "removed", "it")
    eventually(lambda: "inotify" in inodes(waiting.pid), "the watching")
    pods("rm", "-f", "it")
    waiting.done(0)


# Starting again


def test_the_start_before_the_last_one_is_told_of(pods: Pods) -> None:
    count = "n=$(cat /n 2>/dev/null); n=$((n + 1)); echo $n >/n; echo start $n; exit $n"
    pods("prepare", "--name", "it", "busybox", "--exec", "sh", "--", "-c", count)
    pods("render", "it")  # which is no start
    pods("start", "it", status=1)
    assert "no more than once" in pods("logs", "--previous", "it", status=125).err
    for number in (2, 3):
        pods("start", "it", status=number)
        assert pods.log("it") == [f"start {number}"]
        assert pods.log("it", "--previous") == [f"start {number - 1}"]
    told = [(one["event"], one.get("status")) for one in events(pods, "--kind", "app-exit", "--kind", "die")]
    assert told == [("app-exit", 2), ("die", 2), ("app-exit", 3), ("die", 3)]
    assert "exclude each other" in pods("logs", "-f", "--previous", "it", status=2).err


def test_restart_keeps_the_files_and_takes_new_processes(pods: Pods) -> None:
    script = "mark=$(cat /mark 2>/dev/null); echo again >/mark; echo $mark-; sleep 1000"
    pods.detach("--name", "it", "busybox", "--exec", "sh", "--", "-c", script)
    eventually(lambda: pods.log("it") == ["-"], "the first start's line")
    before = pods.status("it")["apps"][0]["pid"]
    uuid = pods("restart", "it").out.strip()
    assert pods.status("it")["uuid"] == uuid
    assert pods.status("it")["apps"][0]["pid"] not in {None, before}
    eventually(lambda: pods.log("it") == ["again-"], "the second start's line")


def test_restart_starts_what_had_ended(pods: Pods) -> None:
    pods.run("--name", "it", "busybox", "--exec", "true")
    pods("restart", "it")
    assert pods("wait", "it").out == "0\n"


def test_a_pod_that_goes_with_its_end_is_not_restarted(pods: Pods) -> None:
    pods.detach("--name", "it", "--rm", *IDLE)
    assert "--rm" in pods("restart", "it", status=125).err
    assert pods.status("it")["state"] == "running"


# Logs


def test_logs_by_time_stream_and_as_json(pods: Pods) -> None:
    script = "echo old; echo bad >&2; sleep 1; printf 'new\\377'"
    pods.run("--name", "it", "busybox", "--exec", "sh", "--", "-c", script)
    rows = [json.loads(line) for line in pods.log("it", "--json")]
    assert [(row["stream"], row["text"]) for row in rows] == [
        ("stdout", "old"),
        ("stderr", "bad"),
        ("stdout", "new\udcff"),
    ]
    assert pods.log("it", "--stream", "stdout", "-n", "2")[0] == "old"
    later = rows[2]["time"]
    assert [json.loads(line)["time"] for line in pods.log("it", "--json", "--since", later)] == [later]
    assert pods.log("it", "--until", "1h") == []
    assert "is not a moment" in pods("logs", "--since", "soon", "it", status=2).err
