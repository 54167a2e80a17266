"""EFFECT. Ids of its own: what a pod sees as its users, and what the host and its files see."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
from pathlib import Path

import pytest

from stage1.contract.paths import CLAIMS
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root

MAP = "cat /proc/self/uid_map /proc/self/gid_map"


def claims(pods: Pods) -> dict[str, str]:
    """Ranges that pods of this data root have: link to UUID."""
    found = {path.name: os.readlink(path) for path in CLAIMS.iterdir()} if CLAIMS.is_dir() else {}
    return {
        name: text.removeprefix(f"{pods.root}:")
        for name, text in found.items()
        if text.startswith(f"{pods.root}:")
    }


def own_range(pods: Pods, uuid: str) -> tuple[int, int]:
    manifest = json.loads((pods.directory(uuid) / "pod.json").read_bytes())
    return manifest["userns"]["base"], manifest["userns"]["size"]


def test_a_pod_has_a_range_of_its_own(pods: Pods) -> None:
    done = pods.run("busybox", "--", "sh", "-c", f"{MAP}; id -u", status=0)
    base, size = own_range(pods, done.uuid)
    assert base > 600_100_000
    assert [line.split() for line in done.lines] == [["0", str(base), str(size)]] * 2 + [["0"]]


def test_two_pods_never_share_ids(pods: Pods) -> None:
    uuids = [pods.detach("busybox", "--", "sleep", "100") for _ in range(3)]
    ranges = [own_range(pods, uuid) for uuid in uuids]
    assert len(set(ranges)) == 3
    assert claims(pods) == {f"{base}-{size}": uuid for (base, size), uuid in zip(ranges, uuids, strict=True)}


def test_the_hosts_ids_if_asked_for(pods: Pods) -> None:
    done = pods.run("--userns=host", "busybox", "--", "sh", "-c", MAP, status=0)
    assert done.lines[0].split() == ["0", "0", "4294967295"]
    assert claims(pods) == {}


def test_a_range_by_number_and_one_that_is_taken(pods: Pods) -> None:
    uuid = pods.detach("--userns=1200000000:70000", "busybox", "--user", "69999:1", "--", "sleep", "100")
    assert own_range(pods, uuid) == (1200000000, 70000)
    refused = pods.run("--userns=1200069999:65536", "busybox", "--", "true", status=125)
    assert f"are not free: pod {uuid} has 1200000000 to 1200069999" in refused.err


def test_an_app_out_of_the_range_is_refused_before_anything_is_made(pods: Pods) -> None:
    refused = pods.run("busybox", "--user", "70000", "--", "true", status=2)
    assert "there is no id 70000 in a user namespace of 65536 ids" in refused.err
    assert pods.all() == []


def test_files_on_disk_have_the_owners_they_have_inside(pods: Pods) -> None:
    script = "echo x > /made; chown 12:34 /made; mkdir /tmp/d; chmod 4755 /bin/busybox; ls -ln /made"
    done = pods.run("busybox", "--", "sh", "-c", script, status=0)
    assert done.out.split()[2:4] == ["12", "34"]
    upper = pods.directory(done.uuid) / "apps" / "busybox" / "upper"
    made = (upper / "made").stat()
    assert (made.st_uid, made.st_gid) == (12, 34)
    assert (upper / "tmp/d").stat().st_uid == 0
    assert (upper / "bin/busybox").stat().st_mode & stat.S_ISUID


def test_processes_are_nobody_to_the_host(pods: Pods) -> None:
    uuid = pods.detach(
        "busybox",
        "--",
        "sleep",
        "1000",
        "---",
        "busybox",
        "--name",
        "b",
        "--user",
        "33",
        "--",
        "sleep",
        "1000",
    )
    base, _ = own_range(pods, uuid)
    leader = (pods.directory(uuid) / "run/leader").read_text().split()[0]
    assert Path(f"/proc/{leader}").stat().st_uid == base
    sleepers = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # others end while we look
            if (process / "cmdline").read_bytes() == b"sleep\x001000\0" and process.stat().st_uid >= base:
                sleepers.add(process.stat().st_uid - base)
    assert {0, 33} <= sleepers


def test_a_pod_keeps_its_range_when_it_is_started_again(pods: Pods) -> None:
    script = f"{MAP}; cat /kept 2>/dev/null; echo here > /kept"
    done = pods.run("busybox", "--", "sh", "-c", script, status=0)
    again = pods("start", done.uuid, status=0)
    assert again.lines == [*done.lines, "here"]


def test_the_range_is_free_when_the_pod_is_gone_in_whatever_way(pods: Pods) -> None:
    pods.run("--rm", "busybox", "--", "true", status=0)
    assert claims(pods) == {}
    removed = pods.run("busybox", "--", "true", status=0).uuid
    assert list(claims(pods).values()) == [removed]
    pods("rm", removed)
    assert claims(pods) == {}
    pods.run("busybox", "--", "true", status=0)
    pods("gc")
    assert claims(pods) == {}
    pods.run("--name", "x", "--volume", "/nowhere/at/all:/v", "busybox", "--", "true", status=125)
    assert claims(pods) == {}


def test_gc_frees_the_range_of_a_pod_whose_directory_was_deleted(pods: Pods) -> None:
    CLAIMS.mkdir(parents=True, exist_ok=True)
    link = CLAIMS / "1300000000-65536"
    link.symlink_to(f"{pods.root}:00000000-0000-4000-8000-000000000000")
    pods("gc")
    assert not link.is_symlink()


def test_a_killed_monitor_leaves_a_pod_that_gc_can_take(pods: Pods) -> None:
    started = pods.start("busybox", "--", "sleep", "1000")
    started.send(signal.SIGKILL)
    eventually(lambda: pods("gc", status=0) and not pods.all(), "gc to take the pod")
    assert claims(pods) == {}


def test_volumes_have_their_owners_on_both_sides(pods: Pods) -> None:
    place = pods.scratch / "volume"
    place.mkdir()
    (place / "theirs").write_text("x")
    os.chown(place / "theirs", 1000, 1001)
    script = "ls -ln /v/theirs; echo y > /v/made && chown 5:6 /v/made; echo z > /e/made; ls -ldn /e"
    done = pods.run(
        "--volume",
        f"{place}:/v",
        "busybox",
        "--mount",
        "type=empty,target=/e",
        "--",
        "sh",
        "-c",
        script,
        status=0,
    )
    assert done.lines[0].split()[2:4] == ["1000", "1001"]
    assert done.lines[1].split()[2:4] == ["0", "0"]
    assert ((place / "made").stat().st_uid, (place / "made").stat().st_gid) == (5, 6)
    (made,) = pods.directory(done.uuid).glob("volumes/*/made")
    assert made.stat().st_uid == 0


def test_a_read_only_volume_stays_so_for_root_of_the_pod(pods: Pods) -> None:
    place = pods.scratch / "ro"
    place.mkdir()
    script = "echo x > /v/made 2>/dev/null || echo refused"
    assert (
        pods.run("--volume", f"{place}:/v:ro", "busybox", "--", "sh", "-c", script, status=0).out
        == "refused\n"
    )
    assert list(place.iterdir()) == []


def test_a_source_whose_file_system_cannot_be_mapped_is_named(pods: Pods) -> None:
    refused = pods.run("--volume", "/proc/sys:/v", "busybox", "--", "true", status=125)
    assert "cannot map the owners of /proc/sys: its file system (proc)" in refused.err
    assert "--userns=host" in refused.err


def test_apps_that_are_not_root_write_to_their_streams_by_name(pods: Pods) -> None:
    script = "echo one > /dev/stdout; echo two >> /proc/self/fd/1; id -u"
    done = pods.run("busybox", "--user", "1234:77", "--", "sh", "-c", script, status=0)
    assert done.lines == ["one", "two", "1234"]
