"""EFFECT. `pod unpause`: let paused pods or apps go on."""

from __future__ import annotations

import argparse

from stage0.settings import Settings
from stage0.verbs.pause import add_arguments, set_frozen

__all__ = ["add_arguments", "run"]


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Return when they run again; what is not paused is left as it is."""
    return set_frozen(arguments, settings, frozen=False)
