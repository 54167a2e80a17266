"""EFFECT. `pod restart`: end pods in order and start them again, detached."""

from __future__ import annotations

import argparse
import os
import sys

from stage0 import handoff, quantities
from stage0.pods import lifecycle, signals
from stage0.pods.lifecycle import Pod
from stage0.settings import Settings
from stage0.verbs import warn
from stage0.verbs.start import claim, ended_early
from stage0.verbs.stop import add_arguments
from stage1.contract import ConflictError

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the UUID of each pod that runs again; one that had ended is just started."""
    limit = quantities.seconds(arguments.time, where="--time") if arguments.time else None
    pods = [lifecycle.find(settings.data, reference) for reference in arguments.pods]
    for pod in pods:
        _check_restartable(pod)
    status = 0
    for pod in pods:
        signals.stop(pod.directory, limit)
        directory, lock = claim(lifecycle.find(settings.data, pod.uuid))
        manifest = lifecycle.manifest(directory)  # as it was when it ended
        ready = handoff.detached(manifest, directory, lock, warn)
        os.close(lock)  # our share in its life
        sys.stdout.write(f"{pod.uuid}\n")
        status = status or (0 if ready else ended_early(manifest, settings))
    return status


def _check_restartable(pod: Pod) -> None:
    """Everything is checked before a pod is stopped."""
    manifest = lifecycle.manifest(pod.directory)
    if manifest.remove and pod.running:
        raise ConflictError(
            f"pod {pod.label} was made with --rm: it is removed when it ends",
            hint="make it again without --rm",
        )
    handoff.require_native(pod.directory)
    handoff.require_no_unit_file(pod.label)
