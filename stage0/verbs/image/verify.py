"""EFFECT. `pod image verify`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from stage0.image import Store
from stage0.pods.imageuse import uses_of_images
from stage0.settings import Settings
from stage0.show import as_json, printable

if TYPE_CHECKING:
    from stage0.image.verify import Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="*",
        help="name, digest or the beginning of one; none stands for all",
    )
    parser.add_argument("--repair", action="store_true", help="unpack anew what is not as its blob says")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Check and tell; 1 if something is wrong and was not repaired."""
    from stage0.image.verify import Verification, verify  # noqa: PLC0415 (all commands on images load this file)

    store = Store(settings.root)
    digests = [store.resolve(ref)[1] for ref in args.images] or store.digests()
    running = {
        digest for digest, uses in uses_of_images(settings.data).items() if any(use.running for use in uses)
    }
    checking = Verification(store.paths, repair=args.repair, busy=frozenset(running))
    verdicts = []
    for digest in dict.fromkeys(digests):
        verdict = verify(checking, digest, tuple(store.tags_of(digest)))
        verdicts.append(verdict)
        if not args.json:
            sys.stdout.writelines(_lines(verdict))
            sys.stdout.flush()
    if args.json:
        sys.stdout.write(as_json([_facts(verdict) for verdict in verdicts]))
    return int(any(not fault.repaired for verdict in verdicts for fault in verdict.faults))


def _lines(verdict: Verdict) -> list[str]:
    what = printable(", ".join(verdict.names)) or verdict.digest[:19]
    if not verdict.faults:
        return [f"{what}: good\n"]
    ends = [": repaired" if fault.repaired else "" for fault in verdict.faults]
    return [
        f"{what}: {fault.kind} {fault.which[:19]}: {printable(fault.problem)}{end}\n"
        for fault, end in zip(verdict.faults, ends, strict=True)
    ]


def _facts(verdict: Verdict) -> dict[str, object]:
    faults = [fault._asdict() for fault in verdict.faults]
    return {"digest": verdict.digest, "names": list(verdict.names), "faults": faults}
