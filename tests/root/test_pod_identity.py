"""EFFECT. Who a pod and its apps are: hosts, resolv.conf, machine-id, time zone, users, groups; seen from inside."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.root.pods import Pods

pytestmark = pytest.mark.root


def text_of(pods: Pods, path: str, *words: str, image: str = "inspect", app: tuple[str, ...] = ()) -> str:
    """A file as an app sees it."""
    return pods.run(*words, image, *app, "--exec", "/inspect", "--", "cat", path).out


def test_the_hosts_names_and_the_pods_own_are_known(pods: Pods) -> None:
    found = text_of(
        pods, "/etc/hosts", "--net=host", "--name", "shop", "--add-host", "db;db.example.org:192.0.2.7"
    )
    assert found == f"192.0.2.7\tdb db.example.org\n{Path('/etc/hosts').read_text()}127.0.1.1\tshop\n"


def test_hosts_may_come_from_elsewhere(pods: Pods) -> None:
    assert text_of(pods, "/etc/hosts", "--hosts", "none") == ""
    assert text_of(pods, "/etc/hosts", "--hosts=none", "--add-host=a:2001:db8::1") == "2001:db8::1\ta\n"
    own = text_of(pods, "/etc/hosts", "--net=host", "--hosts", "pod", "--hostname", "web.example.org")
    assert own.splitlines() == [
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "127.0.1.1\tweb.example.org web",
    ]
    assert text_of(pods, "/etc/hosts", "--net", "none", "--name", "alone").startswith(
        "127.0.0.1\tlocalhost\n"
    )


def test_a_volume_wins_over_the_pod_and_the_pod_over_the_image(pods: Pods) -> None:
    image = with_etc(
        pods, "own-hosts", {"hosts": "image\n", "resolv.conf": "image\n", "machine-id": "image\n"}
    )
    mine = pods.write("my-hosts", "volume\n")
    for name in ("hosts", "resolv.conf", "machine-id"):
        volume = ("--volume", f"{mine}:/etc/{name}:ro")
        assert text_of(pods, f"/etc/{name}", image=image, app=volume) == "volume\n"
        assert text_of(pods, f"/etc/{name}", image=image) not in {"image\n", "volume\n"}
    words = ("--hosts=image", "--dns=image", "--machine-id=image")
    for name in ("hosts", "resolv.conf", "machine-id"):
        assert text_of(pods, f"/etc/{name}", *words, image=image) == "image\n"


def with_etc(pods: Pods, name: str, files: dict[str, str], etc: str = "etc") -> str:
    """An image of the inspect program with these files in /etc; `etc` is where /etc links to."""
    tree = pods.new_path("tree")
    tree.mkdir()
    if etc:
        (tree / etc).mkdir(parents=True)
    if etc not in {"etc", ""}:
        (tree / "etc").symlink_to(etc)
    for file, content in files.items():
        path = tree / etc / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("-> "):
            path.symlink_to(content.removeprefix("-> "))
        else:
            path.write_text(content)
    program = next((pods.root / "layers").glob("*/inspect"))
    (tree / "inspect").write_bytes(program.read_bytes())
    (tree / "inspect").chmod(0o755)
    pods("image", "import", f"dir:{tree}", "--name", name)
    return name


@pytest.mark.parametrize(
    ("files", "etc"),
    [
        ({}, ""),
        ({}, "etc"),
        ({"resolv.conf": "-> ../run/systemd/resolve/stub-resolv.conf", "hosts": "-> /nowhere/hosts"}, "etc"),
        ({"hosts/inside": "x"}, "etc"),
        ({"hosts": "image\n"}, "usr/etc"),
        ({"resolv.conf": "-> /run/x"}, "usr/share/etc"),
    ],
    ids=["no etc", "empty etc", "links", "a directory", "etc is a link", "etc and a file are links"],
)
def test_any_image_gets_the_files_of_the_pod(pods: Pods, files: dict[str, str], etc: str) -> None:
    image = with_etc(pods, "odd-etc", files, etc)
    words = ("--add-host", "db:192.0.2.7", "--dns", "192.0.2.53", "--hosts=none")
    assert text_of(pods, "/etc/hosts", *words, image=image) == "192.0.2.7\tdb\n"
    assert text_of(pods, "/etc/resolv.conf", *words, image=image) == "nameserver 192.0.2.53\n"


def test_an_etc_that_is_not_roots_stays_as_it_is(pods: Pods) -> None:
    tree = pods.new_path("tree")
    (tree / "etc").mkdir(parents=True)
    (tree / "etc").chmod(0o750)
    os.chown(tree / "etc", 5, 6)
    program = next((pods.root / "layers").glob("*/inspect"))
    (tree / "inspect").write_bytes(program.read_bytes())
    (tree / "inspect").chmod(0o755)
    pods("image", "import", f"dir:{tree}", "--name", "odd-owner")
    done = pods.run("odd-owner", "--exec", "/inspect", "--", "stat", "/etc", "stat", "/etc/hosts")
    etc, hosts = (json.loads(line) for line in done.lines)
    assert (etc["mode"], etc["uid"], etc["gid"]) == ("0750", 5, 6)
    assert (hosts["mode"], hosts["uid"], hosts["gid"]) == ("0644", 0, 0)


def test_name_servers_are_the_hosts_or_those_asked_for(pods: Pods) -> None:
    assert text_of(pods, "/etc/resolv.conf") == Path("/etc/resolv.conf").read_text()
    assert text_of(pods, "/etc/resolv.conf", "--dns", "none") == ""
    words = ("--dns", "192.0.2.1,2001:db8::1", "--dns-search", "a.example", "--dns-search", "b.example")
    found = text_of(pods, "/etc/resolv.conf", *words, "--dns-option", "ndots:2")
    assert (
        found
        == "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch a.example b.example\noptions ndots:2\n"
    )
    search = text_of(pods, "/etc/resolv.conf", "--dns-search", ".")
    assert "search" not in search
    assert "nameserver" in search


def test_an_app_may_replace_its_files_and_other_apps_do_not_see_it(pods: Pods) -> None:
    script = "echo '192.0.2.9 mine' > /etc/x && mv /etc/x /etc/hosts && cat /etc/hosts"
    done = pods.run(
        "--net=host",
        "busybox",
        "--",
        "sh",
        "-ec",
        script,
        "---",
        "inspect",
        "--",
        "sleep",
        "0.3",
        "cat",
        "/etc/hosts",
    )
    assert "busybox | 192.0.2.9 mine" in done.lines
    assert "inspect | 192.0.2.9 mine" not in done.lines


def test_the_machine_id_is_the_pods_and_stays_when_it_is_started_again(pods: Pods) -> None:
    cat = ("--", "cat", "/etc/machine-id")
    done = pods.run("inspect", *cat, "---", "inspect", "--name", "other", *cat)
    ids = {line.partition(" | ")[2] for line in done.lines}
    assert ids == {done.uuid.replace("-", "")}
    pods("start", done.uuid)
    assert {line.partition(" | ")[2] for line in pods.log(done.uuid)} == ids
    other = pods.run("--machine-id", "0123456789ABCDEF0123456789abcdef", "inspect", *cat)
    assert other.out == "0123456789abcdef0123456789abcdef\n"


def test_the_host_name_is_in_a_file(pods: Pods) -> None:
    assert text_of(pods, "/etc/hostname", "--hostname", "web.example.org") == "web.example.org\n"


def test_the_time_zone_is_the_one_asked_for(pods: Pods) -> None:
    words = ("busybox", "--", "sh", "-c", "date -d '2026-01-31 12:00' +%Z; cat /etc/timezone")
    assert pods.run("--timezone", "Asia/Tokyo", *words).lines == ["JST", "Asia/Tokyo"]
    assert pods.run("--tz", "local", "inspect", "--", "stat", "/etc/localtime").status == 0
    refused = pods("run", "--timezone", "Europe/Atlantis", "inspect", status=125)
    assert "Europe/Atlantis" in refused.err
    assert pods("run", "--timezone", "../../etc/shadow", "inspect", status=2).err


BAD = [
    ("--hosts", "moon"), ("--dns", "moon"), ("--dns", "192.0.2.1,host"), ("--add-host", "x"),
    ("--add-host", "a b:1.1.1.1"),
    ("--add-host", "a:1.2.3"), ("--add-host", "a\n:1.1.1.1"), ("--machine-id", "xyz"), ("--machine-id", "0" * 32),
    ("--dns-search", "a b"), ("--dns-option", "a b"), ("--dns-option", "x\ny"), ("--timezone", "/etc/passwd"),
    ("--timezone", "a\nb"), ("--dns", "192.0.2.1\nx"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "value"), BAD, ids=[" ".join(one) for one in BAD])
def test_what_makes_no_sense_is_refused(pods: Pods, option: str, value: str) -> None:
    refused = pods("run", option, value, "inspect", status=2)
    assert len(refused.err.splitlines()) == 2
    assert pods.all() == []


# Users and groups


def report(pods: Pods, *words: str) -> Any:
    return json.loads(pods.run("inspect", *words, "--", "report", "--json").out)


def test_groups_are_added_by_name_and_number(pods: Pods) -> None:
    found = report(pods, "--user", "app", "--group-add", "4242", "--group-add", "root")
    assert set(found["groups"]) >= {0, 4242}
    assert "no such group" in pods("run", "inspect", "--group-add", "ghosts", status=2).err


def test_a_user_may_be_the_owner_of_a_path(pods: Pods) -> None:
    found = report(pods, "--user", "/home/app")
    assert (found["uid"], found["gid"]) == (1000, 1000)
    found = report(pods, "--user", "0", "--group", "/home/app")
    assert (found["uid"], found["gid"]) == (0, 1000)
    assert "/no/where" in pods("run", "inspect", "--user", "/no/where", status=2).err


def test_home_and_shell_are_what_passwd_says(pods: Pods) -> None:
    done = pods.run("inspect", "--user", "app", "--", "env", "HOME", "env", "SHELL")
    assert done.lines == ["/home/app", "/inspect"]
    pods.run("inspect", "--user", "app", "--", "env", "USER", status=1)
