"""EFFECT. `pod network`: networks of pods. Each of its verbs is a file beside this one."""

from __future__ import annotations

import argparse

from stage0.parsing import Verbs, add_verbs, run_verb
from stage0.settings import Settings
from stage0.verbs.network import create, inspect, ls, reload, rm

VERBS: Verbs = {
    "create": (create, "make a network"),
    "ls": (ls, "list networks"),
    "inspect": (inspect, "write all that is known of networks, as JSON"),
    "rm": (rm, "remove networks that no pod is on"),
    "reload": (reload, "make bridges and packet filter rules as they should be"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    add_verbs(parser, VERBS)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    return run_verb(VERBS, arguments, settings)
