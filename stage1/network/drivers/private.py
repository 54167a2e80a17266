"""EFFECT. A network namespace of the pod's own: addresses and ports are taken, names told to its neighbours.

The host's side (bridge, tables) is made when it is missing; the pod's own (namespace, interfaces, its elements of
the tables) is the monitor's, by the records that come of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stage1.contract import ConflictError, DataRoot, Interface, PodDir, PodManifest, Port
from stage1.identity import entry_lines
from stage1.network import definitions, etc, names
from stage1.network import filter as packet_filter
from stage1.network.attachments import Attachment, OnBridge, OnNetwork
from stage1.network.model import Endpoint, Entry, Network, Wiring
from stage1.network.neighbours import sweep, tell
from stage1.network.registry import Registry


class Private:
    """`--net=private`, networks by name, `bridge:NAME`, one or several of them."""

    def wire(self, pod: PodManifest, directory: PodDir, *, start: bool) -> Wiring:
        """See `Driver`."""
        registry = Registry()
        nft = packet_filter.program() if any(interface.network for interface in pod.interfaces) else ""
        with registry.locked():
            living, gone = registry.entries()
            # an entry of the pod itself is of an earlier start, whose monitor was killed: its lock is ours by now
            earlier = [entry for entry in living if entry.uuid == pod.uuid]
            living = [entry for entry in living if entry.uuid != pod.uuid]
            if start:
                sweep(registry, [*gone, *earlier])
            find = definitions.realize if start else definitions.expected
            places = [_place(one, directory.root, registry, find) for one in pod.interfaces]
            entry = Entry(
                uuid=pod.uuid,
                directory=str(directory.path),
                names=pod_names(pod),
                endpoints=tuple(_endpoints(pod, places, living)),
                ports=_ports(pod, living),
            )
            if start:
                _take(entry, registry, living)
        hosts = entry_lines(pod.names) + names.own_lines(entry, pod.hostname, [app.name for app in pod.apps])
        return Wiring(
            entry,
            sysctls=pod.sysctls,
            hosts=names.with_peers(hosts, entry, living),
            resolv=etc.resolver(),
            nft=nft,
            repair=str(registry.repair),
            registered=str(registry.file(pod.uuid)),
        )


def _place(
    interface: Interface,
    root: DataRoot,
    registry: Registry,
    find: Callable[[DataRoot, str, Registry], Network],
) -> Attachment:
    if interface.network is None:
        return OnBridge(interface.bridge or "")
    return OnNetwork(find(root, interface.network, registry), registry.last(interface.network))


def _endpoints(pod: PodManifest, places: Sequence[Attachment], living: Sequence[Entry]) -> list[Endpoint]:
    used = {end.mac for entry in living for end in entry.endpoints}
    found: list[Endpoint] = []
    for interface, place in zip(pod.interfaces, places, strict=True):
        there = [end for entry in living for end in entry.endpoints if end.bridge == place.bridge]
        end = place.endpoint(
            interface, [address for end in there for address in (end.ip4, end.ip6) if address]
        )
        if end.mac in used:
            raise ConflictError(f"hardware address {end.mac} is in use", hint="leave out --mac")
        if found:  # the way out is by the first
            end = end._replace(gateway4=None, gateway6=None)
        found.append(end)
    return found


def _ports(pod: PodManifest, living: Sequence[Entry]) -> tuple[Port, ...]:
    if not pod.published:
        return ()
    from stage1.network import sockets  # noqa: PLC0415  most pods publish nothing

    return sockets.resolve(pod.published, living)


def _take(entry: Entry, registry: Registry, living: Sequence[Entry]) -> None:
    """From now on the addresses and ports are this pod's, and the others know its names."""
    registry.write(entry)
    for end in entry.endpoints:
        if end.network and end.ip4:
            registry.write_last(end.network, end.ip4)
    tell(living, entry)


def pod_names(pod: PodManifest) -> tuple[str, ...]:
    """What others on its networks call the pod: its name, its host name, its apps."""
    found = [pod.name] if pod.name else []
    return tuple(dict.fromkeys([*found, pod.hostname, *(app.name for app in pod.apps)]))
