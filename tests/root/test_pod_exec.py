"""EFFECT. `pod exec` and `pod enter`: streams, terminals, statuses, signals, detached commands, and every end."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root.pods import TWO_APPS, Pods, eventually

pytestmark = pytest.mark.root

SLEEPER = ("--name", "it", "busybox", "--", "sleep", "100000")


@pytest.fixture
def it(pods: Pods) -> Pods:
    """A running pod named `it` whose app sleeps."""
    pods.detach(*SLEEPER)
    return pods


class Screen:
    """A `pod` command on a terminal of the test's."""

    def __init__(self, pods: Pods, *words: str, size: tuple[int, int] = (33, 99)) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(self.master, size)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            pods.argv(*words), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        self.text = ""

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def shows(self, what: str) -> re.Match[str]:
        """Wait until a pattern is on the screen; what came before it is forgotten."""

        def look() -> re.Match[str] | None:
            while select.select([self.master], [], [], 0)[0]:
                self.text += os.read(self.master, 65536).decode(errors="replace").replace("\r\n", "\n")
            return re.search(what, self.text)

        found = eventually(look, f"{what!r} in {self.text!r}")
        assert found
        self.text = self.text[found.end() :]
        return found

    def ends(self) -> int:
        """Its status; the terminal is then as it was before."""
        eventually(lambda: self.process.poll() is not None, f"the end of the command: {self.text!r}")
        assert termios.tcgetattr(self.slave)[:4] == self.before[:4]
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@contextlib.contextmanager
def screen(pods: Pods, *words: str) -> Iterator[Screen]:
    opened = Screen(pods, *words)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize("status", [0, 1, 7, 125, 126, 127, 255])
def test_a_command_ends_with_its_own_status(it: Pods, status: int) -> None:
    it("exec", "it", "sh", "-c", f"exit {status}", status=status)


def test_what_cannot_be_run_has_a_status_of_its_own(it: Pods) -> None:
    assert "cannot execute nothing" in it("exec", "it", "nothing", status=127).err
    assert "cannot execute /etc" in it("exec", "it", "/etc", status=126).err
    it("exec", "it", "sh", "-c", "kill -9 $$", status=137)
    it("exec", "it", "sh", "-c", "kill -TERM $$", status=143)


def test_streams_stay_apart_and_nothing_is_added(it: Pods) -> None:
    done = it("exec", "it", "sh", "-c", "echo out; echo err >&2")
    assert (done.out, done.err) == ("out\n", "err\n")


def test_input_is_handed_on_only_when_asked_for(it: Pods) -> None:
    data = os.urandom(300_000)
    said = subprocess.run(it.argv("exec", "-i", "it", "cat"), input=data, capture_output=True, check=True)
    assert said.stdout == data
    assert it("exec", "it", "wc", "-c", input=b"not for the command").out.split() == ["0"]


def test_a_slow_reader_loses_nothing(it: Pods) -> None:
    argv = it.argv("exec", "it", "seq", "1", "200000")
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        time.sleep(0.3)  # the command has ended or waits for room
        lines = process.stdout.read().split()
    assert (len(lines), lines[-1], process.returncode) == (200000, b"200000", 0)


def test_a_reader_that_leaves_ends_the_command_as_in_a_pipeline(it: Pods) -> None:
    with subprocess.Popen(it.argv("exec", "it", "yes"), stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(30) == 128 + signal.SIGPIPE


def test_children_that_keep_the_streams_open_are_not_waited_for(it: Pods) -> None:
    assert it("exec", "it", "sh", "-c", "sleep 100000 & echo started").out == "started\n"


def test_environment_and_directory_are_the_apps_and_what_was_asked_for(pods: Pods) -> None:
    pods.detach("--name", "it", "busybox", "--env", "A=1", "--workdir", "/etc", "--", "sleep", "100000")
    said = pods("exec", "it", "env").lines
    assert [line for line in said if line.startswith(("A=", "PATH=", "HOME=", "SHELL="))] == said
    assert pods("exec", "it", "pwd").out == "/etc\n"
    words = ("-e", "A=two words", "--env=B=%$\n", "-e", "MINE", "-e", "NOT_SET", "-w", "/tmp", "it")
    done = pods("exec", *words, "sh", "-c", 'echo "$A|$B|$MINE|${NOT_SET-none}|$PWD"', env={"MINE": "yes"})
    assert done.out == "two words|%$\n|yes|none|/tmp\n"
    assert "cannot enter /nowhere" in pods("exec", "-w", "/nowhere", "it", "pwd", status=126).err


def test_signals_are_passed_on(it: Pods) -> None:
    script = "trap 'echo got it; exit 4' USR1; echo ready; while :; do sleep 0.05; done"
    running = it.beside("exec", "it", "sh", "-c", script)
    running.prints("ready")
    running.send(signal.SIGUSR1)
    assert running.done(4).out == "ready\ngot it\n"


def test_stop_and_continue_reach_the_command_and_come_back(it: Pods) -> None:
    running = it.beside("exec", "it", "sh", "-c", "echo ready; while :; do sleep 0.05; done")
    running.prints("ready")
    running.send(signal.SIGTSTP)
    eventually(lambda: state_of(running.pid) == "T", "the stop")
    assert it("exec", "it", "sh", "-c", "grep -l 'State:.T' /proc/[0-9]*/status").out != ""
    running.send(signal.SIGCONT)
    eventually(lambda: state_of(running.pid) in {"S", "R"}, "the continuation")
    running.send(signal.SIGTERM)
    running.done(143)


def test_a_command_that_was_started_to_ignore_hangups_and_interrupts_goes_on(it: Pods) -> None:
    """As by nohup(1), or in the background of a script; whoever signals the command itself still can."""

    def ignore() -> None:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)

    running = it.beside(
        "exec", "it", "sh", "-c", "echo ready; while :; do sleep 0.05; done", preexec_fn=ignore
    )
    running.prints("ready")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        running.send(number)
    running.send(signal.SIGTERM)
    running.done(143)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_who_is_killed_takes_the_command_along(it: Pods) -> None:
    running = it.beside("exec", "it", "sh", "-c", "echo ready; exec sleep 54321")
    running.prints("ready")
    running.send(signal.SIGKILL)
    running.done(-signal.SIGKILL)
    eventually(lambda: "54321" not in it("exec", "it", "ps").out, "the command's end")


def test_a_command_ends_with_its_app_and_with_its_pod(pods: Pods) -> None:
    pods.detach("--name", "it", "--exit-policy", "never", "busybox", "--", "sleep", "100000")
    running = pods.beside("exec", "it", "sh", "-c", "echo ready; exec sleep 100000")
    running.prints("ready")
    pods("kill", "--app", "busybox", "it")
    running.done(137)
    # for a moment systemd still has a process of the app: what records its end
    eventually(lambda: "is not running" in pods("exec", "it", "true", status=125).err, "the app has ended")
    pods("kill", "it")
    assert "is not running" in pods("exec", "it", "true", status=125).err


def test_a_command_ends_with_a_pod_that_is_killed(it: Pods) -> None:
    running = it.beside("exec", "it", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    running.prints("ready")
    it("kill", "it")
    running.done(137)


def test_a_pod_of_several_apps_wants_to_know_which(pods: Pods) -> None:
    pods.detach("--name", "it", *TWO_APPS)
    assert "has 2 apps" in pods("exec", "it", "true", status=2).err
    assert "no app 'c'" in pods("exec", "--app", "c", "it", "true", status=125).err
    assert pods("exec", "--app", "b", "it", "cat", "/proc/self/cgroup").out.count("app-b.service") > 0


def test_words_that_are_no_request_are_refused(it: Pods) -> None:
    assert "no option --nothing" in it("exec", "--nothing", "it", "true", status=2).err
    assert "no command" in it("exec", "it", status=2).err
    assert "no pod 'other'" in it("exec", "other", "true", status=125).err
    assert "is no key" in it("exec", "-t", "--detach-keys", "ctrl-p,what", "it", "true", status=2).err
    assert "is not open" in it("exec", "--preserve-fds", "60", "it", "true", status=125).err


def test_descriptors_go_along_only_when_asked_for(it: Pods, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("given")
    words = ("it", "sh", "-c", "ls /proc/self/fd; cat <&3")
    # a shell opens it: 3 may be pytest's own
    opened = ["sh", "-c", 'exec "$@" 3<"$0"', str(tmp_path / "given")]
    kept = subprocess.run(
        [*opened, *it.argv("exec", "--preserve-fds", "1", *words)], capture_output=True, check=False
    )
    closed = subprocess.run([*opened, *it.argv("exec", *words)], capture_output=True, check=False)
    assert kept.stdout.split() == [b"0", b"1", b"2", b"3", b"4", b"given"]  # 4 is the listing's own
    assert closed.stdout.split() == [b"0", b"1", b"2", b"3"]


def test_a_terminal_has_a_name_a_size_and_signals(it: Pods) -> None:
    with screen(it, "exec", "-it", "it", "sh") as shell:
        shell.type(b"tty; stty size; echo $TERM\n")
        shell.shows(r"/dev/pts/\d+\n33 99\n\w")
        termios.tcsetwinsize(shell.master, (50, 120))
        shell.process.send_signal(signal.SIGWINCH)
        eventually(
            lambda: shell.type(b"stty size\n") or shell.shows(r"(\d+ \d+)\n")[1] == "50 120", "the size"
        )
        shell.type(b"trap 'echo interrupted' INT; tail -f /dev/null\n")  # not what the app itself runs
        shell.shows("tail -f /dev/null\n")
        eventually(lambda: "tail -f /dev/null" in it("exec", "it", "ps", "-o", "args").out, "the command")
        shell.type(b"\x03")
        shell.shows("interrupted")
        shell.type(b"exit 5\n")
        assert shell.ends() == 5


def test_a_terminal_takes_every_byte(it: Pods) -> None:
    with screen(it, "exec", "-it", "--detach-keys", "", "it", "sh") as shell:
        shell.type(b"stty raw -echo; echo go; dd bs=1 count=4 2>/dev/null | od -An -tx1; stty sane; exit\n")
        shell.shows("(?<!echo )go")
        shell.type(b"\x10\x11\x03\xff")
        shell.shows("10 11 03 ff")
        assert shell.ends() == 0


def test_a_terminal_without_input_is_one_way(it: Pods) -> None:
    with screen(it, "exec", "-t", "it", "sh", "-c", "test -t 1 && echo terminal") as shell:
        shell.shows("terminal")
        assert shell.ends() == 0


def test_detach_keys_leave_the_command_running_and_what_is_typed_else_goes_through(it: Pods) -> None:
    with screen(it, "exec", "-it", "it", "sh") as shell:
        shell.type(b"echo o\x10k\x10\n")  # the first of the keys alone is a key as any other
        shell.type(b"echo nearly; sleep 12345; echo after\n")
        shell.shows("nearly\n")
        shell.type(b"\x10\x10\x11")
        name = shell.shows(r"([0-9a-f]{12})\n")[1]
        assert shell.ends() == 0
    (session,) = json.loads(it("session", "ls", "--json", "it").out)
    assert (session["id"], session["running"], session["terminal"]) == (name, True, True)
    it("session", "resize", "it", name[:5], "77x22")
    terminal = f"/proc/{session['pid']}/fd/0"
    eventually(lambda: window(terminal) == (22, 77), "the new size")
    it("session", "stop", "--time", "1s", "it", name)
    assert it("session", "wait", "it", name, status=None).status in {129, 137}
    it("session", "rm", "it")
    assert json.loads(it("session", "ls", "--json", "it").out) == []


def window(path: str) -> tuple[int, int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY)
    try:
        return termios.tcgetwinsize(descriptor)
    finally:
        os.close(descriptor)


def test_a_detached_command_is_listed_waited_for_and_forgotten(it: Pods) -> None:
    it("exec", "it", "mkfifo", "/tmp/go")
    name = it("exec", "-d", "it", "sh", "-c", "echo to the log; read line < /tmp/go; exit 9").out.strip()
    assert re.fullmatch("[0-9a-f]{12}", name)
    assert f"{name}  busybox  running" in it("session", "ls", "it").out
    assert "still runs" in it("session", "rm", "it", name, status=125).err
    waiting = it.beside("session", "wait", "it", name)
    it("exec", "it", "sh", "-c", "echo > /tmp/go")
    assert waiting.done(9).out == "9\n"
    assert "exited 9" in it("session", "ls", "it").out
    eventually(lambda: "to the log" in it("logs", "it").out, "its line in the app's log")
    it("session", "rm", "it", name)
    assert "no session" in it("session", "wait", "it", name, status=125).err


def test_a_detached_command_that_ignores_signals_is_killed_with_its_children(it: Pods) -> None:
    script = "trap '' TERM; (trap '' TERM; exec sleep 23456) & echo ready; while :; do sleep 0.05; done"
    name = it("exec", "-d", "it", "sh", "-c", script).out.strip()
    eventually(lambda: "23456" in it("exec", "it", "ps").out, "the command's child")
    it("session", "stop", "--time", "300ms", "it", name)
    assert it("session", "wait", "it", name, status=137).out == "137\n"
    assert "23456" not in it("exec", "it", "ps").out
    assert "has ended" in it("session", "stop", "it", name, status=125).err


def test_a_detached_command_ends_with_the_pod_and_its_record_says_so(it: Pods) -> None:
    name = it("exec", "-d", "it", "sleep", "100000").out.strip()
    it("stop", "it")
    assert it("session", "wait", "it", name, status=None).status in {137, 143}


def test_a_detached_command_that_cannot_start_says_so_at_once(it: Pods) -> None:
    assert it("exec", "-d", "it", "nothing", status=127).out == ""
    assert json.loads(it("session", "ls", "--json", "it").out) == []


def test_an_image_without_a_shell_can_be_looked_at_with_the_hosts_tools(pods: Pods) -> None:
    pods.detach("--name", "it", "inspect", "--", "pause")
    assert "cannot execute /bin/sh" in pods("enter", "it", status=127).err
    script = "ls /app; touch /usr/new 2>&1; cat /proc/self/cgroup | head -1; exit 3"
    done = pods("enter", "--with-host-tools", "it", "sh", "-c", script, status=3)
    assert "inspect" in done.lines
    assert "touch: cannot touch '/usr/new': Read-only file system" in done.lines
    assert "app-inspect.service" in done.out


def test_the_pods_own_root_can_be_entered(it: Pods) -> None:
    done = it("enter", "--pod", "it", "sh", "-c", "ls /pod", status=127)
    assert "cannot execute sh" in done.err
    done = it("exec", "--pod", "it", "systemctl", "is-active", "app-busybox.service")
    assert done.out == "active\n"
    done = it("enter", "--pod", "it", input=b"ls /app/pod; exit 6\n", status=6)
    assert {"apps", "status", "streams"} <= set(done.lines)


def test_an_app_that_is_paused_is_not_waited_for(it: Pods) -> None:
    pid = it.status("it")["apps"][0]["pid"]
    group = next(
        place
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        if line.startswith("0::")
        for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
        if (place := Path(f"{root}{line[3:]}") / "cgroup.freeze").exists()
    )
    group.write_text("1")
    try:
        eventually(lambda: "frozen 1" in group.with_name("cgroup.events").read_text(), "the pause")
        assert "app busybox is paused" in it("exec", "it", "true", status=125).err
    finally:
        group.write_text("0")
    it("exec", "it", "true")


def test_many_at_once_do_not_disturb_each_other(it: Pods) -> None:
    running = [it.beside("exec", "it", "sh", "-c", f"echo {number}; exit {number}") for number in range(20)]
    for number, one in enumerate(running):
        assert one.done(number).out == f"{number}\n"


def test_a_raw_terminal_is_given_back_when_the_pod_dies(it: Pods) -> None:
    with screen(it, "exec", "-it", "it", "sh") as shell:
        shell.type(b"echo he''re\n")
        shell.shows("here\n")
        assert termios.tcgetattr(shell.slave)[tty.LFLAG] & termios.ECHO == 0
        it("kill", "it")
        assert shell.ends() == 137
