"""EFFECT. `pod app`: the apps of a pod that is there. Each of its verbs is a file beside this one."""

from __future__ import annotations

import argparse

from stage0.parsing import Verbs, add_verbs, run_verb
from stage0.settings import Settings
from stage0.verbs.app import add, ls, restart, rm, start, stop, update

VERBS: Verbs = {
    "ls": (ls, "list the apps of a pod"),
    "add": (add, "add an app to a pod, which may run"),
    "rm": (rm, "stop apps and remove them from the pod"),
    "update": (update, "give an app another image; the others go on"),
    "start": (start, "start apps that have ended or were stopped"),
    "stop": (stop, "stop apps in order; the pod and the others go on"),
    "restart": (restart, "stop apps and start them again"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    add_verbs(parser, VERBS)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    return run_verb(VERBS, arguments, settings)
