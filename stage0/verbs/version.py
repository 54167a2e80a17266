"""EFFECT. `pod version`: print versions."""

from __future__ import annotations

import argparse
import platform
import shutil
import sys

from stage0 import show
from stage0.cli import VERSION
from stage0.command import run as run_command
from stage0.settings import Settings

NEEDS_ROOT = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to print."""
    parser.add_argument("--json", action="store_true", help="one object")


def run(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001  every verb has this shape
    """unitpod, systemd, kernel, Python."""
    nspawn = shutil.which("systemd-nspawn")
    facts = {
        "unitpod": VERSION,
        "systemd": run_command([nspawn, "--version"]).decode().split("\n")[0] if nspawn else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    sys.stdout.write(
        show.as_json(facts)
        if arguments.json
        else "".join(f"{name} {text}\n" for name, text in facts.items())
    )
    return 0
