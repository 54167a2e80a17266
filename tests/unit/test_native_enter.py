"""EFFECT. `enter` alone: small, from a sealed copy only, and any plan is followed or refused in a sentence."""

from __future__ import annotations

import fcntl
import functools
import os
import re
import resource
import socket
import subprocess
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tests.root.native import NATIVE, encode_records

MOST_LINES = 1000
ONES = (
    "namespaces", "root", "tools", "preserved", "terminal", "umask", "no-new-privs", "base-filters", "last-filter",
    "permitted", "inheritable", "bounding", "ambient",
)  # fmt: skip
NOWHERE = 999  # no descriptor: a plan that is right ends where the process's namespaces would be joined
JOINS = "cannot join the namespaces: Bad file descriptor"


def limits() -> list[tuple[str, int]]:
    """Our own, so that nothing is changed."""
    found = [resource.getrlimit(number) for number in range(16)]
    return [("limit", value % 2**64) for pair in found for value in pair]


RECORDS = [
    ("process", NOWHERE), *((name, 0) for name in ONES), *[("uid", 0)] * 3, *[("gid", 0)] * 3, ("group", 7),
    *limits(), ("directory", "/"), ("env", "A=1"), ("env", "B="),
]  # fmt: skip
GOOD = encode_records(RECORDS)


@functools.cache
def checked() -> Path:
    """The program with the compiler's sanitizers."""
    subprocess.run(["make", "-s", "-C", str(NATIVE), "build/enter"], check=True)
    return NATIVE / "build" / "enter"


@functools.cache
def sealed() -> str:
    """A copy that nobody can write to, as the keeper makes one where mounts cannot be cloned."""
    copy = os.memfd_create("enter", os.MFD_ALLOW_SEALING)
    os.write(copy, checked().read_bytes())
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals)
    return f"/proc/{os.getpid()}/fd/{copy}"


def run(text: bytes, program: str | Path | None = None) -> tuple[int, str]:
    """Its status and its report."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its, tempfile.TemporaryFile() as plan:
        plan.write(text)
        plan.flush()
        fds = (its.fileno(), plan.fileno())
        argv = [program or sealed(), *map(str, fds), "true"]
        done = subprocess.run(argv, pass_fds=fds, env={}, capture_output=True, check=False, timeout=60)
        its.close()
        assert (done.stdout, done.stderr) == (b"", b"")
        return done.returncode, ours.recv(4096).decode(errors="replace")


def test_a_whole_plan_is_followed_until_the_pod_is_joined() -> None:
    assert run(GOOD) == (125, JOINS)


def test_it_runs_from_no_file_that_could_be_written() -> None:
    status, said = run(GOOD, checked())
    assert status == 125
    assert said.startswith("enter runs only from a copy that no pod can write to")


@given(st.sampled_from(range(len(RECORDS))))
def test_a_plan_without_one_of_its_records_is_refused_or_followed(index: int) -> None:
    status, said = run(encode_records(RECORDS[:index] + RECORDS[index + 1 :]))
    optional = RECORDS[index][0] in {"group", "env"}
    assert status == 125
    assert said == JOINS if optional else said.startswith("what is to be done: ")


@given(st.binary(max_size=200))
@example(b"")
@example(b"\0\0")
@example(b"env\0A=1\0")
@example(b"umask\0" + b"9" * 40 + b"\0\0")
@example(GOOD + b"umask\0" + b"1\0\0")
@example(b"filters\0/nowhere\0\0")
def test_bytes_that_are_no_plan_are_refused_in_a_sentence(text: bytes) -> None:
    status, said = run(text)
    assert status == 125
    assert said.startswith("what is to be done: ")


@given(st.data())
def test_a_damaged_plan_is_an_error_at_most(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 30)))
    status, said = run(GOOD[:start] + data.draw(st.binary(max_size=8)) + GOOD[end:])
    assert status == 125
    assert said


def included(path: Path) -> set[Path]:
    """The headers of ours that a file includes, and those they include."""
    names = re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE)
    found = {NATIVE / name if "/" in name else path.parent / name for name in names}
    return found.union(*map(included, found))


def test_what_joins_a_pod_stays_small() -> None:
    """Every line of every file that makes it, comments too, but the `util` that all programs share."""
    asked = ["make", "-s", "-C", str(NATIVE), "--eval", "sources:; @echo $(enter_SOURCES)", "sources"]
    named = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    assert "enter/enter.c" in named
    files = {NATIVE / name for name in named}
    files = {path for path in files.union(*map(included, files)) if path.stem != "util"}
    assert {"confine.c", "plan.h"} <= {path.name for path in files}
    assert sum(len(path.read_text().splitlines()) for path in files) < MOST_LINES
