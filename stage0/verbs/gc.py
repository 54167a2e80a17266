"""EFFECT. `pod gc`: remove ended pods and whatever was left half done."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import time
from pathlib import Path

from stage0 import handoff, quantities
from stage0.image import Store
from stage0.pods import lifecycle, ranges, removal, signals
from stage0.pods.lifecycle import Pod
from stage0.request import cache as requestcache
from stage0.running import changing
from stage0.settings import Settings
from stage1.contract import DataRoot, State

_DAY = 86400.0
# A manifest is read when its pod starts, and a host may run for weeks until it boots again.
_SEASON = 90 * _DAY


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to spare."""
    parser.add_argument(
        "--older-than", metavar="TIME", default="0", help="spare pods that ended less than TIME ago"
    )
    parser.add_argument(
        "--prepared-older-than", metavar="TIME", help="also remove pods prepared longer ago than TIME"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="do not list what was removed")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the UUIDs of the pods removed."""
    changing.settle_all(settings.data)
    age = quantities.seconds(arguments.older_than, where="--older-than")
    prepared = None
    if arguments.prepared_older_than is not None:
        prepared = quantities.seconds(arguments.prepared_older_than, where="--prepared-older-than")
    for pod in list(lifecycle.pods(settings.data)):
        if (
            (not pod.running or (pod.state is State.RUN and signals.end_if_orphaned(pod.directory)))
            and _old_enough(pod, age, prepared)
            and removal.remove(pod)
            and not arguments.quiet
        ):
            sys.stdout.write(f"{pod.uuid}\n")
    removal.release_stale_names(settings.data)
    ranges.release_stale()
    handoff.networks().tidy()
    Store(settings.root).gc(lambda: lifecycle.images_in_use(settings.root))
    remove_leftovers(settings.data)
    return 0


def _old_enough(pod: Pod, ended: float, prepared: float | None) -> bool:
    """What was never whole goes at once; an ended pod by the time of its end, a prepared one only if asked."""
    match pod.state:
        case State.EMBRYO | State.PREPARING | State.GARBAGE:
            return True
        case State.PREPARED:
            return prepared is not None and _age(pod.directory.manifest) >= prepared
        case State.RUN | State.EXITED:
            return ended == 0 or _age(pod.directory.outcome, pod.directory.manifest) >= ended


def _age(*paths: Path) -> float:
    """Seconds since the first of these files that exists was written."""
    for path in paths:
        try:
            return time.time() - path.stat().st_mtime
        except FileNotFoundError:
            continue
    return float("inf")


def remove_leftovers(root: DataRoot) -> None:
    """Base roots, renderings and manifests that no pod was started with for a while, or that were never finished.

    A start renews the times of what it uses, so nothing is taken from under a pod that is just being started.
    """
    for directory, spare in (
        (root.base, _DAY),
        (root.cache / "rendered", _DAY),
        (requestcache.directory(root.cache), _SEASON),
    ):
        with contextlib.suppress(FileNotFoundError):
            for path in directory.iterdir():
                if _age(path) > spare and not (directory == root.base and _is_booted(path, root)):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(
                        missing_ok=True
                    )


def _is_booted(base: Path, root: DataRoot) -> bool:
    """True if a pod that runs was started with this base root; its monitor's instructions name it."""
    # by the end of its path: the same data root may have been called otherwise
    word = f"/{base.parent.name}/{base.name}\0".encode()
    return any(
        word in pod.directory.launch.read_bytes()
        for pod in lifecycle.pods(root)
        if pod.running and pod.directory.launch.exists()
    )
