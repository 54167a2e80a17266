"""EFFECT. `pod port rm`."""

from __future__ import annotations

import argparse

from stage0 import handoff
from stage0.plan.ports import parse_place
from stage0.settings import Settings
from stage0.verbs.port.ls import note, running


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod, which ports."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("port", metavar="[IP:]HOST[/PROTOCOL]", nargs="+", help="a port of the host")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """The ports lead nowhere from now on; connections that are there go on."""
    directory = running(args.pod, settings, change=True)
    gone = [parse_place(text) for text in args.port]
    handoff.networks().unpublish(directory, gone)
    note(directory, "unpublish", gone)
    return 0
