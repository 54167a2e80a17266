"""EFFECT. `pod volume ls`."""

from __future__ import annotations

import argparse
import sys

from stage0.pods import volumes
from stage0.pods.volumes import NamedVolume
from stage0.settings import Settings
from stage0.show import ago, as_json, printable, table
from stage0.verbs.volume.inspect import facts
from stage1.contract import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--label", metavar="KEY[=VALUE]", action="append", help="only those with this label")
    parser.add_argument("-q", "--quiet", action="store_true", help="names only")
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """List the volumes."""
    wanted = [text.partition("=") for text in args.label or ()]
    if any(not key for key, _, _ in wanted):
        raise UsageError("--label names no key", hint="write KEY or KEY=VALUE")
    found = [
        volume
        for volume in volumes.listing(settings.data)
        if all(
            key in volume.labels and (not equals or volume.labels[key] == value)
            for key, equals, value in wanted
        )
    ]
    if args.quiet:
        sys.stdout.write("".join(f"{volume.name}\n" for volume in found))
        return 0
    used = volumes.users(settings.data)
    sys.stdout.write(
        as_json([facts(volume, used) for volume in found]) if args.json else _table(found, used)
    )
    return 0


def _table(found: list[NamedVolume], used: dict[str, list[str]]) -> str:
    rows = [
        (
            volume.name,
            ago(volume.created),
            str(len(used.get(volume.name, []))),
            printable(",".join(f"{key}={value}" for key, value in volume.labels.items())) or "-",
        )
        for volume in found
    ]
    return table(("NAME", "CREATED", "PODS", "LABELS"), rows)
