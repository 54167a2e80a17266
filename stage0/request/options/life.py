"""PURE. Options that say when an app starts, counts as started, starts again and ends."""

from __future__ import annotations

from argparse import _ArgumentGroup


def add(group: _ArgumentGroup) -> None:
    """Order, readiness, restarts, the stop, and commands around them."""
    _order(group)
    _restarts(group)
    _stop(group)
    _hooks(group)


def _order(group: _ArgumentGroup) -> None:
    option = group.add_argument
    option(
        "--after",
        metavar="APP[:STATE]",
        action="append",
        help="start when APP is there: started, ready (default) or finished",
    )
    option(
        "--wants",
        metavar="APP[:STATE]",
        action="append",
        help="as --after, and start APP if it does not run",
    )
    option(
        "--requires", metavar="APP[:STATE]", action="append", help="as --wants, and only if APP got there"
    )
    option("--init", action="store_true", default=None, help="run to its end before the other apps start")
    option(
        "--sidecar",
        action="store_true",
        default=None,
        help="start before the other apps, stop after them, do not keep the pod alive",
    )
    option(
        "--ready",
        metavar="WHEN",
        help="what counts as started: started (default), notify (sd_notify) or tcp:PORT",
    )
    option(
        "--start-time",
        metavar="TIME",
        help="how long it may take to start or be ready (default 60s; 0: no bound)",
    )


def _restarts(group: _ArgumentGroup) -> None:
    option = group.add_argument
    option("--restart", metavar="POLICY", help="no (default), on-failure[:TIMES] or always[:TIMES]")
    option("--restart-delay", metavar="TIME", help="wait before it is started again (default 1s)")
    option(
        "--restart-max-delay",
        metavar="TIME",
        help="what the delay grows to with each restart (default 60s; systemd 254 and later)",
    )
    option("--run-time", metavar="TIME", help="end it as failed when it has run for so long")
    option(
        "--watchdog",
        metavar="TIME",
        help="end it as failed when it says no WATCHDOG=1 (sd_notify) for so long",
    )


def _stop(group: _ArgumentGroup) -> None:
    option = group.add_argument
    option("--stop-signal", metavar="SIGNAL", help="asks the app to end (default: the image's, else TERM)")
    option("--stop-time", metavar="TIME", help="how long it may take to end before SIGKILL (default 10s)")
    option(
        "--kill-mode",
        metavar="MODE",
        help="who gets the stop signal and SIGKILL: mixed (default: main process, then all), control-group or process",
    )


def _hooks(group: _ArgumentGroup) -> None:
    option = group.add_argument
    option(
        "--pre-start",
        metavar="COMMAND",
        action="append",
        help="run this in the app before each of its starts",
    )
    option(
        "--post-start",
        metavar="COMMAND",
        action="append",
        help="run this when the app has started or is ready",
    )
    option(
        "--pre-stop", metavar="COMMAND", action="append", help="run this before the app gets its stop signal"
    )
    option("--post-stop", metavar="COMMAND", action="append", help="run this after each end of the app")
