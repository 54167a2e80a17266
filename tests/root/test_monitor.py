"""The monitor: what goes in comes out, whole and in order, and nothing stays when a pod is over."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.root.native import PATIENCE, Pod, program, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
OUT = "run/streams/web.out"
ERR = "run/streams/web.err"


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    pod = Pod.make(tmp_path)
    yield pod
    pod.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Output and logs


def test_output_of_a_single_app_passes_unchanged(pod: Pod) -> None:
    data = bytes(range(256)) * 300
    (pod.path / "data").write_bytes(data)
    result = pod.app().shell(f"cat data > {OUT}; echo oops > {ERR}").run()
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"oops\n")


def test_lines_are_logged_with_time_stream_and_kind(pod: Pod) -> None:
    pod.app().shell(f"printf 'one\\n\\ntwo' > {OUT}; echo three > {ERR}").run()
    assert sorted(pod.log()) == [
        ("stderr", "F", "three"), ("stdout", "F", ""), ("stdout", "F", "one"), ("stdout", "F", "two"),
    ]  # fmt: skip
    assert STAMP.fullmatch(pod.read("run/logs/web.log").split(" ")[0])


def test_the_stamps_are_the_time_of_day(pod: Pod) -> None:
    before = time.time_ns()
    pod.app().shell(f"echo x > {OUT}").run()
    stamp = pod.read("run/logs/web.log").split(" ")[0]
    logged = subprocess.run(
        ["date", "-d", stamp, "+%s%N"], capture_output=True, check=True, text=True
    ).stdout
    assert before <= int(logged) <= time.time_ns()


def test_several_apps_are_printed_line_by_line_with_their_names(pod: Pod) -> None:
    pod.app("web").app("database")
    result = pod.shell(
        "printf 'a\\nb' > run/streams/web.out; sleep 0.1; echo c > run/streams/database.out"
    ).run()
    assert result.stdout == b"web      | a\ndatabase | c\nweb      | b\n"


def test_a_line_without_an_end_is_printed_when_it_gets_one(pod: Pod) -> None:
    pod.app("web").app("db")
    script = f"printf 'be' > {OUT}; sleep 0.2; echo x > run/streams/db.out; echo gin > {OUT}"
    assert sorted(pod.shell(script).run().stdout.splitlines()) == [b"db  | x", b"web | begin"]


def test_a_long_line_is_logged_in_pieces_and_printed_as_one(pod: Pod) -> None:
    long = b"x" * 40000
    (pod.path / "data").write_bytes(long + b"\nshort\n")
    result = pod.app("web").app("db").shell("cat data > run/streams/web.out").run()
    assert result.stdout == b"web | " + long + b"\nweb | short\n"
    assert [(kind, len(text)) for _, kind, text in pod.log()] == [
        ("P", 16384),
        ("P", 16384),
        ("F", 7232),
        ("F", 5),
    ]


@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_two_hundred_thousand_lines_arrive_complete_and_in_order(pod: Pod, options: list[str]) -> None:
    result = pod.app().shell(f"seq 200000 > {OUT}").run(*options)
    expected = [str(i) for i in range(1, 200001)]
    assert [text for _, _, text in pod.log()] == expected
    assert result.stdout.decode().split() == ([] if options else expected)


def test_lines_of_many_apps_at_once_are_all_there(pod: Pod) -> None:
    names = [f"app{i}" for i in range(8)]
    for name in names:
        pod.app(name)
    pod.shell("".join(f"seq 20000 > run/streams/{name}.out & " for name in names) + "wait").run()
    for name in names:
        assert [text for _, _, text in pod.log(name)] == [str(i) for i in range(1, 20001)]


def test_the_last_line_of_a_dying_writer_is_kept(pod: Pod) -> None:
    for turn in range(20):
        shutil.rmtree(pod.path / "run")
        (pod.path / "run").mkdir()
        pod.apps.clear()
        pod.app().shell(f"exec > {OUT}; echo first; printf 'last {turn}'; kill -9 $$").run()
        assert [text for _, _, text in pod.log()] == ["first", f"last {turn}"]


def test_a_log_never_grows_beyond_its_limit_and_keeps_the_newest(pod: Pod) -> None:
    pod.app().add("log-limit", 131072).shell(f"seq 50000 > {OUT}").run("--quiet")
    sizes = [(pod.path / f"run/logs/{name}").stat().st_size for name in ("web.log", "web.log.1")]
    numbers = [int(text) for _, _, text in pod.log()]
    assert max(sizes) <= 65536
    assert sum(sizes) > 60000
    assert numbers == list(range(numbers[0], 50001))


def test_nothing_is_printed_when_quiet(pod: Pod) -> None:
    result = pod.app().shell(f"echo x > {OUT}").run("--quiet")
    assert (result.stdout, result.stderr) == (b"", b"")


def test_output_and_errors_into_one_file_keep_whole_lines(pod: Pod, tmp_path: Path) -> None:
    pod.app("a").app("b").shell("seq 5000 > run/streams/a.out & seq 5000 > run/streams/b.err & wait")
    with (tmp_path / "both").open("wb") as both:
        pod.run(stdout=both, stderr=both)
    lines = (tmp_path / "both").read_text().splitlines()
    assert [line[4:] for line in lines if line.startswith("a | ")] == [str(i) for i in range(1, 5001)]
    assert [line[4:] for line in lines if line.startswith("b | ")] == [str(i) for i in range(1, 5001)]


# A user who reads slowly, or not at all


def test_a_slow_reader_loses_nothing_and_holds_up_only_its_own_stream(pod: Pod) -> None:
    pod.app().shell(f"seq 400000 > {OUT} & seq 100000 > {ERR}; touch run/errors-done; wait")
    monitor = pod.start(stderr=subprocess.DEVNULL)
    pod.wait_for("run/errors-done")
    time.sleep(0.2)
    assert monitor.poll() is None
    assert monitor.stdout
    assert monitor.stdout.read().decode().split() == [str(i) for i in range(1, 400001)]
    assert monitor.wait(PATIENCE) == 0
    assert [text for stream, _, text in pod.log() if stream == "stdout"][-1] == "400000"


def test_the_users_terminal_stays_in_blocking_mode(pod: Pod) -> None:
    reader, writer = os.pipe()
    pod.app().shell(f"echo x > {OUT}").run(stdout=writer)
    assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(writer)
    os.close(reader)


def test_a_reader_that_is_gone_ends_the_printing_but_not_the_pod(pod: Pod) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    pod.app().shell(f"for i in 1 2 3; do echo $i > {OUT}; sleep 0.05; done; echo e > {ERR}")
    result = pod.run(stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, b"e\n")
    assert [text for _, _, text in pod.log()] == ["1", "2", "3", "e"]


def test_a_hangup_ends_the_printing_but_not_the_pod(pod: Pod) -> None:
    monitor = (
        pod.app()
        .shell(f"echo a > {OUT}; while [ ! -e run/go ]; do sleep 0.01; done; echo b > {OUT}")
        .start()
    )
    wait_until(
        lambda: pod.log() != [] if (pod.path / "run/logs/web.log").exists() else False, "the first line"
    )
    monitor.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    (pod.path / "run/go").touch()
    assert monitor.communicate(timeout=PATIENCE)[0] == b"a\n"
    assert [text for _, _, text in pod.log()] == ["a", "b"]


def test_who_was_started_to_ignore_hangups_and_interrupts_goes_on_printing(pod: Pod) -> None:
    """As nohup(1) and the background jobs of scripts are; the way to kill a pod stays open all the same."""
    pod.app().shell(f"echo a > {OUT}; while [ ! -e run/go ]; do sleep 0.01; done; echo b > {OUT}")
    monitor = pod.start(preexec_fn=lambda: ignore(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT))
    pod.wait_for("run/logs/web.log")
    monitor.send_signal(signal.SIGHUP)
    monitor.send_signal(signal.SIGINT)
    time.sleep(0.1)
    (pod.path / "run/go").touch()
    assert monitor.communicate(timeout=PATIENCE)[0] == b"a\nb\n"
    assert not (pod.path / "run/status/stopping").exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGQUIT, 137), (signal.SIGTERM, 0)])
def test_who_was_started_to_ignore_signals_is_stopped_and_killed_all_the_same(
    pod: Pod, number: int, status: int
) -> None:
    monitor = (
        pod.app()
        .shell("touch run/up; exec sleep 1000")
        .start(preexec_fn=lambda: ignore(signal.SIGQUIT, signal.SIGTERM))
    )
    pod.wait_for("run/up")
    monitor.send_signal(number)
    assert monitor.wait(PATIENCE) == status


def ignore(*numbers: int) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def read_terminal(fd: int, until: bytes) -> bytes:
    """What a terminal shows, up to this; its other side stays open."""
    data, deadline = b"", time.monotonic() + PATIENCE
    while until not in data:
        ready = select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]
        assert ready, f"{until!r} was never shown, but {data[-4000:]!r}"
        data += os.read(fd, 65536)
    return data


def test_a_stopped_terminal_does_not_stop_the_pod_and_is_told_what_it_missed(pod: Pod) -> None:
    master, slave = pty.openpty()
    pod.app().shell(
        f"seq 300000 > {OUT}; touch run/written; while [ ! -e run/go ]; do sleep 0.01; done; echo end > {OUT}"
    )
    monitor = pod.start(stdout=slave, stderr=slave)
    pod.wait_for("run/written")  # which takes the monitor's five seconds of patience
    shown = read_terminal(master, b"see pod logs\r\n")
    (pod.path / "run/go").touch()
    shown += read_terminal(master, b"end\r\n")
    assert monitor.wait(PATIENCE) == 0
    lost = re.search(rb"pod: (\d+) lines not shown; see pod logs", shown)
    assert lost
    assert int(lost[1]) > 100000
    assert [text for _, _, text in pod.log()] == [*(str(i) for i in range(1, 300001)), "end"]
    os.close(master)
    os.close(slave)


def test_a_terminal_shows_the_names_in_colour(pod: Pod) -> None:
    master, slave = pty.openpty()
    pod.app("web").app("db").shell("echo a > run/streams/web.out; sleep 0.1; echo b > run/streams/db.err")
    monitor = pod.start(stdout=slave, stderr=slave)
    assert monitor.wait(PATIENCE) == 0
    assert read_terminal(master, b" b\r\n") == b"\x1b[36mweb |\x1b[0m a\r\n\x1b[33mdb  |\x1b[0m b\r\n"
    os.close(master)
    os.close(slave)


def test_a_full_disk_loses_lines_of_the_log_but_nothing_else(pod: Pod) -> None:
    (pod.path / "run/logs").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "test", pod.path / "run/logs"], check=True)
    try:
        result = pod.app().shell(f"seq 100000 > {OUT}").run()
        assert (result.returncode, result.stdout.count(b"\n")) == (0, 100000)
        assert (
            result.stderr == b"pod: cannot write run/logs/web.log, lines are lost: No space left on device\n"
        )
    finally:
        subprocess.run(["umount", pod.path / "run/logs"], check=True)


# Signals and the end


def test_the_first_signal_stops_in_order(pod: Pod) -> None:
    monitor = pod.app().shell("trap 'exit 3' TERM; touch run/up; while :; do sleep 0.01; done").start()
    pod.wait_for("run/up")
    monitor.send_signal(signal.SIGINT)
    assert monitor.wait(PATIENCE) == 0
    assert pod.read("run/status/stopping") == "signal SIGINT\n"
    assert (pod.result()["reason"], pod.result()["supervisor"]) == ("stopped", 3)


def test_the_second_signal_kills_everything(pod: Pod) -> None:
    group = Path("/sys/fs/cgroup/systemd") / f"monitor-test-{os.getpid()}"
    pod.app().add("cgroup", group)
    monitor = pod.shell("trap '' TERM; sleep 1000 & echo $! > run/child; wait; wait; sleep 1000").start()
    pod.wait_for("run/child")
    monitor.send_signal(signal.SIGTERM)
    pod.wait_for("run/status/stopping")
    monitor.send_signal(signal.SIGTERM)
    assert monitor.wait(PATIENCE) == 137
    assert not alive(int(pod.read("run/child")))
    assert not group.exists()
    assert pod.result()["reason"] == "killed"


def test_the_verdict_is_the_status_and_its_sentence_is_told(pod: Pod) -> None:
    result = pod.app().shell("echo '137 web ran out of memory' > run/status/verdict; exit 1").run()
    assert result.returncode == 137
    assert result.stderr == b"pod: app web: ran out of memory\n"
    assert pod.result() | {"started_at": 0, "ended_at": 0} == {
        "status": 137, "reason": "decided", "by": "web", "supervisor": 1, "signal": None,
        "started_at": 0, "ready_at": None, "ended_at": 0, "message": "app web: ran out of memory",
    }  # fmt: skip


def test_a_verdict_of_a_plain_exit_needs_no_words(pod: Pod) -> None:
    result = pod.app().shell("echo '7 web ' > run/status/verdict").run()
    assert (result.returncode, result.stderr) == (7, b"")


def test_a_supervisor_that_fails_is_quoted(pod: Pod) -> None:
    result = pod.app().shell("echo one; echo 'Failed to do this' >&2; echo; exit 9").run()
    assert result.returncode == 125
    assert result.stderr == b"pod: test: systemd-nspawn failed (exit 9): Failed to do this\n"


def test_a_supervisor_that_cannot_be_executed_is_named(pod: Pod) -> None:
    result = pod.app().supervise("/does/not/exist").run()
    assert result.returncode == 125
    assert result.stderr == b"pod: test: cannot execute /does/not/exist: No such file or directory\n"


def test_the_supervisor_gets_exactly_its_environment(pod: Pod) -> None:
    pod.app().add("env", "KEY=a value").shell("tr '\\0' '\\n' < /proc/$$/environ > run/seen")
    pod.run(env={"PATH": "/usr/bin:/bin", "SECRET": "1"})
    keys = {line.split("=")[0] for line in pod.read("run/seen").splitlines()}
    assert keys == {"PATH", "NOTIFY_SOCKET", "KEY"}


def test_the_supervisor_inherits_the_lock_and_the_fifos_and_nothing_else(pod: Pod) -> None:
    extra = os.open("/dev/null", os.O_RDONLY)
    pod.app(stdin="stream").shell("for fd in /proc/$$/fd/*; do readlink $fd; done > run/seen")
    pod.run(pass_fds=[extra])
    os.close(extra)
    seen = sorted(line for line in pod.read("run/seen").splitlines())
    run = f"{pod.path}/run"
    assert [line for line in seen if line not in ("/dev/null", f"{run}/console.log")] == [
        str(pod.path), f"{run}/seen", f"{run}/streams/web.err", f"{run}/streams/web.out",
    ]  # fmt: skip


def test_a_killed_monitor_takes_the_supervisor_with_it_in_order(pod: Pod) -> None:
    stop = "until [ -e run/go ]; do sleep 0.01; done; touch run/stopped; exit"
    script = f"trap '{stop}' TERM; echo $$ > run/pid; while :; do sleep 0.01; done"
    monitor = pod.app().shell(script).start()
    pod.wait_for("run/pid")
    monitor.kill()
    monitor.communicate()
    lock = os.open(pod.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    (pod.path / "run/go").touch()
    pod.wait_for("run/stopped")
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.close(lock)


def test_a_pod_runs_only_once(pod: Pod) -> None:
    first = pod.app().shell("touch run/up; while [ ! -e run/go ]; do sleep 0.01; done").start()
    pod.wait_for("run/up")
    second = pod.run()
    assert second.returncode == 125
    assert b"is already running" in second.stderr
    (pod.path / "run/go").touch()
    assert first.wait(PATIENCE) == 0


def test_who_looks_whether_a_pod_runs_does_not_keep_it_from_running(pod: Pod) -> None:
    lock = os.open(pod.path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)  # as `pod ps` does, for a moment
    monitor = pod.app().shell("true").start()
    time.sleep(0.05)
    os.close(lock)
    assert monitor.wait(PATIENCE) == 0


def test_the_lock_may_be_handed_over(pod: Pod) -> None:
    lock = os.open(pod.path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert pod.app().shell("true").run("--lock-fd", str(lock), pass_fds=[lock]).returncode == 0
    other = os.open("/", os.O_RDONLY)
    result = pod.run("--lock-fd", str(other), pass_fds=[other])
    assert (result.returncode, b"is not the pod directory" in result.stderr) == (125, True)
    os.close(lock)
    os.close(other)


def test_what_is_left_in_the_cgroup_is_killed_and_the_cgroup_goes(pod: Pod) -> None:
    group = Path("/sys/fs/cgroup/systemd") / f"monitor-test-{os.getpid()}" / "inner"
    script = f"mkdir {group}/deep; setsid sh -c 'echo 0 > {group}/deep/cgroup.procs; sleep 1000' & echo $! > run/child"
    pod.app().add("cgroup", group.parent).add("cgroup", group)
    started = time.monotonic()
    assert pod.shell(script + "; sleep 0.1").run().returncode == 0
    assert not alive(int(pod.read("run/child")))
    assert not group.parent.exists()
    assert time.monotonic() - started < 4  # the monitor's patience has five seconds


# Readiness


def notify(text: str) -> str:
    return f"""python3 -c 'import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"{text}", os.environ["NOTIFY_SOCKET"])'"""


@pytest.mark.parametrize("abstract", [False, True])
def test_readiness_is_recorded_told_and_passed_on(pod: Pod, tmp_path: Path, abstract: bool) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(f"\0test-{os.getpid()}" if abstract else str(tmp_path / "manager"))
    manager.settimeout(PATIENCE)
    address = f"@test-{os.getpid()}" if abstract else str(tmp_path / "manager")
    reader, writer = os.pipe()
    messages = "STATUS=coming up\\nX_NSPAWN_LEADER_PID=1", "READY=1", "STOPPING=1"
    pod.app().shell("\n".join(notify(message) for message in messages))
    monitor = pod.start(
        "--ready-fd", str(writer), pass_fds=[writer], env={**os.environ, "NOTIFY_SOCKET": address}
    )
    os.close(writer)
    with os.fdopen(reader) as ready:
        assert ready.read() == "ready\n"
    received = [manager.recv(4096).decode() for _ in range(3)]
    assert received == ["STATUS=coming up", f"READY=1\nMAINPID={monitor.pid}", "STOPPING=1"]
    assert monitor.wait(PATIENCE) == 0
    manager.close()
    assert pod.result()["ready_at"] == pod.read("run/ready").strip()
    assert pod.read("run/leader").split()[0] == "1"
    assert pod.read("run/monitor").split()[0] == str(monitor.pid)


def test_a_pod_that_never_gets_ready_closes_the_descriptor_without_a_word(pod: Pod) -> None:
    reader, writer = os.pipe()
    monitor = pod.app().shell("true").start("--ready-fd", str(writer), pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader) as ready:
        assert ready.read() == ""
    assert monitor.wait(PATIENCE) == 0


# Input


def feed(pod: Pod, script: str, data: bytes) -> str:
    pod.app(stdin="stream").shell(f"{{ {script}; }} > run/seen")
    assert pod.run(input=data).returncode == 0
    return pod.read("run/seen")


IN = "run/streams/web.in"


def test_input_arrives_whole_and_then_ends(pod: Pod) -> None:
    assert feed(pod, f"wc -c < {IN}", b"x" * 5_000_000).strip() == "5000000"


def test_an_app_that_looks_late_still_gets_all_input_and_its_end(pod: Pod) -> None:
    assert feed(pod, f"sleep 0.3; cat {IN}", b"hello\n") == "hello\n"


def test_no_input_ends_at_once(pod: Pod) -> None:
    assert feed(pod, f"cat {IN}", b"") == ""


def test_who_opens_the_input_without_reading_takes_nothing(pod: Pod) -> None:
    assert feed(pod, f"sleep 0.2; true < {IN}; sleep 0.1; cat {IN}", b"hello\n") == "hello\n"


def test_who_opens_the_input_after_its_end_finds_an_end(pod: Pod) -> None:
    assert feed(pod, f"cat {IN}; cat {IN}; cat {IN}", b"once\n") == "once\n"


def test_the_fifos_belong_to_the_apps_user(pod: Pod) -> None:
    pod.app(uid=1234, gid=2345, stdin="stream").shell(
        "stat -c '%n %u %g %a %F' run/streams/* > run/seen"
    ).start()
    pod.wait_for("run/result.json")
    lines = [line.split(" ", 1) for line in pod.read("run/seen").splitlines()]
    assert [Path(name).name for name, _ in lines] == ["web.err", "web.in", "web.out"]
    assert {rest for _, rest in lines} == {"1234 2345 600 fifo"}


def test_a_terminal_app_has_the_users_terminal(pod: Pod) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    before = termios.tcgetattr(slave)
    script = "stty size; tty; read answer; echo got $answer; read again; stty size; echo end"
    monitor = (
        pod.app(stdin="tty")
        .shell(script)
        .start(stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    )
    shown = read_terminal(master, b"/dev/pts/")
    assert not termios.tcgetattr(slave)[3] & termios.ICANON
    os.write(master, b"yes\n")
    shown += read_terminal(master, b"got yes\r\n")
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 77, 0, 0))
    monitor.send_signal(signal.SIGWINCH)
    time.sleep(0.1)
    os.write(master, b"\n")
    shown += read_terminal(master, b"40 77\r\nend\r\n")
    assert monitor.wait(PATIENCE) == 0
    assert termios.tcgetattr(slave) == before
    assert b"33 101\r\n/dev/pts/" in shown
    assert [text for _, _, text in pod.log()][-2:] == ["40 77", "end"]
    os.close(master)
    os.close(slave)


def test_a_terminal_app_without_a_terminal_is_only_logged(pod: Pod) -> None:
    result = pod.app(stdin="tty").shell("test -t 0 && test -t 1 && echo yes").run()
    assert (result.returncode, result.stdout) == (0, b"yes\r\n")
    assert pod.log() == [("stdout", "F", "yes")]


# Memory


def own_memory(pid: int) -> int:
    """What nobody shares with it, in kB: pages of the program's file come and go as the kernel likes.

    Counted page by page: VmRSS is a sum of counters per CPU, and may be off by 32 pages for each.
    """
    found = re.search(r"Anonymous:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert found
    return int(found[1])


@pytest.mark.parametrize("apps", [1, 8])
def test_a_busy_monitor_stays_small_as_well(pod: Pod, apps: int) -> None:
    writers = "".join(
        f"(while :; do echo line; sleep 0.05; done) > run/streams/app{i}.out & " for i in range(apps)
    )
    for i in range(apps):
        pod.app(f"app{i}")
    monitor = pod.shell(notify("READY=1") + f"; trap 'kill 0' TERM; {writers} wait").start(
        stdout=subprocess.DEVNULL
    )
    pod.wait_for("run/ready")
    time.sleep(0.5)
    assert own_memory(monitor.pid) < 256


def test_a_waiting_monitor_holds_less_than_a_quarter_of_a_megabyte_of_its_own(pod: Pod) -> None:
    for i in range(20):
        pod.app(f"app{i}")
    pod.shell(
        "for i in $(seq 0 19); do seq 20000 > run/streams/app$i.out; done; touch run/written; exec sleep 1000"
    )
    monitor = pod.start(stdout=subprocess.DEVNULL)
    pod.wait_for("run/written")
    wait_until(lambda: own_memory(monitor.pid) < 256, "the monitor gives memory back")
    monitor.terminate()
    monitor.communicate(timeout=PATIENCE)


# Mounts


def lower(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def data(path: Path) -> Path:
    (path / "upper").mkdir(parents=True)
    (path / "work").mkdir()
    return path


ODD = 'a:b,c\\d\ne f"g'


def test_overlays_take_any_bytes_in_paths(pod: Pod, tmp_path: Path) -> None:
    top = lower(tmp_path / f"{ODD}top", both="top", only="here")
    bottom = lower(tmp_path / os.fsdecode(b"bottom\xff\xfe"), both="bottom", under="there")
    pod.app().add("overlay", "rootfs", data(pod.path / f"base{ODD}"), top, bottom)
    result = pod.shell(f"cat rootfs/both rootfs/only rootfs/under > {OUT}; echo new > rootfs/new").run()
    assert (result.returncode, result.stderr, result.stdout) == (0, b"", b"tophere" + b"there")
    assert (pod.path / f"base{ODD}" / "upper" / "new").read_text() == "new\n"
    assert list((pod.path / "rootfs").iterdir()) == []


def test_a_hundred_and_fifty_layers_are_one_root(pod: Pod, tmp_path: Path) -> None:
    layers = [
        lower(tmp_path / f"layer-with-a-rather-long-name-{i}", **{f"f{i}": "", "top": str(i)})
        for i in range(150)
    ]
    before = Path("/proc/self/mountinfo").read_text()
    pod.app().add("overlay", "rootfs", data(pod.path / "base"), *layers)
    result = pod.shell(
        f"ls rootfs | wc -l > {OUT}; cat rootfs/top > {OUT}; cat /proc/self/mountinfo > run/mounts"
    ).run()
    assert result.stdout == b"151\n0"
    assert "run/stage" not in pod.read("run/mounts")
    assert Path("/proc/self/mountinfo").read_text() == before


def test_as_many_layers_fit_as_the_kernel_takes(pod: Pod, tmp_path: Path) -> None:
    layers = [lower(tmp_path / str(i), **{f"f{i}": ""}) for i in range(500)]
    pod.app().add("overlay", "rootfs", data(pod.path / "base"), *layers)
    assert pod.shell(f"ls rootfs | wc -l > {OUT}").run().stdout == b"500\n"


def test_an_overlay_lies_inside_an_overlay_whose_mount_point_is_made(pod: Pod, tmp_path: Path) -> None:
    base, layer = lower(tmp_path / "base", os="base"), lower(tmp_path / "layer", hello="app")
    pod.app().add("overlay", "rootfs", data(pod.path / "base"), base)
    pod.add("overlay", "rootfs/pod/apps/web/rootfs", data(pod.path / "apps/web"), layer)
    assert pod.shell(f"cat rootfs/os rootfs/pod/apps/web/rootfs/hello > {OUT}").run().stdout == b"baseapp"


def test_binds_are_made_where_they_are_missing_and_read_only_when_asked(pod: Pod, tmp_path: Path) -> None:
    lower(tmp_path / "source", file="text")
    pod.app().add("bind", tmp_path / "source", "rootfs/a/b/dir", "ro").add(
        "bind", tmp_path / "source", "rootfs/rw", "-"
    )
    pod.add("bind", tmp_path / "source" / "file", "rootfs/c/file", "ro")
    script = "cat rootfs/c/file; echo x > rootfs/rw/new && echo written; echo x > rootfs/a/b/dir/new || echo refused"
    result = pod.shell(f"exec > {OUT}; {script}").run()
    assert result.stdout == b"textwritten\nrefused\n"


def test_a_recursive_bind_takes_submounts_along_and_makes_them_read_only_too(
    pod: Pod, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "test", source / "sub"], check=True)
    try:
        (source / "sub" / "file").write_text("inner")
        pod.app().add("bind", source, "rootfs/all", "ro,rec").add("bind", source, "rootfs/one", "-")
        script = "cat rootfs/all/sub/file; ls rootfs/one/sub; echo x > rootfs/all/sub/new || echo refused"
        assert pod.shell(f"exec > {OUT}; {script}").run().stdout == b"innerrefused\n"
    finally:
        subprocess.run(["umount", source / "sub"], check=True)


def test_links_in_the_root_never_lead_a_mount_out_of_it(pod: Pod, tmp_path: Path) -> None:
    base, victim = lower(tmp_path / "base"), tmp_path / "victim"
    (base / "etc").symlink_to(victim)
    (base / "up").symlink_to("../../../../../../../../" + str(victim))
    pod.app().add("overlay", "rootfs", data(pod.path / "base"), base)
    pod.add("bind", lower(tmp_path / "source", file="x"), "rootfs/etc/inner", "-")
    pod.add("bind", tmp_path / "source", "rootfs/up/other", "-")
    result = pod.shell(f"cat rootfs{victim}/inner/file rootfs{victim}/other/file > {OUT}").run()
    assert (result.returncode, result.stdout) == (0, b"xx")
    assert not victim.exists()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            ["overlay", "rootfs", "base", "/no/such/layer"],
            "cannot take /no/such/layer: No such file or directory",
        ),
        (
            ["bind", "/no/such/source", "rootfs/x", "-"],
            "cannot take /no/such/source: No such file or directory",
        ),
        (
            ["overlay", "rootfs", "empty", "/usr"],
            "cannot mount the overlay at rootfs (upper empty/upper, 1 layers)",
        ),
    ],
)
def test_a_mount_that_fails_is_named(pod: Pod, record: list[str], message: str) -> None:
    data(pod.path / "base")
    (pod.path / "empty").mkdir()
    result = pod.app().add(*record).shell("true").run()
    assert result.returncode == 125
    assert result.stderr.decode().startswith(f"pod: test: {message}")
    assert result.stderr.count(b"\n") == 1
    assert pod.result()["reason"] == "supervisor-failed"


# Removal


def test_a_pod_that_is_to_go_leaves_nothing(pod: Pod, tmp_path: Path) -> None:
    outside = lower(tmp_path / "outside", keep="me")
    deep = pod.path / "volumes"
    deep.mkdir()
    (deep / "link").symlink_to(outside)
    link = tmp_path / "name"
    link.symlink_to("one")
    dig = "import os\nfor _ in range(3000): os.mkdir('d'); open('f', 'w').close(); os.chdir('d')"
    script = f'cd volumes; python3 -c "{dig}"; echo done > {pod.path}/{OUT}'
    result = pod.app().add("remove", link, tmp_path / "no-such-link").shell(script).run()
    assert (result.returncode, result.stdout, result.stderr) == (0, b"done\n", b"")
    assert not link.is_symlink()
    assert not pod.path.exists()
    assert list((tmp_path / "pods" / "garbage").iterdir()) == []
    assert (outside / "keep").read_text() == "me"


def test_removal_stops_at_what_is_mounted(pod: Pod, tmp_path: Path) -> None:
    outside = lower(tmp_path / "outside", keep="me")
    (pod.path / "mnt").mkdir()
    subprocess.run(["mount", "--bind", outside, pod.path / "mnt"], check=True)
    rest = tmp_path / "pods" / "garbage" / "one"
    try:
        result = pod.app().add("remove").shell("true").run()
        assert result.returncode == 0
        assert b"cannot delete all of the pod" in result.stderr
        assert (outside / "keep").read_text() == "me"
        assert [entry.name for entry in rest.iterdir()] == ["mnt"]
    finally:
        subprocess.run(["umount", rest / "mnt"], check=True)


def test_the_instructions_are_judged_before_anything_is_done(pod: Pod) -> None:
    group = Path("/sys/fs/cgroup/systemd") / f"monitor-test-{os.getpid()}"
    pod.app().add("cgroup", group).add("conjure", "a rabbit").shell("true")
    result = pod.run()
    assert (result.returncode, result.stderr) == (
        125,
        b"pod: run/launch: record 4: 'conjure' is not known\n",
    )
    assert not group.exists()
    assert not (pod.path / "run/streams").exists()


def test_the_result_is_json_of_the_known_keys(pod: Pod) -> None:
    pod.app().shell("true").run()
    assert list(json.loads(pod.read("run/result.json"))) == [
        "status", "reason", "by", "supervisor", "signal", "started_at", "ready_at", "ended_at", "message",
    ]  # fmt: skip


def test_a_wrong_call_is_told_the_right_one() -> None:
    result = subprocess.run([program("monitor")], capture_output=True, check=False)
    assert (result.returncode, result.stderr.startswith(b"pod: usage: monitor")) == (2, True)
