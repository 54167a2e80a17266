"""EFFECT. Apps that come to a pod, leave it, and get another image, while the others go on."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stage1.running.dbuswire import Variant
from stage1.running.pidone import PidOne
from tests.conftest import needs_unified_cgroups
from tests.root.pods import Pods, eventually, groups
from tests.root.test_pod_limits import OF_APP

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

SLEEP = ("busybox", "--exec", "sleep", "--", "100000")
KEEP = ("busybox", "--name", "keep", "--exec", "sleep", "--", "100000")


def apps(pods: Pods) -> dict[str, dict[str, Any]]:
    """What `pod status` says of each app."""
    return {app["name"]: app for app in pods.status("it")["apps"]}


def leader(pods: Pods, uuid: str) -> str:
    return (pods.directory(uuid) / "run/leader").read_text().split()[0]


def groups_of_apps(pid: str) -> Iterator[Path]:
    """Those of the pod that has this PID 1, whatever the group of the pod is called."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        place, found, _ = line.split(":", 2)[2].partition("/init.scope")
        if found:
            yield from groups(f"{place.strip('/')}/**/app-*.service")


def differences(pods: Pods, uuid: str) -> Iterator[str]:
    """In what the running pod is not what its `pod.json` says."""
    directory = pods.directory(uuid)
    manifest = json.loads((directory / "pod.json").read_text())
    names = {app["name"] for app in manifest["apps"]}
    mounted = [
        line.split()[4] for line in Path(f"/proc/{leader(pods, uuid)}/mountinfo").read_text().splitlines()
    ]
    there = {path.name for path in groups_of_apps(leader(pods, uuid))}
    data = {app["name"] + (f".{app['revision']}" if app["revision"] else "") for app in manifest["apps"]}
    found: dict[str, tuple[object, object]] = {
        "journal": ((directory / "change.json").exists(), False),
        "another start": (pods("render", "--diff", "it").out, ""),
        "data": (set(os.listdir(directory / "apps")) if (directory / "apps").is_dir() else set(), data),
        "mounts": (
            sorted(path for path in mounted if path.endswith("/rootfs")),
            sorted(f"/pod/apps/{name}/rootfs" for name in names),
        ),
        "places": (set(os.listdir(f"/proc/{leader(pods, uuid)}/root/pod/apps")), names),
        "nodes": (places(pods, uuid, "nodes") - names, set()),
        "secrets": (places(pods, uuid, "credentials") - names, set()),
        "other mounts": (places(pods, uuid, "mounts") - names, set()),
        "streams": ({path.stem for path in (directory / "run/streams").iterdir()}, names),
        "units": (
            {
                path.name
                for path in (directory / "run/units").iterdir()
                if path.name.strip(".").startswith("app-")
            },
            {f"app-{name}.service" for name in names},
        ),
        "results": ({path.stem for path in (directory / "run/status").glob("*.runs")} - names, set()),
        "logs": ({path.stem for path in (directory / "run/logs").glob("*.log")}, names),
        "groups": (there, {f"app-{name}.service" for name in names}),
        "running": ({name for name, app in apps(pods).items() if app["state"] == "running"}, names),
    }
    yield from (f"{what}: {is_} is not {ought}" for what, (is_, ought) in found.items() if is_ != ought)


def places(pods: Pods, uuid: str, kind: str) -> set[str]:
    """Apps that have something of this kind in the pod's own root."""
    place = Path(f"/proc/{leader(pods, uuid)}/root/pod/{kind}")
    return set(os.listdir(place)) if place.is_dir() else set()


def check(pods: Pods, uuid: str) -> None:
    assert list(differences(pods, uuid)) == []


@pytest.mark.parametrize("options", [(), ("--userns=host", "--net=host")], ids=["default", "host"])
def test_an_app_that_was_added_is_as_one_that_was_there_from_the_start(
    pods: Pods, options: tuple[str, ...]
) -> None:
    uuid = pods.detach("--name", "it", "--empty", *options)
    assert pods.status("it")["apps"] == []
    added = pods(
        "app", "add", "--json", "it", "busybox", "--name", "new", "--user", "1000", "--env", "A=b c", "--volume",
        f"{pods.there(pods.scratch)}:/host:ro", "--tmpfs", "/dev/fast", "--",
        "sh", "-c", "echo $A; echo >/dev/fast/y; exec sleep 100000",
    )  # fmt: skip
    assert json.loads(added.out)["app"] == "new"
    check(pods, uuid)
    eventually(lambda: pods.log("it") == ["b c"], "its output")
    pods("exec", "it", "grep", " /host ro,", "/proc/self/mountinfo")
    assert pods("exec", "it", "id", "-u").out == "1000\n"
    assert "new" in pods("stats", "it").out
    assert [line.split()[1] for line in pods("events", "--app", "new", "it").lines] == ["app-add"]
    pods("restart", "it")
    check(pods, uuid)
    assert pods("exec", "it", "cat", "/dev/fast/y").out == "\n"
    pods("app", "rm", "it", "new")
    check(pods, uuid)
    assert pods.status("it")["state"] == "running"
    pods("stop", "it")
    assert pods.status("it")["status"] == 0


def test_what_does_not_start_was_never_there(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", *KEEP)
    before = (pods.directory(uuid) / "pod.json").read_bytes(), apps(pods)
    refused = pods("app", "add", "it", "busybox", "--name", "bad", "--exec", "/nothing", status=125)
    assert "app bad did not start: not-found, status 127" in refused.err
    check(pods, uuid)
    missing = pods("app", "update", "--image", "none.example/x", "--pull", "never", "it", "keep", status=125)
    assert "none.example/x" in missing.err
    assert ((pods.directory(uuid) / "pod.json").read_bytes(), apps(pods)) == before


def test_the_policy_judges_an_app_when_it_has_been_added_and_not_before(pods: Pods) -> None:
    pods.detach("--name", "it", *KEEP)
    told = "until [ -e /go ]; do sleep 0.05; done; exit 7"
    pods("app", "add", "it", "busybox", "--name", "fails", "--exec", "sh", "--", "-c", told)
    pods("exec", "--app", "fails", "it", "touch", "/go", status=None)  # it may end with the app
    assert pods("wait", "it", status=7).out == "7\n"


def test_an_update_gives_one_app_another_image_and_a_bad_one_is_taken_back(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", *KEEP, "---", *SLEEP, "---", *KEEP[:1], "--name", "needs", "--requires",
                       "busybox", *KEEP[3:])  # fmt: skip
    before = apps(pods)
    assert "not-found" in pods("app", "update", "--image", "inspect", "it", "busybox", status=125).err
    check(pods, uuid)
    assert {name: app["digest"] for name, app in apps(pods).items()} == {
        name: app["digest"] for name, app in before.items()
    }
    pods("exec", "--app", "busybox", "it", "touch", "/old")
    pods("app", "update", "--image", "busybox", "it", "busybox")
    check(pods, uuid)
    assert pods("exec", "--app", "busybox", "it", "ls", "/old", status=1).out == ""
    after = apps(pods)
    assert after["keep"]["pid"] == before["keep"]["pid"]
    assert after["busybox"]["pid"] != before["busybox"]["pid"]


@contextlib.contextmanager
def first_process(pods: Pods, uuid: str) -> Iterator[PidOne]:
    with PidOne(int(leader(pods, uuid))) as systemd:
        yield systemd


def tasks_of(pods: Pods, uuid: str, app: str) -> tuple[list[str], int]:
    """The drop-ins of an app's unit, and how many tasks PID 1 lets it have."""
    with first_process(pods, uuid) as systemd:
        (path,) = systemd.call("LoadUnit", "s", f"app-{app}.service")
        return (
            systemd.property(path, "org.freedesktop.systemd1.Unit", "DropInPaths"),
            systemd.property(path, "org.freedesktop.systemd1.Service", "TasksMax"),
        )


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_a_limit_that_was_set_while_an_app_ran_goes_with_it(pods: Pods, userns: str) -> None:
    """As `pod limit --app` sets it: with cgroup v1 that refuses, but PID 1 takes the property."""
    uuid = pods.detach("--name", "it", "--userns", userns, *KEEP, "---", *SLEEP)
    before = tasks_of(pods, uuid, "busybox")
    for change in (
        (("app", "update", "--image", "busybox", "it", "busybox"),),
        (("app", "rm", "it", "busybox"), ("app", "add", "it", *SLEEP)),
    ):
        with first_process(pods, uuid) as systemd:
            limit = [("TasksMax", Variant("t", 55))]
            systemd.call("SetUnitProperties", "sba(sv)", "app-busybox.service", True, limit)
        assert tasks_of(pods, uuid, "busybox")[1] == 55
        for words in change:
            pods(*words)
        assert tasks_of(pods, uuid, "busybox") == before
    check(pods, uuid)


@needs_unified_cgroups
def test_an_app_of_the_same_name_has_not_the_limits_of_the_one_before(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", *KEEP, "---", *SLEEP)
    pods("limit", "--app", "busybox", "it", "--pids-limit", "33")
    pods("app", "rm", "it", "busybox")
    pods("app", "add", "it", *SLEEP)
    assert pods("exec", "--app", "busybox", "it", "cat", f"{OF_APP}/pids.max").out != "33\n"
    check(pods, uuid)
    pods("limit", "--app", "busybox", "it", "--pids-limit", "34")
    pods("app", "update", "--image", "busybox", "it", "busybox")
    assert pods("exec", "--app", "busybox", "it", "cat", f"{OF_APP}/pids.max").out == "34\n"


def test_an_app_that_another_waits_for_stays_and_both_can_go(pods: Pods) -> None:
    uuid = pods.detach(
        "--name", "it", *SLEEP, "---", "busybox", "--name", "needs", "--requires", "busybox", *SLEEP[1:]
    )
    assert "app needs waits for busybox" in pods("app", "rm", "it", "busybox", status=125).err
    pods("app", "rm", "it", "busybox", "needs")
    check(pods, uuid)


def test_what_only_a_start_can_give_is_refused_by_its_name(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", "--empty")
    for option, what in (
        (("--cap-add", "CAP_NET_ADMIN"), "CAP_NET_ADMIN"),
        (("--privileged",), "--privileged"),
        (("--stdin", "stream"), "standard input"),
        (("--credential", "key"), "secrets of the unit that started it"),
        (("--credential", "key=/dev/stdin"), "secrets from /dev/stdin"),
        (("--socket", "80,host"), "sockets that the host passes"),
    ):
        assert what in pods("app", "add", "it", "busybox", *option, status=125).err
    assert "pod port add" in pods("app", "add", "it", "busybox", "--publish", "80", status=2).err
    check(pods, uuid)


SEES = """
stat -c '%t:%T %U %a' /dev/deep/nothing; head -c 4 /dev/deep/nothing | wc -c
cat $CREDENTIALS_DIRECTORY/key; stat -c ' %U %a' $CREDENTIALS_DIRECTORY/key; exec sleep 100000
"""
SEEN = ["1:5 app 400", "4", "hunter2 app 400"]


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_an_app_that_was_added_has_its_devices_and_its_secrets(pods: Pods, userns: str) -> None:
    """What was taken from the host once stays when the app gets another image: it may be gone by then."""
    secret = pods.write("secret", "hunter2", mode=0o600)
    uuid = pods.detach("--name", "it", "--userns", userns, "--empty")
    options = ("--device", "/dev/zero:/dev/deep/nothing:r", "--credential", f"key={secret}", "--user", "app")
    pods("app", "add", "it", "busybox", *options, "--", "sh", "-c", SEES)
    eventually(lambda: pods.log("it") == SEEN, "what the app sees")
    check(pods, uuid)
    pods.there(secret).rename(pods.there(f"{secret}.kept"))
    pods("app", "update", "--image", "busybox", "it", "busybox")
    eventually(lambda: pods.log("it") == SEEN * 2, "the same with another image")
    assert "not-found" in pods("app", "update", "--image", "inspect", "it", "busybox", status=125).err
    check(pods, uuid)
    pods("app", "restart", "it", "busybox")
    eventually(lambda: pods.log("it")[-3:] == SEEN, "the same after an update that was taken back")
    pods("app", "rm", "it", "busybox")
    check(pods, uuid)
    lost = pods("app", "add", "it", "busybox", *options, status=125)
    assert f"{secret} does not exist" in lost.err
    check(pods, uuid)


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_an_app_that_was_added_sees_what_the_host_mounts_later(pods: Pods, userns: str) -> None:
    shared = pods.there(pods.new_path("shared"))
    shared.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "x", shared], check=True)
    try:
        subprocess.run(["mount", "--make-shared", shared], check=True)
        pods.detach("--name", "it", "--userns", userns, "--empty")
        for name in ("slave", "private"):
            mount = f"type=bind,source={shared},target=/s,propagation={name}"
            pods("app", "add", "it", "busybox", "--name", name, "--mount", mount, *SLEEP[1:])
        (shared / "inner").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "x", shared / "inner"], check=True)
        (shared / "inner/seen").touch()
        assert pods("exec", "--app", "slave", "it", "ls", "/s/inner").lines == ["seen"]
        assert pods("exec", "--app", "private", "it", "ls", "/s/inner").lines == []
        pods("rm", "-f", "it")
    finally:
        subprocess.run(["umount", "--recursive", shared], check=True)


def test_an_immutable_pod_refuses_every_change_alike(pods: Pods) -> None:
    pods.detach("--name", "it", "--immutable", *KEEP)
    for words in (
        ("app", "add", "it", "busybox", "--name", "x"), ("app", "rm", "it", "keep"),
        ("app", "update", "it", "keep", "--image", "busybox"), ("app", "stop", "it", "keep"),
        ("mount", "add", "it", "/etc:/x"), ("port", "add", "it", "80"), ("limit", "it", "--pids-limit", "50"),
    ):  # fmt: skip
        assert "is immutable" in pods(*words, status=125).err, words


def test_an_ended_pod_gets_and_loses_apps_too(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", *KEEP, "---", *SLEEP)
    pods("stop", "it")
    eventually(lambda: pods.status("it")["state"] == "exited", "its end")
    pods("app", "rm", "it", "busybox")
    pods("app", "add", "it", "busybox", "--name", "other", *SLEEP[1:])
    pods("limit", "it", "--pids-limit", "90")
    pods("start", "-d", "it")
    check(pods, uuid)
    assert set(apps(pods)) == {"keep", "other"}


def test_a_prepared_pod_gets_and_loses_apps_too(pods: Pods) -> None:
    uuid = pods("prepare", "--name", "it", "--empty").out.strip()
    pods("app", "add", "it", *SLEEP)
    pods("app", "add", "it", *KEEP)
    pods("app", "rm", "it", "busybox")
    pods("start", "-d", "it")
    check(pods, uuid)


def test_two_changes_at_once_both_come_to_be(pods: Pods) -> None:
    uuid = pods.detach("--name", "it", "--empty")
    names = ("one", "two", "three")
    started = [pods.beside("app", "add", "it", "busybox", "--name", name, *SLEEP[1:]) for name in names]
    for command in started:
        command.done()
    assert set(apps(pods)) == set(names)
    check(pods, uuid)


def test_every_change_of_a_pod_is_an_event(pods: Pods) -> None:
    pods.detach("--name", "it", *KEEP)
    source = pods.new_path("source")
    pods.there(source).mkdir()
    for words in (
        ("app", "add", "it", *SLEEP), ("app", "update", "--image", "busybox", "it", "busybox"),
        ("app", "stop", "it", "busybox"), ("app", "start", "it", "busybox"), ("app", "restart", "it", "busybox"),
        ("mount", "add", "--app", "keep", "it", f"{source}:/there"), ("mount", "rm", "it", "/there"),
        ("limit", "it", "--pids-limit", "90"), ("app", "rm", "it", "busybox"),
    ):  # fmt: skip
        pods(*words)
    place = pods("port", "add", "it", "8080").out.split()[1]
    pods("port", "rm", "it", place.rpartition(":")[2])
    seen = [json.loads(line) for line in pods("events", "--json", "it").lines]
    changes = [one for one in seen if one["event"] not in {"create", "start", "ready", "app-exit"}]
    assert [one["event"] for one in changes] == [
        "app-add", "app-update", "app-stop", "app-start", "app-restart", "mount", "unmount", "limit", "app-remove",
        "port", "port",
    ]  # fmt: skip
    assert [one["app"] for one in changes[:9]] == [*["busybox"] * 5, "keep", "keep", None, "busybox"]
    assert changes[5]["target"] == "/there"
    assert [(one["change"], one["ports"]) for one in changes[-2:]] == [
        ("publish", [f"{place}/tcp"]),
        ("unpublish", [f"{place}/tcp"]),
    ]
