"""EFFECT. `pod attach`: several clients, slow ones and dead ones, a terminal, input, the last lines, the app's end."""

from __future__ import annotations

import os
import signal
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.terminal import Terminal, open_terminal
from tests.root.pods import LIMIT, PATIENCE, Pods, Running, eventually

pytestmark = pytest.mark.root

# Says each word it reads, and ends with 7 at `quit`.
ECHO = (
    "busybox",
    "--",
    "sh",
    "-c",
    "while read x; do test $x = quit && exit 7; echo got $x; done; echo end",
)

LINE = b"0123456789012345678901234567890123456789012345678"
GO = "until [ -e /go ]; do sleep 0.02; done"


def attached(pods: Pods, *words: str, **how: object) -> Running:
    return pods.beside("attach", *words, **how)


def go(pods: Pods, *which: str) -> None:
    """Let the app go on; where that ends the app, the command may be killed with it (137)."""
    pods("exec", *which, "it", "touch", "/go", status=None)


def begin_on_a_terminal(pods: Pods, *words: str) -> tuple[subprocess.Popen[bytes], int]:
    """`pod WORDS`, a session of its own on a terminal of its own; the terminal's other side."""
    master, slave = open_terminal(Path("/dev/pts/ptmx"))
    argv = ["setsid", "--ctty", "--wait", *pods.argv(*words, env={"TERM": "vt100"})]
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    return process, master


@contextmanager
def on_a_terminal(pods: Pods, *words: str) -> Iterator[Terminal]:
    process, master = begin_on_a_terminal(pods, *words)
    with Terminal(process=process, master=master) as screen:
        yield screen


def wait_for_clients(pods: Pods, count: int) -> None:
    """Until the monitor has that many: each is a socket without a name of its."""
    directory = pods.directory(pods.status("it")["uuid"])
    monitor = int((directory / "run/monitor").read_text().split()[0])
    before = sockets(monitor)
    eventually(lambda: len(sockets(monitor)) >= count, f"{count} clients, not {before}")


def sockets(pid: int) -> list[str]:
    """The SEQPACKET sockets that a process has and that are no listener."""
    lines = Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]
    packets = {line.split()[6] for line in lines if line.split()[4] == "0005" and len(line.split()) == 7}
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith("socket:[") and target[8:-1] in packets:
            found.append(target)
    return found


def test_all_who_are_attached_see_both_streams_and_the_apps_status(pods: Pods) -> None:
    pods.detach(
        "--name", "it", "busybox", "--", "sh", "-c", f"{GO}; echo out; echo err >&2; printf last; exit 7"
    )
    clients = [attached(pods, "it") for _ in range(3)]
    wait_for_clients(pods, 3)
    go(pods)
    for client in clients:
        done = client.done(7)
        assert (done.out, done.err) == ("out\nlast", "err\n")


def test_only_one_app_of_several_is_seen(pods: Pods) -> None:
    quiet = ("busybox", "--name", "quiet", "--", "sleep", "100000")
    pods.detach("--name", "it", "--exit-policy", "app:quiet", *quiet, "---", "busybox", "--name", "loud", "--",
                "sh", "-c", f"{GO}; echo hello; exit 4")  # fmt: skip
    assert "2 apps" in pods("attach", "it", status=2).err
    client = attached(pods, "it", "loud")
    wait_for_clients(pods, 1)
    go(pods, "--app", "loud")
    assert client.done(4).out == "hello\n"
    assert "has ended with 4" in pods("attach", "it", "loud", status=125).err
    assert "no app" in pods("attach", "it", "none", status=125).err
    assert pods.status("it")["state"] == "running"


def test_late_clients_get_the_last_lines_and_nothing_twice(pods: Pods) -> None:
    script = f"seq 1000; printf beginning; {GO}; echo ' and end'; exit 0"
    pods.detach("--name", "it", "busybox", "--", "sh", "-c", script)
    eventually(lambda: "1000" in pods.log("it", "-n", "1"), "the lines")
    late, plain = attached(pods, "it", "--tail", "3"), attached(pods, "it")
    wait_for_clients(pods, 2)
    go(pods)
    assert late.done(0).out == "998\n999\n1000\nbeginning and end\n"
    assert plain.done(0).out == "beginning and end\n"


def test_input_comes_from_everybody_and_stays_open_when_one_leaves(pods: Pods) -> None:
    pods.detach("--name", "it", "-i", *ECHO)
    for word in ("one", "two"):
        ours, theirs = os.pipe()
        client = attached(pods, "it", stdin=ours)
        os.close(ours)
        os.write(theirs, f"{word}\n".encode())
        client.prints(f"got {word}")
        os.close(theirs)
        client.send(signal.SIGTERM)
        client.popen.wait(PATIENCE)
    assert pods.log("it") == ["got one", "got two"]
    last = subprocess.run(
        pods.argv("attach", "it"), input=b"quit\n", capture_output=True, timeout=LIMIT, check=False
    )
    assert last.returncode == 7


def test_the_end_of_input_is_handed_on_if_asked_for_and_all_of_it_arrives(pods: Pods) -> None:
    pods.detach("--name", "it", "-i", "busybox", "--", "sh", "-c", "sleep 0.3; wc -c")
    data = b"x" * 3_000_000
    done = subprocess.run(
        pods.argv("attach", "--end-input", "it"), input=data, capture_output=True, timeout=LIMIT, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"3000000\n")


def test_nothing_goes_to_an_app_that_reads_nothing_or_from_who_only_looks(pods: Pods) -> None:
    pods.detach("--name", "it", "-i", *ECHO)
    client = attached(pods, "--no-stdin", "it")
    wait_for_clients(pods, 1)
    other = subprocess.run(
        pods.argv("attach", "it"), input=b"a\nquit\n", capture_output=True, timeout=LIMIT, check=False
    )
    assert other.returncode == 7
    assert client.done(7).out == "got a\n"
    pods("wait", "it", status=7)  # the app has ended, its pod may not have yet
    pods("rm", "it")
    pods.detach("--name", "it", "busybox", "--", "sh", "-c", f"{GO}; cat; exit 5")
    deaf = attached(pods, "it")
    wait_for_clients(pods, 1)
    go(pods)
    deaf.done(5)


def test_a_client_that_takes_nothing_holds_up_nobody_and_is_told_what_it_missed(pods: Pods) -> None:
    script = f"{GO}; yes {LINE.decode()} | head -n 200000; exit 3"
    pods.detach("--name", "it", "busybox", "--", "sh", "-c", script)
    ours, theirs = os.pipe()
    slow = attached(pods, "it", stdout=theirs)
    os.close(theirs)
    wait_for_clients(pods, 1)
    go(pods)
    pods("wait", "it", status=3)  # the app did not wait for it
    assert len(pods.log("it")) == 200000
    with os.fdopen(ours, "rb") as file:
        taken = file.read()
    missed = int(slow.done(3).err.split()[1])
    *whole, cut = taken.splitlines()
    assert set(whole) == {LINE}
    assert LINE.startswith(cut)
    assert len(taken) + missed == 10_000_000 + (cut != LINE)  # a line that is cut short ends all the same


def test_clients_that_stop_or_die_in_the_middle_are_let_go(pods: Pods) -> None:
    script = f"{GO}; i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done; echo done; sleep 100000"
    pods.detach("--name", "it", "busybox", "--", "sh", "-c", script)
    clients = [attached(pods, "it") for _ in range(4)]
    wait_for_clients(pods, 4)
    for client, number in zip(
        clients, (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGCONT), strict=True
    ):
        client.send(number)
    go(pods)
    clients[3].prints("done")
    assert len(pods.log("it")) == 301
    clients[1].send(signal.SIGCONT)
    clients[1].prints("done")
    pods("stop", "--time", "1", "it")
    clients[1].done(None)


def test_more_than_there_is_room_for_are_refused(pods: Pods) -> None:
    pods.detach("--name", "it", "busybox", "--", "sleep", "100000")
    clients = [attached(pods, "it") for _ in range(32)]
    wait_for_clients(pods, 32)
    assert "attached" in pods("attach", "it", status=125).err
    for client in clients:
        client.send(signal.SIGKILL)


@pytest.mark.parametrize("userns", ["auto", "host"])
def test_a_terminal_is_shared_resized_and_left_by_its_keys(pods: Pods, userns: str) -> None:
    pods.detach("--name", "it", "--userns", userns, "-t", "busybox", "--", "sh")
    with (
        on_a_terminal(pods, "attach", "it") as one,
        on_a_terminal(pods, "attach", "it", "--detach-keys", "ctrl-a,d") as two,
    ):
        one.read_until("# ")
        two.read_until("# ")
        one.resize(33, 99)
        one.send("until stty size | grep '33 99'; do sleep 0.1; done; echo o''ne\r")
        for screen in (one, two):
            screen.read_until("one\r")
        two.send("\x10\x11\x01")  # the usual keys are not those of this one
        two.send("d")
        assert two.process.wait(PATIENCE) == 0
        saved = termios.tcgetattr(one.master)
        one.send("\x10")
        one.send("\x11")
        assert one.process.wait(PATIENCE) == 0
        assert saved[3] & termios.ICANON == 0
    assert pods.status("it")["state"] == "running"
    with on_a_terminal(pods, "attach", "it") as again:
        again.read_until("# ")
        again.send("\x15exit 9\r")
        assert again.process.wait(PATIENCE) == 9


def test_the_keys_give_the_terminal_of_a_foreground_pod_back_and_it_goes_on(pods: Pods) -> None:
    process, master = begin_on_a_terminal(pods, "run", "-t", "--name", "it", "busybox", "--", "sh")
    with Terminal(process=process, master=master) as screen:
        screen.read_until("# ")
        screen.send("\x10x\x10")
        screen.send("\x11")
        screen.read_until("it goes on")
        assert process.wait(PATIENCE) == 0
    assert pods.status("it")["state"] == "running"  # the terminal has hung up
    monitor = int((pods.directory(pods.status("it")["uuid"]) / "run/monitor").read_text().split()[0])
    assert os.getsid(monitor) == monitor
    with on_a_terminal(pods, "attach", "it") as again:
        again.read_until("x")  # what was typed before the keys, or between them, is the shell's
        again.send("\x15exit 6\r")
        assert again.process.wait(PATIENCE) == 6
    pods("wait", "it", status=6)


def test_without_keys_a_foreground_pod_keeps_its_terminal_and_its_status(pods: Pods) -> None:
    words = ("run", "-t", "--detach-keys", "", "--name", "it", "busybox", "--", "sh")
    process, master = begin_on_a_terminal(pods, *words)
    with Terminal(process=process, master=master) as screen:
        screen.read_until("# ")
        screen.send("\x10\x11\x15exit 6\r")
        assert process.wait(PATIENCE) == 6


def test_who_waits_passes_signals_on_and_the_pod_ends_with_it(pods: Pods) -> None:
    for number, reason in ((signal.SIGTERM, "stopped"), (signal.SIGKILL, "stopped")):
        process, master = begin_on_a_terminal(
            pods, "run", "-t", "--name", "it", "busybox", "--stop-time", "1s", "--", "sh"
        )
        with Terminal(process=process, master=master) as screen:
            screen.read_until("# ")
            monitor = int((pods.directory(pods.status("it")["uuid"]) / "run/monitor").read_text().split()[0])
            front = int(Path(f"/proc/{monitor}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(front, number)
            process.wait(PATIENCE)
        pods("wait", "it", status=None)
        assert pods.status("it")["reason"] == reason
        pods("rm", "it")


def test_a_terminal_is_as_it_was_whatever_happens(pods: Pods) -> None:
    pods.detach("--name", "it", "-t", "busybox", "--", "sh")
    for number in (signal.SIGTERM, signal.SIGHUP):
        master, slave = open_terminal(Path("/dev/pts/ptmx"))
        before = termios.tcgetattr(slave)
        process = subprocess.Popen(
            pods.argv("attach", "it"), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        with Terminal(process=process, master=master) as screen:
            screen.read_until("# ")
            process.send_signal(number)
            assert process.wait(PATIENCE) == 128 + number
            assert termios.tcgetattr(slave) == before
            os.close(slave)


def test_signals_end_the_attachment_or_go_to_the_app(pods: Pods) -> None:
    traps = "trap 'echo interrupted' INT; trap 'echo asked; exit 9' TERM; echo here"
    wait = "while :; do sleep 0.02; done"
    pods.detach("--name", "it", "busybox", "--", "sh", "-c", f"{traps}; {GO}; echo there; {wait}")
    proxy, looker = attached(pods, "--sig-proxy", "it"), attached(pods, "it")
    deaf = attached(pods, "it", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    wait_for_clients(pods, 3)
    go(pods)
    proxy.prints("there")
    looker.prints("there")
    deaf.send(signal.SIGINT)  # which it was started to ignore
    looker.send(signal.SIGINT)
    looker.done(128 + signal.SIGINT)
    proxy.send(signal.SIGINT)
    proxy.prints("interrupted")
    proxy.send(signal.SIGTERM)
    assert proxy.done(9).out == "there\ninterrupted\nasked\n"
    assert deaf.done(9).out == "there\ninterrupted\nasked\n"


def test_a_pod_that_is_killed_ends_its_clients(pods: Pods) -> None:
    pods.detach("--name", "it", "busybox", "--", "sleep", "100000")
    client = attached(pods, "it")
    wait_for_clients(pods, 1)
    pods("kill", "it")
    client.done(137)
    assert "is not running" in pods("attach", "it", status=125).err
    assert "--tail" in pods("attach", "--tail", "-1", "it", status=2).err
    assert "no key" in pods("attach", "--detach-keys", "ctrl-$", "it", status=2).err
