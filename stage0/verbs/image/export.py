"""EFFECT. `pod image export`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("image", metavar="IMAGE", help="name, digest or the beginning of one")
    parser.add_argument(
        "destination", metavar="DESTINATION",
        help="oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], oci:DIR[:NAME], or dir:DIR",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write the image and print what was written where."""
    image, place = Store(settings.root).export(args.image, args.destination)
    if args.json:
        facts = {
            "name": image.name,
            "digest": image.digest,
            "transport": place.transport,
            "path": str(place.path),
        }
        sys.stdout.write(as_json(facts))
    else:
        sys.stdout.write(f"{image.name} {place.transport}:{place.path}\n")
    return 0
