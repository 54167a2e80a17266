"""EFFECT. `pod image import`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.image.names import TRANSPORTS
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    sources = ", ".join(f"{transport}:PATH" for transport in TRANSPORTS)
    parser.add_argument("source", metavar="SOURCE", help=f"{sources}; the first three may end in :REFERENCE")
    parser.add_argument("--name", metavar="NAME[:TAG]", help="name it; otherwise the source says")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Import and print name and digest."""
    image = Store(settings.root).import_(args.source, args.name)
    sys.stdout.write(f"{image.name} {image.digest}\n")
    return 0
