"""EFFECT. The grammar of `pod run`: which word belongs to the pod, to an app, or to its program."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.cli import verb_parser
from stage0.request import AppRequest, PodRequest
from stage0.request.arguments import app_parser, apps_of, request_of
from stage1.contract import UsageError


def asked(*words: str, environment: dict[str, str] | None = None, verb: str = "run") -> PodRequest:
    """What a command line asks for."""
    return request_of(verb_parser(verb).parse_args(list(words)), environment or {})


def app(*words: str, environment: dict[str, str] | None = None) -> AppRequest:
    """The only app of a command line."""
    (found,) = asked(*words, environment=environment).app
    return found


def refused(*words: str) -> UsageError:
    """The error of a command line that has no meaning."""
    with pytest.raises(UsageError) as caught:
        asked(*words)
    assert caught.value.hint
    return caught.value


def test_one_word_is_an_image_and_says_nothing_else() -> None:
    assert asked("web") == PodRequest(app=(AppRequest(image="web"),))


def test_what_stands_before_the_image_is_of_the_pod_and_what_stands_after_it_of_the_app() -> None:
    request = asked("--name", "shop", "web", "--name", "front")
    assert request.name == "shop"
    assert request.app[0].name == "front"


def test_a_volume_before_the_image_is_for_every_app() -> None:
    request = asked("--volume", "/a:/b", "--volume", "c:/d:ro", "web", "--volume", "/e:/f")
    assert request.volume == ("/a:/b", "c:/d:ro")
    assert request.app[0].volume == ("/e:/f",)


def test_two_dashes_begin_the_words_of_the_program() -> None:
    assert app("web", "--name", "x", "--", "--name", "y", "--").args == ("--name", "y", "--")
    assert app("web", "--").args == ()
    assert app("web").args is None


def test_three_dashes_begin_the_next_app() -> None:
    request = asked("web", "--", "-x", "---", "store", "--name", "db", "---", "web", "--name", "two")
    assert [(one.image, one.name, one.args) for one in request.app] == [
        ("web", None, ("-x",)),
        ("store", "db", None),
        ("web", "two", None),
    ]


def test_options_may_be_written_with_an_equals_sign() -> None:
    assert app("web", "--exec=/bin/sh", "--stop-time=1s") == AppRequest(
        image="web", exec="/bin/sh", stop_time="1s"
    )


def test_every_option_of_an_app_arrives() -> None:
    found = app(
        "web", "--name", "a", "--exec", "/x", "--user", "u:g", "--group", "h", "--workdir", "/w", "--after", "b",
        "--after", "c", "--requires", "d", "--ready", "tcp:80", "--restart", "always", "--stop-signal", "INT",
        "--stop-time", "3s", "--wants", "e:ready", "--start-time", "4s", "--run-time", "5s", "--restart-delay", "6s",
        "--restart-max-delay", "7s", "--watchdog", "8s", "--kill-mode", "process", "--pre-start", "p q",
        "--stdin", "null", "--stdout", "stream", "--stderr", "log",
        "--credential", "c", "--credential", "d=/e", "--encrypted-credential", "f=/g",
        "--post-start", "r",
        "--pre-stop", "s", "--post-stop", "t", "--post-stop", "u", "--sidecar", "--init", "--volume", "v:/v",
        "--mount", "type=tmpfs,target=/t", "--socket", "80", "--",
        "z",
    )  # fmt: skip
    assert found == AppRequest(
        image="web", name="a", exec="/x", args=("z",), user="u:g", group="h", workdir="/w", after=("b", "c"),
        requires=("d",), ready="tcp:80", restart="always", stop_signal="INT", stop_time="3s", init=True,
        wants=("e:ready",), start_time="4s", run_time="5s", restart_delay="6s", restart_max_delay="7s", watchdog="8s",
        kill_mode="process", pre_start=("p q",), post_start=("r",), pre_stop=("s",), post_stop=("t", "u"),
        stdin="null", stdout="stream", stderr="log", credential=("c", "d=/e"), encrypted_credential=("f=/g",),
        sidecar=True,
        volume=("v:/v",), mount=("type=tmpfs,target=/t",), socket=("80",),
    )  # fmt: skip


def test_every_option_of_the_pod_arrives() -> None:
    words = (
        "--name",
        "n",
        "--hostname",
        "h",
        "--net",
        "blue",
        "--net",
        "private:mtu=1400",
        "--ip",
        "10.5.0.7",
        "--ip6",
        "fd00::7",
        "--mac",
        "02:00:00:00:00:01",
        "-p",
        "8080:80",
        "--sysctl",
        "net.core.somaxconn=9",
        "--exit-policy",
        "all",
        "--log-size",
        "1M",
        "--log",
        "file",
        "--log-rate",
        "5/1s",
        "--rm",
        "-i",
        "-t",
    )
    assert asked(*words, "web") == PodRequest(
        app=(AppRequest(image="web"),), name="n", hostname="h", net=("blue", "private:mtu=1400"),
        ip="10.5.0.7", ip6="fd00::7", mac="02:00:00:00:00:01", publish=("8080:80",), sysctl=("net.core.somaxconn=9",),
        exit_policy="all", log_size="1M", log="file", log_rate="5/1s", rm=True, interactive=True, tty=True,
    )  # fmt: skip
    assert asked("--name", "n", "web", verb="prepare").name == "n"


def test_the_options_of_an_app_are_the_keys_of_a_manifest() -> None:
    options = {action.dest for action in app_parser()._actions} - {"help"}
    assert options == set(AppRequest._fields) - {"image", "args"}


def test_a_variable_is_set_or_passed_on() -> None:
    caller = {"HOME": "/home/user", "LANG": "C"}
    assert app(
        "web", "--env", "A=1", "--env", "LANG", "--env", "B=", "--env", "GONE", environment=caller
    ).env == (
        "A=1",
        "LANG=C",
        "B=",
    )


def test_a_value_may_hold_anything() -> None:
    assert app("web", "--env", "A=b=c\n%n $HOME \udcff").env == ("A=b=c\n%n $HOME \udcff",)


def test_files_of_variables_come_before_options(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_bytes(b"# a comment\n\nA=1\n  B= two words \nLANG\nNOT_SET\nC='quoted'\nD=\xff\n")
    found = app("web", "--env", "A=2", "--env-file", str(one), environment={"LANG": "C"})
    assert found.env == ("A=1", "B= two words ", "LANG=C", "C='quoted'", "D=\udcff", "A=2")
    assert found.env_file == ()


def test_a_file_of_variables_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    error = refused("web", "--env-file", str(tmp_path / "none"))
    assert "none" in error.message
    assert "No such file" in error.message
    refused("web", "--env-file", str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [
        (), ("--",), ("---",), ("---", "web"), ("web", "---"), ("web", "---", "---", "web"), ("--bogus", "web"),
        ("web", "--bogus"), ("web", "extra"), ("--name",), ("web", "--name"), ("-x", "web"), ("web", "--nam", "x"),
        ("--hostnam", "x", "web"), ("--rm=yes", "web"), ("web", "---", "--name", "x"), ("-f", "file", "web"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_a_usage_error_with_a_hint(words: tuple[str, ...]) -> None:
    refused(*words)


def test_an_option_of_an_app_before_its_image_is_told_so() -> None:
    assert "--exec" in refused("--exec", "/bin/sh", "web").message
    assert "after its image" in refused("--", "web").hint


def test_a_file_and_options_go_together_and_the_options_win(tmp_path: Path) -> None:
    file = tmp_path / "pod.toml"
    file.write_text('name = "file"\nnet = "none"\n[[app]]\nimage = "web"\nenv = { A = "1" }\n')
    assert asked("--name", "option", "-f", str(file)) == PodRequest(
        app=(AppRequest(image="web", env=("A=1",)),), name="option", net="none"
    )


def test_a_variable_of_a_file_is_a_name(tmp_path: Path) -> None:
    file = tmp_path / "pod.toml"
    file.write_text('[[app]]\nimage = "web"\nenv = { "A=B" = "1" }\n')
    assert "A=B" in refused("-f", str(file)).message


WORDS = st.sampled_from(
    ["web", "--", "---", "-", "-f", "--name", "--name=x", "--rm", "-it", "-d", "--env", "A=1", "--init", "--help",
     "-h", "--volume", "/a:/b", "--bogus", "--exec", "", "--user=", "--env-file", "/none", "@file", "-1", "=",
     "\udcff"]
)  # fmt: skip


@given(st.lists(WORDS | st.text(st.characters(exclude_characters="\0"), max_size=6), max_size=8))
def test_any_words_are_a_request_or_a_usage_error(words: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            found = asked(*words)
        except UsageError as error:
            assert error.hint
            return
        except SystemExit as done:  # --help
            assert done.code == 0
            return
    assert found.app
    assert all(isinstance(one.image, str) for one in found.app)


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0"), max_size=8).filter(lambda word: word != "---"),
        max_size=6,
    )
)
def test_the_words_of_the_program_arrive_as_they_are(args: list[str]) -> None:
    (found,) = apps_of(["web", "--name", "x", "--", *args])
    assert found.args == tuple(args)
