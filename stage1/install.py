"""EFFECT. Writes a launch plan below `run/`."""

from __future__ import annotations

from pathlib import Path

from stage1.contract import PodDir
from stage1.plan import LaunchPlan

_DIRECTORIES = ("units", "etc", "apps", "streams", "status", "logs")


def install(plan: LaunchPlan, directory: PodDir) -> None:
    """Make `run/` anew: nothing of an earlier run of this pod may be taken for the present one."""
    if directory.run.exists():
        import shutil  # noqa: PLC0415  only a pod that ran before has one

        shutil.rmtree(directory.run)
    directory.run.mkdir(mode=0o700)
    for name in _DIRECTORIES:
        (directory.run / name).mkdir(mode=0o755)
    for name, content in plan.files.items():
        _write(directory.run / name, content)
    for layer in (directory.identity, directory.identity / "etc"):
        layer.chmod(0o755)  # whatever the umask: the apps' own / and /etc
    for name, target in plan.links.items():
        (directory.run / name).symlink_to(target)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o644)  # read inside the pod by services that are not root, whatever the caller's umask
