"""EFFECT. `pod completion`: print completion for bash, zsh or fish."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stage0 import cli, completion
from stage0.request.arguments import app_parser
from stage0.settings import Settings

NEEDS_ROOT = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """For which shell."""
    parser.add_argument("shell", metavar="SHELL", choices=completion.SHELLS, help="bash, zsh or fish")


def run(arguments: argparse.Namespace, settings: Settings) -> int:  # noqa: ARG001  every verb has this shape
    """The script, made from the parsers of this very version."""
    verbs = {name: (summary, cli.verb_parser(name)) for name, (_, summary) in cli.VERBS.items()}
    reader = Path(completion.__file__).with_name(f"reader.{arguments.shell}").read_text()
    sys.stdout.write(completion.script(arguments.shell, reader, completion.contexts(verbs, app_parser())))
    return 0
