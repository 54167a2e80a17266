"""EFFECT. Lines of apps in the journal of a systemd host: all of them, with fields, and in nobody's way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.host import LabHost
from tests.lab.pods import pods_of
from tests.root.pods import Pods, eventually

pytestmark = pytest.mark.lab

FIELDS = (
    "POD_NAME",
    "POD_UUID",
    "POD_APP",
    "POD_STREAM",
    "POD_IMAGE",
    "POD_IMAGE_DIGEST",
    "SYSLOG_IDENTIFIER",
)
# Long enough for the datagram of a socket, for a file in memory, and for several entries.
LENGTHS = (20_000, 250_000, 700_000)
HARD = [
    b"plain",
    b"",
    b"tab\tand \xff\xfe and \xc3\xa9",
    b"NUL \0 inside",
    b"MESSAGE=not a field",
    *(bytes([65 + number]) * size for number, size in enumerate(LENGTHS)),
    b"no end",
]


@pytest.fixture
def pods(lab: LabHost) -> Iterator[Pods]:
    """Pods of the session's lab."""
    with pods_of(lab) as found:
        yield found


def entries(lab: LabHost, *matches: str) -> list[dict[str, Any]]:
    """Entries of the journal."""
    lab.run(["journalctl", "--sync"])
    printed = lab.run(["journalctl", "--all", "--output=json", *matches]).stdout
    return [json.loads(line) for line in printed.splitlines()]


def message(entry: dict[str, Any]) -> bytes:
    """The line, whatever bytes it holds."""
    text = entry["MESSAGE"]
    return bytes(text) if isinstance(text, list) else str(text).encode()


def messages(lab: LabHost, *matches: str) -> list[bytes]:
    """Lines, put together where they became several entries."""
    found, begun = [], b""
    for entry in entries(lab, *matches):
        begun += message(entry)
        if "POD_PARTIAL" not in entry:
            found.append(begun)
            begun = b""
    return found


def logged(pods: Pods, *options: str) -> list[bytes]:
    """The same lines from `pod logs`."""
    return pods("logs", *options).out.encode(errors="surrogateescape").split(b"\n")[:-1]


def test_the_journal_and_the_logs_of_a_pod_have_the_same_lines(lab: LabHost, pods: Pods) -> None:
    data = pods.write("lines", b"\n".join(HARD))
    follow = "exec journalctl -f -n all -o cat POD_NAME=web POD_APP=talk >/run/followed"
    follower = lab.popen(["sh", "-c", follow])
    uuid = pods.detach(
        "--name", "web",
        "inspect", "--name", "db", "--volume", f"{data}:/lines:ro", "--", "cat", "/lines", "sleep", "1", "---",
        "inspect", "--name", "talk", "--", "eprint", "oops", "eprint", "<3>bad", "print", "<7>detail", "sleep", "1",
    )  # fmt: skip
    followed = {"oops", "bad", "detail"}
    eventually(lambda: set(lab.read("/run/followed").splitlines()) == followed, "what follows the journal")
    lab.end(follower)
    pods("wait", uuid)
    assert logged(pods, "--app", "db", "web") == HARD
    assert messages(lab, f"POD_UUID={uuid}", "POD_APP=db") == HARD
    said = {message(entry): entry for entry in entries(lab, f"POD_UUID={uuid}", "POD_APP=talk")}
    assert {text: (entry["POD_STREAM"], entry["PRIORITY"]) for text, entry in said.items()} == {
        b"oops": ("stderr", "4"), b"bad": ("stderr", "3"), b"detail": ("stdout", "7"),
    }  # fmt: skip
    app = pods.status(uuid)["apps"][1]
    assert [said[b"oops"][name] for name in FIELDS] == [
        "web", uuid, "talk", "stderr", "inspect:latest", app["digest"], "web/talk",
    ]  # fmt: skip
    assert said[b"oops"]["_SYSTEMD_UNIT"] == "pod-web.service"
    pods("rm", "web")
    assert messages(lab, f"POD_UUID={uuid}", "POD_APP=db") == HARD


def test_a_journal_that_stands_still_or_begins_anew_holds_nobody_up_and_misses_nothing(
    lab: LabHost, pods: Pods
) -> None:
    steps = ("lines", "3000", "write", "/data/first", "x", "wait-file", "/data/go", "lines", "10", "pause")
    lab.run(["systemctl", "kill", "--signal=STOP", "systemd-journald.service"])
    try:
        uuid = pods.detach(
            "--name", "busy", "inspect", "--mount", "type=empty,source=data,target=/data", "--", *steps
        )
        eventually(lambda: len(logged(pods, "busy")) == 3000, "the app's lines, in its own log")
    finally:
        lab.run(["systemctl", "kill", "--signal=CONT", "systemd-journald.service"])
    eventually(lambda: len(entries(lab, f"POD_UUID={uuid}")) == 3000, "the same lines in the journal")
    journal = ["systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket"]
    lab.run(["systemctl", "stop", *journal], check=False)
    lab.run(["systemctl", "start", *journal])
    (pods.directory(uuid) / "volumes" / "data" / "go").touch()
    eventually(lambda: len(entries(lab, f"POD_UUID={uuid}")) == 3010, "lines after a new beginning")
    assert messages(lab, f"POD_UUID={uuid}") == logged(pods, "busy")
    pods("stop", "busy")


def test_lines_above_the_rate_are_counted_and_the_count_is_said(lab: LabHost, pods: Pods) -> None:
    done = pods.run("--log-rate", "100/1h", "--name", "loud", "inspect", "--", "lines", "1000")
    assert len(logged(pods, "loud")) == 1000
    assert len(entries(lab, f"POD_UUID={done.uuid}", "POD_APP=inspect")) == 100
    (said,) = [entry for entry in entries(lab, f"POD_UUID={done.uuid}") if "POD_APP" not in entry]
    assert said["MESSAGE"].startswith("900 lines of the pod are not here: they were more than 100 in 3600s")
    assert (said["PRIORITY"], said["SYSLOG_IDENTIFIER"]) == ("4", "loud")


def test_a_pod_of_files_alone_has_no_line_in_the_journal(lab: LabHost, pods: Pods) -> None:
    done = pods.run("--log", "file", "inspect", "--", "print", "hello")
    assert done.out == "hello\n"
    assert entries(lab, f"POD_UUID={done.uuid}") == []


def test_a_unit_whose_output_is_the_journal_has_each_line_once(lab: LabHost, pods: Pods) -> None:
    pods("prepare", "--name", "once", "inspect", "--", "print", "only once", "pause")
    run = ["systemd-run", "--quiet", "--unit=once", "--service-type=notify", "--property=Delegate=yes"]
    lab.run([*run, *pods.argv("start", "once")[-3:]])
    found = eventually(lambda: entries(lab, "-u", "once.service", "MESSAGE=only once"), "the app's line")
    assert [message(entry) for entry in found] == [b"only once"]
    assert [entry["POD_APP"] for entry in entries(lab, "MESSAGE=only once")] == ["inspect"]
    lab.run(["systemctl", "stop", "once.service"])


def test_an_app_that_comes_later_and_its_next_image_have_their_fields(lab: LabHost, pods: Pods) -> None:
    uuid = pods.detach("--name", "grows", "--empty")
    pods("app", "add", uuid, "inspect", "--name", "late", "--", "print", "first", "pause")
    pods("image", "tag", "inspect", "next")
    pods("app", "update", uuid, "late", "--image", "next")
    eventually(lambda: pods("logs", "--app", "late", uuid).out == "first\n" * 2, "both images to print")
    pods("stop", uuid)
    said = entries(lab, f"POD_UUID={uuid}", "POD_APP=late")
    assert [(entry["MESSAGE"], entry["POD_IMAGE"]) for entry in said] == [
        ("first", "inspect:latest"), ("first", "next:latest"),
    ]  # fmt: skip
    pods("rm", uuid)
    pods("image", "untag", "next")
