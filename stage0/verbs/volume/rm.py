"""EFFECT. `pod volume rm`."""

from __future__ import annotations

import argparse
import sys

from stage0.pods import volumes
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("volumes", metavar="VOLUME", nargs="+", help="name of a volume")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Remove each; the first that cannot be is an error, and those before it are gone."""
    for name in args.volumes:
        volumes.remove(settings.data, name)
        sys.stdout.write(f"{name}\n")
    return 0
