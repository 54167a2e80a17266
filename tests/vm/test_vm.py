"""EFFECT. Tests of this project on a really booted machine with cgroup v2 and a newer systemd, one boot for all.

Each test here is one that ran there; `-k` chooses among them before the machine boots.
"""

from __future__ import annotations

import pytest

from tests.vm.conftest import Outcomes


def test_on_the_machine(inner: str, outcomes: Outcomes) -> None:
    outcome = outcomes.of(inner)
    if outcome["outcome"] == "skipped":
        pytest.skip(outcome["text"])
    assert outcome["outcome"] == "passed", outcome["text"]
