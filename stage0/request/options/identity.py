"""PURE. Options that say who the pod and its apps are, and how they look up names."""

from __future__ import annotations

from argparse import ArgumentParser, _ArgumentGroup


def add_pod(parser: ArgumentParser) -> None:
    """What the apps of a pod share."""
    option = parser.add_argument
    option("--machine-id", metavar="ID", help="32 hex digits, or image for its own (default: the UUID's)")
    option(
        "--timezone", "--tz", metavar="ZONE", help="such as Europe/Berlin, or local (default: the image's)"
    )
    option("--hosts", metavar="FROM", help="/etc/hosts from host, pod, image or none")
    option("--add-host", metavar="NAME:IP", action="append", help="one more line in /etc/hosts")
    option(
        "--dns", metavar="IP", action="append", help="a name server, or resolv.conf of host, image or none"
    )
    option("--dns-search", metavar="DOMAIN", action="append", help="where names without a dot are looked up")
    option("--dns-option", metavar="OPTION", action="append", help="an option of resolv.conf(5)")


def add(group: _ArgumentGroup) -> None:
    """What is an app's own."""
    option = group.add_argument
    option("--group-add", metavar="GROUP", action="append", help="one more group, by name or number")
