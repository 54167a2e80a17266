"""EFFECT. `pod stop`: end pods in order and wait."""

from __future__ import annotations

import argparse

from stage0 import quantities
from stage0.pods import lifecycle, signals
from stage0.pods.several import each
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods, how long they may take to end."""
    parser.add_argument("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")
    parser.add_argument(
        "--time",
        metavar="TIME",
        help="kill the pod if it has not ended by then (default: the apps' own stop times decide)",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 when every pod has ended, also one that had ended before."""
    limit = quantities.seconds(arguments.time, where="--time") if arguments.time else None

    def stop(reference: str) -> None:
        signals.stop(lifecycle.find(settings.data, reference).directory, limit)

    each(arguments.pods, stop)
    return 0
