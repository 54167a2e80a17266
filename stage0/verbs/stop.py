"""EFFECT. `pod stop`: end pods in order and wait."""

from __future__ import annotations

import argparse

from stage0 import quantities
from stage0.pods import lifecycle, signals
from stage0.settings import Settings
from stage1.contract import ConflictError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods, how long."""
    parser.add_argument("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")
    parser.add_argument(
        "--time",
        metavar="TIME",
        help="kill the pod if it has not ended by then (default: the apps' own stop times decide)",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 when every pod has ended; one that was not running is an error, said after the others were stopped."""
    limit = quantities.seconds(arguments.time, where="--time") if arguments.time else None
    directories = [lifecycle.find(settings.data, reference).directory for reference in arguments.pods]
    idle = [directory.uuid for directory in directories if not signals.stop(directory, limit)]
    if idle:
        raise ConflictError(f"pod {', '.join(idle)} is not running", hint="`pod ps` lists the pods that are")
    return 0
