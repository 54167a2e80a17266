"""EFFECT. Mounts that an app shares with the host: each sees what the other mounts, and nobody else is let in."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root

MAY_MOUNT = ("--cap-add", "SYS_ADMIN", "--seccomp", "unconfined")
HELPER = "mkdir -p /m/app && mount -t tmpfs none /m/app && echo of the app >/m/app/file"


@pytest.fixture
def source(pods: Pods) -> Iterator[Path]:
    """A directory on a shared mount of the host, as every directory is where systemd is PID 1."""
    path = pods.new_path("source")
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "test", path], check=True)
    subprocess.run(["mount", "--make-shared", path], check=True)
    yield path
    subprocess.run(["umount", "--recursive", "--lazy", path], check=True)


def is_mounted(path: Path) -> bool:
    """As the host's table has it."""
    return any(
        line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines()
    )


def shared(source: Path, *words: str) -> tuple[str, ...]:
    """The words of a pod whose app may mount and shares its volume."""
    return (
        "--userns=host",
        "busybox",
        "--volume",
        f"{source}:/m:shared",
        *MAY_MOUNT,
        "--exec",
        "sh",
        *words,
    )


def test_what_an_app_mounts_is_seen_by_the_host_and_stays(pods: Pods, source: Path) -> None:
    pods("run", "--rm", *shared(source, "--", "-c", HELPER)).expect(0)
    assert is_mounted(source / "app")
    assert (source / "app/file").read_text() == "of the app\n"


def test_what_the_host_mounts_is_seen_by_the_app_also_after_it_restarted(pods: Pods, source: Path) -> None:
    wait = "until test -s /m/host/file; do sleep 0.1; done; cat /m/host/file; exec sleep 1000"
    uuid = pods.detach(*shared(source, "--restart", "always", "--restart-delay", "0.1s", "--", "-c", wait))
    (source / "host").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "test", source / "host"], check=True)
    (source / "host/file").write_text("of the host\n")
    eventually(lambda: pods.log(uuid) == ["of the host"], "the app sees the host's mount")
    pods("kill", "--signal", "KILL", "--app", "busybox", uuid)
    eventually(lambda: pods.log(uuid) == ["of the host"] * 2, "the next start sees it as well")
    pods("exec", uuid, "umount", "/m/host")
    assert not is_mounted(source / "host")


def test_another_app_sees_it_by_a_slave(pods: Pods, source: Path) -> None:
    reader = f"--- busybox --name reader --volume {source}:/s:slave --exec sh --".split()
    look = "until test -s /s/app/file; do sleep 0.1; done; cat /s/app/file; ! umount /s/app"
    done = pods(
        "run", "--rm", "--exit-policy", "all", *shared(source, "--", "-c", HELPER), *reader, "-c", look
    )
    assert re.search("^reader.*of the app$", done.out, re.MULTILINE)
    assert is_mounted(source / "app")


def test_read_only_holds_for_what_is_shared(pods: Pods, source: Path) -> None:
    words = ("--volume", f"{source}:/m:shared,ro", "--exec", "touch", "--", "/m/x")
    assert pods("run", "--rm", "--userns=host", "busybox", *words, status=1).err.count("Read-only") == 1


def test_a_mount_that_is_not_shared_is_refused_before_anything_starts(pods: Pods, source: Path) -> None:
    subprocess.run(["mount", "--make-private", source], check=True)
    done = pods("run", "--rm", *shared(source, "--", "-c", HELPER), status=125)
    assert f"{source} lies on a mount of the host that is not shared" in done.err


def test_a_pod_with_ids_of_its_own_cannot_share(pods: Pods, source: Path) -> None:
    done = pods("run", "--rm", "busybox", "--volume", f"{source}:/m:shared", status=2)
    assert "cannot reach the host" in done.err
    assert "--userns=host" in done.err


def test_an_app_that_is_added_cannot_share(pods: Pods, source: Path) -> None:
    uuid = pods.detach("--userns=host", "busybox", "--exec", "sleep", "--", "1000")
    words = ("--name", "more", "--volume", f"{source}:/m:shared", "--exec", "sleep", "--", "1000")
    assert (
        "mounts that the host sees (shared)" in pods("app", "add", uuid, "busybox", *words, status=None).err
    )
    assert [line.split()[0] for line in pods("app", "ls", uuid).lines[1:]] == ["busybox"]


@pytest.mark.parametrize("userns", ["auto", "host"])
@pytest.mark.parametrize("net", ["private", "none", "host"])
def test_a_volume_follows_the_host_and_keeps_what_the_pod_has_in_it(
    pods: Pods, source: Path, userns: str, net: str
) -> None:
    """Also below what was mounted there before, and with another mount of the pod's in it."""
    (source / "a b").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "test", source / "a b"], check=True)
    (source / "own").mkdir()
    words = (
        "busybox",
        "--volume",
        f"{source}:/m:slave",
        "--tmpfs",
        "/m/own",
        "--exec",
        "sleep",
        "--",
        "1000",
    )
    uuid = pods.detach("--userns", userns, "--net", net, *words)
    for place in ("late", "a b/late", "own/late"):
        (source / place).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "test", source / place], check=True)
        (source / place / "file").write_text("of the host\n")
    for place in ("late", "a b/late"):
        assert pods("exec", uuid, "cat", f"/m/{place}/file").out == "of the host\n"
    assert pods("exec", uuid, "ls", "/m/own").out == ""
    pods("stop", uuid)


def test_a_volume_of_a_private_mount_has_nobody_to_follow(pods: Pods, source: Path) -> None:
    subprocess.run(["mount", "--make-private", source], check=True)
    (source / "file").write_text("of the host\n")
    words = ("--volume", f"{source}:/m:slave", "--exec", "cat", "--", "/m/file")
    assert pods.run("--rm", "busybox", *words, status=0).lines == ["of the host"]
