"""EFFECT. `pod rm`: remove pods and all they wrote."""

from __future__ import annotations

import argparse

from stage0.pods import lifecycle, removal, signals
from stage0.settings import Settings
from stage1.contract import ConflictError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods."""
    parser.add_argument("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")
    parser.add_argument("-f", "--force", action="store_true", help="kill it first if it runs")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """A pod that runs is left alone unless forced."""
    for reference in arguments.pods:
        pod = lifecycle.find(settings.data, reference)
        if pod.running and arguments.force:
            signals.kill(pod.directory)
            pod = lifecycle.find(settings.data, pod.uuid)
        if not removal.remove(pod):
            raise ConflictError(f"pod {pod.uuid} is {pod.word}", hint="stop it first, or use --force")
    return 0
