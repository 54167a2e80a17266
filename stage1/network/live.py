"""EFFECT. What `pod network` and `pod port` do: networks made and removed, rules mended, ports of pods that run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from stage1.contract import (
    DEFAULT_NETWORK,
    ConflictError,
    DataRoot,
    NotFoundError,
    PodDir,
    Port,
    UsageError,
)
from stage1.network import definitions, links, ranges, rules, sockets
from stage1.network import filter as packet_filter
from stage1.network.definitions import Definition
from stage1.network.model import Endpoint, Entry, Network, entry_to
from stage1.network.neighbours import sweep, tell
from stage1.network.records import DOWN, FACTS, UP
from stage1.network.registry import Registry, write_whole

_LONGEST_BRIDGE = 15


def create(root: DataRoot, wish: dict[str, Any]) -> dict[str, Any]:
    """Define a network; ranges that were not named are chosen now and stay its own."""
    asked = Definition(**{**wish, "bridge": wish["bridge"] or _bridge(wish["name"])})
    _check(asked)
    registry = Registry()
    with registry.locked():
        if (root.networks / f"{asked.name}.json").exists() or registry.network(asked.name):
            raise ConflictError(
                f"network {asked.name} exists", hint=f"`pod network rm {asked.name}` removes it"
            )
        others = [one for one in definitions.definitions(root) if one.name != asked.name]
        if taken := next((one for one in others if one.bridge == asked.bridge), None):
            raise ConflictError(f"{asked.bridge} is the bridge of network {taken.name}", hint="name another")
        network = definitions.planned(asked, registry, others)
        chosen = asked._replace(
            ipv4=network.ip4.range if network.ip4 else definitions.NONE,
            # without IPv6 on this host today, the network has a range as soon as there is
            ipv6=network.ip6.range if network.ip6 else asked.ipv6,
        )
        definitions.define(root, chosen)
    return facts(root, asked.name)


def _bridge(name: str) -> str:
    bridge = "pod0" if name == DEFAULT_NETWORK else f"pod-{name}"
    if len(bridge) > _LONGEST_BRIDGE:
        raise UsageError(
            f"a bridge cannot be called {bridge}", hint="name one of up to 15 letters: --bridge"
        )
    return bridge


def _check(wish: Definition) -> None:
    for text, version in ((wish.ipv4, 4), (wish.ipv6, 6)):
        if text not in {None, definitions.NONE}:
            ranges.parse(str(text), version)
    if wish.ipv4 == wish.ipv6 == definitions.NONE:
        raise UsageError("a network needs addresses", hint="leave out one of --ipv4 none and --ipv6 none")


def remove(root: DataRoot, name: str, *, force: bool) -> None:
    """Remove a network that no pod is on, with its bridge and rules; `force`: pods lose that interface."""
    definitions.definition(root, name)
    registry = Registry()
    with registry.locked():
        living, gone = registry.entries()
        sweep(registry, gone)
        users = [entry for entry in living if any(end.network == name for end in entry.endpoints)]
        if users and not force:
            raise ConflictError(
                f"network {name} is used by {', '.join(map(_label, users))}",
                hint="stop them, or use --force",
            )
        network = registry.network(name)
        registry.forget_network(name)
        if network is not None:
            links.remove_bridge(network.bridge)
            packet_filter.write_repair(registry)
            packet_filter.apply(registry.repair.read_text(), registry)
        definitions.undefine(root, name)


def reload() -> list[str]:
    """Bridges and rules as they should be, whatever somebody did to them; the names of the networks."""
    registry = Registry()
    with registry.locked():
        living, gone = registry.entries()
        sweep(registry, gone)
        wanted = registry.noted_networks()
        for network in wanted:
            links.make_bridge(network)
            ends = [
                (end.host, end.mac)
                for entry in living
                for end in entry.endpoints
                if end.network == network.name
            ]
            links.attach(network.bridge, ends)
        if wanted or living:
            packet_filter.reload(registry, living)
        tell(living)
    return [network.name for network in wanted]


def tidy() -> None:
    """Remove what pods left that were killed, and their names from the hosts files of others."""
    registry = Registry()
    if not registry.pods.is_dir():
        return
    with registry.locked():
        living, gone = registry.entries()
        sweep(registry, gone)
        registry.forget_unfinished()
        tell(living)


def facts(root: DataRoot, name: str) -> dict[str, Any]:
    """All that is known of a network."""
    registry = Registry()
    wish = definitions.definition(root, name)
    network = registry.network(name)
    living, _ = registry.entries()
    return {
        "name": name,
        "bridge": network.bridge if network else wish.bridge,
        "up": network is not None,
        "ipv4": _range(network, "ip4") or wish.ipv4,
        "ipv6": _range(network, "ip6") or wish.ipv6,
        "gateway4": network.ip4.gateway if network and network.ip4 else None,
        "gateway6": network.ip6.gateway if network and network.ip6 else None,
        "mtu": network.mtu if network else wish.mtu,
        "internal": wish.internal,
        "pods": [_user(entry, end) for entry in living for end in entry.endpoints if end.network == name],
    }


def clashes() -> list[str]:
    """Ranges of networks that are up, and that the host has come to route elsewhere since, in words."""
    found = Registry().all_networks()
    routed = links.routed() if found else []
    return [
        f"network {network.name} has {subnet.range}, and {there}"
        for network in found
        for subnet in (network.ip4, network.ip6)
        if subnet and (there := ranges.conflict(subnet.range, routed, network.bridge))
    ]


def _range(network: Network | None, kind: str) -> str | None:
    subnet = getattr(network, kind) if network else None
    return subnet.range if subnet else None


def _user(entry: Entry, end: Endpoint) -> dict[str, Any]:
    return {
        "uuid": entry.uuid,
        "names": list(entry.names),
        "interface": end.name,
        "host_interface": end.host,
        "ip4": end.ip4,
        "ip6": end.ip6,
        "mac": end.mac,
        "joined": entry.joined,
    }


def _label(entry: Entry) -> str:
    return entry.names[0] if entry.names else entry.uuid


def all_facts(root: DataRoot) -> list[dict[str, Any]]:
    """Every network there is."""
    return [facts(root, one.name) for one in definitions.definitions(root)]


def ports(directory: PodDir) -> list[Port]:
    """Published ports of a pod that runs, as they are now."""
    return list(_living(Registry(), directory).ports)


def publish(directory: PodDir, wanted: Sequence[Port]) -> list[Port]:
    """Publish more ports of a pod that runs; all or none."""
    registry = Registry()
    with registry.locked():
        entry = _living(registry, directory)
        if entry.joined or entry.target is None:
            raise ConflictError(
                f"pod {_label(entry)} has no network of `pod` of its own",
                hint="publish at the pod that has it",
            )
        living, _ = registry.entries()
        added = sockets.resolve(wanted, living)
        packet_filter.apply_or_reload(rules.ports_up(entry._replace(ports=added)), registry, living)
        _record(registry, directory, entry._replace(ports=(*entry.ports, *added)))
    return list(added)


def unpublish(directory: PodDir, unwanted: Sequence[Port]) -> None:
    """Take published ports back; each is named by its place on the host."""
    registry = Registry()
    with registry.locked():
        entry = _living(registry, directory)
        found = [_match(entry, port) for port in unwanted]
        living, _ = registry.entries()
        packet_filter.apply_or_reload(rules.ports_down(entry._replace(ports=tuple(found))), registry, living)
        _record(
            registry,
            directory,
            entry._replace(ports=tuple(port for port in entry.ports if port not in found)),
        )


def _match(entry: Entry, wish: Port) -> Port:
    for port in entry.ports:
        if (port.host, port.protocol) == (wish.host, wish.protocol) and wish.address in {"", port.address}:
            return port
    raise NotFoundError(
        f"pod {_label(entry)} does not publish {sockets.shown(wish)}",
        hint="`pod port ls` lists what it does",
    )


def _living(registry: Registry, directory: PodDir) -> Entry:
    entry = registry.entry(directory.uuid)
    if entry is None:
        raise NotFoundError(
            f"pod {directory.uuid} has no network of its own",
            hint="only pods on networks of `pod` publish ports; those of --net=host are the host's",
        )
    return entry


def _record(registry: Registry, directory: PodDir, entry: Entry) -> None:
    """The end first: whatever happens then, nothing stays."""
    write_whole(directory.run / DOWN, rules.down(entry))
    write_whole(directory.run / UP, rules.up(entry))
    write_whole(directory.run / FACTS, json.dumps(entry_to(entry), indent=1) + "\n")
    registry.write(entry)
