"""EFFECT. The network of a pod that starts: addresses and ports are taken, names told to its neighbours.

The host's side (bridge, tables) is made when it is missing; the pod's own (namespace, interfaces, its elements of
the tables) is the monitor's, by the records that come of this.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stage1.contract import (
    ConflictError,
    Interface,
    NetworkMode,
    NotFoundError,
    PodDir,
    PodManifest,
    Port,
    State,
)
from stage1.identity import entry_lines
from stage1.network import definitions, names, ranges, rules
from stage1.network import filter as packet_filter
from stage1.network.model import FOREIGN, GUARDED, Endpoint, Entry, Namespace, Network, Wiring
from stage1.network.registry import Registry, is_interface

_RESOLV, _UPSTREAM = Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")


def wire(pod: PodManifest, directory: PodDir, *, start: bool = True) -> Wiring | None:
    """What this pod's network will be; None where it has the host's, or none.

    Without `start` nothing is made and nothing taken: it is what would be, if the pod started now.
    """
    match pod.network:
        case NetworkMode.HOST | NetworkMode.NONE:
            return None
        case NetworkMode.NAMESPACE:
            return _in_namespace(pod, directory)
        case NetworkMode.POD:
            return _with_pod(pod, directory, start=start)
        case NetworkMode.PRIVATE:
            return _private(pod, directory, start=start)


def _in_namespace(pod: PodManifest, directory: PodDir) -> Wiring:
    path = pod.network_of or ""
    if not Path(path).exists():
        raise NotFoundError(f"no network namespace {path}", hint="`ip netns add NAME` makes /run/netns/NAME")
    entry = Entry(pod.uuid, str(directory.path), ())
    return Wiring(
        entry, Namespace(path), hosts=entry_lines(pod.names) + _read(Path("/etc/hosts")), resolv=_resolver()
    )


def _with_pod(pod: PodManifest, directory: PodDir, *, start: bool) -> Wiring:
    """The other pod's namespace; its addresses are in use as long as anybody is in it."""
    other = _other(pod, directory)
    registry = Registry()
    try:
        pid, began = (int(word) for word in other.leader.read_text().split())
    except (FileNotFoundError, ValueError):
        raise ConflictError(f"pod {pod.network_of} is not running", hint="start it first") from None
    with registry.locked():
        found = registry.entry(other.uuid)
        entry = Entry(pod.uuid, str(directory.path), (), found.endpoints if found else (), joined=other.uuid)
        if start:
            registry.write(entry)
    return Wiring(
        entry,
        Namespace(f"/proc/{pid}/ns/net", pid, began),
        hosts=entry_lines(pod.names) + (_read(other.network / "hosts") or _read(Path("/etc/hosts"))),
        resolv=_read(other.network / "resolv.conf") or _resolver(),
        registered=str(registry.file(pod.uuid)),
    )


def _other(pod: PodManifest, directory: PodDir) -> PodDir:
    root, reference = directory.root, pod.network_of or ""
    try:
        uuid = os.readlink(root.names / reference)
    except OSError:
        uuid = reference
    found = root.pod(State.RUN, uuid)
    if "/" in reference or not found.manifest.exists():
        raise NotFoundError(f"no pod {reference!r} runs", hint="name it, or write its whole UUID")
    return found


def _private(pod: PodManifest, directory: PodDir, *, start: bool) -> Wiring:
    registry = Registry()
    nft = packet_filter.program() if any(interface.network for interface in pod.interfaces) else ""
    with registry.locked():
        living, gone = registry.entries()
        living = [entry for entry in living if entry.uuid != pod.uuid]
        if start:
            sweep(registry, gone)
        endpoints = _endpoints(pod, _networks(pod, directory, registry, start=start), registry, living)
        entry = Entry(
            uuid=pod.uuid,
            directory=str(directory.path),
            names=_names(pod),
            endpoints=endpoints,
            ports=_ports(pod, living),
        )
        if start:
            _take(entry, registry, living)
    hosts = entry_lines(pod.names) + names.own_lines(entry, pod.hostname, [app.name for app in pod.apps])
    return Wiring(
        entry,
        sysctls=pod.sysctls,
        hosts=names.with_peers(hosts, entry, living),
        resolv=_resolver(),
        nft=nft,
        repair=str(registry.repair),
        registered=str(registry.file(pod.uuid)),
    )


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


def _networks(pod: PodManifest, directory: PodDir, registry: Registry, *, start: bool) -> dict[str, Network]:
    find = definitions.realize if start else definitions.expected
    names = [interface.network for interface in pod.interfaces if interface.network]
    return {name: find(directory.root, name, registry) for name in names}


def _names(pod: PodManifest) -> tuple[str, ...]:
    """What others on its networks call the pod: its name, its host name, its apps."""
    found = [pod.name] if pod.name else []
    return tuple(dict.fromkeys([*found, pod.hostname, *(app.name for app in pod.apps)]))


def sweep(registry: Registry, gone: Sequence[Entry]) -> None:
    """Tidy up after pods whose monitor was killed. Needs the lock."""
    text = "".join(map(rules.down, gone))
    if text and registry.repair.exists():
        packet_filter.apply(registry.repair.read_text() + text, registry)
    for entry in gone:
        registry.forget(entry)


def tell(living: Sequence[Entry], changed: Entry | None = None) -> None:
    """Write who is there into the hosts files of all others.

    In place: the file is mounted in their apps, and a new one would not be seen there.
    """
    everyone = [*living, *((changed,) if changed else ())]
    for entry in living:
        path = Path(entry.directory) / "run" / "network" / "hosts"
        try:
            before = path.read_text()
            after = names.with_peers(before, entry, everyone)
            if after != before:
                with path.open("r+") as file:
                    file.write(after)
                    file.truncate()
        except FileNotFoundError:
            continue  # it is just being started, or shares a network


def _endpoints(
    pod: PodManifest, networks: dict[str, Network], registry: Registry, living: Sequence[Entry]
) -> tuple[Endpoint, ...]:
    taken = [
        address for entry in living for end in entry.endpoints for address in (end.ip4, end.ip6) if address
    ]
    used = {end.mac: entry for entry in living for end in entry.endpoints}
    found: list[Endpoint] = []
    for interface in pod.interfaces:
        if interface.network is None:
            end = _foreign(interface)
        else:
            last = registry.last(interface.network)
            end = _on_network(interface, networks[interface.network], last, taken)
        if end.mac in used:
            raise ConflictError(f"hardware address {end.mac} is in use", hint="leave out --mac")
        if found:  # the way out is by the first
            end = end._replace(gateway4=None, gateway6=None)
        found.append(end)
    return tuple(found)


def _on_network(interface: Interface, network: Network, last: str, taken: list[str]) -> Endpoint:
    ip4, ip6 = interface.ip4, interface.ip6
    if ip4:
        ip4 = ranges.check_wish(ip4, network.ip4, network.name, taken)
    if ip6:
        ip6 = ranges.check_wish(ip6, network.ip6, network.name, taken)
    want4, want6 = network.ip4 if not ip4 else None, network.ip6 if not ip6 else None
    if want4 or want6:
        new4, new6 = ranges.choose(want4, want6, taken, last)
        ip4, ip6 = ip4 or new4, ip6 or new6
    taken += [address for address in (ip4, ip6) if address]
    way = None if network.internal else network
    return Endpoint(
        name=interface.name,
        host=GUARDED + os.urandom(4).hex(),
        bridge=network.bridge,
        mac=interface.mac or hardware_address(ip4),
        mtu=interface.mtu or network.mtu,
        network=network.name,
        ip4=ip4,
        ip6=ip6,
        length4=network.ip4.length if network.ip4 else "",
        length6=network.ip6.length if network.ip6 else "",
        gateway4=way.ip4.gateway if way and way.ip4 else None,
        gateway6=way.ip6.gateway if way and way.ip6 else None,
    )


def _foreign(interface: Interface) -> Endpoint:
    """An interface on a bridge that is not ours: no address but those named, no rules."""
    if not is_interface(interface.bridge or ""):
        raise NotFoundError(f"no bridge {interface.bridge}", hint="`ip link` shows those of this host")
    ip4, _, length4 = (interface.ip4 or "").partition("/")
    ip6, _, length6 = (interface.ip6 or "").partition("/")
    return Endpoint(
        name=interface.name,
        host=FOREIGN + os.urandom(4).hex(),
        bridge=interface.bridge or "",
        mac=interface.mac or hardware_address(None),
        mtu=interface.mtu or _mtu(interface.bridge or ""),
        ip4=ip4 or None,
        ip6=ip6 or None,
        length4=length4,
        length6=length6,
        gateway4=interface.gateway4,
        gateway6=interface.gateway6,
    )


def _mtu(bridge: str) -> int:
    """As IPv6 has it, in the network namespace this process is in; /sys may show another's."""
    try:
        return int(Path(f"/proc/sys/net/ipv6/conf/{bridge}/mtu").read_text())
    except (OSError, ValueError):
        return 1500


def hardware_address(ip4: str | None) -> str:
    """One that goes with the IPv4 address, so that neighbours need not learn a new one when it moves to a new pod."""
    if ip4 is None:
        return "02:" + os.urandom(5).hex(":")
    return "0a:58:" + bytes(int(part) for part in ip4.split(".")).hex(":")


def _resolver() -> str:
    return names.resolver(_read(_RESOLV), _read(_UPSTREAM))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
