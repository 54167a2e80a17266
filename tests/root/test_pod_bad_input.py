"""EFFECT. Bad input: one line what and where, one line what to do, the documented exit status, and nothing left."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.leftovers import Snapshot
from tests.root.pods import Done, Pods

pytestmark = pytest.mark.root

INSPECT = "inspect"
MINE = "taken"
USAGE = 2
RUNTIME = 125

# Words after `pod`, the exit status, and a part of what is said.
BAD: list[tuple[tuple[str, ...], int, str]] = [
    ((), USAGE, "usage"),
    (("no-such-verb",), USAGE, "no-such-verb"),
    (("run",), USAGE, "no image named"),
    (("run", "---"), USAGE, "---"),
    (("run", INSPECT, "---"), USAGE, "no image after ---"),
    (("run", INSPECT, "---", "---", INSPECT), USAGE, "no image after ---"),
    (("run", "--no-such-option", INSPECT), USAGE, "--no-such-option"),
    (("run", INSPECT, "--no-such-option"), USAGE, "--no-such-option"),
    (("run", INSPECT, "stray"), USAGE, "stray"),
    (("run", INSPECT, "--rm"), USAGE, "--rm"),
    (("run", "no-such-image"), RUNTIME, "no-such-image"),
    (("run", "Not/A/Valid:Name!"), USAGE, "Not/A/Valid:Name!"),
    (("run", "oci:/no/such/layout"), RUNTIME, "/no/such/layout"),
    (("run", ""), USAGE, "not valid"),
    (("run", INSPECT, "--name", "a b"), USAGE, "'a b'"),
    (("run", INSPECT, "--name", ""), USAGE, "name"),
    (("run", INSPECT, "--name", "../x"), USAGE, "../x"),
    (("run", INSPECT, "--name", "x" * 64), USAGE, "x" * 64),
    (("run", INSPECT, "---", INSPECT), USAGE, "two apps are called"),
    (("run", "--name", "a/b", INSPECT), USAGE, "a/b"),
    (("run", "--name", MINE, INSPECT), RUNTIME, "is taken"),
    (("run", "--hostname", "no_such host", INSPECT), USAGE, "host name"),
    (("run", "--net", "bridge:", INSPECT), USAGE, "bridge:"),
    (("run", "--exit-policy", "maybe", INSPECT), USAGE, "maybe"),
    (("run", "--exit-policy", "app:nobody", INSPECT), USAGE, "nobody"),
    (("run", "--exit-policy", "any-failure:x", INSPECT), USAGE, "any-failure:x"),
    (("run", "--log-size", "many", INSPECT), USAGE, "many"),
    (("run", "--uuid-file", "/no/such/dir/file", INSPECT), RUNTIME, "/no/such/dir/file"),
    (("run", "--volume", "x", INSPECT), USAGE, "--volume"),
    (("run", "--volume", "/no/such/source:/x", INSPECT), RUNTIME, "/no/such/source"),
    (("run", INSPECT, "--volume", "/etc:relative"), USAGE, "relative"),
    (("run", INSPECT, "--volume", "/etc:/"), USAGE, "'/'"),
    (("run", INSPECT, "--volume", "/etc:/x:rx"), USAGE, "/etc:/x:rx"),
    (("run", INSPECT, "--volume", "a b:/x"), USAGE, "a b"),
    (("run", INSPECT, "--volume", "/etc:/x", "--volume", "/usr:/x/"), USAGE, "two mounts"),
    (("run", INSPECT, "--mount", "nonsense"), USAGE, "nonsense"),
    (("run", INSPECT, "--mount", "type=ram,target=/x"), USAGE, "ram"),
    (("run", INSPECT, "--mount", "type=tmpfs"), USAGE, "target"),
    (("run", INSPECT, "--mount", "type=tmpfs,target=/x,size=big"), USAGE, "big"),
    (("run", INSPECT, "--mount", "type=tmpfs,target=/x,mode=9"), USAGE, "'9'"),
    (("run", INSPECT, "--mount", "type=empty,target=/x,uid=-1"), USAGE, "-1"),
    (("run", INSPECT, "--mount", "type=bind,target=/x"), USAGE, "source"),
    (("run", INSPECT, "--mount", "type=bind,source=/no/such,target=/x"), RUNTIME, "/no/such"),
    (("run", INSPECT, "--mount", "type=tmpfs,target=/x,color=red"), USAGE, "color"),
    (("run", INSPECT, "--env", "=x"), USAGE, "name of a variable"),
    (("run", INSPECT, "--env-file", "/no/such/file"), USAGE, "/no/such/file"),
    (("run", INSPECT, "--env-file", "/etc"), USAGE, "/etc"),
    (("run", INSPECT, "--workdir", "relative"), USAGE, "relative"),
    (("run", INSPECT, "--stop-signal", "NOSUCH"), USAGE, "NOSUCH"),
    (("run", INSPECT, "--stop-signal", "99"), USAGE, "99"),
    (("run", INSPECT, "--stop-time", "soon"), USAGE, "soon"),
    (("run", INSPECT, "--stop-time", "-1"), USAGE, "stop-time"),
    (("run", INSPECT, "--restart", "sometimes"), USAGE, "sometimes"),
    (("run", INSPECT, "--restart", "on-failure:x"), USAGE, "on-failure:x"),
    (("run", INSPECT, "--restart", "no:3"), USAGE, "no:3"),
    (("run", INSPECT, "--after", "nobody"), USAGE, "nobody"),
    (("run", INSPECT, "--requires", INSPECT), USAGE, "wait for each other"),
    (("run", INSPECT, "--name", "a", "--after", "b", "---", INSPECT, "--name", "b", "--after", "a"), USAGE, "a, b"),
    (("run", INSPECT, "--name", "a", "--init", "--after", "b", "---", INSPECT, "--name", "b"), USAGE, "init app a"),
    (("run", INSPECT, "--ready", "whenever"), USAGE, "whenever"),
    (("run", INSPECT, "--ready", "tcp:0"), USAGE, "tcp:0"),
    (("run", INSPECT, "--ready", "tcp:65536"), USAGE, "tcp:65536"),
    (("run", INSPECT, "--socket", "a b=80"), USAGE, "a b=80"),
    (("run", INSPECT, "--socket", "80%n"), USAGE, "80%n"),
    (("run", "-t", INSPECT, "--name", "a", "---", INSPECT, "--name", "b"), USAGE, "one app"),
    (("run", "-i", INSPECT, "--restart", "always"), USAGE, "--restart"),
    (("run", "-f", "/no/such/manifest.toml"), USAGE, "/no/such/manifest.toml"),
    (("run", "-f", "/etc/passwd"), USAGE, "/etc/passwd"),
    (("run", "-f", "x.toml", INSPECT), USAGE, "exclude each other"),
    (("prepare", "--rm", INSPECT), USAGE, "--rm"),
    (("prepare",), USAGE, "no image named"),
    (("start",), USAGE, "POD"),
    (("start", "nobody"), RUNTIME, "'nobody'"),
    (("stop", "nobody"), RUNTIME, "'nobody'"),
    (("stop", "--time", "x", MINE), USAGE, "'x'"),
    (("kill", "nobody"), RUNTIME, "'nobody'"),
    (("kill", MINE), RUNTIME, "not running"),
    (("wait", "nobody"), RUNTIME, "'nobody'"),
    (("rm", "nobody"), RUNTIME, "'nobody'"),
    (("rm",), USAGE, "POD"),
    (("status", "nobody"), RUNTIME, "'nobody'"),
    (("status", ""), RUNTIME, ""),
    (("status", "../pods"), RUNTIME, "../pods"),
    (("status", "\x1b[31m"), RUNTIME, "x1b"),
    (("inspect", "nobody"), RUNTIME, "'nobody'"),
    (("logs", "nobody"), RUNTIME, "'nobody'"),
    (("logs", "--app", "nobody", MINE), RUNTIME, "'nobody'"),
    (("logs", "--tail", "x", MINE), USAGE, "tail"),
    (("logs", "--tail", "-3", MINE), USAGE, "tail"),
    (("render", "nobody"), RUNTIME, "'nobody'"),
    (("render", "/etc"), RUNTIME, "/etc"),
    (("gc", "--older-than", "x"), USAGE, "'x'"),
    (("ps", "nobody"), USAGE, "nobody"),
    (("image",), USAGE, "VERB"),
    (("image", "import"), USAGE, "SOURCE"),
    (("image", "import", "nonsense"), USAGE, "nonsense"),
    (("image", "import", "oci:/no/such"), RUNTIME, "/no/such"),
    (("image", "import", "tar:/etc/passwd"), RUNTIME, "/etc/passwd"),
    (("image", "import", "oci-archive:/etc/passwd"), RUNTIME, "/etc/passwd"),
    (("image", "import", "dir:/etc/passwd"), RUNTIME, "/etc/passwd"),
    (("image", "inspect", "no-such-image"), RUNTIME, "no-such-image"),
    (("image", "rm", "no-such-image"), RUNTIME, "no-such-image"),
    (("completion", "tcsh"), USAGE, "tcsh"),
]  # fmt: skip

VERBS = (
    "run", "prepare", "start", "stop", "kill", "wait", "rm", "gc", "ps", "list", "status", "inspect", "logs", "image",
    "render", "doctor", "completion", "version",
)  # fmt: skip


def complaint(done: Done) -> str:
    """The one line what and where; a line what to do follows it."""
    assert "Traceback" not in done.err
    what, todo = done.err.splitlines()
    assert what.startswith("pod: ")
    assert todo.startswith("     ")
    assert todo.strip()
    assert what[5:].strip()
    return what


@pytest.fixture(scope="module")
def taken(session_pods: Pods) -> Iterator[Pods]:
    """A data root with one prepared pod; nothing that fails may change it."""
    session_pods("prepare", "--name", MINE, INSPECT)
    session_pods.run("--rm", INSPECT, "--", "exit", "0")
    before = Snapshot.take(session_pods.root)
    yield session_pods
    after = Snapshot.take(session_pods.root)
    left = before.difference(after, only=str(session_pods.root))
    assert not left, left.report()
    session_pods.clear()


@pytest.mark.parametrize(("words", "status", "said"), BAD, ids=[" ".join(words)[:50] for words, _, _ in BAD])
def test_bad_input_is_refused(taken: Pods, words: tuple[str, ...], status: int, said: str) -> None:
    done = taken(*words, status=status)
    if words:
        assert done.out == ""
        assert said in complaint(done)


def test_without_words_the_overview_is_shown(taken: Pods) -> None:
    shown = taken(status=2)
    assert "usage: pod" in shown.out + shown.err
    assert "usage: pod" in taken("--help").out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(taken: Pods, verb: str) -> None:
    assert f"usage: pod {verb}" in taken(verb, "--help").out


def test_paths_that_are_no_files_are_refused(taken: Pods) -> None:
    place = taken.new_path("socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place))
        complaint(taken("run", "-f", place, status=2))
        complaint(taken("run", INSPECT, "--env-file", place, status=2))
    place.unlink()


@pytest.mark.parametrize("target", ["/dev/odd\nname", "/dev/odd\udcff", "/proc/\x01"])
def test_mounts_at_places_no_unit_can_name_are_refused(taken: Pods, target: str) -> None:
    complaint(taken("run", INSPECT, "--mount", f"type=tmpfs,target={target}", status=2))
    complaint(taken("run", INSPECT, "--volume", f"/etc:{target}", status=2))


def test_a_data_root_that_cannot_be_is_refused(taken: Pods) -> None:
    for root in ("/etc/passwd", "/proc/nothing", "/dev/null/x"):
        complaint(taken("--dir", root, "run", INSPECT, status=125))
        complaint(taken("--dir", root, "prepare", INSPECT, status=125))
    complaint(taken("--dir", "/etc/passwd", "ps", status=125))


def test_json_of_nothing_is_an_empty_list(taken: Pods) -> None:
    assert json.loads(taken("ps", "--json").out) == []
