"""PURE. Options that say what an app executes, as whom, and with which environment."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Program, user, directory, environment."""
    option = group.add_argument
    option("--name", help="name of the app (default: from the image)")
    option("--exec", metavar="PROGRAM", help="run this program of the image instead of its own")
    option("-u", "--user", metavar="USER[:GROUP]", help="name or number, looked up in the image")
    option("--group", help="name or number, looked up in the image")
    option("-w", "--workdir", metavar="DIR", help="working directory, made if missing")
    option(
        "-e",
        "--env",
        metavar="NAME[=VALUE]",
        action="append",
        help="set a variable, or pass on the caller's",
    )
    option("--env-file", metavar="FILE", action="append", help="NAME=VALUE lines; # begins a comment")
