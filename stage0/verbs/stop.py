"""EFFECT. `pod stop`: end pods in order and wait."""

from __future__ import annotations

import argparse
import time

from stage0 import quantities
from stage0.pods import lifecycle, signals
from stage0.pods.several import attempt
from stage0.settings import Settings
from stage1.contract import PodDir


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
    end = None if limit is None else time.monotonic() + limit
    asked: list[PodDir] = []

    def ask(reference: str) -> None:
        asked.append(lifecycle.find(settings.data, reference).directory)
        signals.ask_to_stop(asked[-1])

    # all are told before one is waited for: together they take as long as the slowest of them
    trouble = attempt(arguments.pods, ask)
    for directory in asked:
        signals.stop(directory, None if end is None else max(0.0, end - time.monotonic()))
    if trouble is not None:
        raise trouble
    return 0
