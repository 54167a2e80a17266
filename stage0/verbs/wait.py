"""EFFECT. `pod wait`: wait until pods have ended and tell their status."""

from __future__ import annotations

import argparse
import sys

from stage0 import lifecycle, results
from stage0.settings import Settings
from stage1.contract import ConflictError, PodDir, State


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods."""
    parser.add_argument("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print one status a line; exit with the last one."""
    directories = [_started(lifecycle.find(settings.data, reference)) for reference in arguments.pods]
    status = 0
    for directory in directories:
        lifecycle.wait_for_end(directory)
        status = results.outcome(directory).status
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()
    return status


def _started(pod: lifecycle.Pod) -> PodDir:
    if pod.state is not State.RUN:
        raise ConflictError(
            f"pod {pod.uuid} is {pod.word}, not running", hint=f"start it: pod start {pod.uuid[:8]}"
        )
    return pod.directory
