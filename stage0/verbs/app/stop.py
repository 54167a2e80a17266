"""EFFECT. `pod app stop`: stop apps in order."""

from __future__ import annotations

import argparse

from stage0.settings import Settings
from stage0.verbs.app.chosen import add_arguments, change_each, chosen

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Return when they have ended; apps that require them are stopped first. The pod goes on without them."""
    change_each(chosen(arguments, settings), "stop")
    return 0
