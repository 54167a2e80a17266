"""EFFECT. Tests of this project on a really booted machine with cgroup v2 and a newer systemd, one boot for all.

Each test here is one that ran there; `-k` chooses among them before the machine boots.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.vm.conftest import SECONDS, Outcomes


def test_on_the_machine(
    inner: str, outcomes: Outcomes, record_property: Callable[[str, object], None]
) -> None:
    outcome = outcomes.of(inner)
    record_property(SECONDS, outcome["seconds"])
    if outcome["outcome"] == "skipped":
        pytest.skip(outcome["text"])
    if outcome["outcome"] != "passed":
        pytest.fail(outcome["text"], pytrace=False)
