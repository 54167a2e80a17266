"""PURE. The monitor's instructions for a pod's network."""

from __future__ import annotations

import json
from collections.abc import Iterator

from stage1.network import rules
from stage1.network.model import Endpoint, Wiring, entry_to

UP, DOWN, FACTS, HOSTS, RESOLV = (
    f"network/{name}" for name in ("up.nft", "down.nft", "network.json", "hosts", "resolv.conf")
)
# Root of a user namespace has no rights over the network namespace, which is the host's: it may bind ports below 1024,
# and ping by the sockets the kernel has for that.
_FOR_ALL = (("net/ipv4/ip_unprivileged_port_start", "0"), ("net/ipv4/ping_group_range", "0 2147483647"))
# A peer learns at once where an address now is.
_TELL = ("net/ipv4/conf/{}/arp_notify", "1"), ("net/ipv6/conf/{}/ndisc_notify", "1")


def files(wiring: Wiring) -> dict[str, bytes]:
    """What is written below `run/` of the pod."""
    texts = {
        FACTS: json.dumps(entry_to(wiring.entry), indent=1) + "\n",
        HOSTS: wiring.hosts,
        RESOLV: wiring.resolv,
    }
    if wiring.nft:
        texts |= {UP: rules.up(wiring.entry), DOWN: rules.down(wiring.entry)}
    return {name: text.encode() for name, text in texts.items()}


def records(wiring: Wiring) -> Iterator[tuple[str, ...]]:
    """In the order in which the monitor carries them out, whatever the order of the lines."""
    if wiring.namespace is not None:
        place = wiring.namespace
        yield ("netns", place.path, *((str(place.pid), str(place.start)) if place.pid else ()))
    else:
        yield ("netns", "new")
        yield from (("sysctl", *setting) for setting in _FOR_ALL)
        for end in wiring.entry.endpoints:
            yield from _endpoint(end)
        for assignment in wiring.sysctls:
            name, _, value = assignment.partition("=")
            yield ("sysctl", sysctl_path(name), value)
    if wiring.nft:
        yield ("rules", wiring.nft, f"run/{UP}", f"run/{DOWN}", wiring.repair)
    if wiring.registered:
        yield ("unlink", wiring.registered)


def _endpoint(end: Endpoint) -> Iterator[tuple[str, ...]]:
    fixed = ("fixed",) if end.network else ()
    yield ("link", end.name, end.host, end.bridge, end.mac, str(end.mtu), *fixed)
    for name, value in _TELL:
        if end.ip6 or "ipv4" in name:
            yield ("sysctl", name.format(end.name), value)
    for address, length in ((end.ip4, end.length4), (end.ip6, end.length6)):
        if address:
            yield ("address", end.name, f"{address}/{length}")
    for gateway in (end.gateway4, end.gateway6):
        if gateway:
            yield ("route", end.name, gateway)


def sysctl_path(name: str) -> str:
    """As sysctl(8) has it: with dots, or with slashes where a name (an interface's) has a dot itself."""
    dot, slash = name.find("."), name.find("/")
    if slash >= 0 and (slash < dot or dot < 0):
        return name
    return name.translate(str.maketrans("./", "/."))
