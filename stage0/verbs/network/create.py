"""EFFECT. `pod network create`."""

from __future__ import annotations

import argparse
import re
import sys

from stage0 import handoff
from stage0.plan.network import NETWORK, RESERVED, device, mtu
from stage0.settings import Settings
from stage1.contract import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("name", metavar="NAME", help="lower case letters, digits and -")
    parser.add_argument("--ipv4", metavar="RANGE", help="IPv4 range, or none (default: a free one)")
    parser.add_argument("--ipv6", metavar="RANGE", help="IPv6 range, or none (default: a free one)")
    parser.add_argument("--bridge", metavar="INTERFACE", default="", help="its bridge (default: pod-NAME)")
    parser.add_argument(
        "--mtu", metavar="BYTES", help="size of packets (default: that of the host's way out)"
    )
    parser.add_argument("--internal", action="store_true", help="no way out of it, and none in")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the network's name."""
    if not re.fullmatch(NETWORK, args.name) or args.name in RESERVED:
        raise UsageError(
            f"{args.name!r} is not a name for a network",
            hint=f"lower case letters, digits and -, and none of {', '.join(sorted(RESERVED))}",
        )
    wish = {
        "name": args.name,
        "bridge": device(args.bridge),
        "ipv4": args.ipv4,
        "ipv6": args.ipv6,
        "mtu": mtu(args.mtu),
        "internal": args.internal,
    }
    found = handoff.networks().create(settings.data, wish)
    sys.stdout.write(f"{found['name']}\n")
    return 0
