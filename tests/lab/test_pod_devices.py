"""EFFECT. Devices of the host: closed by the control group of the pod, and open as far as they were given.

Where systemd is not PID 1 nobody keeps such a list; tests/root/test_pod_confinement.py has what holds there too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import needs_devices, pods_of
from tests.root.pods import Pods

pytestmark = pytest.mark.lab

# Neither is among those that systemd leaves open, and to open one does nothing.
DEVICES = ("/dev/fuse", "/dev/loop-control")
TRY = """
for path; do
    (: < $path) 2> /dev/null && echo "$path read"
    (: > $path) 2> /dev/null && echo "$path written"
done
true
"""


@pytest.fixture(scope="module")
def pods(lab: LabHost) -> Iterator[Pods]:
    needs_devices(*DEVICES)
    with pods_of(lab, "busybox") as found:
        yield found


def opened(pods: Pods, how: str, *words: str, userns: str = "auto") -> list[str]:
    """What an app of root could open, whose pod runs in the foreground or as a unit."""
    return printed(pods, how, "--userns", userns, "busybox", *words, "--", "sh", "-c", TRY, "sh", *DEVICES)


def printed(pods: Pods, how: str, *words: str) -> list[str]:
    """All that the app of such a pod says."""
    if how == "in the foreground":
        return pods.run(*words, status=0).lines
    uuid = pods.detach(*words)
    pods("wait", uuid)
    return pods.log(uuid)


HOW = pytest.mark.parametrize("how", ["in the foreground", "as a unit"])


@HOW
@pytest.mark.parametrize("userns", ["auto", "host"])
def test_a_device_is_open_as_far_as_it_was_given_even_for_root(pods: Pods, how: str, userns: str) -> None:
    words = ("--device", "/dev/fuse:rw", "--device", "/dev/loop-control:r")
    assert opened(pods, how, *words, userns=userns) == [
        "/dev/fuse read",
        "/dev/fuse written",
        "/dev/loop-control read",
    ]


@HOW
def test_a_privileged_app_with_the_hosts_ids_has_them_all(pods: Pods, how: str) -> None:
    found = opened(pods, how, "--privileged", userns="host")
    assert found == [f"{path} {what}" for path in DEVICES for what in ("read", "written")]


@HOW
def test_a_node_that_an_app_makes_does_not_open_a_device(pods: Pods, how: str) -> None:
    script = (
        "mknod /null c 1 3 && mknod /fuse c 10 229 || echo refused; (: < /fuse) 2> /dev/null || echo closed"
    )
    words = ("--userns=host", "busybox", "--cap-add", "MKNOD", "--", "sh", "-c", script)
    assert printed(pods, how, *words) == ["refused", "closed"]
