"""PURE. Options that say which open descriptors an app is handed when it starts."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Sockets that are open before the app starts, and what it has left for itself."""
    group.add_argument(
        "--socket",
        metavar="[NAME=]ADDRESS[,OPTION…]",
        action="append",
        help="a listening socket, passed to the app (LISTEN_FDS); activated: it starts the app;"
        " host: the host passes it; type=stream|datagram|seqpacket, mode=, owner=",
    )
    group.add_argument(
        "--fd-store",
        metavar="NUMBER",
        help="how many descriptors it may leave with FDSTORE=1 (sd_notify), to have them again when it is restarted",
    )
