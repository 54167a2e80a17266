"""EFFECT. `pod image inspect`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.image.model import as_dict
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="name, digest or the beginning of one")
    parser.add_argument("--json", action="store_true", help="the default and only format")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write each image with all its names."""
    store = Store(settings.root)
    found = [store.get(ref) for ref in args.images]
    sys.stdout.write(as_json([as_dict(image) | {"names": store.tags_of(image.digest)} for image in found]))
    return 0
