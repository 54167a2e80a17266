"""EFFECT. A word without a meaning gets an error that says which, and where it belongs or what was meant."""

from __future__ import annotations

import re

import pytest

from stage0.cli import VERBS, verb_parser
from stage0.mistakes import ELSEWHERE, no_command
from stage0.request.arguments import request_of
from stage1.contract import UsageError


def mistake(verb: str, *words: str) -> tuple[str, str]:
    """What the user is told of these words."""
    with pytest.raises(UsageError) as caught:
        request_of(verb_parser(verb).parse_args(list(words)), {})
    return caught.value.message, caught.value.hint


@pytest.mark.parametrize("option", ["-e", "-eA=1", "--env", "--restart=always"])
def test_an_apps_option_before_its_image_is_told_where_it_goes(option: str) -> None:
    message, hint = mistake("run", option, "web")
    assert message.endswith("has no meaning here")
    assert "come after its image" in hint


@pytest.mark.parametrize("option", ["--rm", "-d", "--userns=host"])
def test_a_pods_option_behind_an_image_is_told_where_it_goes(option: str) -> None:
    message, hint = mistake("run", "web", option)
    assert message == f"{option.partition('=')[0]} has no meaning here"
    assert "come before its first image" in hint


def test_a_command_behind_an_image_is_told_how_it_is_written() -> None:
    assert mistake("run", "web", "sh") == (
        "'sh' is a word too many",
        "an app's arguments come after --, another program by --exec: IMAGE --exec PROGRAM -- ARGUMENTS",
    )


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--memroy", "1", "web"), "--memory"), (("web", "--evn", "A=1"), "--env"),
        (("web", "--pids", "3"), "--pids-limit"), (("--user", "auto", "web"), ""),
    ],
)  # fmt: skip
def test_an_option_that_is_nearly_one_is_told(words: tuple[str, ...], meant: str) -> None:
    assert (f"did you mean {meant}" if meant else "come after its image") in mistake("run", *words)[1]


def test_an_option_like_no_other_leads_to_the_help() -> None:
    assert mistake("stop", "--xyzzy", "web") == ("there is no option --xyzzy", "see `pod stop --help`")


def test_a_command_that_is_nearly_one_is_told() -> None:
    assert no_command("stpo", ["stop", "start"]).hint == "did you mean stop? see `pod --help`"
    assert no_command("frobnicate", ["stop", "start"]).hint == "see `pod --help`"


def test_commands_of_other_tools_are_told_what_they_are_here() -> None:
    assert no_command("rmi", VERBS).hint == "here it is `pod image rm`"  # and not rm, which is near
    assert not set(ELSEWHERE) & set(VERBS)
    named = {word for said in ELSEWHERE.values() for word in re.findall(r"`pod (\w+)", said)}
    assert named <= set(VERBS)
