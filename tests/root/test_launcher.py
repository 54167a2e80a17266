"""The launcher: a program gets exactly the words that were written for it, whatever bytes they hold."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.root.native import program

TELL = r"""
import os, sys
for word in sys.argv[1:]:
    os.write(1, os.fsencode(word) + b"\0")
os.write(1, b"\0")
os.write(1, open("/proc/self/environ", "rb").read())
"""


def write_words(
    path: Path, name: bytes, argv: list[bytes], environment: list[bytes], directory: bytes = b"/"
) -> None:
    words = [directory, str(len(argv)).encode(), name, *argv, *environment]
    path.write_bytes(b"".join(word + b"\0" for word in words))


def launch(path: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [program("launcher"), str(path)], env=environment, capture_output=True, check=False
    )


def told(
    path: Path, argv: list[bytes], environment: list[bytes], **own: str
) -> tuple[list[bytes], list[bytes]]:
    write_words(path, b"/usr/bin/python3", [b"any name", b"-IEs", b"-c", TELL.encode(), *argv], environment)
    result = launch(path, **own)
    assert (result.returncode, result.stderr) == (0, b"")
    words, _, variables = result.stdout.partition(b"\0\0") if argv else (b"", b"", result.stdout[1:])
    return words.split(b"\0") if argv else [], variables.split(b"\0")[:-1]


words = st.binary(min_size=1, max_size=60).filter(lambda word: b"\0" not in word)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    argv=st.lists(words, max_size=8),
    values=st.dictionaries(words.filter(lambda word: b"=" not in word), words, max_size=6),
)
def test_arguments_and_environment_arrive_byte_for_byte(
    tmp_path: Path, argv: list[bytes], values: dict[bytes, bytes]
) -> None:
    environment = [b"X" + key + b"=" + value for key, value in values.items()]
    assert told(tmp_path / "words", argv, environment, PATH="/bin", SECRET="1") == (argv, environment)


def test_empty_words_and_odd_variables_are_kept(tmp_path: Path) -> None:
    environment = [b"EMPTY=", b"A=1", b"A=2", b"no equals sign"]
    write_words(
        tmp_path / "words", b"/bin/cat", [b"", b"/proc/self/cmdline", b"/proc/self/environ"], environment
    )
    assert (
        launch(tmp_path / "words").stdout
        == b"\0/proc/self/cmdline\0/proc/self/environ\0" + b"\0".join(environment) + b"\0"
    )


def test_a_megabyte_of_arguments_arrives(tmp_path: Path) -> None:
    argv = [bytes([65 + i]) * 100_000 for i in range(12)]
    assert told(tmp_path / "words", argv, [])[0] == argv


def test_what_systemd_tells_the_process_comes_along_and_wins(tmp_path: Path) -> None:
    own = {"NOTIFY_SOCKET": "/run/n", "LISTEN_FDS": "1", "LISTEN_PID": "7", "HOME": "/nowhere"}
    _, seen = told(tmp_path / "words", [], [b"NOTIFY_SOCKET=/old", b"HOME=/root"], **own)
    assert sorted(seen) == [b"HOME=/root", b"LISTEN_FDS=1", b"LISTEN_PID=7", b"NOTIFY_SOCKET=/run/n"]


def script(path: Path, text: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_bare_name_is_searched_in_the_apps_own_path(tmp_path: Path) -> None:
    script(tmp_path / "denied" / "tool", "#!/bin/sh\necho wrong\n", 0o644)
    script(tmp_path / "right" / "tool", "#!/bin/sh\necho right\n")
    search = os.fsencode(f"/nowhere:{tmp_path}/denied:{tmp_path}/right")
    write_words(tmp_path / "words", b"tool", [b"tool"], [b"PATH=" + search])
    assert launch(tmp_path / "words", PATH="/bin").stdout == b"right\n"


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        (b"/no/such/program", 127, b"cannot execute /no/such/program: No such file or directory"),
        (b"no-such-program", 127, b"cannot execute no-such-program: No such file or directory"),
        (b"", 127, b"cannot execute : No such file or directory"),
        (b"/etc", 126, b"cannot execute /etc: Permission denied"),
        (b"/etc/passwd", 126, b"cannot execute /etc/passwd: Permission denied"),
    ],
)
def test_a_program_that_cannot_run_is_named(
    tmp_path: Path, name: bytes, status: int, message: bytes
) -> None:
    write_words(tmp_path / "words", name, [b"x"], [b"PATH=/usr/bin:/bin"])
    result = launch(tmp_path / "words")
    assert (result.returncode, result.stderr) == (status, b"launcher: " + message + b"\n")


def test_a_script_without_its_interpreter_is_there_but_cannot_run(tmp_path: Path) -> None:
    name = script(tmp_path / "bin" / "odd", "#!/no/such/interpreter\n")
    write_words(tmp_path / "words", os.fsencode(name), [b"x"], [])
    assert launch(tmp_path / "words").returncode == 126


def test_a_label_that_the_kernel_does_not_know_is_told_and_nothing_runs(tmp_path: Path) -> None:
    write_words(tmp_path / "words", b"/bin/echo", [b"echo", b"x"], [])
    label = "system_u:system_r:no_such_type_t:s0"
    for rest in ((str(tmp_path / "words"),), ("--", "/bin/echo", "echo", "x")):
        words = [program("launcher"), "--selinux", label, *rest]
        done = subprocess.run(words, capture_output=True, check=False)
        said = b"launcher: the host's SELinux policy does not know the label system_u:system_r:no_such_type_t:s0\n"
        assert (done.returncode, done.stdout, done.stderr) == (229, b"", said)


def test_the_program_runs_in_its_directory(tmp_path: Path) -> None:
    write_words(tmp_path / "words", b"/bin/pwd", [b"pwd"], [], os.fsencode(tmp_path))
    assert launch(tmp_path / "words").stdout == os.fsencode(tmp_path) + b"\n"
    write_words(tmp_path / "words", b"/bin/pwd", [b"pwd"], [], b"/no/such/place")
    result = launch(tmp_path / "words")
    assert (result.returncode, result.stderr) == (
        126,
        b"launcher: cannot enter /no/such/place: No such file or directory\n",
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"/",
        b"/\0",
        b"/\0000\0",
        b"/\0009\0/bin/true\0",
        b"/\0x\0/bin/true\0",
        b"/\0-1\0/bin/true\0",
        b"/\0001\0x\0x",
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "words").write_bytes(text)
    result = launch(tmp_path / "words")
    assert (result.returncode, result.stderr) == (126, f"launcher: {tmp_path}/words is damaged\n".encode())


def test_a_missing_file_is_named() -> None:
    result = launch(Path("/no/such/words"))
    assert (result.returncode, result.stderr) == (
        126,
        b"launcher: cannot read /no/such/words: No such file or directory\n",
    )
