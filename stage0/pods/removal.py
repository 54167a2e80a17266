"""EFFECT. Taking pods away: first a rename to `garbage`, so that nobody meets half a pod, then the files."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from stage0 import handoff
from stage0.image import scratch
from stage0.pods import lifecycle, ranges
from stage0.pods.lifecycle import Pod
from stage1.contract import DataRoot, State
from stage1.contract.paths import propagation_of

_CGROUPS = Path("/sys/fs/cgroup")
_PATIENCE, _PAUSE = 2.0, 0.01


def remove(pod: Pod) -> bool:
    """Remove a pod that does not run, with its name and cgroups; False if it runs or someone else has it."""
    lock = lifecycle.lock_exclusive(pod.directory)
    if lock is None:
        return False
    try:
        manifest = lifecycle.read_manifest(pod.directory)
        garbage = (
            pod.directory if pod.state is State.GARBAGE else lifecycle.move(pod.directory, State.GARBAGE)
        )
        if isinstance(name := manifest.get("name"), str):
            lifecycle.release_name(pod.directory.root, name, pod.uuid)
        if manifest.get("userns"):
            ranges.release(pod.directory.root, pod.uuid)
        if manifest.get("network") not in {None, "host", "none"}:
            handoff.networks().tidy()
        remove_cgroups(pod.uuid)
        remove_propagation(str(manifest.get("name") or f"pod-{pod.uuid}"))
        scratch.remove(garbage.path)
    except FileNotFoundError:
        return False  # another gc was faster
    finally:
        os.close(lock)
    return True


def remove_cgroups(uuid: str) -> None:
    """Cgroups left by a monitor that was killed.

    The kernel lets go only of empty ones. They will be, but a process that ends frees the pod's lock a moment
    before it leaves its cgroup.
    """
    limit = time.monotonic() + _PATIENCE
    for group in (_CGROUPS / f"pod-{uuid}", *_CGROUPS.glob(f"*/pod-{uuid}")):
        while not _remove_groups(group) and time.monotonic() < limit:
            time.sleep(_PAUSE)


def _remove_groups(group: Path) -> bool:
    for path, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(path).rmdir()
    return not group.exists()


def remove_propagation(machine: str) -> None:
    """What systemd-nspawn left; never a full directory."""
    with contextlib.suppress(OSError):
        propagation_of(machine).rmdir()


def release_stale_names(root: DataRoot) -> None:
    """Free the names of pods that are gone; a name that a new pod takes meanwhile stays its."""
    for name in lifecycle.listing(root.names):
        owner = lifecycle.owner_of(root, name)
        if owner and not any(root.pod(state, owner).path.exists() for state in State):
            lifecycle.release_name(root, name, owner)
