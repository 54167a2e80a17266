"""PURE. Options that say what network a pod has and which ports of the host lead to it."""

from __future__ import annotations

from argparse import ArgumentParser, _ActionsContainer


def add_pod(parser: ArgumentParser) -> None:
    """The pod's network, and published ports that belong to no app in particular."""
    option = parser.add_argument
    option(
        "--net",
        metavar="NETWORK[:KEY=VALUE,…]",
        action="append",
        help="private (default), host, none, pod:POD, ns:PATH, bridge:NAME, or a network by name; may be"
        " repeated; keys: name, ip, ip6, mac, mtu, gateway, gateway6",
    )
    option("--ip", metavar="ADDRESS", help="IPv4 address on the first network (default: the next free one)")
    option("--ip6", metavar="ADDRESS", help="IPv6 address on the first network")
    option("--mac", metavar="ADDRESS", help="hardware address on the first network")
    option(
        "--sysctl",
        metavar="NAME=VALUE",
        action="append",
        help="set net.* in the pod's own network namespace",
    )
    add(parser)


def add(group: _ActionsContainer) -> None:
    """Ports, of an app or of the pod."""
    group.add_argument(
        "-p",
        "--publish",
        metavar="[IP:][HOST:]PORT[/PROTOCOL]",
        action="append",
        help="let a port of the host lead to one of the pod; ranges A-B; tcp, udp or sctp; any free host port if"
        " none is named",
    )
