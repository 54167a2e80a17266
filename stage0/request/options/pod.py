"""PURE. Options of the pod itself, before the first image."""

from __future__ import annotations

from argparse import ArgumentParser


def add(parser: ArgumentParser) -> None:
    """What the apps share."""
    option = parser.add_argument
    option(
        "-f", "--file", metavar="FILE", help="take the pod from a manifest (TOML, JSON or YAML; - for stdin)"
    )
    option("--name", help="name of the pod, unique on this host")
    option("--hostname", help="host name inside (default: the pod's name)")
    option("--exit-policy", metavar="POLICY", help="any-failure (default), all, first, app:NAME or never")
    option("--empty", action="store_true", help="begin without apps: `pod app add` brings them")
    option("--immutable", action="store_true", help="refuse every change while it runs")
    option("-v", "--volume", metavar="SOURCE:TARGET[:OPTION,…]", action="append", help="mount in every app")
    option("--slice", metavar="SLICE", help="the host's slice in which the pod's unit or scope is")
    option(
        "--property",
        metavar="NAME=VALUE",
        action="append",
        help="a property of the pod's unit or scope on the host, as of systemd-run(1); may be repeated",
    )
    option("--log-size", metavar="SIZE", help="bound of each app's log (default 64M)")
    option(
        "--log",
        choices=("both", "file"),
        help="lines also go to the host's journal, where there is one (both, the default), or not (file)",
    )
    option(
        "--log-rate",
        metavar="LINES/TIME",
        help="most lines of the pod that go to the host's journal (default 10000/30s), or none: no bound",
    )
    option(
        "--journal",
        action="store_true",
        help="a journal inside, for what apps send to one; `journalctl -M POD` reads it",
    )
    option(
        "--bus",
        action="store_true",
        help="a D-Bus and a shell inside, for `machinectl shell` and `machinectl login`",
    )
    option("--uuid-file", metavar="FILE", help="write the pod's UUID there before anything starts")
