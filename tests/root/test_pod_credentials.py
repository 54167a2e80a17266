"""EFFECT. Secrets: where an app finds them, who else does not, and where they are never written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import needs_program
from tests.root.pods import Pods

pytestmark = pytest.mark.root

SECRET = "hunter2-\udcff-%n-$X"
SHOW = 'cat "$CREDENTIALS_DIRECTORY/{0}"; echo; stat -c "%U %a" "$CREDENTIALS_DIRECTORY/{0}"'


@pytest.mark.parametrize("userns", ["auto", "host"])
@pytest.mark.parametrize("user", ["root", "app"])
def test_an_app_reads_its_secret_as_its_user_and_nobody_else_does(
    pods: Pods, user: str, userns: str
) -> None:
    file = pods.write("secret", SECRET, mode=0o600)
    one = (
        "busybox",
        "--name",
        "one",
        "--user",
        user,
        "--credential",
        f"key={file}",
        "--",
        "sh",
        "-c",
        SHOW.format("key"),
    )
    look = "ls /run/credentials /run/host; echo ${CREDENTIALS_DIRECTORY-none}"
    two = ("busybox", "--name", "two", "--user", user, "--", "sh", "-c", look)
    done = pods.run("--userns", userns, *one, "---", *two)
    assert pods.log(done.uuid, "--app", "one") == [SECRET, f"{user} 400"]
    shown = pods("logs", "--app", "two", done.uuid)
    assert shown.out == "none\n"
    assert shown.err.count("No such file or directory") == 2


def test_a_secret_is_written_nowhere(pods: Pods) -> None:
    file = pods.write("secret", SECRET, mode=0o600)
    started = pods.start("inspect", "--credential", f"key={file}", "--", "pause")
    wanted = SECRET.encode(errors="surrogateescape")
    kept = [path for path in pods.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in kept if wanted in path.read_bytes()] == []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        assert wanted not in said, process
    directory = pods.directory(started.uuid)
    assert os.listdir(directory / "base/upper/pod/credentials/inspect") == []
    started.send(15)
    started.done(0)


def test_a_secret_is_read_anew_at_each_start_and_a_lost_one_is_named(pods: Pods) -> None:
    file = pods.write("secret", "one\n")
    uuid = pods.run(
        "inspect", "--credential", f"key={file}", "--", "cat", "/run/credentials/app-inspect.service/key"
    ).uuid
    pods.write("secret", "two\n")
    assert pods("start", uuid).out == "two\n"
    file.unlink()
    done = pods("start", uuid, status=125)
    assert f"credential key: cannot open {file}" in done.err


def test_a_secret_may_come_by_the_standard_input(pods: Pods) -> None:
    words = (
        "inspect",
        "--credential",
        "key=/dev/stdin",
        "--",
        "cat",
        "/run/credentials/app-inspect.service/key",
    )
    assert pods.run(*words, input=b"by pipe\n").out == "by pipe\n"
    assert "is empty" in pods.run(*words, input=b"", status=125).err


def test_an_encrypted_secret_is_decrypted_for_the_app(pods: Pods) -> None:
    needs_program("systemd-creds")
    plain, file = pods.write("plain", "deep\n"), pods.scratch / "encrypted"
    subprocess.run(
        ["systemd-creds", "encrypt", "--with-key=host", "--name=key", plain, file],
        check=True,
        capture_output=True,
    )
    words = ("--", "cat", "/run/credentials/app-inspect.service/key")
    assert pods.run("inspect", "--encrypted-credential", f"key={file}", *words).out == "deep\n"
    done = pods.run("inspect", "--encrypted-credential", f"other={file}", *words, status=125)
    assert "credential other: systemd-creds cannot decrypt" in done.err


def test_a_secret_that_is_not_there_is_named_before_anything_is_made(pods: Pods) -> None:
    done = pods("run", "inspect", "--credential", "key=/not/there", status=125)
    assert "credential key of app inspect: /not/there does not exist" in done.err
    done = pods.run("inspect", "--credential", "key", "--", "exit", "0", status=125)
    assert "LoadCredential=key" in done.err


def test_a_secret_reaches_an_app_that_the_launcher_starts(pods: Pods) -> None:
    file = pods.write("secret", "by launcher\n")
    words = (
        "inspect",
        "--env",
        "ODD=\x01",
        "--credential",
        f"key={file}",
        "--",
        "env",
        "CREDENTIALS_DIRECTORY",
    )
    assert pods.run(*words).out == "/run/credentials/app-inspect.service\n"
