"""EFFECT. Facts about the host: asked once, and again when the host has changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stage1 import host
from stage1.contract import HostError
from tests.conftest import needs_program


def program(directory: Path, name: str, text: str) -> Path:
    """A program of this test's own host."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nspawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose systemd-nspawn says what a test wants and notes that it was asked."""
    places = tmp_path / "bin"
    places.mkdir()
    monkeypatch.setenv("PATH", f"{places}:/usr/bin:/bin")
    return program(places, "systemd-nspawn", f'echo "systemd 255 (255.4-1)"; echo asked >> {tmp_path}/asked')


def asked(tmp_path: Path) -> int:
    path = tmp_path / "asked"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_the_facts_are_those_of_the_program_that_will_run(nspawn: Path, tmp_path: Path) -> None:
    facts = host.facts(tmp_path / "cache")
    assert (facts.nspawn, facts.systemd) == (str(nspawn), 255)


def test_the_host_is_asked_once(nspawn: Path, tmp_path: Path) -> None:
    first = host.facts(tmp_path / "cache")
    assert host.facts(tmp_path / "cache") == first
    assert asked(tmp_path) == 1
    assert nspawn.exists()


def test_a_newer_systemd_is_noticed(nspawn: Path, tmp_path: Path) -> None:
    host.facts(tmp_path / "cache")
    nspawn.write_text("#!/bin/sh\necho systemd 257\n")

    os.utime(nspawn, ns=(1, 1))
    assert host.facts(tmp_path / "cache").systemd == 257


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"stamp": 1}', '{"facts": {}}', "null"])
def test_a_damaged_cache_is_asked_for_anew(damage: str, nspawn: Path, tmp_path: Path) -> None:
    wanted = host.facts(tmp_path / "cache")
    (tmp_path / "cache" / "host.json").write_text(damage)
    assert host.facts(tmp_path / "cache") == wanted
    assert nspawn.exists()


def test_facts_of_an_older_program_of_ours_are_asked_for_anew(nspawn: Path, tmp_path: Path) -> None:
    wanted = host.facts(tmp_path / "cache")
    entry = tmp_path / "cache" / "host.json"
    known = json.loads(entry.read_text())
    del known["facts"]["machined"]
    entry.write_text(json.dumps(known))
    assert host.facts(tmp_path / "cache") == wanted
    assert nspawn.exists()


@pytest.mark.parametrize("text", ["systemd 258~rc1 (258~rc1-1)", "systemd 258.1", "systemd 258"])
def test_a_version_may_have_something_behind_it(text: str, nspawn: Path, tmp_path: Path) -> None:
    nspawn.write_text(f"#!/bin/sh\necho '{text}'\n")
    assert host.facts(tmp_path / "cache").systemd == 258


@pytest.mark.parametrize("text", ["systemd 251", "nonsense", "", "systemd ²"])
def test_a_systemd_below_the_floor_is_refused(text: str, nspawn: Path, tmp_path: Path) -> None:
    nspawn.write_text(f"#!/bin/sh\necho '{text}'\n")
    with pytest.raises(HostError, match="older than 252") as caught:
        host.facts(tmp_path / "cache")
    assert caught.value.hint


def test_a_host_without_systemd_nspawn_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="not installed") as caught:
        host.facts(tmp_path / "cache")
    assert "systemd-container" in caught.value.hint


def test_this_host_has_facts(tmp_path: Path) -> None:
    needs_program("systemd-nspawn")
    facts = host.facts(tmp_path)
    assert facts.systemd >= host.SYSTEMD_FLOOR
    assert facts.booted == Path("/run/systemd/system").is_dir()
    assert all(Path(place, "cgroup.procs").exists() for place in facts.cgroups)


def test_a_process_that_systemd_started_knows_it_by_its_own_number() -> None:
    assert host.main_process_of_a_unit({"SYSTEMD_EXEC_PID": "5"}, 5)
    assert not host.main_process_of_a_unit({"SYSTEMD_EXEC_PID": "5"}, 6)
    assert not host.main_process_of_a_unit({}, 5)
