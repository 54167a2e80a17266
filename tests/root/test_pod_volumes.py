"""EFFECT. Volumes and mounts as apps see them: whose files, how mounted, at which place, for how long."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.root.pods import Pods

pytestmark = pytest.mark.root


@pytest.fixture
def source(pods: Pods) -> Path:
    """A directory of the host with a file."""
    path = pods.new_path("source")
    path.mkdir()
    (path / "file").write_text("host\n")
    return path


@pytest.fixture
def nested(source: Path) -> Iterator[Path]:
    """A directory of the host with another file system mounted in it."""
    (source / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "test", source / "below"], check=True)
    (source / "below" / "inner").write_text("inner\n")
    yield source
    subprocess.run(["umount", "--lazy", source / "below"], check=True)


def image_of(pods: Pods, name: str, **links: str) -> str:
    """An image of the inspect program with symbolic links."""
    tree = pods.new_path("tree")
    (tree / "etc").mkdir(parents=True)
    program = next(path for path in (pods.root / "layers").glob("*/inspect") if not path.is_symlink())
    (tree / "inspect").write_bytes(program.read_bytes())
    (tree / "inspect").chmod(0o755)
    for place, target in links.items():
        path = tree / place.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    pods("image", "import", f"dir:{tree}", "--name", name)
    return name


def mount_options(line: str) -> set[str]:
    """Options of the mount itself in a line of mountinfo."""
    return set(line.split()[5].split(","))


def mounts(pods: Pods, *words: str | Path) -> dict[str, set[str]]:
    """Where an app has mounts, and their options."""
    done = pods.run("inspect", *words, "--", "cat", "/proc/self/mountinfo")
    return {line.split()[4]: mount_options(line) for line in done.lines}


def test_each_mount_has_its_own_options(pods: Pods, source: Path) -> None:
    found = mounts(
        pods,
        "--volume", f"{source}:/plain", "--volume", f"{source}:/strict:ro,noexec,nosuid,nodev",
        "--volume", "named:/named", "--mount", "type=empty,target=/empty,noexec,suid",
        "--tmpfs", "/memory:ro,noexec", "--mount", "type=image,source=busybox,target=/image",
    )  # fmt: skip
    strict = {"ro", "noexec", "nosuid", "nodev"}
    assert not strict & found["/plain"]
    assert strict <= found["/strict"]
    assert found["/named"] & strict == {"nosuid", "nodev"}
    assert found["/empty"] & strict == {"noexec", "nodev"}
    assert found["/memory"] & strict == strict
    assert found["/image"] & strict == {"ro", "nosuid", "nodev"}


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_owners_on_disk_are_who_they_are_said_to_be(pods: Pods, source: Path, userns: str) -> None:
    for name, owner in (("hers", 1000), ("row", 2001), ("others", 7)):
        (source / name).touch()
        os.chown(source / name, owner, owner)
    os.chown(source, 1000, 1000)
    source.chmod(0o777)
    script = "cd /v; stat -c '%n %u %g' hers row others; touch mine && echo made"
    volume = ("--volume", f"{source}:/v:idmap=1000-33#2000-500-5")
    words = ("--userns", userns, "busybox", *volume, "--user", "33:33", "--", "sh", "-c", script)
    assert pods.run(*words).lines == ["hers 33 33", "row 501 501", "others 65534 65534", "made"]
    assert ((source / "mine").stat().st_uid, (source / "mine").stat().st_gid) == (1000, 1000)
    unmapped = ("--user", "5", "--", "sh", "-c", "touch /v/none 2> /dev/null || echo refused")
    assert pods.run("--userns", userns, "busybox", *volume, *unmapped).lines == ["refused"]


def test_noexec_is_enforced(pods: Pods, source: Path) -> None:
    tool = source / "tool"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    pods.run("busybox", "--volume", f"{source}:/x", "--", "/x/tool")
    pods.run("busybox", "--volume", f"{source}:/x:noexec", "--", "/x/tool", status=126)


def test_what_is_mounted_below_a_source_comes_along_and_read_only_holds_for_it(
    pods: Pods, nested: Path
) -> None:
    done = pods.run(
        "inspect", "--volume", f"{nested}:/all:ro", "--volume", f"{nested}:/one:bind", "--",
        "cat", "/all/below/inner", "ls", "/one/below", "write", "/all/below/new", "x", status=1,
    )  # fmt: skip
    assert done.lines[0] == "inner"
    assert json.loads(done.lines[1]) == []
    assert "EROFS" in done.err


def test_mounts_come_in_the_order_in_which_they_lie_in_each_other(pods: Pods, source: Path) -> None:
    words = (
        "--volume", f"{source}:/a/b/c", "--tmpfs", "/a", "--volume", f"{source}/file:/a/b/c.d/file",
        "--mount", "type=empty,target=/a/b",
    )  # fmt: skip
    done = pods.run("inspect", *words, "--", "cat", "/a/b/c/file", "cat", "/a/b/c.d/file", "ls", "/a")
    assert done.lines[:2] == ["host", "host"]
    assert not list((pods.directory(done.uuid) / "apps" / "inspect" / "upper" / "a").iterdir())


def test_links_in_a_target_mean_what_they_mean_in_the_app(pods: Pods, source: Path) -> None:
    image = image_of(
        pods, "linked", absolute="/real", relative="./deep/er", up="../../../../../outside", into="/data/cache",
        dangling__link="/nowhere/yet",
    )  # fmt: skip
    words = [
        word
        for target in ("absolute/x", "relative/x", "up/x", "dangling/link")
        for word in ("--volume", f"{source}:/{target}")
    ]
    # /into/x lies in /data, which is mounted first although it comes later in the alphabet
    words += ["--volume", f"{source}:/into/x:ro", "--mount", "type=empty,source=d,target=/data"]
    places = ("/real/x", "/deep/er/x", "/outside/x", "/nowhere/yet", "/data/cache/x")
    reads = [word for place in places for word in ("cat", f"{place}/file")]
    done = pods.run(image, "--exec", "/inspect", *words, "--", *reads)
    assert done.lines == ["host"] * 5
    assert not Path("/outside").exists()
    assert (pods.directory(done.uuid) / "volumes" / "d" / "cache" / "x").is_dir()


def test_a_link_in_a_volume_does_not_lead_a_mount_out_of_the_app(pods: Pods, source: Path) -> None:
    (source / "trap").symlink_to("/etc")
    (source / "up").symlink_to("../" * 30 + "etc")
    done = pods.run(
        "inspect", "--volume", f"{source}:/v", "--volume", f"{source}/file:/v/trap/made-by-test",
        "--volume", f"{source}/file:/v/up/other-by-test", "--",
        "cat", "/etc/made-by-test", "cat", "/etc/other-by-test",
    )  # fmt: skip
    assert done.lines == ["host", "host"]
    assert not [name for name in os.listdir("/etc") if name.endswith("-by-test")]


def test_two_names_of_one_place_are_told(pods: Pods, source: Path) -> None:
    image = image_of(pods, "twice", alias="/place")
    refused = pods.run(
        image, "--exec", "/inspect", "--volume", f"{source}:/alias", "--tmpfs", "/place", status=125
    )
    assert "two mounts at /place" in refused.err


@pytest.mark.parametrize(
    "odd", ["new\nline", "tab\t", "\udcff\udc80", "quote'\"", "a:b,c=d %n $X \\", "é" * 100]
)
def test_paths_of_any_bytes_are_mounted(pods: Pods, odd: str) -> None:
    path = pods.new_path("odd") / odd
    path.mkdir(parents=True)
    (path / "file").write_text("odd\n")
    csv = '"' + f"source={path}".replace('"', '""') + '","' + f"target=/{odd}".replace('"', '""') + '"'
    done = pods.run("inspect", "--mount", csv, "--", "cat", f"/{odd}/file")
    assert done.out == "odd\n"


def test_a_source_may_be_a_link_or_a_file_but_must_be_there(pods: Pods, source: Path) -> None:
    (source / "link").symlink_to("file")
    (source / "lost").symlink_to("gone")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "socket"))
    done = pods.run(
        "inspect",
        "--volume",
        f"{source}/link:/one",
        "--volume",
        f"{source}/socket:/two",
        "--",
        "cat",
        "/one",
        "stat",
        "/two",
    )
    assert done.lines[0] == "host"
    for missing, said in (
        ("lost", "leads nowhere"),
        ("gone", "does not exist"),
        ("file/x", "cannot be used"),
    ):
        refused = pods("run", "inspect", "--volume", f"{source}/{missing}:/x", status=125)
        assert said in refused.err
    assert pods.all() == [done.uuid]


def test_a_directory_on_a_file_is_told_and_nothing_starts(pods: Pods, source: Path) -> None:
    refused = pods.run("inspect", "--volume", f"{source}:/inspect", "--", "exit", "0", status=125)
    assert "/inspect" in refused.err
    assert pods.results(refused.uuid) == {}


def test_memory_below_dev_is_the_apps_own(pods: Pods, source: Path) -> None:
    done = pods.run(
        "busybox", "--tmpfs", "/dev/shm:size=2M", "--volume", f"{source}:/dev/source:ro", "--",
        "sh", "-c", "df -k /dev/shm | tail -1; cat /dev/source/file; : > /dev/null; touch /dev/source/x", status=1,
    )  # fmt: skip
    assert " 2048 " in done.lines[0]
    assert done.lines[1] == "host"
    assert "Read-only" in done.err


def test_mounts_are_there_again_when_an_app_is_restarted(pods: Pods, source: Path) -> None:
    done = pods.run(
        "busybox", "--restart", "on-failure:2", "--volume", f"{source}:/v/sub:ro", "--tmpfs", "/v", "--",
        "sh", "-c", "cat /v/sub/file; echo x >> /v/count; [ $(wc -l < /v/count) = 3 ]",
    )  # fmt: skip
    assert done.lines == ["host"] * 3


def test_a_tmpfs_has_an_owner(pods: Pods) -> None:
    done = pods.run(
        "inspect", "--user", "app", "--tmpfs", "/mine:uid=1000,gid=1000,mode=700", "--", "write", "/mine/x", "x",
        "stat", "/mine",
    )  # fmt: skip
    facts = json.loads(done.lines[0])
    assert (facts["uid"], facts["gid"], facts["mode"]) == (1000, 1000, "0700")


# Images


def test_the_tree_of_another_image_is_read(pods: Pods) -> None:
    done = pods.run(
        "inspect", "--mount", "type=image,source=busybox,target=/tools", "--",
        "stat", "/tools/bin/busybox", "write", "/tools/x", "x", status=1,
    )  # fmt: skip
    assert json.loads(done.lines[0])["type"]
    assert "EROFS" in done.err


def test_an_image_of_several_layers_is_one_tree(pods: Pods, tmp_path: Path) -> None:
    image = layered(pods, tmp_path)
    done = pods.run(
        "inspect", "--mount", f"type=image,source={image},target=/t", "--",
        "cat", "/t/low", "cat", "/t/both", "cat", "/t/high", "write", "/t/x", "x", status=1,
    )  # fmt: skip
    assert done.lines == ["low", "high", "high"]
    assert "EROFS" in done.err


def layered(pods: Pods, tmp_path: Path) -> str:
    """An image of two layers."""
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    run = ["umoci", "init", "--layout", str(layout)]
    subprocess.run(run, check=True)
    subprocess.run(["umoci", "new", "--image", f"{layout}:x"], check=True)
    for names, text in ((("low", "both"), "low"), (("both", "high"), "high")):
        subprocess.run(["rm", "-rf", bundle], check=True)
        subprocess.run(
            ["umoci", "unpack", "--image", f"{layout}:x", bundle], check=True, capture_output=True
        )
        for name in names:
            (bundle / "rootfs" / name).write_text(f"{text}\n")
        subprocess.run(
            ["umoci", "repack", "--image", f"{layout}:x", bundle], check=True, capture_output=True
        )
    pods("image", "import", f"oci:{layout}:x", "--name", "layered")
    return "layered"


def test_an_image_that_is_mounted_is_in_use(pods: Pods) -> None:
    image = image_of(pods, "kept", link="x")
    done = pods.run("inspect", "--mount", f"type=image,source={image},target=/t", "--", "stat", "/t/inspect")
    pods("image", "rm", image)
    pods("start", done.uuid)
    assert pods.results(done.uuid)["inspect"]["runs"] == 1


def test_an_image_that_is_not_there_is_told_before_anything_is_made(pods: Pods) -> None:
    refused = pods("run", "inspect", "--mount", "type=image,source=ghost,target=/t", status=125)
    assert "ghost" in refused.err
    assert pods.all() == []


# Volumes that outlive pods


def test_a_named_volume_outlives_its_pods_and_is_filled_once(pods: Pods, changed_home: str) -> None:
    words = (changed_home, "--exec", "/inspect", "--volume", "home:/home/app", "--")
    first = pods.run(*words, "append", "/home/app/note", "one\n", "stat", "/home/app")
    owner = json.loads(first.lines[0])
    assert (owner["uid"], owner["gid"]) == (1000, 1000)
    pods("rm", first.uuid)
    second = pods.run(
        *words, "append", "/home/app/note", "two\n", "cat", "/home/app/note", "cat", "/home/app/seed"
    )
    assert second.lines == ["one", "two", "from the image"]
    (facts,) = json.loads(pods("volume", "inspect", "home").out)
    assert facts["pods"] == [second.uuid]
    assert Path(facts["path"], "note").read_text() == "one\ntwo\n"


@pytest.fixture
def changed_home(pods: Pods) -> str:
    """An image with a file in a directory of a user."""
    tree = pods.new_path("tree")
    home = tree / "home" / "app"
    home.mkdir(parents=True)
    (home / "seed").write_text("from the image\n")
    os.chown(home, 1000, 1000)
    program = next((pods.root / "layers").glob("*/inspect"))
    (tree / "inspect").write_bytes(program.read_bytes())
    (tree / "inspect").chmod(0o755)
    pods("image", "import", f"dir:{tree}", "--name", "with-home")
    return "with-home"


def test_two_pods_share_a_named_volume_at_once(pods: Pods) -> None:
    reader = pods.start("inspect", "--volume", "both:/v", "--", "wait-file", "/v/x", "cat", "/v/x")
    pods.run("inspect", "--volume", "both:/v", "--", "write", "/v/new", "shared\n")
    volume = pods.there(pods.root) / "volumes" / "both" / "data"
    (volume / "new").rename(volume / "x")
    assert reader.done().out == "shared\n"


def test_a_volume_in_use_cannot_be_removed(pods: Pods) -> None:
    done = pods.run("inspect", "--volume", "mine:/v", "--", "exit", "0")
    refused = pods("volume", "rm", "mine", status=125)
    assert done.uuid in refused.err
    assert "pod rm" in refused.err
    assert pods("volume", "prune").out == ""
    pods("rm", done.uuid)
    assert pods("volume", "rm", "mine").out == "mine\n"
    assert not (pods.root / "volumes" / "mine").exists()


def test_volumes_are_made_listed_and_pruned(pods: Pods) -> None:
    assert pods("volume", "create", "one", "two", "--label", "tier=db", "--label", "x=a=b").lines == [
        "one",
        "two",
    ]
    pods("volume", "create", "three")
    refused = pods("volume", "create", "one", status=125)
    assert "there is a volume 'one'" in refused.err
    assert pods("volume", "create", "--ignore", "one").out == "one\n"
    assert pods("volume", "ls", "-q").lines == ["one", "three", "two"]
    assert pods("volume", "ls", "-q", "--label", "tier=db").lines == ["one", "two"]
    assert pods("volume", "ls", "-q", "--label", "x").lines == ["one", "two"]
    listed = json.loads(pods("volume", "ls", "--json").out)
    assert listed[0]["labels"] == {"tier": "db", "x": "a=b"}
    assert re.match(r"NAME +CREATED +PODS +LABELS\n", pods("volume", "ls").out)
    used = pods.run("inspect", "--volume", "two:/v", "--", "exit", "0")
    assert json.loads(pods("volume", "prune", "--json").out) == ["one", "three"]
    assert pods("volume", "ls", "-q").lines == ["two"]
    pods("rm", used.uuid)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "-x", "a b", "x" * 64, "é"])
def test_what_is_no_name_of_a_volume_is_refused(pods: Pods, name: str) -> None:
    assert pods("volume", "create", "--", name, status=2).err
    assert pods("volume", "inspect", "--", name, status=125).err
    assert pods("volume", "rm", "--", name, status=125).err


def test_an_owner_and_a_mode_are_those_of_a_volume_that_is_still_empty(pods: Pods) -> None:
    mount = "type=volume,source=owned,target=/v,uid=7,gid=8,mode=750"
    done = pods.run("inspect", "--mount", mount, "--", "stat", "/v")
    facts: Any = json.loads(done.lines[0])
    assert (facts["uid"], facts["gid"], facts["mode"]) == (7, 8, "0750")


def test_a_filling_that_was_cut_short_is_finished(pods: Pods, changed_home: str) -> None:
    pods("volume", "create", "cut")
    place = pods.root / "volumes" / "cut"
    (place / "copying").mkdir()
    (place / "copying" / "half").write_text("")
    done = pods.run(changed_home, "--exec", "/inspect", "--volume", "cut:/home/app", "--", "ls", "/home/app")
    assert "seed" in done.out
    assert "half" not in done.out
    assert sorted(os.listdir(place)) == ["data", "volume.json"]


def test_nothing_is_made_when_a_pod_cannot_be(pods: Pods) -> None:
    refused = pods("run", "--volume", "early:/v", "inspect", "--volume", "/no/such:/x", status=125)
    assert "/no/such" in refused.err
    assert pods("volume", "ls", "-q").out == ""
