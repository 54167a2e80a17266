"""EFFECT. The command as it is typed: help, errors, exit statuses, and what starting it imports."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stage0 import cli
from stage0.pods import lifecycle
from stage0.request.arguments import app_parser
from stage0.verbs import image
from stage1.contract import DataRoot, State, codec
from tests.conftest import needs_root
from tests.samples import UUID, app, pod

TOP = Path(__file__).parents[2]
# Not imported by anything that has not asked for them: each costs more than what these verbs do.
HEAVY = (
    "pydantic",
    "pydantic_core",
    "jinja2",
    "yaml",
    "pystemd",
    "subprocess",
    "socket",
    "ctypes",
    "hashlib",
    "asyncio",
    "logging",
    "shutil",
    "tempfile",
    "zstandard",
    "datetime",
    "uuid",
    "dataclasses",
    "inspect",
    "csv",
)
NAMES_POD = ("start", "stop", "kill", "wait", "rm", "status", "inspect", "logs", "render")


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """A data root with one pod that has ended; the command wants root for any."""
    needs_root()
    found = DataRoot(tmp_path / "data")
    directory, lock = lifecycle.create(found, UUID)
    directory.manifest.write_bytes(codec.encode(pod(app("web"), app("db"), name="shop")))
    lifecycle.take_name(found, "shop", UUID)
    directory = lifecycle.move(directory, State.RUN)
    directory.status.mkdir(parents=True)
    directory.outcome.write_text(json.dumps({"status": 3, "reason": "decided", "by": "web"}))
    directory.result("web").write_text(
        json.dumps({"app": "web", "final": True, "reason": "exited", "code": 3, "runs": 1})
    )
    os.close(lock)
    return found


def command(*words: str, root: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "stage0", *(["--dir", str(root)] if root else []), *words],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP)} | environment,
    )


def said(
    capsys: pytest.CaptureFixture[str], *words: str, root: DataRoot | None = None
) -> tuple[int, str, str]:
    """Run the command within this process."""
    status = cli.main([*(["--dir", str(root.path)] if root else []), *words])
    found = capsys.readouterr()
    return status, found.out, found.err


# Help


def test_the_overview_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("--help",), ("-h",), ("help",)):
        status, out, err = said(capsys, *words)
        assert (status, err) == (0, "")
        for verb, (_, summary) in cli.VERBS.items():
            assert re.search(rf"^  {verb} +{re.escape(summary)}$", out, re.MULTILINE)


def test_no_verb_is_a_usage_error_that_shows_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys)
    assert status == 2
    assert out == cli.overview()


def test_every_verb_is_a_module_and_every_module_a_verb() -> None:
    below = TOP / "stage0/verbs"
    modules = {path.stem for path in below.glob("*.py")} | {
        path.parent.name for path in below.glob("*/__init__.py")
    }
    assert {module for module, _ in cli.VERBS.values()} == modules - {"__init__"}


def test_every_verb_of_image_is_a_module_and_every_module_a_verb() -> None:
    modules = {path.stem for path in (TOP / "stage0/verbs/image").glob("*.py")} - {"__init__"}
    assert {module.__name__.rpartition(".")[2] for module, _ in image.VERBS.values()} == modules


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every option and word of a verb, those of its own verbs too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from actions(inner)
        else:
            yield action


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_that_names_all_its_options(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = said(capsys, verb, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: pod {verb}")
    for action in cli.verb_parser(verb)._actions:
        for option in action.option_strings:
            assert option in out, option


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_option_says_what_it_does(verb: str) -> None:
    for action in actions(cli.verb_parser(verb)):
        assert action.help, action.dest or action.option_strings


@pytest.mark.parametrize("verb", ["run", "prepare"])
def test_the_help_of_run_names_the_options_of_apps(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, verb, "--help")
    for action in app_parser()._actions:
        if action.dest != "help":
            assert set(action.option_strings) & set(re.findall(r"--[a-z-]+", out)), action.dest


def test_the_verbs_of_image_have_help_too(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in image.VERBS:
        status, out, _ = said(capsys, "image", verb, "--help")
        assert status == 0
        assert out.startswith(f"usage: pod image {verb}")


# Errors


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("nothing",), 2),
        (("--bogus",), 2),
        (("--dir",), 2),
        (("ps", "--bogus"), 2),
        (("run",), 2),
        (("run", "--", "x"), 2),
        (("run", "-f", "/none.toml"), 2),
        (("run", "web", "--restart"), 2),
        (("stop",), 2),
        (("image",), 2),
        (("image", "nothing"), 2),
        (("image", "import", "nonsense"), 2),
        (("logs", "-n", "x", "shop"), 2),
        (("gc", "--older-than", "soon"), 2),
        (("stop", "--time", "soon", "shop"), 2),
        (("kill", "-s", "NO", "shop"), 2),
        (("run", "no-such-image"), 125),
        (("status", "no-such-pod"), 125),
        (("rm", "no-such-pod"), 125),
        (("logs", "--app", "none", "shop"), 125),
        (("kill", "shop"), 125),
        (("image", "inspect", "none"), 125),
        (("image", "rm", "none"), 125),
    ],
)
def test_an_error_is_a_line_that_says_what_and_one_that_says_what_to_do(
    words: tuple[str, ...], status: int, root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = said(capsys, *words, root=root)
    assert (found, out) == (status, "")
    first, *rest = err.splitlines()
    assert first.startswith("pod: ")
    assert len(rest) == 1, err
    assert rest[0].startswith("     ")
    assert rest[0].strip()


@pytest.mark.parametrize("verb", NAMES_POD)
def test_a_pod_that_is_not_there_is_the_same_error_everywhere(
    verb: str, root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = said(capsys, verb, "ghost", root=root)
    assert status == 125
    assert "no pod 'ghost'" in err


@pytest.mark.root
def test_an_error_of_the_system_is_told_with_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = said(capsys, "ps", root=DataRoot(tmp_path / "file"))
    assert status == 125
    assert err.startswith(f"pod: {tmp_path}/file")
    assert "Not a directory" in err


def test_a_reader_that_goes_away_is_no_traceback(root: DataRoot) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stage0", "--dir", str(root.path), "inspect", *["shop"] * 500],
        cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


WORDS = st.sampled_from(
    [*cli.VERBS, "shop", "ghost", "--help", "--json", "-q", "-a", "--all", "--dir", "--dir=", "--", "---", "-f", "-n",
     "5", "--app", "web", "ls", "inspect", "-t", "--quiet", "--force", "--version", "help", "-1", "",
     "--dry-run", "oci:/none", "-d"]
)  # fmt: skip
# verbs that wait for somebody, or that look at the whole host, are not for random words
LONG = {"wait", "doctor"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS | st.text(st.characters(exclude_characters="\0"), max_size=4), max_size=5))
def test_no_words_end_in_a_traceback(
    words: list[str], root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    if any(word in LONG or word.startswith("--dir") for word in words):
        return
    try:
        status, _, err = said(capsys, *words, root=root)
    except SystemExit as done:
        status, err = int(done.code or 0), ""
    assert status in {0, 2, 3, 125}
    assert "Traceback" not in err


def test_words_that_are_not_utf8_are_shown_and_not_a_traceback(root: DataRoot) -> None:
    done = command("status", "\udcff\x1b", root=root.path)
    assert done.returncode == 125
    assert done.stderr.startswith("pod: no pod '\\udcff\\x1b'")


# Facts


def test_a_data_root_is_said_by_option_or_environment(root: DataRoot, tmp_path: Path) -> None:
    assert "shop" in command("ps", "-a", root=root.path).stdout
    assert "shop" in command("ps", "-a", POD_DIR=str(root.path)).stdout
    assert "shop" in command(f"--dir={root.path}", "ps", "-a", POD_DIR=str(tmp_path)).stdout
    assert "shop" not in command("ps", "-a", root=tmp_path / "other", POD_DIR=str(root.path)).stdout


def test_everything_that_prints_facts_prints_json_too(
    root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ("ps", "--json", "-a"),
        ("status", "--json", "shop"),
        ("inspect", "shop"),
        ("version", "--json"),
        ("image", "ls", "--json"),
    ):
        status, out, err = said(capsys, *words, root=root)
        assert (status, err) == (0, "")
        json.loads(out)


def test_a_pod_is_told_the_same_in_every_list(root: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "ps", root=root)[1].splitlines()[1:] == []
    assert said(capsys, "ps", "-aq", root=root)[1] == f"{UUID}\n"
    (row,) = json.loads(said(capsys, "ps", "-a", "--json", root=root)[1])
    status = json.loads(said(capsys, "status", "--json", UUID[:4], root=root)[1])
    (inspected,) = json.loads(said(capsys, "inspect", "shop", root=root)[1])
    for key in ("uuid", "name", "state", "status", "reason", "created"):
        assert row[key] == status[key] == inspected[key]
    assert (row["state"], row["status"], row["reason"]) == ("exited", 3, "decided")
    assert inspected["manifest"]["hostname"] == "demo"


def test_a_pod_that_has_ended_can_be_waited_for_and_gives_its_status(
    root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "wait", "shop", root=root)[:2] == (3, "3\n")


def test_a_pod_that_has_ended_can_be_removed(root: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "rm", "shop", root=root)[0] == 0
    assert said(capsys, "status", "shop", root=root)[0] == 125


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:

    wanted = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    assert said(capsys, "version")[1].splitlines()[0] == f"unitpod {wanted}"
    assert said(capsys, "--version")[1] == said(capsys, "version")[1]


# What a start imports


def imported(*words: str, root: Path) -> set[str]:
    """The heavy modules in a process that has just run a verb."""
    code = (
        "import sys\nfrom stage0 import cli\nstatus = cli.main(sys.argv[1:])\n"
        "sys.stderr.write('\\n'.join(['', *sorted(sys.modules)]))\nraise SystemExit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, "--dir", str(root), *words],
        cwd=TOP, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return set(done.stderr.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        ("ps",),
        ("ps", "-aq"),
        ("stop", "shop"),
        ("logs", "shop"),
        ("wait", "shop"),
        ("run", "--pull=never", "no-such-image"),
        ("start", "ghost"),
    ],
    ids=" ".join,
)
def test_a_verb_imports_nothing_heavy(words: tuple[str, ...], root: DataRoot) -> None:
    found = imported(*words, root=root.path)
    allowed = {"datetime"} if words[0] == "ps" else set()
    assert "stage0.cli" in found
    assert sorted(found & set(HEAVY) - allowed) == []


ENTERING = """
import os  # as `site` does
before = set(sys.modules)
def told(event, arguments):
    if event == "os.exec":
        sys.stderr.write("\\n".join(sorted(set(sys.modules) - before)))
        sys.stderr.flush()
        raise SystemExit(0)
sys.addaudithook(told)
from stage0 import cli
cli.main(sys.argv[1:])
"""


def test_exec_imports_next_to_nothing(root: DataRoot) -> None:
    """All of `pod exec` up to the moment in which the process becomes the program that enters."""
    pod = lifecycle.find(root, "shop").directory
    pod.enter.mkdir()
    filters = root.filters / "one"
    filters.parent.mkdir(parents=True)
    filters.touch()
    for beside in (filters.with_name("one~twin"), pod.enter / "web~twin"):
        beside.write_text("[Service]\n")
    (pod.enter / "web").write_bytes(b"version\0001\0\0filters\0" + os.fsencode(filters) + b"\0\0")
    lock = lifecycle.lock_exclusive(pod)
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(TOP)!r})\n{ENTERING}"]
    done = subprocess.run(
        [*words, "--dir", str(root.path), "exec", "shop", "true"], capture_output=True, text=True, check=True
    )
    assert lock is not None
    os.close(lock)
    found = set(done.stderr.split())
    assert {name for name in found if not name.startswith("stage")} <= {
        "__future__", "_collections", "errno", "fcntl", "gc", "importlib", "importlib._bootstrap",
        "importlib._bootstrap_external",
        "warnings",
    }  # fmt: skip
    assert {name for name in found if name.startswith("stage")} == {
        "stage0", "stage0.cli", "stage0.entering", "stage0.finding", "stage0.handoff", "stage0.settings",
        "stage0.verbs", "stage0.verbs.exec", "stage1", "stage1.contract", "stage1.contract.errors",
        "stage1.contract.places", "stage1.contract.running", "stage1.contract.values", "stage1.programs",
    }  # fmt: skip


RENDERING = """
import sys
from pathlib import Path
from stage0 import handoff
from stage0.pods import lifecycle
from stage1.contract import DataRoot, codec
directory = lifecycle.find(DataRoot(Path(sys.argv[1])), sys.argv[2]).directory
pod = codec.decode(directory.manifest.read_bytes(), where="x")
before = set(sys.modules)
handoff.render(pod, directory, print)
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.root
def test_making_and_rendering_a_pod_that_was_rendered_before_imports_nothing_heavy(
    root: DataRoot, tmp_path: Path
) -> None:
    """All of `pod run` but its last step, in which the process becomes the monitor."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "program").write_text("#!/program")
    assert command("image", "import", f"dir:{tree}", "--name", "tree", root=root.path).returncode == 0
    words = ("tree", "--exec", "/program")
    assert sorted(imported("run", "--dry-run", *words, root=root.path) & {"typing", *HEAVY}) == []
    assert sorted(imported("prepare", *words, root=root.path) & set(HEAVY)) == []
    for name in ("one", "two"):
        assert command("prepare", "--name", name, *words, root=root.path).returncode == 0
    made = [
        subprocess.run(
            [sys.executable, "-c", RENDERING, str(root.path), name],
            cwd=TOP,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for name in ("one", "two")
    ]
    assert "jinja2" in made[0]
    assert "stage1.launch" in made[1]
    assert sorted(set(made[1]) & set(HEAVY)) == []


def test_what_renders_and_launches_does_not_import_typing() -> None:
    modules = "stage1.launch, stage1.network.drivers.plain, stage1.network.drivers.private"
    program = f"import sys, {modules}; print('typing' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=TOP, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_a_verb_imports_no_other_verb_and_nothing_of_stage1_but_the_contract(root: DataRoot) -> None:
    found = imported("ps", "-a", root=root.path)
    assert {name for name in found if name.startswith("stage0.verbs.")} == {"stage0.verbs.ps"}
    assert {
        name for name in found if name.startswith("stage1.") and not name.startswith("stage1.contract")
    } == set()
