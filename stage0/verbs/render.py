"""EFFECT. `pod render`: write a pod's units and systemd-nspawn arguments, run nothing."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from stage0 import handoff
from stage0.pods import lifecycle
from stage0.settings import Settings
from stage0.verbs import warn
from stage1.contract import ConflictError, PodDir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod."""
    parser.add_argument(
        "--diff",
        action="store_true",
        help="write nothing; print what another start would change, and end with 1 if that is anything",
    )
    parser.add_argument("pod", metavar="POD|DIR", help="a pod, or any directory with a pod.json")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print where the files are; a running pod is left alone."""
    given = Path(arguments.pod)
    directory = (
        PodDir(given.absolute())
        if (given / "pod.json").exists()
        else lifecycle.find(settings.data, arguments.pod).directory
    )
    if arguments.diff:
        return _diff(directory)
    lock = lifecycle.lock_exclusive(directory)
    if lock is None:
        raise ConflictError(
            f"pod {lifecycle.label(directory)} is running", hint=f"its files are in {directory.run}"
        )
    try:
        if directory.outcome.exists() or any(directory.status.glob("*.json")):
            raise ConflictError(
                f"pod {lifecycle.label(directory)} has run: its results and logs are in {directory.run}",
                hint="`pod start` renders anew; or remove that directory first",
            )
        handoff.render(lifecycle.manifest(directory), directory, warn)
    finally:
        os.close(lock)
    sys.stdout.write(f"{directory.run}\n")
    return 0


def _diff(directory: PodDir) -> int:
    """A running or ended pod is compared as well: nothing of it is touched."""
    found = handoff.changes(lifecycle.manifest(directory), directory)
    sys.stdout.write(found)
    return 1 if found else 0
