"""EFFECT. `pod volume create`."""

from __future__ import annotations

import argparse
import sys

from stage0.making import utc_now
from stage0.pods import volumes
from stage0.settings import Settings
from stage1.contract import ConflictError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="letters, digits, - and _")
    parser.add_argument("--label", metavar="KEY=VALUE", action="append", help="a note kept with the volume")
    parser.add_argument("--ignore", action="store_true", help="one that is there already is no error")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Make each and print its name."""
    labels = dict(_label(text) for text in args.label or ())
    for name in args.names:
        if not volumes.create(settings.data, name, utc_now(), labels) and not args.ignore:
            raise ConflictError(f"there is a volume {name!r}", hint="choose another name, or say --ignore")
        sys.stdout.write(f"{name}\n")
    return 0


def _label(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not key or not text.isprintable():
        raise UsageError(f"--label={text!r} is not a label", hint="write KEY=VALUE")
    return key, value
