"""PURE. Options that say which secrets an app is given."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Credentials; never a secret itself, since everybody may read command lines."""
    option = group.add_argument
    option(
        "--credential",
        metavar="NAME[=FILE]",
        action="append",
        help="a secret, for this app alone, in $CREDENTIALS_DIRECTORY: of a file, or of the unit that starts the pod",
    )
    option(
        "--encrypted-credential",
        metavar="NAME=FILE",
        action="append",
        help="the same, of a file that systemd-creds has encrypted",
    )
