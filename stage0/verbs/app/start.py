"""EFFECT. `pod app start`: start apps that have ended or were stopped."""

from __future__ import annotations

import argparse

from stage0.settings import Settings
from stage0.verbs.app.chosen import add_arguments, change_each, chosen

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Return when they count as started; one that runs is left alone."""
    change_each(chosen(arguments, settings), "start")
    return 0
