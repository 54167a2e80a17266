"""EFFECT. `pod image import`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.image.names import TRANSPORTS
from stage0.pods.lifecycle import images_in_use
from stage0.progress import shown
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    sources = ", ".join(f"{transport}:PATH" for transport in TRANSPORTS)
    parser.add_argument("source", metavar="SOURCE", help=f"{sources}; the first three may end in :REFERENCE")
    parser.add_argument("--name", metavar="NAME[:TAG]", help="name it; otherwise the source says")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress on a terminal")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Import and print name and digest."""
    store = Store(settings.root)
    quiet = args.quiet or not sys.stderr.isatty()
    with shown(sys.stderr, quiet=quiet) as say:
        image = store.import_(args.source, args.name, say=say)
    if args.json:
        sys.stdout.write(as_json({"name": image.name, "digest": image.digest}))
    else:
        sys.stdout.write(f"{image.name} {image.digest}\n")
    sys.stdout.flush()
    store.collect_automatically(lambda: images_in_use(settings.root))
    return 0
