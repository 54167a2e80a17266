"""EFFECT. Ending pods, and processes that records name, with stand-ins that hold the locks of their pods."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from stage0.pods import lifecycle, signals
from stage1.contract import DataRoot, PodDir, State
from tests.samples import UUID

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[PodDir]:
    """A pod whose lock is held by a process that its record names as the monitor."""
    directory, lock = lifecycle.create(DataRoot(tmp_path), UUID)
    directory = lifecycle.move(directory, State.RUN)
    directory.run.mkdir()
    monitor = FORK.Process(target=signal.pause)
    monitor.start()
    assert monitor.pid is not None
    start = Path(f"/proc/{monitor.pid}/stat").read_text().rpartition(")")[2].split()[19]
    directory.monitor.write_text(f"{monitor.pid} {start}\n")
    os.close(lock)
    yield directory
    monitor.kill()
    monitor.join()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_pod_is_stopped_by_its_monitor(running: PodDir) -> None:
    assert signals.stop(running, None)
    assert not lifecycle.is_running(running)
    assert not signals.stop(running, None)


def test_waiting_for_the_end_of_a_pod_leaves_no_file_open(running: PodDir) -> None:
    """It is looked at once a second, and apps may take hours to stop."""
    before = open_files()
    assert not signals._until_ended(running, lambda *_: None, 0.01)
    signals.kill(running)
    assert open_files() == before


def test_a_process_that_came_later_by_the_same_number_gets_no_signal(running: PodDir) -> None:
    pid, start = running.monitor.read_text().split()
    running.monitor.write_text(f"{pid} {int(start) - 1}\n")
    assert not signals.Process.recorded(running.leader).alive  # which has no record
    with signals.Process.recorded(running.monitor) as process:
        assert not process.alive
        process.send(signal.SIGKILL)
        assert process.wait(0)
    assert lifecycle.is_running(running)
