"""EFFECT. `pod image gc`."""

from __future__ import annotations

import argparse
import sys

from stage0 import quantities
from stage0.image import Store
from stage0.image.selection import Rules
from stage0.pods.lifecycle import images_in_use
from stage0.settings import Settings
from stage0.show import amount, as_json, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--older-than", metavar="TIME", help="also remove images with a name that no pod used for TIME"
    )
    parser.add_argument(
        "--keep-size", metavar="SIZE", help="then remove unused ones, the longest unused first, down to SIZE"
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Remove what has no name and is in no pod, and more if that is asked for."""
    rules = Rules(
        named_older=quantities.seconds(args.older_than, where="--older-than") if args.older_than else None,
        keep_size=quantities.size(args.keep_size, where="--keep-size") if args.keep_size else 0,
    )
    done = Store(settings.root).collect(rules, lambda: images_in_use(settings.root), dry_run=args.dry_run)
    if args.json:
        images = [
            {"digest": choice.digest, "names": list(choice.names), "reason": choice.reason}
            for choice in done.images
        ]
        sys.stdout.write(as_json({"dry_run": args.dry_run, "images": images, "freed": done.freed}))
        return 0
    word = "would remove" if args.dry_run else "removed"
    for choice in done.images:
        name = ", ".join(choice.names) or choice.digest[:19]
        sys.stdout.write(f"{word} {printable(name)} ({choice.reason})\n")
    sys.stdout.write(f"{'would free' if args.dry_run else 'freed'} {amount(done.freed)}\n")
    return 0
