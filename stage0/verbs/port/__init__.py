"""EFFECT. `pod port`: published ports of pods that run. Each of its verbs is a file beside this one."""

from __future__ import annotations

import argparse

from stage0.parsing import Verbs, add_verbs, run_verb
from stage0.settings import Settings
from stage0.verbs.port import add, ls, rm

VERBS: Verbs = {
    "ls": (ls, "list published ports"),
    "add": (add, "publish more ports"),
    "rm": (rm, "take published ports back"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    add_verbs(parser, VERBS)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    return run_verb(VERBS, arguments, settings)
