"""EFFECT. `pod inspect`: everything known of a pod, as JSON."""

from __future__ import annotations

import argparse
import json
import sys

from stage0 import show
from stage0.pods import lifecycle
from stage0.pods.status import status_of
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pods."""
    parser.add_argument("pods", metavar="POD", nargs="+", help="name, UUID or the beginning of one")
    parser.add_argument("--json", action="store_true", help="the default, and the only way")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Status, manifest, and the exact systemd-nspawn argv of the last start."""
    found = []
    for reference in arguments.pods:
        pod = lifecycle.find(settings.data, reference)
        facts = status_of(pod)
        facts["directory"] = str(pod.directory.path)
        facts["manifest"] = lifecycle.read_manifest(pod.directory)
        try:
            facts["nspawn"] = json.loads(pod.directory.nspawn.read_bytes())
        except (OSError, ValueError):
            facts["nspawn"] = None
        found.append(facts)
    sys.stdout.write(show.as_json(found))
    return 0
