"""EFFECT. `pod network rm`."""

from __future__ import annotations

import argparse
import sys

from stage0 import handoff
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("network", metavar="NETWORK", nargs="+", help="a network's name")
    parser.add_argument("-f", "--force", action="store_true", help="also if pods are on it")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the names of the networks removed."""
    for name in args.network:
        handoff.networks().remove(settings.data, name, force=args.force)
        sys.stdout.write(f"{name}\n")
    return 0
