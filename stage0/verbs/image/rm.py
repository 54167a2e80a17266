"""EFFECT. `pod image rm`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.lifecycle import images_in_use
from stage0.settings import Settings
from stage0.show import amount


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="name, digest or the beginning of one")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Take names away, then delete what nothing needs."""
    store = Store(settings.root)
    for ref in args.images:
        removal = store.remove(ref, lambda: images_in_use(settings.root))
        what = ", ".join(removal.names) or removal.digest
        sys.stdout.write(f"removed {what}, freed {amount(removal.freed)}\n")
    return 0
