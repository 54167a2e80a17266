"""EFFECT. `pod rm`: remove pods and all they wrote."""

from __future__ import annotations

import argparse
from functools import partial

from stage0.pods import lifecycle, removal, signals
from stage0.pods.several import each
from stage0.settings import Settings
from stage1.contract import ConflictError, NotFoundError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods."""
    parser.add_argument("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="kill it first if it runs; one that is not there is no error",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """A pod that runs is left alone unless forced; forced, one that is not there is as it should be."""
    each(arguments.pods, partial(_remove, settings=settings, force=arguments.force))
    return 0


def _remove(reference: str, *, settings: Settings, force: bool) -> None:
    try:
        pod = lifecycle.find(settings.data, reference)
        if pod.running and force:
            signals.kill(pod.directory)
            pod = lifecycle.find(settings.data, pod.uuid)  # one made with --rm is gone by now
    except NotFoundError:
        if force:
            return
        raise
    if not removal.remove(pod):
        raise ConflictError(f"pod {pod.label} is {pod.word}", hint="stop it first, or use --force")
