"""EFFECT. What a user types, or pipes in, reaches the one app of an interactive pod."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.terminal import Terminal, open_terminal
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root


@contextmanager
def terminal(pods: Pods, *words: str) -> Iterator[Terminal]:
    """`pod WORDS` on a terminal of its own."""
    master, slave = open_terminal(Path("/dev/ptmx"))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    argv = ["setsid", "--ctty", "--wait", *pods.argv(*words, env={"TERM": "vt100"})]
    try:
        process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave)
    finally:
        os.close(slave)
    with Terminal(process=process, master=master) as screen:
        yield screen


def test_standard_input_reaches_the_app_and_its_end_too(pods: Pods) -> None:
    done = pods.run(
        "--interactive", "inspect", "--", "stdin", "exit", "3", status=3, input=b"one\ntwo\xff\n"
    )
    assert done.out == "one\ntwo\udcff\neof\n"


def test_an_empty_input_ends_at_once(pods: Pods) -> None:
    assert pods.run("-i", "inspect", "--", "stdin", input=b"").out == "eof\n"


def test_a_megabyte_of_input_arrives(pods: Pods) -> None:
    data = os.urandom(3_000_000)
    done = pods.run("-i", "busybox", "--", "md5sum", input=data)
    assert (
        done.out == subprocess.run(["md5sum"], input=data, capture_output=True, check=True).stdout.decode()
    )


def test_input_passes_through_a_pod_in_a_pipe(pods: Pods) -> None:
    script = 'seq 50000 | "$@" | tail -1'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *pods.argv("run", "--rm", "-i", "busybox", "--", "cat")],
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"50000\n"


def test_an_app_of_another_user_reads_the_input(pods: Pods) -> None:
    done = pods.run("-i", "inspect", "--user", "app", "--", "stdin", input=b"for app\n")
    assert done.out == "for app\neof\n"


def test_an_app_may_end_before_its_input_does(pods: Pods) -> None:
    pod = pods.start("-i", "busybox", "--", "head", "-n1", ready=False, stdin=subprocess.PIPE)
    assert pod.popen.stdin
    pod.popen.stdin.write(b"first\nsecond\n")
    pod.popen.stdin.flush()
    done = pod.done(0)
    pod.popen.stdin.close()
    assert done.out == "first\n"


def test_input_is_read_while_the_app_runs(pods: Pods) -> None:
    pod = pods.start("-i", "busybox", "--", "cat", ready=False, stdin=subprocess.PIPE)
    assert pod.popen.stdin
    for line in ("one\n", "two\n"):
        pod.popen.stdin.write(line.encode())
        pod.popen.stdin.flush()
        pod.prints(line)
    pod.popen.stdin.close()
    pod.done(0)


def test_without_interactive_an_app_reads_nothing(pods: Pods) -> None:
    assert pods.run("inspect", "--", "stdin", input=b"not for you\n").out == "eof\n"


def test_interactive_needs_a_pod_of_one_app(pods: Pods) -> None:
    refused = pods("run", "-i", "inspect", "--name", "a", "---", "inspect", "--name", "b", status=2)
    assert "one app" in refused.err


def test_an_app_gets_a_terminal_with_name_size_and_kind(pods: Pods) -> None:
    script = "tty; stty size; echo $TERM; test -t 0 && test -t 1 && test -t 2 && echo all"
    with terminal(pods, "run", "-t", "busybox", "--", "sh", "-c", script) as screen:
        shown = screen.converse("").splitlines()
    assert screen.process.returncode == 0
    assert shown[0].startswith("/dev/")
    assert shown[1:] == ["33 101", "vt100", "all"]


def test_a_terminal_follows_the_size_of_the_users(pods: Pods) -> None:
    with terminal(pods, "run", "-t", "inspect", "--", "watch-winsize") as screen:
        screen.read_until("33")
        screen.resize(50, 120)
        screen.read_until("120")
        screen.send("\x03")
        screen.process.wait(20)


def test_a_shell_on_a_terminal_has_job_control_and_ends_the_pod_with_its_status(pods: Pods) -> None:
    with terminal(pods, "run", "-it", "busybox", "--", "sh") as screen:
        screen.read_until("# ")
        screen.send("echo $((6*7)) is the answer\n")
        screen.read_until("42 is the answer")
        # a job of its own from its first word on: the shell itself takes no Ctrl-C
        screen.send("sh -c 'echo asleep; exec sleep 1000'\n")
        screen.read_until("\nasleep")
        screen.send("\x03")
        screen.send("echo back $?\n")
        screen.read_until("back 130")
        screen.send("exit 4\n")
        screen.process.wait(20)
    assert screen.process.returncode == 4
    assert "can't access tty" not in screen.screen


def test_control_c_goes_to_the_app_not_to_the_pod(pods: Pods) -> None:
    with terminal(
        pods, "run", "-t", "inspect", "--", "trap", "INT", "6", "print", "started", "pause"
    ) as screen:
        screen.read_until("started")
        screen.send("\x03")
        assert screen.process.wait(20) == 6


def test_control_d_is_the_end_of_the_input(pods: Pods) -> None:
    with terminal(pods, "run", "-it", "inspect", "--", "print", "started", "stdin", "exit", "5") as screen:
        screen.read_until("started")
        screen.send("typed\n")
        screen.read_until("typed\r\ntyped")
        screen.send("\x04")
        screen.read_until("eof")
        assert screen.process.wait(20) == 5


def test_the_users_terminal_is_as_before_afterwards(pods: Pods) -> None:
    script = 'before=$(stty -g); "$@"; test "$before" = "$(stty -g)" && echo same'
    master, slave = open_terminal(Path("/dev/ptmx"))
    argv = [
        "setsid",
        "--ctty",
        "--wait",
        "sh",
        "-c",
        script,
        "sh",
        *pods.argv("run", "-it", "inspect", "--", "exit", "0"),
    ]
    try:
        process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave)
    finally:
        os.close(slave)
    with Terminal(process=process, master=master) as screen:
        screen.read_until("same")


def test_a_terminal_that_hangs_up_does_not_end_the_pod(pods: Pods) -> None:
    words = (
        "run",
        "--name",
        "orphan",
        "inspect",
        "--",
        "print",
        "started",
        "sleep",
        "1",
        "lines",
        "1000",
        "pause",
    )
    with terminal(pods, *words) as screen:
        screen.read_until("started")
        os.close(screen.master)
        screen.master = os.open(os.devnull, os.O_RDWR)
        eventually(lambda: len(pods.log("orphan")) == 1001, "all that the app printed")
        assert pods.status("orphan")["state"] == "running"
        pods("stop", "orphan")
        assert screen.process.wait(20) == 0


def test_apps_have_coloured_prefixes_on_a_terminal_only(pods: Pods) -> None:
    words = (
        "inspect",
        "--name",
        "a",
        "--",
        "print",
        "x",
        "---",
        "inspect",
        "--name",
        "b",
        "--",
        "exit",
        "0",
    )
    with terminal(pods, "run", *words) as screen:
        shown = screen.converse("")
    assert "\x1b[" in shown
    assert "a |" in shown


def test_control_c_on_a_plain_pod_stops_it_in_order(pods: Pods) -> None:
    words = ("run", "--name", "c", "inspect", "--", "trap", "TERM", "0", "print", "started", "pause")
    with terminal(pods, *words) as screen:
        screen.read_until("started")
        screen.send("\x03")
        assert screen.process.wait(20) == 0
    assert pods.endings("c") == {"inspect": "stopped 0"}


def test_a_detached_pod_with_a_terminal_runs_without_one_here(pods: Pods) -> None:
    script = "test -t 0 && test -t 1 && echo on a terminal; exec sleep 1000"
    uuid = pods.detach("-t", "busybox", "--", "sh", "-c", script)
    eventually(lambda: pods.log(uuid) == ["on a terminal"], "the line of the app")
    pods("stop", "--time", "1", uuid)


def test_a_detached_pod_without_input_finds_its_end(pods: Pods) -> None:
    uuid = pods.detach("inspect", "--", "stdin", "exit", "0")
    eventually(lambda: pods.status(uuid)["state"] == "exited", "the end of the pod")
    assert pods.log(uuid) == ["eof"]


def test_a_terminal_needs_no_terminal_of_the_user(pods: Pods) -> None:
    done = pods.run("-t", "inspect", "--", "print", "hello")
    assert done.out.replace("\r", "") == "hello\n"


def test_the_app_of_a_terminal_may_be_another_user(pods: Pods) -> None:
    script = "test -t 1 && echo mine > /dev/tty && echo by name > /dev/stdout"
    with terminal(pods, "run", "-it", "busybox", "--user", "4711", "--", "sh", "-c", script) as screen:
        shown = screen.converse("")
    assert shown.splitlines() == ["mine", "by name"]


def test_a_signal_to_the_command_on_a_terminal_stops_the_pod(pods: Pods) -> None:
    pod = pods.start("-t", "inspect", "--", "print", "started", "pause")
    pod.prints("started")
    pod.send(signal.SIGTERM)
    pod.done(0)
    assert pods.endings(pod.uuid) == {"inspect": "stopped TERM"}


def test_one_of_several_apps_reads_the_standard_input(pods: Pods) -> None:
    words = (
        "busybox",
        "--name",
        "a",
        "--",
        "echo",
        "no input",
        "---",
        "busybox",
        "--name",
        "b",
        "--stdin=stream",
        "--",
        "cat",
    )
    done = pods.run(*words, input=b"to one\n")
    assert sorted(done.lines) == ["a | no input", "b | to one"]


def test_a_stream_is_byte_for_byte_and_in_no_log(pods: Pods) -> None:
    raw = bytes(range(256)) * 4
    words = ("busybox", "--stdin=stream", "--stdout=stream", "--", "sh", "-c", "cat; echo logged >&2")
    other = ("---", "busybox", "--name", "other", "--stdout=null", "--", "echo", "nowhere")
    done = pods.run(*words, *other, input=raw)
    assert done.out.encode(errors="surrogateescape") == raw
    assert pods("logs", done.uuid).out == ""
    assert "logged" in pods("logs", done.uuid).err
