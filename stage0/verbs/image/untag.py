"""EFFECT. `pod image untag`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.settings import Settings
from stage0.show import as_json, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("names", metavar="NAME[:TAG]", nargs="+", help="the whole name")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Take names away; content goes with a later collection."""
    store = Store(settings.root)
    taken = [(name, store.untag(name)) for name in args.names]
    if args.json:
        sys.stdout.write(as_json([{"name": name, "digest": digest} for name, digest in taken]))
    else:
        sys.stdout.writelines(f"untagged {printable(name)}, which was {digest}\n" for name, digest in taken)
    return 0
