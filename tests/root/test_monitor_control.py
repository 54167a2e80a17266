"""run/control: the monitor is asked while the pod runs, and nobody can make it wait."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stage1.contract import ConflictError, HostError, PodDir
from stage1.running.control import ask
from tests.root.native import Pod, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    pod = Pod.make(tmp_path)
    yield pod
    pod.close()


def running(pod: Pod, *options: str) -> PodDir:
    """A pod whose supervisor waits for a file `go`."""
    pod.shell("while [ ! -e go ]; do sleep 0.02; done").start(*options)
    pod.wait_for("run/control")
    return PodDir(pod.path)


def connected(pod: Pod) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(20)
    place = os.open(pod.path / "run", os.O_PATH | os.O_DIRECTORY)
    client.connect(f"/proc/self/fd/{place}/control")
    os.close(place)
    return client


def test_streams_are_opened_for_an_app_that_comes_and_closed_for_one_that_goes(pod: Pod) -> None:
    directory = running(pod, "--quiet")
    ask(directory, "open", "late", "1234", "56", "none")
    fifo = (pod.path / "run/streams/late.out").stat()
    assert (stat.S_ISFIFO(fifo.st_mode), fifo.st_mode & 0o777, fifo.st_uid, fifo.st_gid) == (
        True, 0o600, 1234, 56,
    )  # fmt: skip
    (pod.path / "run/streams/late.out").write_bytes(b"one\nlast words")
    (pod.path / "run/streams/late.err").write_bytes(b"oops\n")
    ask(directory, "close", "late")
    assert sorted(pod.log("late")) == [
        ("stderr", "F", "oops"), ("stdout", "F", "last words"), ("stdout", "F", "one"),
    ]  # fmt: skip
    assert list((pod.path / "run/streams").iterdir()) == []
    ask(directory, "close", "late")  # whoever clears up after a call that was killed need not know


def test_an_app_can_come_and_go_often_and_the_monitor_keeps_nothing(pod: Pod) -> None:
    directory = running(pod.app(), "--quiet")
    open_files = Path("/proc", pod.read("run/monitor").split()[0], "fd")
    before = len(list(open_files.iterdir()))
    for _ in range(100):
        ask(directory, "open", "late", "0", "0", "none")
        (pod.path / "run/streams/late.out").write_bytes(b"x\n")
        ask(directory, "close", "late")
    # not "==": the start of the pod may just have had some more
    wait_until(lambda: len(list(open_files.iterdir())) <= before, "descriptors are closed")
    assert len(pod.log("late")) == 100


def test_lines_of_an_app_that_came_later_have_its_name(pod: Pod) -> None:
    directory = running(pod)
    ask(directory, "open", "late", "0", "0", "none")
    (pod.path / "run/streams/late.out").write_bytes(b"hello\n")
    ask(directory, "close", "late")
    (pod.path / "go").touch()
    assert pod.started[0].communicate(timeout=20)[0] == b"late | hello\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["conjure"], "'conjure' is not known"),
        (["open", "late"], "'open' with 1 words"),
        (["open", "../up", "0", "0", "none"], "no app name"),
        (["open", "late", "x", "0", "none"], "no user and group"),
        (["open", "late", "0", "0", "tty"], "when the pod starts"),
        (["open", "web", "0", "0", "none"], "has its streams already"),
    ],
)
def test_a_request_that_cannot_be_met_is_answered_with_a_sentence(
    pod: Pod, words: list[str], sentence: str
) -> None:
    directory = running(pod.app(), "--quiet")
    with pytest.raises(HostError, match=sentence):
        ask(directory, *words)


@pytest.mark.parametrize("packet", [b"no end", b"close\0web", b"\0" * 4096, b"x" * 8192])
def test_what_is_no_request_is_refused_and_the_next_one_heard(pod: Pod, packet: bytes) -> None:
    running(pod.app(), "--quiet")
    with connected(pod) as client:
        client.send(packet)
        assert client.recv(4096).startswith(b"no\0")
        client.send(b"close\0nobody\0")
        assert client.recv(4096) == b"ok\0"


def test_descriptors_that_nobody_wants_are_closed(pod: Pod) -> None:
    directory = running(pod, "--quiet")
    ours, theirs = os.pipe()
    ask(directory, "close", "nobody", descriptors=[theirs] * 3)
    os.close(theirs)
    assert os.read(ours, 1) == b""
    os.close(ours)


def test_clients_that_say_nothing_or_hear_nothing_hold_up_nobody(pod: Pod) -> None:
    running(pod.app(), "--quiet")
    silent = [connected(pod) for _ in range(10)]
    with connected(pod) as deaf:
        deaf.setblocking(False)
        try:
            while True:
                deaf.send(b"close\0nobody\0")
        except OSError:
            pass  # it was let go, or its queue is full
    (pod.path / "run/streams/web.out").write_bytes(b"still here\n")
    wait_until(lambda: pod.log() == [("stdout", "F", "still here")], "the line is in the log")
    for client in silent:
        client.close()


def test_only_root_is_heard(pod: Pod) -> None:
    directory = running(pod, "--quiet")
    assert stat.S_IMODE(directory.control.stat().st_mode) == 0o600
    directory.control.chmod(0o666)
    script = (
        "import os, socket, sys; os.chdir(sys.argv[1]); os.setgid(65534); os.setuid(65534); "
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect('control'); "
        "s.send(b'close\\0web\\0'); sys.exit(len(s.recv(100)))"
    )
    child = subprocess.run(["python3", "-c", script, directory.run], check=False, capture_output=True)
    assert b"ok" not in child.stdout
    assert child.returncode == 0 or b"Error" in child.stderr


def test_a_pod_that_is_over_has_nobody_to_ask(pod: Pod) -> None:
    directory = running(pod, "--quiet")
    (pod.path / "go").touch()
    pod.started[0].wait(20)
    with pytest.raises(ConflictError, match="does not answer"):
        ask(directory, "close", "web")
