"""PURE. Options that say which listening sockets an app is handed."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Sockets that are open before the app starts."""
    group.add_argument(
        "--socket",
        metavar="[NAME=]ADDRESS[,OPTION…]",
        action="append",
        help="a listening socket, passed to the app (LISTEN_FDS); activated: it starts the app;"
        " host: the host passes it; type=stream|datagram|seqpacket, mode=, owner=",
    )
