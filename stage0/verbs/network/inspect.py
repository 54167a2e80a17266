"""EFFECT. `pod network inspect`."""

from __future__ import annotations

import argparse
import sys

from stage0 import handoff
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("network", metavar="NETWORK", nargs="+", help="a network's name")
    parser.add_argument("--json", action="store_true", help="write JSON (the only format)")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """A list of objects: ranges, bridge, and the pods on it."""
    room = handoff.networks()
    sys.stdout.write(as_json([room.facts(settings.data, name) for name in args.network]))
    return 0
