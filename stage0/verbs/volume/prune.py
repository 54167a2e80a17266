"""EFFECT. `pod volume prune`."""

from __future__ import annotations

import argparse
import sys

from stage0.pods import volumes
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--json", action="store_true", help="write JSON: the names")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Remove what no pod uses and print the names."""
    names = volumes.prune(settings.data)
    sys.stdout.write(as_json(names) if args.json else "".join(f"{name}\n" for name in names))
    return 0
