"""EFFECT. Pods come, are named, start again and go; each step as a user sees it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_a_prepared_pod_can_be_started_and_started_again_with_the_files_it_left(pods: Pods) -> None:
    words = ("inspect", "--volume", "data:/data", "--", "append", "/data/log", "x", "append", "/own", "y",
             "cat", "/data/log", "print", "", "cat", "/own", "print", "", "exit", "3")  # fmt: skip
    uuid = pods("prepare", "--name", "again", *words).out.strip()
    assert UUID.fullmatch(uuid)
    assert pods.status("again")["state"] == "prepared"
    assert pods("start", "again", status=3).out == "x\ny\n"
    assert pods("start", uuid, status=3).out == "xx\nyy\n"
    facts = pods.status("again")
    assert facts["state"] == "exited"
    assert facts["apps"][0]["result"]["runs"] == 1
    assert pods.log("again") == ["xx", "yy"]


def test_a_pod_can_be_started_detached(pods: Pods) -> None:
    uuid = pods("prepare", "inspect", "--", "pause").out.strip()
    assert pods("start", "--detach", uuid).out.strip() == uuid
    assert pods.status(uuid)["ready"] is True
    assert "is running" in pods("start", uuid, status=125).err
    pods("stop", uuid)


def test_a_pod_that_was_stopped_can_be_started(pods: Pods) -> None:
    uuid = pods.detach("inspect", "--", "pause")
    pods("stop", uuid)
    pods("start", "--detach", uuid)
    assert pods.status(uuid)["state"] == "running"
    assert pods.endings(uuid) == {}
    pods("kill", uuid)
    pods("start", "--detach", uuid)
    pods("stop", uuid)
    assert pods.endings(uuid) == {"inspect": "stopped TERM"}


def test_a_uuid_file_tells_who_was_made(pods: Pods) -> None:
    file = pods.new_path("mine")
    uuid = pods("prepare", "--uuid-file", file, "inspect").out.strip()
    assert file.read_text() == f"{uuid}\n"
    assert pods.all() == [uuid]


def test_a_name_is_unique_until_its_pod_is_removed(pods: Pods) -> None:
    uuid = pods("prepare", "--name", "mine", "inspect").out.strip()
    for verb in ("run", "prepare"):
        refused = pods(verb, "--name", "mine", "inspect", "--", "exit", "0", status=125)
        assert f"the name 'mine' is taken by pod {uuid}" in refused.err
    assert pods.all() == [uuid]
    pods("rm", "mine")
    pods.run("--name", "mine", "inspect", "--", "exit", "0")


def test_pods_are_found_by_name_uuid_and_unique_beginning(pods: Pods) -> None:
    uuid = pods("prepare", "--name", "found", "inspect").out.strip()
    for reference in ("found", uuid, uuid[:8], uuid[:13]):
        assert pods.status(reference)["uuid"] == uuid
    assert "no pod 'x'" in pods("status", "x", status=125).err
    assert "no pod" in pods("status", "00000000-0000-4000-8000-000000000000", status=125).err


def test_a_beginning_of_several_uuids_is_refused(pods: Pods) -> None:
    uuid = pods("prepare", "inspect").out.strip()
    directory = pods.directory(uuid)
    shutil.copytree(directory, directory.with_name(uuid[:-1] + ("1" if uuid[-1] == "0" else "0")))
    assert f"{uuid[:4]!r} begins 2 UUIDs" in pods("status", uuid[:4], status=125).err
    assert pods.status(uuid)["uuid"] == uuid


def test_a_name_may_look_like_the_beginning_of_a_uuid(pods: Pods) -> None:
    uuid = pods("prepare", "inspect").out.strip()
    other = pods("prepare", "--name", uuid[:4], "inspect").out.strip()
    assert pods.status(uuid[:4])["uuid"] == other


def test_rm_removes_a_pod_with_its_volumes_and_name(pods: Pods) -> None:
    done = pods.run(
        "--name",
        "gone",
        "inspect",
        "--mount",
        "type=empty,source=data,target=/d",
        "--",
        "write",
        "/d/x",
        "x",
        "exit",
        "0",
    )
    pods("rm", "gone")
    assert pods.all() == []
    assert not pods.left(done.uuid)


def test_rm_takes_several_pods_and_prepared_ones(pods: Pods) -> None:
    uuids = [pods("prepare", "inspect").out.strip() for _ in range(3)]
    pods("rm", *uuids)
    assert pods.all() == []


def test_rm_leaves_what_a_pod_had_mounted_from_the_host(pods: Pods) -> None:
    source = pods.new_path("precious")
    source.mkdir()
    (source / "x").write_text("x")
    done = pods.run("inspect", "--volume", f"{source}:/v", "--", "exit", "0")
    pods("rm", done.uuid)
    assert (source / "x").read_text() == "x"


@pytest.mark.parametrize("words", [("exit", "0"), ("exit", "5"), ("kill", "KILL")])
def test_a_pod_of_rm_is_gone_when_the_command_returns(pods: Pods, words: tuple[str, ...]) -> None:
    done = pods.run(
        "--rm",
        "--name",
        "brief",
        "inspect",
        "--mount",
        "type=empty,source=v,target=/v",
        "--",
        "write",
        "/v/x",
        "x",
        *words,
        status=None,
    )
    assert pods.all() == []
    assert not pods.left(done.uuid)


def test_a_detached_pod_of_rm_is_gone_when_it_is_over(pods: Pods) -> None:
    uuid = pods.detach("--rm", "inspect", "--", "sleep", "1", "exit", "0")
    eventually(lambda: not pods.left(uuid), "nothing to be left")
    uuid = pods.detach("--rm", "--name", "brief", "inspect", "--", "pause")
    pods("stop", "brief")
    assert not pods.left(uuid)


def test_gc_removes_ended_pods_and_no_others(pods: Pods) -> None:
    ended = pods.run("--name", "ended", "inspect", "--", "exit", "1", status=1).uuid
    prepared = pods("prepare", "inspect").out.strip()
    running = pods.detach("inspect", "--", "pause")
    assert pods("gc", "--older-than", "1h").out == ""
    assert pods("gc").out == f"{ended}\n"
    assert sorted(pods.all()) == sorted([prepared, running])
    pods("gc", "--prepared-older-than", "1h", "--quiet")
    assert prepared in pods.all()
    pods("gc", "--prepared-older-than", "0", "--quiet")
    assert pods.all() == [running]
    pods("stop", running)


def test_gc_frees_the_names_of_pods_that_are_gone(pods: Pods) -> None:
    names = pods.root / "names"
    names.mkdir(exist_ok=True)
    (names / "stale").symlink_to("00000000-0000-4000-8000-000000000000")
    pods("gc")
    assert not (names / "stale").is_symlink()


def test_a_dry_run_tells_the_pod_and_makes_nothing(pods: Pods) -> None:
    words = ("inspect", "--env", "A=b", "--user", "app", "--after", "other", "--", "exit", "0")
    done = pods("run", "--dry-run", "--name", "dry", *words, "---", "inspect", "--name", "other")
    manifest = json.loads(done.out)
    assert manifest["name"] == "dry"
    assert [app["name"] for app in manifest["apps"]] == ["inspect", "other"]
    assert manifest["apps"][0]["argv"] == ["/inspect", "exit", "0"]
    assert manifest["apps"][0]["user"]["uid"] == 1000
    assert pods.all() == []
    assert not pods.left()


def test_ps_lists_running_pods_and_with_all_the_others_too(pods: Pods) -> None:
    ended = pods.run("--name", "ended", "inspect", "--", "exit", "5", status=5).uuid
    running = pods.detach("--name", "on", "inspect", "--", "pause")
    assert pods("ps", "--quiet").lines == [running]
    assert set(pods("ps", "--all", "--quiet").lines) == {running, ended}
    rows = {row["uuid"]: row for row in json.loads(pods("ps", "--all", "--json").out)}
    assert (rows[ended]["state"], rows[ended]["status"], rows[ended]["name"]) == ("exited", 5, "ended")
    assert (rows[running]["state"], rows[running]["ready"]) == ("running", True)
    table = pods("list").lines
    assert table[0].split() == ["UUID", "NAME", "STATE", "STATUS", "APPS", "PORTS", "SINCE"]
    assert len(table) == 2
    pods("stop", "on")


def test_a_pod_tells_when_it_started_became_ready_and_ended(pods: Pods) -> None:
    def times(what: str) -> list[str | None]:
        (row,) = json.loads(pods("ps", "--all", "--json").out)
        assert row.items() >= {key: pods.status("on")[key] for key in ("created", "ended_at")}.items()
        return [
            row[key] for key in ("created", "started_at", "ready_at", "ended_at") if what in key or not what
        ]

    pods("prepare", "--name", "on", "inspect", "--", "pause")
    assert times("_at") == [None, None, None]
    pods("start", "--detach", "on")
    *past, ended = times("")
    assert past == sorted(past)
    assert ended is None
    pods("stop", "on")
    assert times("") == [*past[:1], *sorted(filter(None, times("_at")))]
    assert times("ended") > past[2:]


def test_inspect_tells_everything(pods: Pods) -> None:
    done = pods.run("--name", "told", "inspect", "--", "exit", "0")
    (facts,) = json.loads(pods("inspect", "told").out)
    assert facts["manifest"]["uuid"] == done.uuid
    assert facts["nspawn"]["argv"][0].endswith("systemd-nspawn")
    assert Path(facts["directory"]) == pods.directory(done.uuid)


def test_mounts_of_a_running_pod_are_not_the_hosts(pods: Pods) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    volume = pods.new_path("volume")
    volume.mkdir()
    words = (
        "--volume",
        f"{volume}:/v",
        "--volume",
        "data:/d",
        "--mount",
        "type=tmpfs,target=/t",
        "--",
        "pause",
    )
    uuid = pods.detach("inspect", *words)
    during = Path("/proc/self/mountinfo").read_text()
    leader = pods.status(uuid)["leader"]
    assert os.readlink(f"/proc/{leader}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    pods("stop", uuid)
    assert [line for line in during.splitlines() if line not in before and str(pods.root) in line] == []
    assert str(pods.root) not in Path("/proc/1/mountinfo").read_text()


def test_a_lost_pod_is_told_and_collected(pods: Pods) -> None:
    done = pods.run("--name", "lost", "inspect", "--", "exit", "0")
    run = pods.directory(done.uuid) / "run"
    (run / "result.json").unlink()
    (run / "status" / "inspect.json").unlink()
    facts = pods.status("lost")
    assert (facts["state"], facts["reason"], facts["apps"][0]["state"]) == ("exited", "lost", "lost")
    pods("gc")
    assert pods.all() == []


def test_a_damaged_pod_hides_no_other(pods: Pods) -> None:
    bad = pods("prepare", "inspect").out.strip()
    good = pods("prepare", "inspect").out.strip()
    (pods.directory(bad) / "pod.json").write_text("{")
    assert set(pods("ps", "--all", "--quiet").lines) == {bad, good}
    refused = pods("start", bad, status=None)
    assert refused.status in {2, 125}
    assert "pod.json" in refused.err
    assert "Traceback" not in refused.err
    pods("rm", bad)
    assert pods.all() == [good]


def test_gc_takes_old_base_roots_but_none_that_a_pod_runs_on(pods: Pods) -> None:
    pod = pods.start("inspect", "--", "pause")
    launch = (pods.directory(pod.uuid) / "run" / "launch").read_bytes()
    (pods.root / "base" / "00000000").mkdir()
    for path in (pods.root / "base").iterdir():
        os.utime(path, (0, 0))
    pods("gc")
    assert [
        path.name for path in (pods.root / "base").iterdir() if f"base/{path.name}".encode() not in launch
    ] == []
    assert len(list((pods.root / "base").iterdir())) == 1
    pods("stop", pod.uuid)


def test_a_detached_pod_that_fails_before_it_is_ready_says_so(pods: Pods) -> None:
    done = pods("run", "-d", "inspect", "--ready", "tcp:80", "--", "exit", "3", status=3)
    assert done.err == (
        f"pod: pod {done.out.strip()} ended with 3 before it was ready, decided by its app inspect; "
        f"`pod logs {done.out.strip()}` may tell why\n"
    )
    again = pods("restart", done.out.strip(), status=3)
    assert again.err == done.err


def test_a_detached_pod_that_cannot_start_says_why_then_and_later(pods: Pods) -> None:
    done = pods("run", "-d", "--sysctl", "net.ipv4.no_such_setting=1", "inspect", status=125)
    assert "before it was ready: " in done.err
    assert "no_such_setting" in done.err
    uuid = done.out.strip()
    assert pods.status(uuid)["message"] in done.err
    assert "no_such_setting" in pods("status", uuid).out
