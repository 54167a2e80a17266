"""EFFECT. Networks as the administrator made them, and how one becomes a bridge of this host."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from stage1.contract import DEFAULT_NETWORK, ConflictError, DataRoot, HostError, NotFoundError
from stage1.contract.values import NamedTuple
from stage1.network import filter as packet_filter
from stage1.network import links, ranges
from stage1.network.model import Network
from stage1.network.registry import Registry, is_interface, write_whole

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

NONE = "none"


class Definition(NamedTuple):
    """What was asked for: ranges `none` or, None, any free one; MTU None: that of the way out."""

    name: str
    bridge: str
    ipv4: str | None = None
    ipv6: str | None = None
    mtu: int | None = None
    internal: bool = False


_BUILT_IN = Definition(name=DEFAULT_NETWORK, bridge="pod0")


def definition(root: DataRoot, name: str) -> Definition:
    """A network by its name; the default one need not be made."""
    try:
        found: dict[str, Any] = json.loads((root.networks / f"{name}.json").read_bytes())
        return Definition(**found)
    except FileNotFoundError:
        if name == DEFAULT_NETWORK:
            return _BUILT_IN
    except (ValueError, TypeError):
        raise HostError(f"{root.networks / name}.json is damaged", hint="make the network again") from None
    raise NotFoundError(f"no network {name!r}", hint=f"`pod network ls`, or `pod network create {name}`")


def definitions(root: DataRoot) -> list[Definition]:
    """Every network there is."""
    names = sorted(path.stem for path in root.networks.glob("*.json")) if root.networks.is_dir() else []
    return [definition(root, name) for name in dict.fromkeys((DEFAULT_NETWORK, *names))]


def define(root: DataRoot, wish: Definition) -> None:
    """Keep a network's definition."""
    root.networks.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(root.networks / f"{wish.name}.json", json.dumps(wish._asdict(), indent=1) + "\n")


def undefine(root: DataRoot, name: str) -> None:
    """Forget it."""
    (root.networks / f"{name}.json").unlink(missing_ok=True)


def realize(root: DataRoot, name: str, registry: Registry) -> Network:
    """The network as it is on this host; its bridge and rules are made if they are not there. Needs the lock."""
    known = registry.network(name)
    if known is not None:
        return known
    wish = definition(root, name)
    network = planned(wish, registry, [one for one in definitions(root) if one.name != name])
    links.make_bridge(network)
    registry.write_network(network)
    packet_filter.write_repair(registry)
    packet_filter.apply(registry.repair.read_text(), registry)
    return network


def expected(root: DataRoot, name: str, registry: Registry) -> Network:
    """The network as it would most likely be, without a look at the host and without making anything."""
    wish = definition(root, name)
    return registry.network(name) or _network(wish, (), mtu=1500)


def planned(wish: Definition, registry: Registry, others: Sequence[Definition]) -> Network:
    """Free ranges where none were named; ConflictError where a named one is in use."""
    if is_interface(wish.bridge) and not links.is_bridge(wish.bridge):
        raise ConflictError(
            f"{wish.bridge} is there and no bridge", hint="rename it, or name another: --bridge"
        )
    up = [
        (one.name, subnet.range)
        for one in registry.all_networks()
        for subnet in (one.ip4, one.ip6)
        if subnet
    ]
    defined = [(one.name, text) for one in others for text in (one.ipv4, one.ipv6) if text]
    routed = [
        *links.routed(),
        *((text, f"network {name}") for name, text in (*up, *defined) if name != wish.name and text != NONE),
    ]
    four, six = wish.ipv4, wish.ipv6 if _has_ipv6() else NONE
    for text in (four, six):
        if text not in {None, NONE} and (found := ranges.conflict(str(text), routed, wish.bridge)):
            raise ConflictError(
                f"network {wish.name}: {text} is in use: {found}", hint="choose another range"
            )
    return _network(wish._replace(ipv6=six), routed, mtu=links.usual_mtu())


def _network(wish: Definition, routed: Sequence[tuple[str, str]], *, mtu: int) -> Network:
    four, six = wish.ipv4, wish.ipv6
    four = four or ranges.free4(wish.name, routed, wish.bridge)
    six = six or ranges.free6(wish.name, _machine_id(), routed, wish.bridge)
    if four == six == NONE:
        raise HostError(
            f"network {wish.name} has no addresses", hint="this host has no IPv6; name an IPv4 range"
        )
    return Network(
        name=wish.name,
        bridge=wish.bridge,
        mtu=wish.mtu or mtu,
        ip4=ranges.subnet(four) if four != NONE else None,
        ip6=ranges.subnet(six) if six != NONE else None,
        loop6=ranges.loopback6(six) if six != NONE else None,
        internal=wish.internal,
    )


def _has_ipv6() -> bool:
    try:
        return Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").read_text().strip() == "0"
    except FileNotFoundError:
        return False


def _machine_id() -> str:
    """What makes this host's IPv6 ranges its own."""
    for place in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        try:
            if text := Path(place).read_text().strip():
                return text
        except FileNotFoundError:
            continue
    return "unknown"
