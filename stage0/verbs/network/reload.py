"""EFFECT. `pod network reload`: after a firewall was reloaded, or somebody flushed all rules."""

from __future__ import annotations

import argparse
import sys

from stage0 import handoff
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("-q", "--quiet", action="store_true", help="do not list the networks")


def run(args: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001  networks are the host's, not a data root's
    """Print the names of the networks that are up."""
    names = handoff.networks().reload()
    if not args.quiet:
        sys.stdout.write("".join(f"{name}\n" for name in names))
    return 0
