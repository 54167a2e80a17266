"""EFFECT. `pod app ls`: list the apps of a pod."""

from __future__ import annotations

import argparse
import sys

from stage0 import show
from stage0.pods import lifecycle
from stage0.pods.status import describe, status_of
from stage0.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pod."""
    parser.add_argument("pod", metavar="POD", help="name, UUID or the beginning of one")
    parser.add_argument("-q", "--quiet", action="store_true", help="only names")
    parser.add_argument("--json", action="store_true", help="a list of objects")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """The table of `pod status`, of running and ended pods."""
    apps = status_of(lifecycle.find(settings.data, arguments.pod))["apps"]
    if arguments.json:
        sys.stdout.write(show.as_json(apps))
    elif arguments.quiet:
        sys.stdout.write("".join(f"{app['name']}\n" for app in apps))
    else:
        rows = [
            (app["name"], app["state"], describe(app["result"]), str(app["pid"] or "-"), app["image"])
            for app in apps
        ]
        sys.stdout.write(show.table(("APP", "STATE", "RESULT", "PID", "IMAGE"), rows))
    return 0
