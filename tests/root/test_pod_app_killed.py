"""EFFECT. Changes of a pod that are killed at any system call: it is as before or as asked, when the next one comes.

A few moments of each, spread over the whole; `POD_SWEEP=all` takes every one of them (an hour).
"""

from __future__ import annotations

import json
import os

import pytest

from tests.root.killing import Moment, killed_at, moments, some
from tests.root.pods import Pods, eventually
from tests.root.test_pod_app_change import KEEP, SLEEP, apps, check
from tests.root.test_pod_limits import group_value

pytestmark = pytest.mark.root

ADD, RM = ("app", "add", "it", *SLEEP), ("app", "rm", "it", "busybox")
WORDS = {"add": ADD, "rm": RM, "update": ("app", "update", "--image", "busybox", "it", "busybox")}
KINDS = pytest.mark.parametrize("kind", WORDS)
RELOADED = """
name = "it"
pids_limit = {0}
cpu_weight = {0}
memory = "{0}M"
[[app]]
image = "busybox"
exec = ["sleep", "100000"]
"""


def manifest(pods: Pods, uuid: str) -> dict[str, str]:
    """The directory of the writable layer of each app that `pod.json` names."""
    found = json.loads((pods.directory(uuid) / "pod.json").read_text())["apps"]
    return {app["name"]: app["name"] + (f".{app['revision']}" if app["revision"] else "") for app in found}


def before(pods: Pods, uuid: str, kind: str) -> tuple[str, ...]:
    """Bring the pod to where the change can be made, and say its words."""
    if (there := "busybox" in manifest(pods, uuid)) == (kind == "add"):
        pods(*(RM if there else ADD))
    return WORDS[kind]


def at(pods: Pods, uuid: str, kind: str, number: int) -> list[Moment]:
    return list(some(moments(pods, *before(pods, uuid, kind)), number))


@KINDS
@pytest.mark.parametrize(("userns", "number"), [("auto", 4), ("host", 1)])
def test_a_change_of_a_running_pod_may_be_killed_at_any_moment(
    pods: Pods, kind: str, userns: str, number: int
) -> None:
    uuid = pods.detach("--name", "it", "--userns", userns, *KEEP)
    keep = apps(pods)["keep"]["pid"]
    killed = 0
    for moment in at(pods, uuid, kind, number):
        killed += killed_at(moment, pods, *before(pods, uuid, kind))
        pods("gc", "--quiet")
        check(pods, uuid)
        assert apps(pods)["keep"]["pid"] == keep
    assert killed, "none of the calls came to the moment at which it was to be killed"


@KINDS
def test_a_change_of_a_pod_that_has_ended_may_be_killed_at_any_moment(pods: Pods, kind: str) -> None:
    uuid = pods.detach("--name", "it", *KEEP)
    pods("stop", "it")
    eventually(lambda: pods.status("it")["state"] == "exited", "its end")
    killed = 0
    for moment in at(pods, uuid, kind, 3):
        killed += killed_at(moment, pods, *before(pods, uuid, kind))
        pods("app", "rm", "it", "nobody", status=125)  # whoever comes next
        directory = pods.directory(uuid)
        assert not (directory / "change.json").exists()
        assert set(os.listdir(directory / "apps")) == set(manifest(pods, uuid).values()), moment
    assert killed, "none of the calls came to the moment at which it was to be killed"
    pods("start", "-d", "it")
    check(pods, uuid)


def test_a_second_change_finishes_or_undoes_a_first_that_is_killed(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", *KEEP)
    second = ("app", "add", "it", "busybox", "--name", "second", *SLEEP[1:])
    for moment in at(pods, uuid, "add", 2):
        words = before(pods, uuid, "add")
        beside = pods.beside(*second)
        killed_at(moment, pods, *words)
        beside.done()
        pods("gc", "--quiet")  # the second may have been first
        check(pods, uuid)
        assert "second" in apps(pods)
        pods("app", "rm", "it", "second")


def test_limits_of_a_reload_that_is_killed_are_finished_or_undone(pods: Pods) -> None:
    """All three of them change, or none, and `pod.json` says which."""
    file = pods.write("it.toml", RELOADED.format(100))
    uuid = pods.detach("-f", str(file))
    pods.write("it.toml", RELOADED.format(200))
    every = moments(pods, "reload", "-f", str(file), "it")
    for turn, moment in enumerate(some(every, 4)):
        pods.write("it.toml", RELOADED.format(100 + turn % 2 * 100))
        killed_at(moment, pods, "reload", "-f", str(file), "it")
        said = {row["app"]: row["limits"] for row in json.loads(pods("limit", "--json", "it").out)}[None]
        assert said["pids_max"] == said["cpu_weight"] == said["memory_max"] >> 20, moment
        assert group_value(pods, "it", "pids", "pids.max", "pids.max") == str(said["pids_max"])
        memory = group_value(pods, "it", "memory", "memory.limit_in_bytes", "memory.max")
        assert memory == str(said["memory_max"]), moment
        assert not (pods.directory(uuid) / "run/limiting.json").exists()


def test_what_a_killed_command_did_after_all_is_an_event(pods: Pods) -> None:
    """Killed before the third file that it replaces: `change.json` and `pod.json` are the first two."""
    uuid = pods.detach("--name", "it", *KEEP)
    pods(*ADD)
    assert killed_at(("rename", 3), pods, *RM)
    assert set(manifest(pods, uuid)) == {"keep"}
    pods("app", "restart", "it", "keep")
    kinds = ("--kind", "app-remove", "--kind", "app-restart")
    seen = [line.split()[1:3] for line in pods("events", *kinds, "it").lines]
    assert seen == [["app-remove", "it/busybox"], ["app-restart", "it/keep"]]
    check(pods, uuid)
