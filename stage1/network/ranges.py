"""PURE. Ranges of networks: which are free, and the next free address in one."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Collection, Iterator
from itertools import chain

from stage1.contract import ConflictError, UsageError
from stage1.network.model import Subnet

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_FIRST_POD = 3  # 1 is the host, and 2 of an IPv6 range stands for ::1


def parse(text: str, version: int) -> IPNetwork:
    """A range as the user wrote it; it must have room for the host and some pods."""
    try:
        found: IPNetwork | None = ipaddress.ip_network(text)
    except ValueError:
        found = None
    most = 28 if version == 4 else 112
    if found is None or found.version != version or found.prefixlen > most:
        raise UsageError(
            f"{text!r} is no IPv{version} range of /{most} or larger", hint=f"such as {_example(version)}"
        )
    return found


def _example(version: int) -> str:
    return "10.5.0.0/24" if version == 4 else "fd00:5::/64"


def conflict(wanted: str, routed: Collection[tuple[str, str]], bridge: str) -> str | None:
    """What already is where a range wants to be, in words."""
    network = ipaddress.ip_network(wanted)
    for text, device in routed:
        other = ipaddress.ip_network(text, strict=False)
        if device != bridge and other.version == network.version and other.overlaps(network):
            return f"{text} is routed by {device}"
    return None


def free4(name: str, routed: Collection[tuple[str, str]], bridge: str) -> str:
    """A range of private addresses (RFC 1918) that nobody has: large for the default network, else 254 pods."""
    for candidate in _candidates4(name):
        if not conflict(candidate, routed, bridge):
            return candidate
    raise ConflictError(
        "no private IPv4 range is free on this host", hint="name one: `pod network create NAME --ipv4 RANGE`"
    )


def _candidates4(name: str) -> Iterator[str]:
    if name == "default":
        yield from (f"10.{second}.0.0/16" for second in range(77, 128))
        yield from (f"172.{second}.0.0/16" for second in range(28, 32))
    yield from (f"10.{second}.{third}.0/24" for second in range(128, 192) for third in range(256))
    yield from (f"192.168.{third}.0/24" for third in range(255, 99, -1))


def free6(name: str, machine: str, routed: Collection[tuple[str, str]], bridge: str) -> str:
    """A unique local range (RFC 4193): of this machine, and in it of the network's name."""
    site = f"{zlib.crc32(machine.encode()):08x}{zlib.adler32(machine.encode()) & 0xFF:02x}"
    for attempt in range(64):
        part = 0 if name == "default" and not attempt else zlib.crc32(f"{name} {attempt}".encode()) & 0xFFFF
        words = (f"fd{site[:2]}", site[2:6], site[6:], f"{part:x}")
        candidate = str(ipaddress.ip_network(f"{':'.join(words)}::/64"))
        if not conflict(candidate, routed, bridge):
            return candidate
    raise ConflictError(
        "no IPv6 range is free on this host", hint="name one: `pod network create … --ipv6 RANGE`"
    )


def subnet(text: str) -> Subnet:
    """A range with the host's address, the first."""
    return Subnet(text, str(ipaddress.ip_network(text)[1]))


def loopback6(text: str) -> str:
    """The second address of an IPv6 range: what ::1 is called among pods."""
    return str(ipaddress.ip_network(text)[2])


def choose(
    subnet4: Subnet | None, subnet6: Subnet | None, taken: Collection[str], last: str
) -> tuple[str | None, str | None]:
    """The addresses of a new pod, which have the same number in both ranges.

    The search begins behind the `last` address given, so that one that has just become free rests for a while.
    """
    networks = [ipaddress.ip_network(subnet.range) for subnet in (subnet4, subnet6) if subnet]
    smallest = min(networks, key=lambda network: network.num_addresses)
    size = min(smallest.num_addresses - 1, 1 << 24)
    number = int(ipaddress.ip_address(last)) - int(smallest[0]) if last and _is_in(last, smallest) else 0
    start = number + 1 if _FIRST_POD <= number < size - 1 else _FIRST_POD
    used = frozenset(taken)
    for number in chain(range(start, size), range(_FIRST_POD, start)):
        found = [str(network[number]) for network in networks]
        if not used.intersection(found):
            return (found[0] if subnet4 else None), (found[-1] if subnet6 else None)
    raise ConflictError(
        f"all addresses of {smallest} are in use", hint="stop a pod, or make a larger network"
    )


def _is_in(address: str, network: IPNetwork) -> bool:
    """False of what is no address too: a note cut short by a crash must not keep pods from starting."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found.version == network.version and found in network


def check_wish(address: str, subnet: Subnet | None, network: str, taken: Collection[str]) -> str:
    """An address that was asked for, if it can be given."""
    if subnet is None or not _is_in(address, ipaddress.ip_network(subnet.range)):
        where = subnet.range if subnet else "no such addresses"
        raise UsageError(f"{address} is not in the network {network}", hint=f"it has {where}")
    whole = ipaddress.ip_network(subnet.range)
    if address in {subnet.gateway, str(whole[0]), str(whole[-1])} or (
        address == str(whole[2]) and whole.version == 6
    ):
        raise UsageError(f"{address} is not for pods", hint="the first ones belong to the host")
    if address in taken:
        raise ConflictError(f"address {address} is in use", hint="`pod network inspect` says by whom")
    return address
