"""EFFECT. What this host knows of its networks, in a directory of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from stage1.network import registry
from stage1.network.registry import Registry

WRITTEN = "8c1f0000-0000-4000-8000-000000000001"


def test_what_killed_writers_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_RUN", tmp_path)
    found = Registry()
    with found.locked():
        kept = [
            found.pods / WRITTEN,
            found.networks / "default",
            found.networks / "default.last",
            found.repair,
        ]
        left = [
            found.pods / f"{WRITTEN}.4711",
            found.networks / "default.4711",
            found.place / "text.4711.nft",
            found.place / "repair.nft.4711",
        ]
        for path in (*kept, *left):
            path.touch()
        found.forget_unfinished()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)
