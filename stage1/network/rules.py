"""PURE. Texts for nft(8): what a pod adds to the tables, what it takes away, and what networks have in them.

The tables themselves are unit-templates/host/unitpod.nft. A pod is elements of sets and maps, never a chain, so that
a packet meets as many rules with a thousand pods as with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from stage1.contract import Port
from stage1.network.model import GUARDED, Endpoint, Entry, Network

TABLE, GUARD, LOOP = "inet unitpod", "bridge unitpod", "netdev unitpod"


def up(entry: Entry) -> str:
    """Add what belongs to a pod."""
    return "".join(f"add element {where} {{ {what} }}\n" for where, what in _elements(entry))


def down(entry: Entry) -> str:
    """Take it away, also where some of it is gone already: what is added first can always be deleted."""
    return "".join(map(_taken, _elements(entry)))


def ports_up(entry: Entry) -> str:
    """Add the ports alone."""
    return "".join(f"add element {where} {{ {what} }}\n" for where, what in _grouped(_ports(entry)))


def ports_down(entry: Entry) -> str:
    """Take the ports alone away."""
    return "".join(map(_taken, _grouped(_ports(entry))))


def _taken(element: tuple[str, str]) -> str:
    where, what = element
    return f"add element {where} {{ {what} }}\ndelete element {where} {{ {what} }}\n"


def _elements(entry: Entry) -> Iterator[tuple[str, str]]:
    if entry.joined:
        return iter(())
    return _grouped([*(found for end in entry.endpoints for found in _guard(end)), *_ports(entry)])


def _grouped(found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Set and elements: those of one set in one line, since nft(8) takes a line as one message."""
    groups: dict[str, list[str]] = {}
    for where, element in found:
        groups.setdefault(where, []).append(element)
    return ((where, ", ".join(elements)) for where, elements in groups.items())


def _ports(entry: Entry) -> Iterator[tuple[str, str]]:
    for port in entry.ports:
        yield from _port(port, entry.target)


def _guard(end: Endpoint) -> Iterator[tuple[str, str]]:
    """Which addresses may come from an interface."""
    if not end.host.startswith(GUARDED):
        return
    if end.ip4:
        yield f"{GUARD} own4", f'"{end.host}" . {end.mac} . {end.ip4}'
    if end.ip6:
        for address in (end.ip6, link_local(end.mac)):
            yield f"{GUARD} own6", f'"{end.host}" . {end.mac} . {address}'
            yield f"{GUARD} told6", f'"{end.host}" . {_number6(address)}'


def link_local(mac: str) -> str:
    """The address the kernel makes itself (RFC 4291, appendix A)."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    words = [*octets[:3], 0xFF, 0xFE, *octets[3:]]
    return "fe80::" + ":".join(f"{words[i] << 8 | words[i + 1]:x}" for i in range(0, 8, 2))


def _number6(address: str) -> str:
    """An address as the number that nft(8) takes for raw bytes of a packet."""
    head, _, tail = address.partition("::")
    left, right = (part.split(":") if part else [] for part in (head, tail))
    words = left + ["0"] * (8 - len(left) - len(right)) + right
    return "0x" + "".join(word.zfill(4) for word in words)


def _port(port: Port, target: Endpoint | None) -> Iterator[tuple[str, str]]:
    """A published port: map and element, for IPv4 and IPv6 as far as the pod has them."""
    if target is None:
        return
    six = ":" in port.address
    if target.ip4 and not six:
        where = "" if port.address in {"", "0.0.0.0"} else f"{port.address} . "  # noqa: S104
        name = "on4" if where else "any4"
        yield f"{TABLE} {name}", f"{where}{port.protocol} . {port.host} : {target.ip4} . {port.pod}"
    if target.ip6 and (six or not port.address):
        where = "" if port.address in {"", "::"} else f"{port.address} . "
        name = "on6" if where else "any6"
        yield f"{TABLE} {name}", f"{where}{port.protocol} . {port.host} : {target.ip6} . {port.pod}"


def networks(found: Sequence[Network], *, loopback6: bool) -> str:
    """What the tables hold of networks; whatever they held before goes.

    `loopback6`: ::1 leads to pods. Not where br_netfilter shows bridged packets to conntrack: it would translate an
    answer to ::1 on the bridge, and the kernel drops what comes from there to ::1.
    """
    names = ("bridges", "closed", "same", "ranges4", "ranges6", "hairpin4", "hairpin6", "loop6", "loopback6")
    text = "".join(f"flush {'map' if name == 'loop6' else 'set'} {TABLE} {name}\n" for name in names)
    text += f"table {LOOP}\ndelete table {LOOP}\ntable {LOOP}\n"
    return text + "".join(_network(network, loopback6=loopback6) for network in found)


def _network(network: Network, *, loopback6: bool) -> str:
    bridge = f'"{network.bridge}"'
    wanted = {"bridges": bridge, "same": f"{bridge} . {bridge}"}
    if network.internal:
        wanted["closed"] = bridge
    for kind, subnet in (("4", network.ip4), ("6", network.ip6)):
        if subnet:
            wanted[f"hairpin{kind}"] = f"{bridge} . {subnet.range}"
            if not network.internal:
                wanted[f"ranges{kind}"] = subnet.range
    text = ""
    if network.loop6 and loopback6:
        wanted |= {"loop6": f"{bridge} : {network.loop6}", "loopback6": "::1"}
        text = (
            f"add chain {LOOP} loop-{network.bridge}"
            f" {{ type filter hook ingress device {bridge} priority 0; policy accept; }}\n"
            f"add rule {LOOP} loop-{network.bridge} ip6 daddr {network.loop6} meta l4proto {{ tcp, udp, sctp }}"
            " ether daddr set 00:00:00:00:00:00 fwd to lo\n"
        )
    return "".join(f"add element {TABLE} {name} {{ {what} }}\n" for name, what in wanted.items()) + text
