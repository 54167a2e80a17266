"""EFFECT. `pod network ls`."""

from __future__ import annotations

import argparse
import sys

from stage0 import handoff
from stage0.settings import Settings
from stage0.show import as_json, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="write JSON")
    how.add_argument("-q", "--quiet", action="store_true", help="names only")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """List every network."""
    found = handoff.networks().all_facts(settings.data)
    if args.quiet:
        sys.stdout.write("".join(f"{one['name']}\n" for one in found))
        return 0
    rows = [
        (
            one["name"],
            one["bridge"],
            one["ipv4"] or "-",
            one["ipv6"] or "-",
            _word(one),
            str(len(one["pods"])),
        )
        for one in found
    ]
    sys.stdout.write(
        as_json(found) if args.json else table(("NAME", "BRIDGE", "IPV4", "IPV6", "STATE", "PODS"), rows)
    )
    return 0


def _word(one: dict[str, object]) -> str:
    return ("up" if one["up"] else "down") + (", internal" if one["internal"] else "")
