"""EFFECT. `pod volume`: volumes that outlive pods, a module for each verb below it."""

from __future__ import annotations

import argparse

from stage0.parsing import Verbs, add_verbs, run_verb
from stage0.settings import Settings
from stage0.verbs.volume import create, inspect, ls, prune, rm

VERBS: Verbs = {
    "create": (create, "make empty volumes"),
    "ls": (ls, "list volumes"),
    "inspect": (inspect, "write all that is known of volumes, as JSON"),
    "rm": (rm, "remove volumes that no pod uses, with all that is in them"),
    "prune": (prune, "remove every volume that no pod uses"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    add_verbs(parser, VERBS)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    return run_verb(VERBS, arguments, settings)
