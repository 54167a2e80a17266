"""EFFECT. `pod port add`."""

from __future__ import annotations

import argparse
import sys

from stage0 import handoff
from stage0.plan.ports import parse
from stage0.settings import Settings
from stage0.verbs.port.ls import note, place, running
from stage1.contract import Port


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod, which ports."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("port", metavar="[IP:][HOST:]PORT[/PROTOCOL]", nargs="+", help="as of run --publish")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print where each port is on the host."""
    wanted = [port for text in args.port for port in parse(text, "")]
    directory = running(args.pod, settings, change=True)
    found: list[Port] = handoff.networks().publish(directory, wanted)
    note(directory, "publish", found)
    sys.stdout.write("".join(f"{port.pod}/{port.protocol} {place(port)}\n" for port in found))
    return 0
