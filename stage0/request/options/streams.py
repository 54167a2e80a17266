"""PURE. Options that say what an app reads from and writes to."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """The three standard streams."""
    option = group.add_argument
    option(
        "--stdin",
        metavar="KIND",
        help="null (default), stream (this standard input) or tty; for one app of a pod",
    )
    option(
        "--stdout",
        metavar="KIND",
        help="log (default), stream (this standard output, not logged), null or tty",
    )
    option(
        "--stderr", metavar="KIND", help="the same for errors; with --stdin=tty the default of both is tty"
    )
