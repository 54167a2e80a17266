"""run/launch: the monitor takes what the contract allows and refuses anything else in one line, whatever the bytes."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.root.native import NATIVE, encode_records

START = [["version", "1"], ["pod", "p"]]
END = [["exec", "/bin/true"]]


@functools.cache
def checked_monitor() -> str:
    """The monitor with the compiler's sanitizers: a wrong access ends it with another status."""
    subprocess.run(["make", "-s", "-C", str(NATIVE), "build/monitor"], check=True)
    return str(NATIVE / "build" / "monitor")


def check(text: bytes) -> str:
    """What the monitor says of this file; empty if it is right."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "run").mkdir()
        (Path(directory) / "run" / "launch").write_bytes(text)
        # What the file says lives as long as the monitor, so nothing of it is ever freed.
        environment = {"ASAN_OPTIONS": "detect_leaks=0"}
        result = subprocess.run(
            [checked_monitor(), "--check", directory], env=environment, capture_output=True, check=False
        )
    said = result.stderr.decode(errors="replace")
    if result.returncode == 0:
        assert said == ""
        return ""
    assert (result.returncode, said.count("\n"), said.startswith("pod: run/launch: ")) == (125, 1, True), (
        said
    )
    return said


words = st.binary(min_size=1, max_size=30).filter(lambda word: b"\0" not in word)
paths = words.map(lambda word: b"/" + word)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
ids = st.integers(0, 2**32 - 2)
records = st.one_of(
    st.tuples(st.just("cgroup"), names.map(lambda name: f"/sys/fs/cgroup/{name}")),
    st.tuples(st.just("limit"), names.map(lambda name: f"/sys/fs/cgroup/x/{name}"), words),
    st.tuples(
        st.just("ulimit"),
        st.sampled_from(["nofile", "memlock", "msgqueue", "nice", "rtprio"]),
        st.integers(0, 2**63 - 1),
        st.one_of(st.just("infinity"), st.integers(0, 2**63 - 1)),
    ),
    st.tuples(st.just("oom-score"), st.integers(-1000, 1000)),
    st.builds(
        lambda *parts: ("overlay", *parts[:2], *parts[2]),
        paths,
        paths,
        st.lists(paths, min_size=1, max_size=9),
    ),
    st.tuples(st.just("bind"), paths, paths, st.sampled_from(["-", "ro", "rec", "ro,rec"])),
    st.tuples(st.just("credential"), names, st.sampled_from(["file", "encrypted"]), paths),
    st.tuples(st.just("credential"), names, st.just("unit"), names),
    st.tuples(st.just("from-host"), names, names),
    st.tuples(st.just("userns"), st.integers(1, 2**31), st.integers(1, 2**31 - 1)),
    st.tuples(
        st.just("bind"),
        paths,
        paths,
        st.sampled_from(["private", "idmap=0-0-1#5-9-2,ro", "rec,slave,noexec,nosuid,nodev"]),
        paths,
    ),
    st.tuples(st.just("follow"), paths, paths, st.sampled_from(["-", "rec"]), st.just("rootfs/x")),
    st.tuples(st.just("share"), names, paths, paths, st.sampled_from(["-", "ro", "rec,noexec"])),
    st.tuples(st.just("tmpfs"), paths, st.sampled_from(["mode=755", "ro,size=1,uid=0,gid=0,nosuid"]), paths),
    st.tuples(st.just("log-limit"), st.integers(65536, 2**40)),
    st.tuples(st.just("journal"), names, words.map(lambda word: b"POD_X=" + word), st.just("A_1=")),
    st.tuples(st.just("journal-rate"), st.integers(0, 2**32 - 1), st.integers(1, 86400)),
    st.tuples(
        st.just("env"),
        words.filter(lambda word: b"=" not in word).map(lambda word: b"X" + word + b"=" + word),
    ),
    st.builds(lambda links: ("remove", *links), st.lists(paths, max_size=3)),
    st.tuples(st.just("rules"), paths, paths, paths, paths),
    st.tuples(st.just("unlink"), paths),
)
netns = st.one_of(
    st.just([]),
    st.just([("netns", "/run/netns/x")]),
    st.tuples(st.integers(1, 2**31 - 1), st.integers(0, 2**63)).map(
        lambda one: [("netns", "/proc/1/ns/net", *one)]
    ),
    st.lists(
        st.one_of(
            st.tuples(
                st.just("link"), st.just("eth0"), st.just("vpod1"), names, names, st.integers(0, 65535)
            ),
            st.tuples(st.just("address"), names, words),
            st.tuples(st.just("route"), names, words),
            st.tuples(st.just("sysctl"), names.map(lambda name: f"net/{name.replace('..', '.')}"), words),
        ),
        max_size=5,
    ).map(lambda found: [("netns", "new"), *found]),
)
apps = st.lists(st.tuples(names, ids, ids), max_size=5, unique_by=lambda app: app[0]).map(
    lambda found: [("app", *app, "none", "null", "stream") for app in found]
)


@settings(deadline=None)
@given(
    st.lists(records, max_size=8),
    apps,
    st.sampled_from([None, "stream", "tty"]),
    st.lists(words, min_size=1, max_size=6),
    netns,
)
def test_every_file_of_the_contract_is_taken(
    middle: list[tuple[bytes | str | int, ...]],
    found: list[tuple[str | int, ...]],
    stdin: str | None,
    argv: list[bytes],
    network: list[tuple[bytes | str | int, ...]],
) -> None:
    if stdin and found:
        found[0] = (*found[0][:4], stdin, *(["tty", "log"] if stdin == "tty" else []))
    assert check(encode_records([*START, *network, *middle, *found, ["exec", *argv]])) == ""


@given(st.binary(max_size=300))
@example(b"")
@example(b"\0")
@example(b"\0\0")
@example(b"\0\0\0\0")
@example(b"version\0\0")
@example(b"version\x001\0\0exec\0\0")
def test_bytes_that_are_no_file_of_ours_are_refused_in_one_line(text: bytes) -> None:
    assert check(text)


@given(st.data())
def test_a_damaged_file_is_never_more_than_an_error(data: st.DataObject) -> None:
    text = encode_records([*START, *data.draw(st.lists(records, max_size=5)), *data.draw(apps), *END])
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 8)))
    check(text[:start] + data.draw(st.binary(max_size=8)) + text[end:])


@pytest.mark.parametrize(
    ("middle", "complaint"),
    [
        ([["odd"]], "record 3: 'odd' is not known"),
        ([["version", "1"]], "record 3: the first record, and no other, is 'version'"),
        ([["cgroup", "relative"]], "cgroup 'relative' is not an absolute path without '..'"),
        (
            [["cgroup", "/sys/fs/cgroup/../x"]],
            "cgroup '/sys/fs/cgroup/../x' is not an absolute path without '..'",
        ),
        ([["limit", "/etc/passwd", "x"]], "limit '/etc/passwd' is no file of a cgroup"),
        ([["limit", "/sys/fs/cgroup/../../x", "x"]], "is no file of a cgroup"),
        ([["ulimit", "core", "0", "0"]], "ulimit 'core 0 0' is not known"),
        ([["ulimit", "nofile", "-1", "0"]], "ulimit 'nofile -1 0' is not known"),
        ([["oom-score", "1001"]], "oom-score '1001' is not from -1000 to 1000"),
        ([["overlay", "t", "d"]], "record 3: 'overlay' with 2 words"),
        ([["overlay", "t", "d", *["l"] * 501]], "record 3: 'overlay' with 503 words"),
        ([["bind", "a", "b", "rw"]], "bind option 'rw' is not known"),
        ([["bind", "a", "b", "private,slave"]], "bind b is to be private and slave at once"),
        ([["follow", "s", "t", "ro", "rootfs"]], "follow option 'ro' is not known"),
        ([["follow", "s", "t", "-", "/x"]], "follow t: '/x' is not the pod's root or below it"),
        ([["share", "a/b", "s", "t", "-"]], "share: 'a/b' is no app name"),
        ([["share", "a", "s", "t", "rw"]], "share option 'rw' is not known"),
        (
            [["share", "a", "s", "t", "ro,slave"]],
            "share t has the propagation and the owners of the host's mount",
        ),
        ([["overlay", "t", "-", "l"]], "overlay t: one layer alone is bound, not overlaid"),
        ([["tmpfs", "t", "huge=always", "r"]], "tmpfs option 'huge=always' is not known"),
        ([["tmpfs", "t", "size=1"]], "record 3: 'tmpfs' with 2 words"),
        ([["bind", "a", "b", "idmap=1-2"]], "bind of a: '1-2' is no map of ids"),
        ([["bind", "a", "b", "idmap=1-2-0"]], "bind of a: '1-2-0' is no map of ids"),
        ([["bind", "a", "b", "idmap=1-2-3#"]], "bind of a: '1-2-3#' is no map of ids"),
        ([["userns", "100000", "10"], ["bind", "a", "b", "idmap=1-9-2"]], "'1-9-2' is no map of ids"),
        ([["bind", "a", "b", "ro,idmap"]], "bind of a: 'idmap' needs a 'userns' record"),
        ([["userns", 0, 65536]], "userns '0 65536' is no range of ids"),
        ([["userns", 1, 0]], "userns '1 0' is no range of ids"),
        ([["userns", 1, 2**32 - 1]], "userns '1 4294967295' is no range of ids"),
        ([["userns", "x", 1]], "userns 'x 1' is no range of ids"),
        ([["userns", 1]], "record 3: 'userns' with 1 words"),
        ([["app", "../x", 0, 0, "none"]], "'../x' is no app name"),
        ([["app", ".x", 0, 0, "none"]], "'.x' is no app name"),
        ([["app", "x" * 129, 0, 0, "none"]], "is no app name"),
        ([["app", "a", -1, 0, "none"]], "app a: '-1:0' is no user and group"),
        ([["app", "a", 0, 2**32 - 1, "none"]], "app a: '0:4294967295' is no user and group"),
        ([["app", "a", 0, 0, "file"]], "app a: standard input 'file' is not none, stream or tty"),
        ([["app", "a", 0, 0, "none", "file"]], "app a: output 'file' is not log, stream, null or tty"),
        ([["app", "a", 0, 0, "none", "tty"]], "app a: a terminal is both input and output"),
        ([["app", "a", 0, 0, "tty", "log"]], "app a: a terminal is both input and output"),
        ([["credential", "../x", "file", "/x"]], "'../x' is no name of a credential"),
        ([["credential", "a.b", "text", "/x"]], "credential a.b: 'text' is not file, encrypted or unit"),
        ([["credential", "a.b", "file", "x"]], "credential a.b: 'x' is no source"),
        ([["credential", "a.b", "unit", "../x"]], "credential a.b: '../x' is no source"),
        ([["app", "a", 0, 0, "none"]] * 2, "app a is there twice"),
        (
            [["app", "a", 0, 0, "tty"], ["app", "b", 0, 0, "stream"]],
            "more than one app reads the standard input",
        ),
        ([["log-limit", "65535"]], "log-limit '65535' is not a number of bytes from 65536 up"),
        ([["log-limit", "99999999999999999999999"]], "is not a number of bytes"),
        ([["journal", "a", "_UID=0"]], "journal a: '_UID=0' is no field of a journal"),
        ([["journal", "a", "A B=0"]], "journal a: 'A B=0' is no field of a journal"),
        ([["journal", "a", "A" * 65 + "=0"]], "is no field of a journal"),
        ([["journal-rate", "1", "0"]], "journal-rate '1 0' is not a number of lines and one of seconds"),
        ([["env", "=x"]], "env '=x' is not KEY=VALUE"),
        ([["env", "NOTIFY_SOCKET=/x"]], "env NOTIFY_SOCKET is the monitor's own"),
        ([["exec", "/bin/true"]], "record 4: nothing may follow 'exec'"),
        ([["netns", "new"]] * 2, "there are two network namespaces"),
        ([["netns", "here"]], "netns 'here' is neither new nor an absolute path"),
        ([["netns", "/x", "1"]], "netns PATH PID STARTTIME takes two numbers"),
        ([["netns", "/x", "1", "x"]], "netns PATH PID STARTTIME takes two numbers"),
        ([["netns", "new"], ["link", "eth0", "v", "pod0", "m", "65536"]], "link eth0: '65536' is no MTU"),
        ([["netns", "new"], ["link", "eth0", "v", "pod0", "m", "1500", "x"]], "link eth0: 'x' is not fixed"),
        ([["netns", "new"], ["link", "e" * 16, "v", "b", "m", "1500"]], "have at most 15 letters"),
        ([["netns", "new"], ["sysctl", "kernel/core_pattern", "x"]], "is not below net/"),
        ([["netns", "new"], ["sysctl", "net/../kernel/core_pattern", "x"]], "is not below net/"),
        ([["address", "eth0", "10.0.0.1/8"]], "need a network namespace of the pod's own"),
        ([["netns", "/x"], ["sysctl", "net/x", "1"]], "need a network namespace of the pod's own"),
    ],
)
def test_each_mistake_is_named(middle: list[list[str | int]], complaint: str) -> None:
    assert complaint in check(encode_records([*START, *middle, *END]))


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ([["version", "2"], *END], "version 2 is not known to this monitor"),
        ([["pod", "x"]], "record 1: the first record, and no other, is 'version'"),
        ([["version", "1"], *END], "there is no 'pod' record"),
        (START, "there is no 'exec' record"),
    ],
)
def test_a_file_lacks_nothing(found: list[list[str]], complaint: str) -> None:
    assert complaint in check(encode_records(found))


def test_a_message_stays_one_line_whatever_a_word_holds() -> None:
    assert "'a?b?c' is not known" in check(encode_records([*START, ["a\nb\tc"], *END]))
