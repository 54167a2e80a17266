"""EFFECT. `pod volume`: volumes that outlive pods, a module for each verb below it."""

from __future__ import annotations

import argparse

from stage0.settings import Settings
from stage0.verbs.volume import create, inspect, ls, prune, rm

VERBS = {
    "create": (create, "make empty volumes"),
    "ls": (ls, "list volumes"),
    "inspect": (inspect, "write all that is known of volumes, as JSON"),
    "rm": (rm, "remove volumes that no pod uses, with all that is in them"),
    "prune": (prune, "remove every volume that no pod uses"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    below = parser.add_subparsers(dest="volume_verb", metavar="VERB", required=True)
    for name, (module, summary) in VERBS.items():
        module.add_arguments(below.add_parser(name, help=summary))


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    status: int = VERBS[args.volume_verb][0].run(args, settings)
    return status
