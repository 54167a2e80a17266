"""EFFECT. `pod image`: the images of this host. Each of its verbs is a file beside this one."""

from __future__ import annotations

import argparse

from stage0.parsing import Verbs, add_verbs, run_verb
from stage0.settings import Settings
from stage0.verbs.image import export, gc, import_, inspect, ls, pull, rm, tag, untag, verify

VERBS: Verbs = {
    "pull": (pull, "bring an image from a registry, or from any other source, into the store"),
    "import": (import_, "bring an image of this host's disk into the store"),
    "ls": (ls, "list images"),
    "inspect": (inspect, "write all that is known of images, as JSON"),
    "tag": (tag, "give an image more names"),
    "untag": (untag, "take names away, and nothing else"),
    "rm": (rm, "remove names, and the content nothing else needs"),
    "gc": (gc, "remove images that nothing uses"),
    "verify": (verify, "check images against their digests, and repair what can be"),
    "export": (export, "write an image to a file or directory for other tools"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own verbs."""
    add_verbs(parser, VERBS)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what the parsed command line says."""
    return run_verb(VERBS, arguments, settings)
