"""EFFECT. `pod reload`: apps of a running pod come, go and are replaced as its manifest says; others do not notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root


def app(name: str, *more: str, command: str = "sleep 100000") -> str:
    """An app of a manifest."""
    lines = (
        "[[app]]",
        'image = "busybox"',
        f'name = "{name}"',
        'exec = "sh"',
        f'args = ["-c", "{command}"]',
    )
    return "\n".join((*lines, *more)) + "\n"


KEEP = app("keep")
WEB = app("web", 'env = { A = "1" }', 'mount = ["type=empty,target=/data"]')
OTHER = app("web", 'env = { A = "2" }', 'mount = ["type=empty,target=/data"]')


@pytest.fixture
def file(pods: Pods, tmp_path: Path) -> Path:
    """The manifest of the pod `it`, which runs."""
    path = tmp_path / "it.toml"
    path.write_text(KEEP + WEB)
    pods("run", "-d", "--name", "it", "-f", path)
    pods("exec", "--app", "web", "it", "touch", "/data/kept", "/old")
    return path


def apps(pods: Pods) -> dict[str, dict[str, Any]]:
    """What `pod status` says of each app."""
    return {one["name"]: one for one in pods.status("it")["apps"]}


def reload(pods: Pods, file: Path, text: str, *options: str, status: int = 0) -> str:
    """What a reload of this manifest says."""
    file.write_text(text)
    done = pods("reload", *options, "-f", file, "it", status=status)
    return done.err if status else done.out


def inside(pods: Pods, name: str, *words: str, status: int = 0) -> str:
    """What a command in an app prints."""
    return pods("exec", "--app", name, "it", *words, status=status).out


def whole(pods: Pods) -> bool:
    """Whether the running pod is what another start would make, and no change is under way."""
    (uuid,) = pods.all()
    return pods("render", "--diff", "it").out == "" and not (pods.directory(uuid) / "change.json").exists()


def test_apps_come_go_and_are_replaced_while_the_others_go_on(pods: Pods, file: Path) -> None:
    before = apps(pods)
    pods("mount", "add", "--app", "web", "it", f"{file.parent}:/mine:ro")
    told = "app new: added\napp web: replaced (its environment)\n"
    wanted = KEEP + app("new") + OTHER
    assert reload(pods, file, wanted, "--dry-run") == told
    assert apps(pods) == before
    assert reload(pods, file, wanted) == told
    assert whole(pods)
    after = apps(pods)
    assert {name: one["state"] for name, one in after.items()} == dict.fromkeys(
        ("keep", "new", "web"), "running"
    )
    assert after["keep"]["pid"] == before["keep"]["pid"]
    assert after["web"]["pid"] != before["web"]["pid"]
    assert inside(pods, "web", "sh", "-c", "echo $A") == "2\n"
    assert inside(pods, "web", "ls", "/data", "/mine") == "/data:\nkept\n\n/mine:\nit.toml\n"
    inside(pods, "web", "ls", "/old", status=1)
    assert reload(pods, file, wanted) == "", "what was made is made"
    assert reload(pods, file, app("new")) == "app keep: removed\napp web: removed\n"
    assert whole(pods)
    assert list(apps(pods)) == ["new"]
    assert apps(pods)["new"]["pid"] == after["new"]["pid"]
    kinds = [json.loads(line)["event"] for line in pods("events", "--json", "it").lines]
    assert [kind for kind in kinds if kind.startswith("app-")] == [
        "app-add", "app-update", "app-remove", "app-remove"
    ]  # fmt: skip


def test_an_app_that_does_not_start_leaves_the_pod_as_it_was(pods: Pods, file: Path) -> None:
    before = (pods.directory(pods.all()[0]) / "pod.json").read_bytes()
    pids = apps(pods)
    bad = app("bad").replace('"sh"', '"/nothing"')
    wanted = f'memory = "300M"\n{KEEP.replace("100000", "200000")}{app("new")}{bad}'
    told = reload(pods, file, wanted, status=125)
    assert "app bad did not start: not-found, status 127" in told
    assert (pods.directory(pods.all()[0]) / "pod.json").read_bytes() == before
    assert whole(pods)
    assert set(apps(pods)) == {"keep", "web"}
    assert apps(pods)["web"]["pid"] == pids["web"]["pid"]
    assert inside(pods, "web", "ls", "/data", "/old") == "/old\n\n/data:\nkept\n"
    eventually(lambda: apps(pods)["keep"]["state"] == "running", "the app of before")


def test_what_only_a_start_can_give_is_named_and_the_rest_is_done(pods: Pods, file: Path) -> None:
    needs = app("needs", 'after = ["web"]')
    wanted = OTHER.replace("[[app]]", '[[app]]\ncap_add = ["CAP_NET_ADMIN"]')
    told = reload(pods, file, f'hostname = "other"\n{app("new")}{wanted}{needs}')
    assert told.splitlines() == [
        "app new: added",
        "app needs: added",
        "app keep: removed",
        "needs a restart: --hostname",
        "needs a restart: app web: capabilities that the pod was started without (CAP_NET_ADMIN)",
    ]
    assert whole(pods)
    assert inside(pods, "web", "sh", "-c", "echo $A") == "1\n"


def test_apps_of_one_reload_start_in_their_order_and_are_judged_when_all_are_there(
    pods: Pods, file: Path
) -> None:
    share = 'mount = ["type=empty,source=shared,target=/shared"]'
    second = app("second", share, command="touch /shared/second; sleep 100000")
    first = app("first", 'requires = ["second"]', share, command="test -e /shared/second && sleep 100000")
    assert reload(pods, file, KEEP + WEB + first + second) == "app first: added\napp second: added\n"
    assert whole(pods)
    ends = app("ends", command="exit 7")
    assert "app ends: added" in reload(pods, file, KEEP + WEB + ends + app("later", 'after = ["ends"]'))
    assert pods("wait", "it", status=7).out == "7\n"
