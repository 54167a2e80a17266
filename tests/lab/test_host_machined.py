"""EFFECT. What waits for pods hears of them from the kernel: machined and the bus may come and go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import Pods, Running, eventually

pytestmark = pytest.mark.lab


@pytest.fixture
def pods(own_lab: LabHost) -> Iterator[Pods]:
    """Pods of a lab whose machined is stopped."""
    with pods_of(own_lab) as found:
        yield found


def wakings(processes: list[Running]) -> list[str]:
    """How often the threads of each have slept so far."""
    return [
        line
        for process in processes
        for status in sorted(Path(f"/proc/{process.pid}/task").glob("*/status"))
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    ]


def test_waiting_needs_no_machined_and_looks_at_nothing_again_and_again(
    own_lab: LabHost, pods: Pods
) -> None:
    pods.detach("--name", "web", "inspect", "--", "trap", "TERM", "3", "pause")
    conditions = (
        ("--for", "paused"),
        ("--timeout", "1h"),
        ("--for", "app:inspect"),
        ("--for", "removed"),
        (),
    )
    waiting = [pods.beside("wait", *condition, "web") for condition in conditions]
    events = pods.beside("events", "--follow", "web")
    events.prints("ready")
    own_lab.run(["systemctl", "restart", "systemd-machined"])

    def is_quiet() -> bool:
        before = wakings(waiting)
        own_lab.run(["sleep", "1"])
        return wakings(waiting) == before

    eventually(is_quiet, "all to have begun to wait")
    before = wakings(waiting)
    own_lab.run(["sleep", "1"])  # long enough for who would look now and then
    assert wakings(waiting) == before
    assert all(process.popen.poll() is None for process in waiting)
    pods("pause", "web")
    assert waiting[0].done(0).out == ""
    pods("unpause", "web")
    own_lab.run(["systemctl", "mask", "--now", "--runtime", "systemd-machined"])
    pods("stop", "web")
    assert [waiting[number].done(None).out for number in (1, 2, 4)] == ["0\n", "3\n", "0\n"]
    pods("rm", "web")
    waiting[3].done(0)
    assert [line.split()[1] for line in events.done(0).out.splitlines()][-3:] == [
        "app-exit",
        "die",
        "remove",
    ]
