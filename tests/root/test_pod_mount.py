"""EFFECT. `pod mount`: files of the host in running apps: at once, read-only from the first moment, and gone again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root.pods import TWO_APPS, Facts, Pods, eventually

pytestmark = pytest.mark.root

KINDS = ("auto", "host")


@pytest.fixture(params=KINDS)
def it(pods: Pods, request: pytest.FixtureRequest) -> Pods:
    """A running pod named `it`, with a user namespace or without."""
    pods.detach("--name", "it", "--userns", request.param, "busybox", "--", "sleep", "100000")
    return pods


@pytest.fixture
def source(pods: Pods) -> Iterator[Path]:
    """A directory of the host with files of two owners and a mount below it."""
    path = pods.scratch / "source"
    (path / "below").mkdir(parents=True)
    (path / "file").write_text("of the host\n")
    (path / "theirs").write_text("of 1000\n")
    os.chown(path / "theirs", 1000, 1000)
    subprocess.run(["mount", "-t", "tmpfs", "below", path / "below"], check=True)
    (path / "below/deep").write_text("deep\n")
    yield path
    subprocess.run(["umount", path / "below"], check=True)
    subprocess.run(["rm", "-rf", path], check=True)


def inside(pods: Pods, script: str, status: int | None = 0) -> str:
    return pods("exec", "it", "sh", "-c", script, status=status).out


def listed(pods: Pods) -> list[Facts]:
    found: list[Facts] = json.loads(pods("mount", "ls", "--json", "it").out)
    return found


def leader(pods: Pods) -> int:
    return int((pods.directory(pods.status("it")["uuid"]) / "run/leader").read_text().split()[0])


def table(pods: Pods) -> str:
    return Path(f"/proc/{leader(pods)}/mountinfo").read_text()


def test_a_directory_is_there_at_once_with_its_owners_and_goes_again(it: Pods, source: Path) -> None:
    name = it("mount", "add", "it", f"{source}:/new/place").out.strip()
    assert inside(it, "cat /new/place/file; stat -c %u:%g /new/place/file /new/place/theirs") == (
        "of the host\n0:0\n1000:1000\n"
    )
    inside(it, "echo mine > /new/place/mine; chown 1000 /new/place/mine")
    assert ((source / "mine").read_text(), (source / "mine").stat().st_uid) == ("mine\n", 1000)
    (entry,) = listed(it)
    assert (entry["id"], entry["source"], entry["target"], entry["mounted"]) == (
        name, str(source), "/new/place", True,
    )  # fmt: skip
    assert it("mount", "rm", "it", name).out == ""
    assert inside(it, "ls /new/place") == ""
    assert inside(it, "stat -c %u:%g /new /new/place") == "0:0\n0:0\n"
    assert listed(it) == []
    assert "/new/place" not in table(it)


def test_a_file_is_mounted_over_a_file_that_is_made_if_it_is_missing(it: Pods, source: Path) -> None:
    it("mount", "add", "it", f"{source}/file:/etc/new/file:ro")
    it("mount", "add", "it", f"{source}/file:/etc/passwd:ro")
    assert inside(it, "cat /etc/new/file /etc/passwd") == "of the host\n" * 2
    it("mount", "rm", "it", "/etc/passwd", "/etc/new/file")
    assert "root:x:0:0" in inside(it, "cat /etc/passwd")


def test_it_is_seen_again_when_the_app_was_started_again(pods: Pods, source: Path) -> None:
    restarting = ("--exit-policy", "never", "busybox", "--restart", "always")
    pods.detach("--name", "it", *restarting, "--", "sleep", "100000")
    pods("mount", "add", "it", f"{source}:/new:ro")
    before = pods.status("it")["apps"][0]["pid"]
    pods("kill", "--app", "busybox", "it")
    eventually(lambda: pods.status("it")["apps"][0]["pid"] not in {before, None}, "the next start")
    assert eventually(lambda: inside(pods, "cat /new/file", None), "the app") == "of the host\n"
    inside(pods, "touch /new/x", 1)
    pods("mount", "rm", "it", "/new")
    assert inside(pods, "ls /new") == ""


def test_what_is_read_only_never_was_anything_else(it: Pods, source: Path) -> None:
    script = "mkdir -p /new; while :; do echo x > /new/written; done 2> /dev/null"
    name = it("exec", "-d", "it", "sh", "-c", script).out.strip()
    for _ in range(15):
        mount = it("mount", "add", "it", f"{source}:/new/x:ro").out.strip()
        it("mount", "rm", "it", mount)
        it("mount", "add", "it", f"{source}:/new:ro")
        it("mount", "rm", "it", "/new")
    it("session", "stop", "--time", "100ms", "it", name)
    assert not (source / "written").exists()


def test_read_only_cannot_be_undone_from_inside(it: Pods, source: Path) -> None:
    it("mount", "add", "it", f"{source}:/new:ro")
    inside(it, "mount -o remount,bind,rw /new", 1)
    inside(it, "umount /new", 1)
    uid_map = it("exec", "it", "cat", "/proc/self/uid_map").out.split()
    if uid_map[1] != "0":  # root of a user namespace: the kernel has locked it
        it("exec", "--privileged", "it", "mount", "-o", "remount,bind,rw", "/new", status=1)
    inside(it, "touch /new/x", 1)


def test_programs_and_devices_of_the_host_give_no_rights(it: Pods, source: Path) -> None:
    it("mount", "add", "it", f"{source}:/new:rec")
    for line in it("exec", "it", "grep", " /new", "/proc/self/mountinfo").lines:
        assert {"nosuid", "nodev"} <= set(line.split()[5].split(","))


def test_mounts_below_come_along_only_if_asked_for(it: Pods, source: Path) -> None:
    it("mount", "add", "it", f"{source}:/flat:ro")
    it("mount", "add", "it", f"{source}:/deep:ro,rec")
    assert inside(it, "ls /flat/below; cat /deep/below/deep") == "deep\n"
    inside(it, "touch /deep/below/x", 1)
    it("mount", "rm", "it", "/deep", "/flat")
    assert " /pod/apps/busybox/rootfs/deep" not in table(it)
    assert (source / "below/deep").exists()


def test_links_are_followed_inside_the_app_and_lead_nowhere_else(
    it: Pods, source: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    inside(
        it, f"ln -s /real /link; mkdir /real; ln -s ../../../../..{outside} /out; ln -s /proc/1/root /magic"
    )
    it("mount", "add", "it", f"{source}:/link/x:ro")
    assert inside(it, "cat /real/x/file") == "of the host\n"
    assert (
        it("mount", "add", "it", f"{source}:/out/x:ro", status=None).status == 125
    )  # a link to what is not there
    assert it("mount", "add", "it", f"{source}:/magic/x:ro", status=125)
    assert list(outside.iterdir()) == []
    assert len(listed(it)) == 1


@pytest.mark.parametrize(
    ("mount", "status", "complaint"),
    [
        ("{source}:/", 2, "no place below"),
        ("{source}:relative", 2, "no place below"),
        ("{source}:/a/../b", 2, "no place below"),
        ("{source}", 2, "is not a mount"),
        ("{source}:/x:ro,rw", 2, "is not a mount"),
        ("{source}:/x:none", 2, "is not a mount"),
        ("{source}/nothing:/x", 125, "cannot look at"),
        ("{source}:/etc/passwd", 125, "Not a directory"),
        ("{source}/file:/etc", 125, "is a directory"),
        ("{source}/file:/fifo", 125, "no directory"),
        ("{source}:/proc/new", 125, "would hide it"),
        ("{source}:/dev/new", 125, "would hide it"),
        ("{source}:/volume/new", 125, "make it there first"),
        ("{source}:/tmpfs/new", 125, "make it there first"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    pods: Pods, source: Path, mount: str, status: int, complaint: str
) -> None:
    places = ("--volume", "kept:/volume", "--mount", "type=tmpfs,target=/tmpfs")
    pods.detach("--name", "it", "busybox", *places, "--", "sh", "-c", "mkfifo /fifo; exec sleep 100000")
    eventually(lambda: "fifo" in inside(pods, "ls /"), "the FIFO")
    before = table(pods)
    assert complaint in pods("mount", "add", "it", mount.format(source=source), status=status).err
    assert table(pods) == before
    assert listed(pods) == []


def test_what_is_in_use_is_taken_away_lazily_and_said_to_be(it: Pods, source: Path) -> None:
    name = it("mount", "add", "it", f"{source}:/new").out.strip()
    it("exec", "-d", "it", "sh", "-c", "cd /new; sleep 0.2; cat file > /tmp/read; exec sleep 100000")
    eventually(lambda: inside(it, "cat /tmp/read 2>/dev/null; true"), "the user")
    assert "in use" in it("mount", "rm", "it", name[:6]).out
    assert inside(it, "ls /new") == ""
    assert listed(it) == []


def test_mounts_of_one_place_lie_over_each_other(it: Pods, source: Path) -> None:
    first = it("mount", "add", "it", f"{source}:/new:ro").out.strip()
    second = it("mount", "add", "it", "/etc:/new:ro").out.strip()
    assert "not mounted any more" in it("mount", "rm", "it", first).out  # hidden below the second
    assert "hostname" in inside(it, "ls /new")
    it("mount", "rm", "it", second)


def test_several_at_once_are_all_there(it: Pods, source: Path) -> None:
    running = [it.beside("mount", "add", "it", f"{source}:/many/{number}:ro") for number in range(8)]
    for one in running:
        one.done(0)
    assert inside(it, "cat /many/*/file | wc -l").strip() == "8"
    it("mount", "rm", "it", *(f"/many/{number}" for number in range(8)))
    assert listed(it) == []


def test_a_call_that_is_killed_leaves_a_mount_with_a_record_or_neither(it: Pods, source: Path) -> None:
    start = time.monotonic()
    it("mount", "add", "it", f"{source}:/killed/not:ro")
    whole = int((time.monotonic() - start) * 1000)  # how long a call takes here and now
    for delay in range(0, whole, max(whole // 16, 1)):
        process = subprocess.Popen(
            it.argv("mount", "add", "it", f"{source}:/killed/{delay}:ro"),
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        time.sleep(delay / 1000)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    there = {line.split()[4] for line in table(it).splitlines() if "/killed/" in line}
    recorded = {f"/pod/apps/busybox/rootfs{entry['target']}" for entry in listed(it) if entry["mounted"]}
    assert recorded == there
    it("mount", "rm", "it", *(entry["id"] for entry in listed(it)))
    assert "/killed/" not in table(it)
    assert listed(it) == []


def test_a_pod_that_has_ended_has_no_mounts_and_takes_none(it: Pods, source: Path) -> None:
    it("mount", "add", "it", f"{source}:/new")
    it("stop", "it")
    assert "is not running" in it("mount", "add", "it", f"{source}:/new", status=125).err
    assert "is not running" in it("mount", "ls", "it", status=125).err
    assert (source / "file").exists()


def test_one_app_of_several_is_chosen(pods: Pods, source: Path) -> None:
    pods.detach("--name", "it", *TWO_APPS)
    assert "has 2 apps" in pods("mount", "add", "it", f"{source}:/new", status=2).err
    pods("mount", "add", "--app", "a", "it", f"{source}:/new")
    assert pods("exec", "--app", "a", "it", "cat", "/new/file").out == "of the host\n"
    assert pods("exec", "--app", "b", "it", "cat", "/new/file", status=1)


def test_a_file_system_without_mapped_mounts_is_named(pods: Pods) -> None:
    pods.detach("--name", "it", "busybox", "--", "sleep", "100000")
    assert "(proc)" in pods("mount", "add", "it", "/proc:/new", status=125).err
    assert listed(pods) == []


def test_propagation_where_the_host_does_not_share_its_mounts_is_refused_with_the_reason(
    pods: Pods, source: Path
) -> None:
    pods.detach("--name", "it", "--userns", "host", "busybox", "--", "sleep", "100000")
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    run = max(
        (line for line in lines if line.split()[4] in {"/", "/run"}), key=lambda line: len(line.split()[4])
    )
    shared = "shared:" in run
    done = pods("mount", "add", "--propagate", "it", f"{source}:/new:ro", status=0 if shared else 125)
    if not shared:
        assert "no shared mount" in done.err
        assert listed(pods) == []
    assert not [name for name in os.listdir("/run") if name.startswith("pod-mount.")]
    user = pods.detach("--name", "other", "busybox", "--", "sleep", "100000")
    assert "user namespace" in pods("mount", "add", "--propagate", user, f"{source}:/new:ro", status=125).err
