"""EFFECT. The command line of `keeper` and run/enter/APP: taken, or refused in one line, whatever the bytes."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.root.native import NATIVE, encode_records

GOOD = encode_records([["version", "1"], ["directory", "/"], ["env", "A=1"]])
OPTIONS = (
    "--add-cap=net_raw", "--detach", "--detach-keys=16,17", "--env=A=b", "--host-tools", "--input", "--pod",
    "--preserve-fds=0", "--privileged", "--terminal", "--user=root", "--workdir=/",
)  # fmt: skip
SPOILT = (
    "--add-cap=none", "--detach-keys=1,,2", "--detach-keys=256", "--env=", "--env==", "--preserve-fds=x",
    "--preserve-fds=99", "--what", "--user", "-x", "--capture", "--workdir=", "",
)  # fmt: skip


@functools.cache
def checked() -> str:
    """The program with the compiler's sanitizers: a wrong access ends it with another status."""
    subprocess.run(["make", "-s", "-C", str(NATIVE), "build/keeper"], check=True)
    return str(NATIVE / "build" / "keeper")


def run(*words: bytes | str | Path, text: bytes = GOOD) -> tuple[int, str]:
    """Its status and what it says, in a pod directory that is not running."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "run/enter").mkdir(parents=True)
        (Path(directory) / "run/enter/web").write_bytes(text)
        done = subprocess.run(
            [checked(), *words],
            cwd=directory,
            env={"ASAN_OPTIONS": "detect_leaks=0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    return done.returncode, done.stderr.decode(errors="replace")


@given(st.lists(st.sampled_from(OPTIONS), max_size=6))
def test_every_option_is_taken(options: list[str]) -> None:
    status, said = run(*options, ".", "web", "true")
    assert (status, said) == (125, "pod: the pod is not running\n")


@given(
    st.lists(st.sampled_from(OPTIONS), max_size=3),
    st.sampled_from(SPOILT),
    st.lists(st.sampled_from(OPTIONS)),
)
def test_spoilt_options_are_refused(before: list[str], spoilt: str, after: list[str]) -> None:
    status, said = run(*before, spoilt, *after)
    assert status in {2, 125}
    assert said.count("\n") in {1, 2}


@given(st.lists(st.binary(max_size=20).filter(lambda word: b"\0" not in word), max_size=6))
def test_any_words_are_an_error_at_most(words: list[bytes]) -> None:
    status, _ = run(*words)
    assert status in {2, 125}


@pytest.mark.parametrize("app", ["../x", "a/b", ".", "", ".hidden"])
def test_an_apps_name_is_no_path(app: str) -> None:
    assert run(".", app, "true")[0] in {2, 125}


@given(st.binary(max_size=200))
@example(b"")
@example(b"\0\0")
@example(b"version\0001\0\0")
@example(b"version\0001\0\0directory\0/\0")
@example(b"version\0002\0\0directory\0/\0\0")
def test_bytes_that_are_no_records_are_refused_in_one_line(text: bytes) -> None:
    status, said = run(".", "web", "true", text=text)
    assert (status, said.count("\n")) == (125, 1)
    assert said.startswith("pod: run/enter/web: ")


@given(st.data())
def test_damaged_records_are_an_error_at_most(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, len(GOOD)))
    status, said = run(".", "web", "true", text=GOOD[:start] + data.draw(st.binary(max_size=8)) + GOOD[end:])
    assert (status, said.count("\n")) == (125, 1)
