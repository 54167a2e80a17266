"""EFFECT. What apps print is shown live, complete and in order, and kept until the pod is removed."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.root

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def numbered(count: int, name: str = "line") -> list[str]:
    """What `inspect lines` prints."""
    return [f"{name} {number}" for number in range(1, count + 1)]


def test_streams_are_kept_apart(pods: Pods) -> None:
    done = pods.run("inspect", "--", "print", "out", "eprint", "err", "print", "more")
    assert (done.out, done.err) == ("out\nmore\n", "err\n")
    logs = pods("logs", done.uuid)
    assert (logs.out, logs.err) == ("out\nmore\n", "err\n")


def test_each_of_several_apps_has_a_prefix(pods: Pods) -> None:
    long = ("inspect", "--name", "long-name", "--", "print", "a", "eprint", "b")
    done = pods.run(*long, "---", "inspect", "--name", "x", "--", "print", "c")
    assert sorted(done.lines) == ["long-name | a", "x         | c"]
    assert done.err == "long-name | b\n"
    logs = pods("logs", done.uuid)
    assert sorted(logs.lines) == ["long-name | a", "x         | c"]
    assert logs.err == "long-name | b\n"


def test_output_of_one_app_passes_byte_for_byte(pods: Pods) -> None:
    script = r"printf '\000\001\377\r\n\033[1mbold\tend'"
    done = pods.run("busybox", "--", "sh", "-c", script)
    assert done.out == "\0\1\udcff\r\n\x1b[1mbold\tend"


@pytest.mark.parametrize("apps", [1, 2])
def test_a_last_line_without_newline_is_shown_and_kept(pods: Pods, apps: int) -> None:
    other = ("---", "inspect", "--name", "b", "--", "exit", "0") if apps == 2 else ()
    done = pods.run("inspect", "--name", "a", "--", "print-bare", "last", *other)
    assert done.out.endswith("last" if apps == 1 else "a | last\n")
    assert pods.log(done.uuid, "--app", "a") == ["last"]


@pytest.mark.parametrize("size", [16_383, 16_384, 16_385, 1_000_000])
def test_a_long_line_stays_one_line(pods: Pods, size: int) -> None:
    script = f"head -c {size} /dev/zero | tr '\\0' x; echo; echo after"
    words = ("busybox", "--name", "a", "--", "sh", "-c", script)
    done = pods.run(*words, "---", "busybox", "--name", "b", "--", "true")
    assert done.out == f"a | {'x' * size}\na | after\n"
    assert pods("logs", "--app", "a", done.uuid).out == f"{'x' * size}\nafter\n"


@pytest.mark.parametrize("apps", [1, 2])
def test_200000_lines_arrive_complete_and_in_order(pods: Pods, apps: int) -> None:
    other = ("---", "inspect", "--name", "b", "--", "exit", "0") if apps == 2 else ()
    done = pods.run("inspect", "--name", "a", "--", "lines", "200000", *other)
    prefix = "a | " if apps == 2 else ""
    assert done.lines == [f"{prefix}{line}" for line in numbered(200_000)]
    assert pods.log(done.uuid, "--app", "a") == numbered(200_000)


def test_200000_lines_of_each_of_three_apps_arrive_in_a_file(pods: Pods) -> None:
    groups = [("---", "inspect", "--name", name, "--", "lines", "200000", name) for name in "abc"]
    pod = pods.start(*[word for group in groups for word in group][1:], ready=False)
    lines = pod.done().lines
    for name in "abc":
        own = [line.removeprefix(f"{name} | ") for line in lines if line.startswith(f"{name} | ")]
        assert own == numbered(200_000, name)


@pytest.mark.parametrize("attempt", range(5))
def test_the_last_line_of_an_app_that_kills_itself_is_not_lost(pods: Pods, attempt: int) -> None:
    words = ("lines", "5000", f"{attempt}", "print-bare", "so it ends", "kill", "KILL")
    done = pods.run("inspect", "--", *words, status=137)
    assert done.out.splitlines() == [*numbered(5000, f"{attempt}"), "so it ends"]
    assert pods.log(done.uuid)[-1] == "so it ends"


@pytest.mark.parametrize("user", ["root", "app", "4711:4711"])
def test_the_standard_streams_can_be_opened_by_name_by_any_user(pods: Pods, user: str) -> None:
    done = pods.run("inspect", "--user", user, "--", "reopen-stdout", "to out", "reopen-stderr", "to err")
    ways = [
        f"{how} {manner}" for how in ("/dev/std{}", "/proc/self/fd/{}") for manner in ("write", "append")
    ]
    assert done.lines == [f"to out {way.format('out' if 'std' in way else 1)}" for way in ways]
    assert done.err.splitlines() == [f"to err {way.format('err' if 'std' in way else 2)}" for way in ways]


def test_a_shell_of_another_user_can_log_through_links_to_the_streams(pods: Pods) -> None:
    script = """
        ln -s /dev/stdout /tmp/access.log; ln -s /dev/stderr /tmp/error.log
        echo a >> /tmp/access.log; echo e > /tmp/error.log
    """
    done = pods.run(
        "busybox", "--user", "4711", "--mount", "type=tmpfs,target=/tmp", "--", "sh", "-ec", script
    )
    assert (done.out, done.err) == ("a\n", "e\n")


def test_a_reader_that_goes_away_stops_nothing_but_the_printing(pods: Pods) -> None:
    words = ("lines", "50000", "print", "still here", "sleep", "0.3", "lines", "50000", "exit", "3")
    command = pods.argv("run", "--name", "piped", "inspect", "--", *words)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as pod:
        assert pod.stdout
        head = subprocess.run(["head", "-1"], stdin=pod.stdout, capture_output=True, check=True)
        pod.stdout.close()
        assert head.stdout == b"line 1\n"
        assert pod.wait(60) == 3
    assert pods.log("piped") == [*numbered(50_000), "still here", *numbered(50_000)]


def test_a_closed_standard_output_stops_nothing(pods: Pods) -> None:
    command = pods.argv("run", "--name", "closed", "inspect", "--", "lines", "10000", "exit", "3")
    assert (
        subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *command], check=False).returncode == 3
    )
    assert len(pods.log("closed")) == 10_000


def test_a_full_device_stops_nothing(pods: Pods) -> None:
    with Path("/dev/full").open("wb") as full:
        command = pods.argv("run", "--name", "full", "inspect", "--", "lines", "10000", "exit", "3")
        assert subprocess.run(command, stdout=full, stderr=full, check=False).returncode == 3
    assert len(pods.log("full")) == 10_000


def test_output_is_shown_while_the_app_runs(pods: Pods) -> None:
    pod = pods.start("inspect", "--", "print", "early", "sleep", "30")
    pod.prints("early\n")
    assert pods.log(pod.uuid) == ["early"]
    pods("stop", pod.uuid)


def test_a_noisy_app_has_a_bounded_log_whose_end_is_kept(pods: Pods) -> None:
    done = pods("run", "--name", "noisy", "--log-size", "1M", "--detach", "inspect", "--", "lines", "300000")
    pods("wait", "noisy")
    logs = pods.directory(done.out.strip()) / "run" / "logs"
    assert sum(path.stat().st_size for path in logs.iterdir()) <= 1024 * 1024
    lines = pods.log("noisy")
    assert lines == numbered(300_000)[-len(lines) :]
    assert len(lines) > 5_000


def test_a_noisy_app_does_not_starve_another(pods: Pods) -> None:
    noisy = ("inspect", "--name", "noisy", "--", "lines", "3000000")
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; usleep 50000; done"
    quiet = ("busybox", "--name", "quiet", "--", "sh", "-c", script)
    begin = time.monotonic()
    pod = pods.start("--log-size", "1M", "--exit-policy", "app:quiet", *noisy, "---", *quiet, ready=False)
    pod.done()
    assert time.monotonic() - begin < 30
    shown = [line for line in pod.out.splitlines() if line.startswith("quiet")]
    assert shown == [f"quiet | {number}" for number in range(1, 11)]
    stamps = [line.split()[0] for line in pods.log(pod.uuid, "--app", "quiet", "--timestamps")]
    assert len(stamps) == 10
    moments = [datetime.fromisoformat(stamp[:26] + "+00:00") for stamp in stamps]
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(moments)]
    assert max(gaps) < 3  # a twentieth of a second each, and two processors for four who want one


def test_half_a_million_short_lines_arrive_complete_and_in_order(pods: Pods) -> None:
    assert pods.run("inspect", "--", "lines", "500000", "l").lines == numbered(500_000, "l")


def test_logs_follow_a_pod_to_its_end(pods: Pods) -> None:
    seen = pods.new_path("seen")
    seen.mkdir()
    wait = "[ $i != 2 ] || until [ -e /seen/2 ]; do usleep 50000; done"
    script = f"for i in 1 2 3 4 5; do echo $i; echo e$i >&2; {wait}; done"
    pod = pods.start("--volume", f"{seen}:/seen", "busybox", "--", "sh", "-c", script, ready=False)
    follower = pods.beside("logs", "--follow", pod.uuid)
    follower.prints("2\n")
    assert pod.popen.poll() is None
    (seen / "2").touch()
    done = follower.done()
    assert (done.out, done.err) == ("1\n2\n3\n4\n5\n", "e1\ne2\ne3\ne4\ne5\n")


def test_logs_follow_across_rotation(pods: Pods) -> None:
    words = ("lines", "4000", "sleep", "0.4") * 8
    pod = pods.start("--log-size", "1M", "inspect", "--", *words, ready=False)
    lines = pods.beside("logs", "--follow", pod.uuid).done().lines
    assert lines == numbered(4000) * 8
    assert len(pods.log(pod.uuid)) < 32_000


def test_following_logs_can_be_interrupted(pods: Pods) -> None:
    pod = pods.start("inspect", "--", "print", "up", "pause")
    follower = pods.beside("logs", "--follow", pod.uuid)
    follower.prints("up")
    follower.send(signal.SIGINT)
    done = follower.done(130)
    assert "Traceback" not in done.err
    assert pods.status(pod.uuid)["state"] == "running"


def test_logs_can_be_narrowed_to_apps_and_last_lines(pods: Pods) -> None:
    groups = [("---", "inspect", "--name", name, "--", "lines", "10", name) for name in ("a", "b", "c")]
    uuid = pods.run(*[word for group in groups for word in group][1:]).uuid
    assert pods.log(uuid, "--app", "a", "--tail", "2") == ["a 9", "a 10"]
    assert len(pods.log(uuid, "--tail", "7")) == 7
    assert pods.log(uuid, "--tail", "0") == []
    assert {line.split(" | ")[0] for line in pods.log(uuid, "--app", "a", "--app", "c")} == {"a", "c"}
    assert "no app 'x'" in pods("logs", "--app", "x", uuid, status=125).err


def test_logs_have_times(pods: Pods) -> None:
    before = datetime.now(UTC)
    uuid = pods.run("inspect", "--", "print", "a", "sleep", "1", "print", "b").uuid
    lines = [line.split(" ") for line in pods.log(uuid, "--timestamps")]
    assert [text for _, text in lines] == ["a", "b"]
    assert all(STAMP.fullmatch(stamp) for stamp, _ in lines)
    first, second = (datetime.fromisoformat(stamp[:26] + "+00:00") for stamp, _ in lines)
    assert before < first < second < datetime.now(UTC)
    assert 0.5 < (second - first).total_seconds() < 10


def test_logs_stay_until_the_pod_is_removed(pods: Pods) -> None:
    uuid = pods.run("inspect", "--", "print", "kept").uuid
    assert pods.log(uuid) == ["kept"]
    pods("rm", uuid)
    assert f"no pod '{uuid}'" in pods("logs", uuid, status=125).err


def test_logs_of_a_restarted_app_hold_every_run(pods: Pods) -> None:
    words = ("inspect", "--restart", "on-failure:1", "--", "print", "run", "exit", "1")
    assert pods.log(pods.run(*words, status=1).uuid) == ["run", "run"]


def test_what_the_pods_own_system_says_is_not_mixed_into_the_output(pods: Pods) -> None:
    done = pods.run("inspect", "--", "exit", "0")
    assert (done.out, done.err) == ("", "")


def test_a_pods_output_can_go_to_one_file_without_cutting_lines(pods: Pods) -> None:
    path = pods.new_path("both")
    groups = [("---", "busybox", "--name", name, "--", "sh", "-c",
               f"i=0; while [ $i -lt 2000 ]; do echo {name * 50}; echo {name * 50} >&2; i=$((i+1)); done")
              for name in "ab"]  # fmt: skip
    with path.open("wb") as file:
        words = [word for group in groups for word in group][1:]
        subprocess.run(pods.argv("run", *words), stdout=file, stderr=subprocess.STDOUT, check=True)
    lines = path.read_text().splitlines()
    assert len(lines) == 8000
    assert set(lines) == {f"a | {'a' * 50}", f"b | {'b' * 50}"}


def test_logs_of_a_pod_nobody_watches_are_complete(pods: Pods) -> None:
    uuid = pods.detach("inspect", "--", "lines", "20000", "pause")
    eventually(lambda: len(pods.log(uuid)) == 20_000, "all lines")
    assert pods.log(uuid) == numbered(20_000)
    pods("kill", uuid)
    assert pods.log(uuid) == numbered(20_000)
