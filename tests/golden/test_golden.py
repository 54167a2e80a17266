"""EFFECT. Every case renders to exactly what it says, and systemd itself finds nothing to say about its units."""

from __future__ import annotations

import difflib
import os
import subprocess
from pathlib import Path

import pytest

from stage1 import units
from stage1.contract import (
    Condition,
    CredentialKind,
    ExitRule,
    Hooks,
    KillMode,
    NetworkMode,
    Output,
    PodManifest,
    Provider,
    Restart,
    SocketKind,
    Stdin,
    VolumeKind,
)
from stage1.contract.paths import LAUNCHER_IN_APP, REAPER, REAPER_IN_APP, UNITS
from tests.conftest import needs_program
from tests.golden.rendering import CASES, HERE, expected, facts, manifest, rendered, write

UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))


def difference(wanted: dict[str, str], found: dict[str, str]) -> str:
    """A unified diff over all files, the missing and the unexpected ones among them."""
    lines = []
    for path in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(path, ""), found.get(path, "")
        lines += difflib.unified_diff(
            one.splitlines(keepends=True), other.splitlines(keepends=True), f"expected/{path}", f"now/{path}"
        )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def verify(tree: dict[str, str], programs: set[str], root: Path) -> str:
    """What `systemd-analyze verify` says about units whose programs exist, in a root made of nothing else.

    Its exit status is no answer: unknown keys are warnings and leave it at 0.
    """
    etc = root / UNITS.lstrip("/")
    write(
        etc, {name.removeprefix("units/"): text for name, text in tree.items() if name.startswith("units/")}
    )
    for program in programs:
        path = root / program.lstrip("/") if program.startswith("/") else root / "usr/bin" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        path.chmod(0o755)
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            f"--root={root}",
            *sorted(str(path) for path in etc.iterdir() if not path.is_dir()),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": "warning", "LC_ALL": "C.UTF-8"},
    )
    return done.stderr + done.stdout


def programs_of(pod: PodManifest) -> set[str]:
    """Every path that ExecStart= and its kin name: the check wants them to exist."""
    return {
        REAPER,
        REAPER_IN_APP,
        LAUNCHER_IN_APP,
        *(["/usr/bin/dbus-daemon", "/bin/sh"] if pod.bus else []),
        *(["/usr/lib/systemd/systemd-journald"] if pod.journal else []),
        *(argv[0] for app in pod.apps for hooks in app.hooks for argv in hooks),
        *(units.program_path(app) for app in pod.apps if not units.command(app).words),
    }


@pytest.mark.parametrize("case", CASES)
def test_a_pod_renders_to_exactly_the_files_of_its_case(case: str) -> None:
    found = rendered(case)
    if UPDATE:
        write(HERE / case / "expected", found)
    changes = difference(expected(case), found)
    assert not changes, f"{changes}\nif this is meant: UPDATE_GOLDEN=1 pytest tests/golden"


@pytest.mark.parametrize("case", CASES)
def test_systemd_has_nothing_to_say_about_the_units_of_a_case(case: str, tmp_path: Path) -> None:
    needs_program("systemd-analyze")
    # verify reads with the systemd of this machine; keys that came later would be news to it
    if facts(case).systemd > installed_systemd():
        tree = {name: without_later_keys(text) for name, text in expected(case).items()}
    else:
        tree = expected(case)
    assert verify(tree, programs_of(manifest(case)), tmp_path) == ""


def installed_systemd() -> int:
    """The version of systemd-analyze."""
    done = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[1])


LATER = ("RestartSteps=", "RestartMaxDelaySec=", "RestartMode=")


def without_later_keys(text: str) -> str:
    """A unit as 252 would have got it."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(LATER))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("[Service]\nNoSuchKey=1\nExecStart=/pod/bin/reaper\n", "Unknown key 'NoSuchKey'"),
        ("[Service]\nExecStart=/pod/bin/reaper\nKillSignal=SIGNOTHING\n", "Failed to parse signal name"),
        ("[Service]\nExecStart=/not/there\n", "/not/there is not executable"),
        ('[Service]\nExecStart=/pod/bin/reaper\nBindPaths="/a\n', "BindPaths"),
        ("[Service]\nExecStart=/pod/bin/reaper\nBindPaths=/a:b\n", "not absolute"),
        ("[Service]\nExecStart=/pod/bin/reaper\n[Sevice]\nUser=x\n", "Unknown section 'Sevice'"),
    ],
)
def test_the_check_sees_a_unit_that_is_wrong(wrong: str, complaint: str, tmp_path: Path) -> None:
    needs_program("systemd-analyze")
    tree = {"units/app-x.service": "[Unit]\nDefaultDependencies=no\n" + wrong}
    assert complaint in verify(tree, {REAPER}, tmp_path)


def test_a_difference_is_shown_line_by_line() -> None:
    shown = difference({"a": "x\ny\n", "gone": "1\n"}, {"a": "x\nz\n", "new": "-> there"})
    assert "-y\n+z\n" in shown
    assert "expected/gone" in shown
    assert "+-> there" in shown


def test_the_cases_cover_every_word_of_the_contract() -> None:
    pods = [manifest(case) for case in CASES]
    apps = [app for pod in pods for app in pod.apps]
    assert {pod.exit_policy.rule for pod in pods} == set(ExitRule)
    assert {pod.network for pod in pods} == set(NetworkMode)
    assert {volume.kind for pod in pods for volume in pod.volumes} == set(VolumeKind)
    assert {app.restart.when for app in apps} == set(Restart)
    assert {pod.names.hosts for pod in pods} >= {Provider.HOST, Provider.POD}
    assert {app.stdin for app in apps} == set(Stdin)
    assert {kind for app in apps for kind in (app.stdout, app.stderr)} == set(Output)
    assert {one.kind for app in apps for one in app.credentials} == set(CredentialKind)
    assert {one.condition for app in apps for one in (*app.after, *app.wants, *app.requires)} == {
        Condition.STARTED,
        Condition.READY,
        Condition.FINISHED,
    }
    assert {app.kill_mode for app in apps} == set(KillMode)
    assert {socket.kind for app in apps for socket in app.sockets} == set(SocketKind)
    for hook in Hooks._fields:
        assert any(getattr(app.hooks, hook) for app in apps), hook
    assert any(app.etc_is_link for app in apps)
    assert any(app.init for app in apps)
    assert any(app.sidecar for app in apps)
    assert any(socket.activated for app in apps for socket in app.sockets)
    assert any(app.sockets for app in apps)
    assert any(app.tmpfs for app in apps)
    assert any(app.user.uid is None for app in apps)


def test_every_case_directory_is_a_case() -> None:
    directories = {path.name for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert directories == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_the_units_of_a_case_name_no_unit_that_is_not_there(case: str) -> None:
    tree = expected(case)
    names = {name.removeprefix("units/") for name in tree if name.startswith("units/")}
    for text in tree.values():
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key in {"After", "Before", "Requires", "Wants", "Conflicts", "OnFailure", "Service"}:
                assert set(value.split()) <= names, line
