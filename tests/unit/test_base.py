"""EFFECT. The base root: what a pod boots, made of this host's own systemd."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from stage1 import base, resources
from stage1.contract import DataRoot, HostError
from stage1.tree import Tree
from tests.conftest import needs_program

HOST = Tree(Path("/"))
PROGRAMS = ("/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-shutdown", "/usr/bin/systemctl")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One base root for all tests of this module."""
    needs_program("ldd")
    needs_program("systemd-nspawn")
    for helper in ("reaper", "begin", "launcher"):
        if not resources.native(helper).exists():
            pytest.fail(f"{helper} is not built: make native")
    return base.ensure(DataRoot(tmp_path_factory.mktemp("data")))


def test_a_recipe_is_verbs_and_words() -> None:
    text = "# a comment\n\nprogram /bin/x optional # why\n  dir /tmp 1777\n"
    assert list(base.parse(text)) == [
        base.Entry("program", ("/bin/x", "optional")),
        base.Entry("dir", ("/tmp", "1777")),
    ]


def test_the_recipe_we_ship_has_known_verbs_only() -> None:
    entries = list(base.parse(resources.base_recipe().read_text()))
    assert {entry.verb for entry in entries} <= set(base._VERBS)
    assert next(entry.words[0] for entry in entries if entry.verb == "program") == PROGRAMS[0]


def test_systemd_and_all_it_is_linked_with_are_there(root: Path) -> None:
    for program in PROGRAMS:
        inside = root / program.lstrip("/")
        assert inside.is_file()
        assert os.access(inside, os.X_OK)
        for library in HOST.shared_objects(program):
            assert base._inside(root, library).is_file(), library


@pytest.mark.parametrize("name", ["bus", "journal"])
def test_what_a_pod_may_ask_for_beside_has_known_verbs_and_our_files(name: str) -> None:
    entries = list(base.parse(resources.base_recipe(name).read_text()))
    assert {entry.verb for entry in entries} <= set(base._VERBS)
    for entry in entries:
        if entry.verb == "copy":
            assert resources.base_recipe(entry.words[0]).is_file()


def test_a_root_with_a_bus_and_a_journal_is_another_one(root: Path) -> None:
    needs_program("dbus-daemon")
    beside = base.ensure(DataRoot(root.parent.parent), ("contents", "bus", "journal"))
    assert beside != root
    for path in (
        "usr/bin/sh",
        "usr/bin/dbus-daemon",
        "usr/lib/systemd/systemd-journald",
        "usr/share/dbus-1/system.conf",
    ):
        assert (beside / path).is_file()
    shutil.rmtree(beside)


def test_our_helpers_are_there_and_can_run(root: Path) -> None:
    for helper in ("reaper", "begin", "launcher"):
        assert os.access(root / "pod/bin" / helper, os.X_OK)


def test_every_path_that_units_use_is_there(root: Path) -> None:
    for path in (
        "etc/systemd/system",
        "pod/apps",
        "pod/status",
        "pod/streams",
        "pod/volumes",
        "pod/etc",
        "proc",
        "sys",
        "dev",
        "run",
    ):
        assert (root / path).exists(), path
    for name in ("passwd", "group"):
        assert (root / "etc" / name).readlink() == Path(f"../pod/etc/{name}"), "a mounted directory"


def test_there_is_no_shell_and_no_interpreter_in_it(root: Path) -> None:
    names = {path.name for path in root.rglob("*") if path.is_file() and os.access(path, os.X_OK)}
    assert not names & {"sh", "bash", "dash", "busybox", "python3", "perl", "mount", "nsenter"}


def test_no_link_leads_out_of_it(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_symlink() and str(path.readlink()).startswith("/"):
            assert (root / str(path.readlink()).lstrip("/")).exists(), path


def test_no_unit_of_systemds_own_is_in_it(root: Path) -> None:
    assert not list(root.rglob("*.service"))
    assert not list(root.rglob("*.target"))


def test_the_identity_of_the_machine_is_the_pods(root: Path) -> None:
    assert (root / "etc/machine-id").readlink() == Path("../pod/etc/machine-id")


def test_a_second_pod_uses_the_same_one(root: Path) -> None:
    before = root.stat().st_ino
    os.utime(root, ns=(1, 1))
    assert base.ensure(DataRoot(root.parent.parent)) == root
    assert root.stat().st_ino == before
    assert root.stat().st_mtime_ns > 1  # gc spares what was used of late


def test_nothing_half_made_is_left_beside_it(root: Path) -> None:
    assert list(root.parent.iterdir()) == [root]


def test_a_program_that_is_missing_is_an_error_unless_optional(tmp_path: Path) -> None:
    base._program(tmp_path, HOST, "/not/here", "optional")
    with pytest.raises(HostError, match="/not/here is not installed"):
        base._program(tmp_path, HOST, "/not/here")
    base._library(tmp_path, HOST, "libnothere.so.9", "optional")
    with pytest.raises(HostError, match=r"libnothere\.so\.9"):
        base._library(tmp_path, HOST, "libnothere.so.9")
    assert list(tmp_path.iterdir()) == []


def test_paths_go_by_the_merged_usr() -> None:
    assert base._inside(Path("/r"), "/lib64/ld.so") == Path("/r/usr/lib64/ld.so")
    assert base._inside(Path("/r"), "/usr/bin/x") == Path("/r/usr/bin/x")
