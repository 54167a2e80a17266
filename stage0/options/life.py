"""PURE. Options that say when an app starts, counts as started, starts again and ends."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Order, readiness, restarts, the stop."""
    option = group.add_argument
    option("--after", metavar="APP", action="append", help="start when APP has started or is ready")
    option("--requires", metavar="APP", action="append", help="as --after, and only if APP did start")
    option(
        "--ready",
        metavar="WHEN",
        help="what counts as started: started (default), notify (sd_notify) or tcp:PORT",
    )
    option("--restart", metavar="POLICY", help="no (default), on-failure[:TIMES] or always[:TIMES]")
    option("--stop-signal", metavar="SIGNAL", help="asks the app to end (default: the image's, else TERM)")
    option("--stop-time", metavar="TIME", help="how long it may take to end before SIGKILL (default 10s)")
    option("--init", action="store_true", default=None, help="run to its end before the other apps start")
    option(
        "--socket",
        metavar="[NAME=]ADDRESS",
        action="append",
        help="a listening socket, passed to the app (LISTEN_FDS)",
    )
