"""EFFECT. System call filters of apps: read once for each confinement, when an app with it is entered first."""

from __future__ import annotations

import os
from pathlib import Path

from stage0 import handoff
from stage0.pods import lifecycle
from stage1.contract import PodDir, State
from stage1.contract.places import TWIN_SUFFIX


def ensure(directory: PodDir, app: str, kept: Path) -> None:
    """`kept` is the file that `run/enter/APP` names; beside it lies the unit that its filters belong to."""
    unit = (directory.enter / f"{app}{TWIN_SUFFIX}").read_bytes()
    beside = kept.with_name(kept.name + TWIN_SUFFIX)
    try:
        if beside.read_bytes() == unit and kept.exists():
            return
    except FileNotFoundError:
        pass
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    twin, lock = lifecycle.create(directory.root, lifecycle.new_uuid())
    try:
        handoff.capture_filters(twin, lock, unit, kept)
        temporary = beside.with_name(f"{beside.name}.{os.getpid()}")
        temporary.write_bytes(unit)
        temporary.replace(beside)
    finally:
        _discard(twin, lock)


def _discard(twin: PodDir, lock: int) -> None:
    from stage0.image import scratch  # noqa: PLC0415  rare
    from stage0.pods.removal import remove_cgroups  # noqa: PLC0415  rare

    garbage = lifecycle.move(twin, State.GARBAGE)
    remove_cgroups(twin.uuid)
    scratch.remove(garbage.path)
    os.close(lock)
