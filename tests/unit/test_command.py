"""The door to other programs."""

from __future__ import annotations

import pytest

from stage0.command import CommandError, run
from stage1.contract.errors import HostError


def test_what_a_program_writes_is_given_back():
    assert run(["cat"], data=b"in\xff") == b"in\xff"


def test_nothing_waits_for_input():
    assert run(["cat"]) == b""


def test_a_failure_carries_the_last_lines():
    with pytest.raises(CommandError) as raised:
        run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo line $i >&2; done; exit 3"])
    assert raised.value.status == 3
    assert raised.value.message == "sh failed with status 3"
    assert raised.value.hint.startswith("line 4; ")
    assert raised.value.hint.endswith("line 9")


def test_a_failed_program_is_quoted_as_the_reason():
    with pytest.raises(CommandError) as raised:
        run(["sh", "-c", "echo 'pod: no room' >&2; exit 1"])
    assert raised.value.reason == "no room"


def test_a_program_that_dies_without_a_word_is_no_error_without_words():
    with pytest.raises(CommandError) as raised:
        run(["sh", "-c", "kill -9 $$"])
    assert raised.value.reason == "sh was killed by signal 9"
    assert "journalctl" in raised.value.hint


def test_a_signal_is_named_and_a_known_status_may_be_a_success():
    with pytest.raises(CommandError, match="signal 9"):
        run(["sh", "-c", "kill -9 $$"])
    assert run(["sh", "-c", "echo ok; exit 3"], success=frozenset({0, 3})) == b"ok\n"


def test_a_missing_program_names_its_packages():
    with pytest.raises(HostError) as raised:
        run(["skopeo"], environment={"PATH": "/nowhere"})
    assert "apt install skopeo" in raised.value.hint
    with pytest.raises(HostError, match="cannot run no-such-program"):
        run(["no-such-program"])


def test_the_environment_is_short(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    words = run(["env"], environment={"MINE": "1"}).decode().split("\n")
    assert "MINE=1" in words
    assert "LC_ALL=C.UTF-8" in words
    assert not [word for word in words if word.startswith(("SECRET=", "LANG="))]


def test_a_missing_directory_is_not_taken_for_a_missing_program(tmp_path):
    with pytest.raises(HostError, match="no such directory"):
        run(["true"], cwd=tmp_path / "nothing")
