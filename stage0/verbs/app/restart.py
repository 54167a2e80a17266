"""EFFECT. `pod app restart`: stop apps and start them again."""

from __future__ import annotations

import argparse

from stage0.settings import Settings
from stage0.verbs.app.chosen import add_arguments, change_each, chosen

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Return when they count as started again; apps that require them are restarted too."""
    change_each(chosen(arguments, settings), "restart")
    return 0
