"""EFFECT. `pod image rm`."""

from __future__ import annotations

import argparse
import sys

from stage0.image import Store
from stage0.pods.imageuse import Use, uses_of_images
from stage0.pods.lifecycle import images_in_use
from stage0.settings import Settings
from stage0.show import amount, as_json, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="name, digest or the beginning of one")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Take names away, then delete what nothing needs; what pods or other names still need is told."""
    store = Store(settings.root)
    told = []
    for ref in args.images:
        removal = store.remove(ref, lambda: images_in_use(settings.root))
        uses = uses_of_images(settings.data).get(removal.digest, [])
        others = store.tags_of(removal.digest)
        told.append(
            {
                "digest": removal.digest,
                "removed": list(removal.names),
                "names": others,
                "pods": [use.pod for use in uses],
                "freed": removal.freed,
            }
        )
        if not args.json:
            what = ", ".join(removal.names) or removal.digest
            kept = _kept(others, uses)
            sys.stdout.write(f"removed {printable(what)}, freed {amount(removal.freed)}{kept}\n")
    if args.json:
        sys.stdout.write(as_json(told))
    return 0


def _kept(names: list[str], uses: list[Use]) -> str:
    """Say why the content is still there."""
    if names:
        return f"; it is still called {', '.join(names)}"
    if uses:
        pods = ", ".join(use.pod for use in uses[:5]) + (" …" if len(uses) > 5 else "")
        return f"; its content stays until these pods are gone: {pods}"
    return ""
