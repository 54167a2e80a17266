"""EFFECT. `pod image inspect`."""

from __future__ import annotations

import argparse
import sys
import time

from stage0.image import Store
from stage0.image.model import as_dict
from stage0.pods.imageuse import uses_of_images
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="name, digest or the beginning of one")
    parser.add_argument("--json", action="store_true", help="the default and only format")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write each image with all its names, the pods made from it, and when it was last used."""
    from stage0.image.inventory import last_use  # noqa: PLC0415 (15 ms that no other verb needs)

    store = Store(settings.root)
    found = [store.get(ref) for ref in args.images]
    uses = uses_of_images(settings.data)
    told = [
        as_dict(image)
        | {
            "names": store.tags_of(image.digest),
            "pods": [use.pod for use in uses.get(image.digest, [])],
            "used": _moment(last_use(store.paths, image.digest)),
            "trees": [str(store.layer_path(layer)) for layer in image.layers],
        }
        for image in found
    ]
    sys.stdout.write(as_json(told))
    return 0


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
