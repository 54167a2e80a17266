"""EFFECT. `pod app rm`: take apps out of a pod, with all that is theirs alone."""

from __future__ import annotations

import argparse
import sys

from stage0.plan.changes import Change, without_apps
from stage0.pods import lifecycle
from stage0.running import changing
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which apps of which pod."""
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("apps", metavar="APP", nargs="+", help="name of an app")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Return when they are stopped and gone. The pod goes on, also without any app."""
    names = list(dict.fromkeys(arguments.apps))
    with changing.held(settings.data, arguments.pod) as pod:
        before = lifecycle.manifest(pod.directory)
        after = changing.apply(pod, Change(before, without_apps(before, names)))
        changing.note(pod.directory, Change(before, after))
    if arguments.json:
        sys.stdout.write(as_json({"pod": after.uuid, "removed": names}))
    return 0
