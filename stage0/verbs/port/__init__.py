"""EFFECT. `pod port`: published ports of pods that run. Each of its verbs is a file beside this one."""

from __future__ import annotations

import argparse
from types import ModuleType

from stage0.settings import Settings
from stage0.verbs.port import add, ls, rm

# Verb, module, one line of help.
VERBS: dict[str, tuple[ModuleType, str]] = {
    "ls": (ls, "list published ports"),
    "add": (add, "publish more ports"),
    "rm": (rm, "take published ports back"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    below = parser.add_subparsers(dest="port_verb", metavar="VERB", required=True)
    for name, (module, summary) in VERBS.items():
        module.add_arguments(below.add_parser(name, help=summary))


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    status: int = VERBS[args.port_verb][0].run(args, settings)
    return status
