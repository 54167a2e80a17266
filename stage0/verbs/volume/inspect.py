"""EFFECT. `pod volume inspect`."""

from __future__ import annotations

import argparse
import sys

from stage0.pods import volumes
from stage0.pods.volumes import NamedVolume
from stage0.settings import Settings
from stage0.show import as_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("volumes", metavar="VOLUME", nargs="+", help="name of a volume")
    parser.add_argument("--json", action="store_true", help="the default and only format")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Write each with its path and the pods that mount it."""
    found = [volumes.get(settings.data, name) for name in args.volumes]
    used = volumes.users(settings.data)
    sys.stdout.write(as_json([facts(volume, used) for volume in found]))
    return 0


def facts(volume: NamedVolume, used: dict[str, list[str]]) -> dict[str, object]:
    """All that is known of a volume."""
    return {
        "name": volume.name,
        "path": str(volume.directory.data),
        "created": volume.created or None,
        "labels": dict(volume.labels),
        "pods": used.get(volume.name, []),
    }
