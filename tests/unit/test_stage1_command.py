"""EFFECT. stage1 runs other programs by one door."""

from __future__ import annotations

from pathlib import Path

import pytest

from stage1 import command
from stage1.contract import HostError
from tests.unit.test_host import program


def test_a_program_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    failing = program(tmp_path, "failing", "echo first >&2; echo last words >&2; exit 3")
    with pytest.raises(HostError, match="failing failed: last words") as caught:
        command.run([str(failing), "x"])
    assert "failing x" in caught.value.hint
    silent = program(tmp_path, "silent", "exit 3")
    with pytest.raises(HostError, match="exit status 3"):
        command.run([str(silent)])
    with pytest.raises(HostError, match="cannot run"):
        command.run([str(tmp_path / "none")])


def test_a_program_reads_nothing_of_ours(tmp_path: Path) -> None:
    assert command.run([str(program(tmp_path, "reader", "cat; echo end"))]) == "end\n"
