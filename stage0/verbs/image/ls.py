"""EFFECT. `pod image ls`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Image, Store
from stage0.settings import Settings
from stage0.show import amount, as_json, printable, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("-q", "--quiet", action="store_true", help="names only")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """List every name."""
    images = Store(settings.root).images()
    if args.quiet:
        sys.stdout.write("".join(f"{image.name}\n" for image in images))
    else:
        sys.stdout.write(as_json([_facts(image) for image in images]) if args.json else _table(images))
    return 0


def _facts(image: Image) -> dict[str, object]:
    return {
        "name": image.name,
        "digest": image.digest,
        "size": image.size,
        "created": image.created,
        "layers": len(image.layers),
        "architecture": image.config.architecture,
    }


def _table(images: list[Image]) -> str:
    rows = [
        (printable(one.name), one.digest[7:19], printable(one.created[:10]) or "-", amount(one.size))
        for one in images
    ]
    return table(("NAME", "DIGEST", "CREATED", "SIZE"), rows)
