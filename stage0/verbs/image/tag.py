"""EFFECT. `pod image tag`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("image", metavar="IMAGE", help="name, digest or the beginning of one")
    parser.add_argument("names", metavar="NAME[:TAG]", nargs="+", help="a name it shall have too")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Add names; one that meant another image means this one from now on."""
    store = Store(settings.root)
    tagged = [store.tag(args.image, name) for name in args.names]
    if args.json:
        sys.stdout.write(as_json([{"name": image.name, "digest": image.digest} for image in tagged]))
    else:
        sys.stdout.writelines(f"{image.name} {image.digest}\n" for image in tagged)
    return 0
