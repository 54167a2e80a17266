"""PURE. Comparing snapshots of a machine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import fields, replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.leftovers import Snapshot, describe_group, describe_mount

NOTHING = Snapshot(**{field.name: frozenset[str]() for field in fields(Snapshot)})
LINES = st.frozensets(st.text(max_size=8), max_size=4)
SNAPSHOTS = st.builds(Snapshot, **{field.name: LINES for field in fields(Snapshot)})


@given(SNAPSHOTS)
def test_a_snapshot_does_not_differ_from_itself(one: Snapshot) -> None:
    assert not one.difference(one)


@given(SNAPSHOTS)
def test_a_snapshot_survives_being_written_and_read(one: Snapshot) -> None:
    assert Snapshot.parse(one.to_json()) == one


@given(SNAPSHOTS, SNAPSHOTS)
def test_a_difference_the_other_way_round_is_the_same_with_sides_swapped(
    one: Snapshot, other: Snapshot
) -> None:
    there, back = one.difference(other), other.difference(one)
    assert (there.added, there.removed) == (back.removed, back.added)


def test_a_report_names_what_was_left_and_what_is_gone() -> None:
    before = replace(NOTHING, mounts=frozenset({"/a tmpfs x"}))
    after = replace(NOTHING, cgroups=frozenset({"/sys/fs/cgroup/pod"}))
    report = before.difference(after).report()
    assert report == "left behind: cgroups: /sys/fs/cgroup/pod\ngone: mounts: /a tmpfs x"


def test_a_service_started_on_demand_is_not_left_over() -> None:
    after = replace(NOTHING, cgroups=frozenset({"/sys/fs/cgroup/system.slice/systemd-machined.service"}))
    assert not NOTHING.difference(after)


def test_of_a_directory_that_is_left_only_the_top_is_named() -> None:
    after = replace(NOTHING, files=frozenset({"/d/x", "/d/x/y", "/d/x/y/z -> q", "/d/xx"}))
    assert NOTHING.difference(after).added == ("files: /d/x", "files: /d/xx")


def test_on_a_shared_machine_only_lines_with_a_text_count() -> None:
    after = replace(NOTHING, files=frozenset({"/x/mine", "/x/theirs"}))
    assert NOTHING.difference(after, only="mine").added == ("files: /x/mine",)


def test_a_mount_is_named_by_target_type_and_source() -> None:
    line = "36 35 98:0 /sub /mnt/x\\040y rw,noatime shared:1 - ext3 /dev/root rw,errors=continue"
    assert describe_mount(line) == "/mnt/x\\040y ext3 /dev/root"


def test_the_group_of_a_process_is_the_one_systemd_manages() -> None:
    assert describe_group("4:memory:/other\n1:name=systemd:/a/b\n0::/c\n") == "/a/b"
    assert describe_group("0::/c\n") == "/c"


def test_files_are_named_with_where_links_lead_and_caches_stay_shallow(tmp_path: Path) -> None:
    (tmp_path / "pods" / "run" / "u" / "deep").mkdir(parents=True)
    (tmp_path / "layers" / "sha256-x" / "usr").mkdir(parents=True)
    (tmp_path / "name").symlink_to("u")
    files = Snapshot.take(tmp_path).files
    assert {f"{tmp_path}/pods/run/u/deep", f"{tmp_path}/name -> u", f"{tmp_path}/layers/sha256-x"} <= files
    assert f"{tmp_path}/layers/sha256-x/usr" not in files


def test_a_new_process_is_seen_and_the_one_that_looks_is_not(tmp_path: Path) -> None:
    before = Snapshot.take(tmp_path)
    with subprocess.Popen(["sleep", "654"]) as sleeper:
        added = before.difference(Snapshot.take(tmp_path), only="sleep 654").added
        sleeper.kill()
    assert len(added) == 1
    assert f"pid {sleeper.pid} " in added[0]
    assert not any(line.startswith(f"pid {os.getpid()} ") for line in before.processes)


def test_a_snapshot_can_be_taken_by_a_program_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert f"{tmp_path}/x" in Snapshot.take(tmp_path, enter=("env",)).files
