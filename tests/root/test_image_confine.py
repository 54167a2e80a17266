"""A confined process has its directory and nothing else: the kernel says so, not our code."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from stage0.image.confine import confine
from stage0.privileges import die_with_parent

pytestmark = pytest.mark.root


def confined(directory: Path, question: Callable[[], object]) -> object:
    """Ask something in a confined child."""
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent(parent)
            confine(directory, (writing,))
            answer = question()
        except BaseException as error:
            answer = repr(error)
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    return json.loads(text)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "layer"
    path.mkdir()
    (path / "mine").write_text("x")
    return path


def error_of(call: Callable[[], object]) -> str:
    try:
        call()
    except OSError as error:
        return os.strerror(error.errno)
    return "done"


def test_the_directory_is_all_there_is(directory):
    assert confined(directory, lambda: sorted(os.listdir("/"))) == ["mine"]
    assert confined(directory, lambda: sorted(os.listdir("/../.."))) == ["mine"]
    assert confined(directory, os.getcwd) == "/"


def test_no_path_leads_to_the_host(directory):
    outside = str(directory.parent)
    assert confined(directory, lambda: error_of(lambda: os.listdir(outside))) == "No such file or directory"
    assert (
        confined(directory, lambda: error_of(lambda: os.listdir("/proc/self")))
        == "No such file or directory"
    )


def test_no_descriptor_leads_to_the_host(directory):
    held = os.open(directory.parent, os.O_RDONLY)
    try:
        opened = confined(
            directory, lambda: [fd for fd in range(256) if error_of(lambda fd=fd: os.fstat(fd)) == "done"]
        )
        assert len(opened) == 1
    finally:
        os.close(held)


def test_files_can_be_made_and_devices_not_opened(directory):
    def make() -> list[str]:
        os.mknod("/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        return [error_of(lambda: os.open("/null", os.O_RDWR)), error_of(lambda: os.symlink("x", "/l"))]

    assert confined(directory, make) == ["Permission denied", "done"]
    assert os.readlink(directory / "l") == "x"


def test_rights_that_describing_files_does_not_need_are_gone(directory):
    def lost() -> list[str]:
        return [
            error_of(lambda: os.chroot("/")),
            error_of(lambda: os.setuid(1000)),
            error_of(lambda: os.kill(os.getppid(), 0)),
            error_of(lambda: os.chown("/mine", 5, 6)),
            error_of(lambda: os.setxattr("/mine", "trusted.x", b"1")),
        ]

    assert confined(directory, lost) == ["Operation not permitted"] * 2 + ["done"] * 3


def test_the_hosts_mounts_are_as_before(directory):
    before = Path("/proc/self/mountinfo").read_text()
    confined(directory, os.getcwd)
    assert Path("/proc/self/mountinfo").read_text() == before
