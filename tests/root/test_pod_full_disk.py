"""EFFECT. A data root without any space left: what runs there ends as ever, and the results are true."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root.pods import Pods, eventually, import_images

pytestmark = pytest.mark.root

# Ends with 3 when it is told to.
WAITS = ("--", "sh", "-c", "trap 'exit 3' USR1; echo ready; while :; do sleep 0.1; done")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Pods]:
    """A data root on a file system of its own."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "small", place], check=True)
    pods = Pods(root=place / "data", scratch=tmp_path)
    try:
        import_images(pods, "busybox")
        yield pods
    finally:
        pods.clear()
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(pods: Pods) -> None:
    """Not one block is free afterwards."""
    with (pods.root.parent / "fill").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def test_a_pod_on_a_full_disk_is_stopped_in_order(small: Pods) -> None:
    small.detach(
        "--name", "it", "busybox", "--name", "one", *WAITS, "---", "busybox", "--name", "two", *WAITS
    )
    fill(small)
    small("stop", "--time", "60", "it")
    facts = small.status("it")
    assert (facts["state"], facts["reason"], facts["status"]) == ("exited", "stopped", 0)
    assert {name: how.split()[0] for name, how in small.endings("it").items()} == {
        "one": "stopped",
        "two": "stopped",
    }
    assert not list(small.directory(facts["uuid"]).glob("run/status/room*"))


def test_an_app_that_fails_on_a_full_disk_ends_its_pod(small: Pods) -> None:
    small.detach("--name", "it", "busybox", *WAITS)
    eventually(lambda: small.log("it") == ["ready"], "its handler")
    fill(small)
    small("kill", "--signal", "USR1", "it")
    small("wait", "--timeout", "60", "it", status=3)
    assert small.endings("it") == {"busybox": "exited 3"}
