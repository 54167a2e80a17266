"""EFFECT. `pod network`: networks of pods. Each of its verbs is a file beside this one."""

from __future__ import annotations

import argparse
from types import ModuleType

from stage0.settings import Settings
from stage0.verbs.network import create, inspect, ls, reload, rm

# Verb, module, one line of help.
VERBS: dict[str, tuple[ModuleType, str]] = {
    "create": (create, "make a network"),
    "ls": (ls, "list networks"),
    "inspect": (inspect, "write all that is known of networks, as JSON"),
    "rm": (rm, "remove networks that no pod is on"),
    "reload": (reload, "make bridges and packet filter rules as they should be"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    below = parser.add_subparsers(dest="network_verb", metavar="VERB", required=True)
    for name, (module, summary) in VERBS.items():
        module.add_arguments(below.add_parser(name, help=summary))


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    status: int = VERBS[args.network_verb][0].run(args, settings)
    return status
