"""PURE. Options that say which ids a pod has."""

from __future__ import annotations

from argparse import ArgumentParser


def add(parser: ArgumentParser) -> None:
    """Ids of its own, or the host's."""
    parser.add_argument(
        "--userns",
        metavar="auto|host|BASE:COUNT",
        help="whose ids the pod's users have: a range of the pod's own (default), or the host's",
    )
