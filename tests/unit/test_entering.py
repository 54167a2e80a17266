"""PURE. The words after `pod exec`, and what is written for entering an app."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0 import entering
from stage0.entering import EnterRequest, helper_options, key_codes, parse
from stage1 import entering as stage1_entering
from stage1.contract import UsageError

PLAIN = EnterRequest(pod="web", command=("ls", "-l"))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["web", "ls", "-l"], PLAIN),
        (["web", "--", "ls", "-l"], PLAIN),
        (["--", "web", "ls", "-l"], PLAIN),
        (["-it", "web", "ls", "-l"], PLAIN._replace(interactive=True, tty=True)),
        (["-i", "-t", "-d", "web", "ls", "-l"], PLAIN._replace(interactive=True, tty=True, detach=True)),
        (["-uroot", "web", "ls", "-l"], PLAIN._replace(user="root")),
        (["-itu", "root", "web", "ls", "-l"], PLAIN._replace(interactive=True, tty=True, user="root")),
        (["--user=a:b", "--app", "x", "web", "ls", "-l"], PLAIN._replace(user="a:b", app="x")),
        (["-e", "A=1", "--env", "B=-i", "-eC", "web", "ls", "-l"], PLAIN._replace(env=("A=1", "B=-i", "C"))),
        (["--workdir", "", "web", "ls", "-l"], PLAIN._replace(workdir="")),
        (["web"], EnterRequest(pod="web", command=())),
        (["-h", "web"], None),
        (["-ith", "web"], None),
        (["--user", "x", "--help"], None),
        (["web", "--help"], EnterRequest(pod="web", command=("--help",))),
    ],
)
def test_words_are_read_up_to_the_pod(words: list[str], wanted: EnterRequest | None) -> None:
    assert parse(words) == wanted


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "which pod"),
        (["--nothing", "web"], "no option --nothing"),
        (["-x", "web"], "no option -x"),
        (["--tty=yes", "web"], "takes no value"),
        (["--user"], "needs a value"),
        (["-u"], "needs a value"),
    ],
)
def test_words_that_are_no_request_are_refused(words: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse(words)


@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_words_are_a_request_or_an_error(words: list[str]) -> None:
    try:
        found = parse(words)
    except UsageError:
        return
    assert found is None or found.pod in words


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6))
def test_a_command_arrives_as_it_was_written(command: list[str]) -> None:
    found = parse(["-it", "web", "--", *command])
    assert found
    assert found.command == tuple(command)


@pytest.mark.parametrize(
    ("text", "codes"),
    [("ctrl-p,ctrl-q", (16, 17)), ("a,B", (97, 66)), ("ctrl-[", (27,)), ("ctrl-@", (0,)), ("", ())],
)
def test_keys_have_codes(text: str, codes: tuple[int, ...]) -> None:
    assert key_codes(text) == codes


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-pp", "ab", "ctrl-p,", "é", ",".join("a" * 17)])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="detach-keys"):
        key_codes(text)


def test_the_helper_is_told_what_was_asked_for() -> None:
    request = PLAIN._replace(tty=True, env=("A=1", "TERM", "MISSING"), cap_add=("net_raw",), user="-x")
    assert helper_options(request, {"TERM": "vt100"}) == [
        "--terminal", "--user=-x", "--env=A=1", "--env=TERM=vt100", "--add-cap=net_raw", "--detach-keys=16,17",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no name"):
        helper_options(PLAIN._replace(env=("=1",)), {})


def test_every_option_reaches_the_request() -> None:
    assert {option.field for option in entering.OPTIONS} == set(EnterRequest._fields) - {"pod", "command"}


UNIT = """[Unit]
After=app-db.service

[Service]
Type=exec
# a reason
User=1000
ExecStart=:@"/bin/true" "true"
Environment="A=SystemCallFilter=@none"
MemoryMax=1G
MemoryDenyWriteExecute=yes
SystemCallFilter=@system-service chroot
SomethingNew=yes

[Install]
WantedBy=default.target
"""


def test_a_twin_keeps_whatever_may_make_a_filter_and_runs_nothing_of_the_app() -> None:
    lines = stage1_entering.twin_unit(UNIT, ("base 1",)).decode().splitlines()
    assert lines[0] == "# base 1"
    assert lines[lines.index("[Service]") + 1 :] == [
        "Type=exec",
        "ExecStart=/pod/bin/reaper hold",
        "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service chroot",
        "SomethingNew=yes",
    ]


def test_filters_of_other_units_are_kept_elsewhere() -> None:
    one = stage1_entering.twin_unit(UNIT, ("base 1",))
    other = stage1_entering.twin_unit(UNIT, ("base 2",))
    assert stage1_entering.cache_name(one) != stage1_entering.cache_name(other)
    assert stage1_entering.cache_name(one) == stage1_entering.cache_name(bytes(one))
