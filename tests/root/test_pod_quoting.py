"""EFFECT. Any bytes an image or a user can give arrive unchanged in a really booted pod, and nothing is injected."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.root.pods import IMAGES, Pods, import_images, scratch_directory

pytestmark = pytest.mark.root

ALL_BYTES = bytes(range(1, 256))
HUGE = b"0123456789" * 10_000
REPORT = ("report", "--json", "exit", "0")  # what follows `exit CODE` is never looked at
TRICKY = [
    b"", b" ", b"%n", b"%%", b"%", b"$HOME", b"${HOME}", b"$$", b"\n", b"a\nb", b"\n[Service]\nExecStart=/bin/false",
    b"'", b'"', b'a"b', b"\\", b"\\n", b"\\\\", b"a\\", b";", b"\\;", b"#", b"-", b"--", b"---x", b"@x", b"\t", b"\r",
    b"\x1b[31m", b"\x7f", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", "ü€𝄞".encode(), "\u2028\u0085\ufeff".encode(),
    b" lead", b"trail ", b"a=b", b"*", b"~", b"`id`", b"$(id)", b"\\x41", b"\\u00e4", HUGE, ALL_BYTES,
]  # fmt: skip
IN_A_UNIT = re.compile(rb"[^\x00-\x08\x0b-\x1f\x7f-\xff]*")  # values that systemd's Environment= can carry
ANY_BYTES = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b""))
WORD = ANY_BYTES | st.sampled_from(TRICKY[:-2])
# Half a second each: the unit tests of stage1/quoting.py try thousands, these prove that systemd agrees.
FEW = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def report(pods: Pods, *words: str) -> dict[str, Any]:
    """What the app of a pod saw."""
    done = pods.run("--rm", *words)
    assert done.err == ""
    found: dict[str, Any] = json.loads(done.out)
    return found


def octets(values: list[dict[str, str]]) -> list[bytes]:
    """Words of a report."""
    return [base64.b64decode(value["base64"]) for value in values]


def variables(found: dict[str, Any]) -> dict[bytes, bytes]:
    """The environment of a report."""
    pairs = (word.partition(b"=") for word in octets(found["env"]))
    return {name: value for name, _, value in pairs}


def options(values: dict[bytes, bytes]) -> list[str]:
    """`--env` for each."""
    return [os.fsdecode(b"--env=" + name + b"=" + value) for name, value in values.items()]


@pytest.mark.parametrize("launcher", [False, True], ids=["in a unit", "in a block for the launcher"])
def test_every_tricky_argument_arrives(pods: Pods, launcher: bool) -> None:
    force = ["--env", "UNCARRIABLE=\x01"] if launcher else []
    found = report(pods, "inspect", *force, "--", *REPORT, *map(os.fsdecode, TRICKY))
    assert octets(found["argv"]) == [b"/inspect", *map(os.fsencode, REPORT), *TRICKY]


def test_every_tricky_value_arrives(pods: Pods) -> None:
    values = {b"V%d" % number: word for number, word in enumerate(TRICKY)}
    found = variables(report(pods, "inspect", *options(values), "--", *REPORT))
    assert {name: found.get(name) for name in values} == values


def test_every_tricky_value_that_a_unit_can_carry_arrives_by_the_unit(pods: Pods) -> None:
    words = [word for word in [*TRICKY, "ü€𝄞".encode()] if IN_A_UNIT.fullmatch(word)]
    values = {b"V%d" % number: word for number, word in enumerate(words)}
    found = report(pods, "inspect", *options(values), "--", *REPORT)
    assert {name: variables(found).get(name) for name in values} == values
    assert octets(found["argv"])[0] == b"/inspect"


def test_names_of_variables_may_be_odd(pods: Pods) -> None:
    names = ["a.b", "with space", "1", "-x", "%n", "ü", "a\nb", "Q'\"\\", "IFS", "LD_X", "\udcff", "\x01"]
    values = {os.fsencode(name): b"value" for name in names}
    found = variables(report(pods, "inspect", *options(values), "--", *REPORT))
    assert {name: found.get(name) for name in values} == values


def test_the_environment_is_the_same_whoever_carries_it(pods: Pods) -> None:
    plain = report(pods, "inspect", "--user", "app", "--env", "A=b", "--", *REPORT)
    odd = report(pods, "inspect", "--user", "app", "--env", "A=b", "--env", "ODD=\x01", "--", *REPORT)
    assert variables(odd) == {**variables(plain), b"ODD": b"\x01"}
    same = ("argv", "uid", "gid", "groups", "cwd", "capabilities", "seccomp", "no_new_privs", "umask", "fds")
    assert {key: odd[key] for key in same} == {key: plain[key] for key in same}


def test_an_app_gets_no_variable_that_nobody_gave_it(pods: Pods) -> None:
    found = variables(report(pods, "inspect", "--", *REPORT))
    assert set(found) == {b"PATH", b"HOME", b"SHELL"}
    assert set(variables(report(pods, "inspect", "--user", "app", "--", *REPORT))) == {
        b"PATH",
        b"HOME",
        b"SHELL",
    }


@FEW
@given(arguments=st.lists(WORD, max_size=10), values=st.lists(WORD, max_size=6), odd=st.booleans())
def test_any_arguments_and_values_arrive(
    pods: Pods, arguments: list[bytes], values: list[bytes], odd: bool
) -> None:
    env = {b"X%d%s" % (number, b"." if odd else b""): value for number, value in enumerate(values)}
    found = report(pods, "inspect", *options(env), "--", *REPORT, *map(os.fsdecode, arguments))
    assert octets(found["argv"])[5:] == arguments
    assert {name: variables(found).get(name) for name in env} == env


def test_more_than_a_megabyte_of_arguments_arrives(pods: Pods) -> None:
    texts = [f"{number}{'%' * 100_000}" for number in range(12)]
    found = report(pods, "inspect", "--", *REPORT, *texts)
    assert [word.decode() for word in octets(found["argv"])[5:]] == texts


ODD_PLACE = "/odd, dir %n$"
PROGRAMS = [
    "with:colon", "with,comma", "with space", "with\nnewline", "with'quote", 'with"quotes', "back\\slash", "per%cent",
    "dollar$HOME", "\udcff\udcfe", "tab\t", "-dash", "+plus", "@at", "!bang", "semi;colon", "ü", "x" * 255,
]  # fmt: skip


@pytest.fixture(scope="module")
def odd_programs(session_pods: Pods) -> None:
    """An image with the test program under many odd names."""
    with scratch_directory(session_pods.scratch) as place:
        subprocess.run(
            ["umoci", "unpack", "--image", f"{IMAGES}/inspect:latest", str(place / "unpacked")],
            check=True,
            capture_output=True,
        )
        tree = place / "unpacked" / "rootfs"
        (tree / ODD_PLACE.lstrip("/")).mkdir()
        for name in PROGRAMS:
            os.link(tree / "inspect", tree / ODD_PLACE.lstrip("/") / name)
        session_pods("image", "import", f"dir:{tree}", "--name", "odd")


def reports(pods: Pods, image: str, *variants: Sequence[str]) -> list[dict[str, Any]]:
    """What each app of a pod saw: many variants for the price of one boot."""
    groups = [("---", image, "--name", f"app{i}", *words, "--", *REPORT) for i, words in enumerate(variants)]
    done = pods.run("--exit-policy", "all", *[word for group in groups for word in group][1:])
    return [json.loads(pods("logs", "--app", f"app{i}", done.uuid).out) for i in range(len(variants))]


@pytest.mark.usefixtures("odd_programs")
def test_the_path_of_a_program_may_be_odd(pods: Pods) -> None:
    paths = [f"{ODD_PLACE}/{name}" for name in PROGRAMS]
    found = reports(pods, "odd", *[("--exec", path) for path in paths])
    assert [octets(each["argv"])[0] for each in found] == [os.fsencode(path) for path in paths]


@pytest.mark.usefixtures("odd_programs")
def test_a_relative_program_path_starts_at_the_working_directory(pods: Pods) -> None:
    variants = [("--workdir", ODD_PLACE, "--exec", f"./{name}") for name in PROGRAMS]
    found = reports(pods, "odd", *variants)
    assert [each["cwd"] for each in found] == [ODD_PLACE] * len(PROGRAMS)
    assert [octets(each["argv"])[0] for each in found] == [os.fsencode(f"./{name}") for name in PROGRAMS]


@pytest.mark.usefixtures("odd_programs")
def test_a_bare_program_name_is_looked_for_in_the_apps_path(pods: Pods) -> None:
    found = reports(
        pods, "odd", *[("--env", f"PATH=/no:relative:{ODD_PLACE}", f"--exec={name}") for name in PROGRAMS]
    )
    assert [octets(each["argv"])[0] for each in found] == [os.fsencode(name) for name in PROGRAMS]


@pytest.mark.usefixtures("odd_programs")
def test_a_program_called_like_a_prefix_of_systemd_gives_no_rights(pods: Pods) -> None:
    names = [name for name in PROGRAMS if name[0] in "-+@!"]
    words = ("--user", "app", "--env", f"PATH={ODD_PLACE}")
    found = reports(pods, "odd", *[(*words, f"--exec={name}") for name in names])
    (plain,) = reports(pods, "odd", (*words, "--exec", "with:colon"))
    same = ("uid", "gid", "groups", "capabilities", "seccomp", "no_new_privs")
    assert [{key: each[key] for key in same} for each in found] == [{key: plain[key] for key in same}] * len(
        names
    )


def test_a_working_directory_may_have_any_bytes_and_is_made_if_missing(pods: Pods) -> None:
    names = [
        "/a b",
        "/%n",
        "/a:b,c",
        "/ü",
        "/quo'te\"s",
        "/$HOME",
        "/a\nb",
        "/\udcff",
        "/back\\slash",
        "/-x",
        "/~",
        "/x ",
        "/~",
    ]
    found = reports(pods, "inspect", *[("--workdir", f"{name}/deep") for name in names])
    assert [os.fsencode(each["cwd"]) for each in found] == [os.fsencode(f"{name}/deep") for name in names]


def test_an_app_may_be_called_like_a_unit(pods: Pods) -> None:
    names = [
        "shutdown",
        "default",
        "exit",
        "halt",
        "reboot",
        "systemd-exit",
        "reaper-x",
        "init",
        "a-b_c",
        "pod-stop",
        "0",
    ]
    groups = [("---", "inspect", "--name", name, "--", "print", name, "exit", "9") for name in names]
    done = pods.run("--exit-policy", "all", *[word for group in groups for word in group][1:], status=9)
    assert pods.endings(done.uuid) == dict.fromkeys(names, "exited 9")
    assert {name: pods.log(done.uuid, "--app", name) for name in names} == {name: [name] for name in names}


@pytest.mark.parametrize("name", ["shutdown", "exit"])
def test_an_app_called_like_a_unit_may_decide(pods: Pods, name: str) -> None:
    words = (
        "inspect",
        "--name",
        name,
        "--",
        "exit",
        "9",
        "---",
        "inspect",
        "--name",
        "default",
        "--",
        "pause",
    )
    done = pods.run(*words, status=9)
    assert pods.endings(done.uuid) == {name: "exited 9", "default": "stopped TERM"}


@pytest.mark.parametrize("odd", ["a:b,c", "with space", "per%cent", "back\\slash ü'\"$HOME"])
def test_the_path_of_an_image_may_be_odd(pods: Pods, odd: str) -> None:
    with scratch_directory(pods.scratch) as place:
        path = place / odd / "img"
        shutil.copytree(IMAGES / "hello", path)
        pods("image", "import", f"oci:{path}:latest", "--name", "from-an-odd-place")
        assert pods.run("--rm", f"oci:{path}:latest").out == pods.run("--rm", "from-an-odd-place").out
        pods("image", "import", f"oci:{path}")


@pytest.mark.parametrize("odd", ["with space:and,more", "per%cent ü'\"$HOME", "back\\slash", "new\nline"])
def test_the_path_of_the_data_root_may_be_odd(pods: Pods, odd: str) -> None:
    with scratch_directory(pods.scratch.parent) as place:
        other = Pods(root=place / odd, scratch=pods.scratch, count=pods.count + 1000)
        other("image", "import", f"oci:{IMAGES}/inspect:latest")
        words = ("--volume", "data:/d", "--", "write", "/d/x", "x", "cat", "/d/x", "exit", "3")
        try:
            done = other.run("inspect", *words, status=3)
            assert done.out == "x"
            assert pods("--dir", other.root, "status", done.uuid).out
        finally:
            other.clear()
        assert not other.left(done.uuid)


@pytest.mark.parametrize("odd", ["a\\:b", "with space,comma", "per%cent qu'o\"te ü"])
def test_the_paths_of_a_volume_may_be_odd(pods: Pods, odd: str) -> None:
    source = pods.new_path(odd.replace("\\:", ":"))
    source.mkdir()
    source.joinpath("file").write_text("from the host\n")
    written = f"{source}".replace(":", "\\:")
    done = pods.run(
        "--rm",
        "inspect",
        "--volume",
        f"{written}:/in {odd}",
        "--",
        "cat",
        f"/in {odd}/file".replace("\\:", ":"),
    )
    assert done.out == "from the host\n"


def test_an_image_can_set_odd_words_too(pods: Pods) -> None:
    import_images(pods, "inspect")
    with scratch_directory(pods.scratch) as place:
        layout = place / "layout"
        shutil.copytree(IMAGES / "inspect", layout)
        subprocess.run(
            ["umoci", "config", "--image", f"{layout}:latest", "--config.env", 'A=%n $HOME "q" \\',
             "--config.cmd", "report",
             "--config.cmd", "--json", "--config.cmd", "exit", "--config.cmd", "0", "--config.cmd", "%n $HOME\n;",
             "--config.workingdir", "/made %n", "--config.label", "x=[Service]"],
            check=True,
            capture_output=True,
        )  # fmt: skip
        found = report(pods, f"oci:{layout}:latest")
    assert octets(found["argv"])[5:] == [b"%n $HOME\n;"]
    assert variables(found)[b"A"] == b'%n $HOME "q" \\'
    assert found["cwd"] == "/made %n"


def test_the_unit_of_an_odd_app_says_nothing_of_its_own(pods: Pods) -> None:
    injection = "x\n[Service]\nExecStartPre=/inspect\nUser=root\\\n"
    words = ("--env", f"A={injection}", "--workdir", "/tmp", "--", *REPORT, injection)
    uuid = pods("prepare", "inspect", *words).out.strip()
    units = Path(pods("render", uuid).out.strip()) / "units"
    lines = (units / "app-inspect.service").read_text().splitlines()
    assert lines.count("[Service]") == 1
    assert not [line for line in lines if line.startswith(("ExecStartPre=", "User="))]
