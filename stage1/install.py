"""EFFECT. Writes a launch plan below `run/`."""

from __future__ import annotations

import os
from collections.abc import Iterable

from stage1.contract import PodDir
from stage1.plan import LaunchPlan

_DIRECTORIES = ("units", "etc", "apps", "streams", "status", "logs")


def install(plan: LaunchPlan, directory: PodDir) -> None:
    """Make `run/` anew: nothing of an earlier run of this pod may be taken for the present one."""
    if directory.run.exists():
        _make_room(directory)
    mask = os.umask(0o022)  # services that are not root read this inside the pod
    try:
        _write(plan, str(directory.run))
    finally:
        os.umask(mask)


def _make_room(directory: PodDir) -> None:
    """What the last start left is kept until the next: its logs and results tell why there is another."""
    import shutil  # noqa: PLC0415  only a pod that ran before, or was rendered, has something

    if directory.monitor.exists():
        shutil.rmtree(directory.before.run, ignore_errors=True)
        directory.run.rename(directory.before.run)
    else:
        shutil.rmtree(directory.run)


def _write(plan: LaunchPlan, run: str) -> None:
    os.mkdir(run, mode=0o700)
    for name in _directories(plan.files):
        os.mkdir(f"{run}/{name}")
    for name, content in plan.files.items():
        with open(f"{run}/{name}", "wb") as file:
            file.write(content)
    for name, target in plan.links.items():
        os.symlink(target, f"{run}/{name}")


def _directories(files: Iterable[str]) -> Iterable[str]:
    """Each after the one it is in."""
    found = dict.fromkeys(_DIRECTORIES)
    for name in files:
        parts = name.split("/")
        found |= dict.fromkeys("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return found
