"""EFFECT. Completion, asked of the real shells: each reads the script that `pod completion` prints."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stage0 import cli, completion
from tests.conftest import needs_program

UUID = "0f0e0d0c-1111-4222-8333-444455556666"
OTHER = "1f0e0d0c-1111-4222-8333-444455556666"
PATIENCE = 20.0

Ask = Callable[[str], set[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with two pods written by hand, one of them named; needs nothing of what is tested."""
    data = tmp_path / "data"
    for uuid, name in ((UUID, "shop"), (OTHER, None)):
        directory = data / "pods" / "prepared" / uuid
        directory.mkdir(parents=True)
        (directory / "pod.json").write_text(json.dumps({"uuid": uuid, "name": name, "apps": []}))
    (data / "names").mkdir()
    (data / "names" / "shop").symlink_to(UUID)
    (data / "networks").mkdir()
    (data / "networks" / "blue.json").write_text(json.dumps({"name": "blue", "bridge": "pod-blue"}))
    return data


def script_of(shell: str, directory: Path) -> Path:
    path = directory / f"completion.{shell}"
    with path.open("w") as file, contextlib.redirect_stdout(file):
        assert cli.main(["completion", shell]) == 0
    return path


def environment(root: Path) -> dict[str, str]:
    """The `pod` of this very environment comes first."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(root), "POD_DIR": str(root), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def said_by(argv: list[str], root: Path) -> str:
    done = subprocess.run(argv, env=environment(root), cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def words_of_bash(line: str) -> list[str]:
    """A line as readline cuts it: at blanks, and at each of : and = as a word of its own."""
    words = re.findall(r"[^\s:=]+|[:=]+", line)
    return [*words, ""] if line[-1].isspace() else words


def ask_bash(script: Path, root: Path, line: str) -> set[str]:
    words = words_of_bash(line)
    code = (
        f"source {shlex.quote(str(script))}; COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} "
        f"COMP_CWORD={len(words) - 1}; COMP_WORDS=({shlex.join(words)}); _pod; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return set(said_by(["bash", "--norc", "-c", code], root).split("\n")) - {""}


def ask_fish(script: Path, root: Path, line: str) -> set[str]:
    code = f"source {shlex.quote(str(script))}; complete -C {shlex.quote(line)}"
    return {
        found.partition("\t")[0] for found in said_by(["fish", "--no-config", "-c", code], root).splitlines()
    }


ZSH_SETUP = """
PS1=
autoload -Uz compinit && compinit -u -d {dump}
source {script}
compadd() {{
        local -a __matching
        builtin compadd -O __matching "$@"
        print -rl -- $__matching >> {answer}
        builtin compadd "$@"
}}
note() {{ print END >> {answer} }}
zle -N note
bindkey '^X' note
print READY
"""


def ask_zsh(script: Path, root: Path, line: str) -> set[str]:
    """Completion of zsh works only while a line is edited: so a terminal, the line, Tab, and a key that says done."""
    answer = script.with_suffix(".answer")
    answer.unlink(missing_ok=True)
    setup = script.with_suffix(".setup")
    # made by the first test, read by the others: it is what a start of zsh's completion takes its time for
    dump = root.parent.parent / "zcompdump"
    paths = {"script": script, "answer": answer, "dump": dump}
    setup.write_text(ZSH_SETUP.format(**{name: shlex.quote(str(path)) for name, path in paths.items()}))
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(root)
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment(root))
    try:
        os.write(terminal, f"source {shlex.quote(str(setup))}\n".encode())
        read_until(terminal, lambda said: "READY" in said)
        os.write(terminal, f"{line}\t\x18".encode())
        read_until(terminal, lambda _: answer.exists() and answer.read_text().endswith("END\n"))
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return set(answer.read_text().split("\n")) - {"", "END"}


def read_until(terminal: int, done: Callable[[str], bool]) -> None:
    said = ""
    end = time.monotonic() + PATIENCE
    while not done(said):
        assert time.monotonic() < end, said
        if select.select([terminal], [], [], 0.05)[0]:
            said += os.read(terminal, 65536).decode(errors="replace")


ASKERS = {"bash": ask_bash, "zsh": ask_zsh, "fish": ask_fish}


@pytest.fixture(params=completion.SHELLS)
def ask(request: pytest.FixtureRequest, tmp_path: Path, root: Path) -> Ask:
    shell = request.param
    needs_program(shell)
    script = script_of(shell, tmp_path)
    return lambda line: ASKERS[shell](script, root, line)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="pods and images are listed only to root")


def test_the_commands_are_offered_first(ask: Ask) -> None:
    assert set(cli.VERBS) <= ask("pod ")


def test_a_command_begun_is_completed(ask: Ask) -> None:
    assert ask("pod pre") == {"prepare"}


def test_the_options_of_a_command_are_offered(ask: Ask) -> None:
    assert {"--older-than", "--prepared-older-than", "--quiet"} <= ask("pod gc --")


def test_the_data_root_may_come_before_the_command(ask: Ask) -> None:
    assert {"--all", "--json", "--quiet"} <= ask("pod --dir /somewhere ps --")


def test_image_has_commands_of_its_own_and_they_have_options(ask: Ask) -> None:
    assert {"import", "ls", "inspect", "rm"} <= ask("pod image ")
    assert "--name" in ask("pod image import --")


def test_before_the_image_the_options_are_those_of_the_pod(ask: Ask) -> None:
    found = ask("pod run --name shop --")
    assert {"--exit-policy", "--rm"} <= found
    assert "--workdir" not in found


def test_after_the_image_they_are_those_of_the_app(ask: Ask) -> None:
    found = ask("pod run --name shop store:latest --")
    assert {"--workdir", "--ready", "--"} <= found
    assert "--exit-policy" not in found


def test_a_value_of_a_known_few_is_offered(ask: Ask) -> None:
    words = {"private", "host", "none", "pod:", "ns:", "bridge:"}
    assert ask("pod run --net ") == {*words, "blue", "default"}
    assert ask("pod network rm ") == {"blue", "default"}
    assert ask("pod completion ") == set(completion.SHELLS)


def test_the_value_may_follow_an_equals_sign(ask: Ask) -> None:
    assert {found.removeprefix("--net=") for found in ask("pod run --net=h")} == {"host"}


def test_manifests_are_files(ask: Ask, root: Path) -> None:
    (root / "shop.toml").write_text("")
    assert "shop.toml" in ask("pod run --file sh")


@needs_root
def test_pods_are_offered_by_name_and_by_the_beginning_of_their_uuid(ask: Ask) -> None:
    assert ask("pod start ") == {"shop", UUID[:13], OTHER[:13]}
    assert ask("pod rm sh") == {"shop"}


@needs_root
def test_only_pods_that_run_are_offered_to_stop(ask: Ask) -> None:
    assert ask("pod stop ") == set()


@needs_root
def test_images_are_offered_although_their_names_have_colons(
    ask: Ask, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tree").mkdir()
    name = "store:latest"
    assert cli.main(["--dir", str(root), "image", "import", f"dir:{tmp_path}/tree", "--name", name]) == 0
    capsys.readouterr()
    assert name in ask("pod run --rm ")
    assert {found.removeprefix("store:") for found in ask("pod run --rm store:l")} == {"latest"}
    assert name in ask("pod image rm ")
    assert name in ask("pod run web --- st")


def test_every_option_of_every_command_is_in_every_script(tmp_path: Path) -> None:
    for shell in completion.SHELLS:
        text = script_of(shell, tmp_path).read_text()
        for name in cli.VERBS:
            for flag in re.findall(r"--[a-z][a-z-]*", cli.verb_parser(name).format_usage()):
                assert re.search(rf"(--|-l ){flag.removeprefix('--')}\b", text), (shell, name, flag)
