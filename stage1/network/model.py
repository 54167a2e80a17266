"""PURE. What a network is, and what a pod has of it."""

from __future__ import annotations

from stage1.contract import Port
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

# Interfaces of pods on bridges of ours; the packet filter knows them by these letters.
GUARDED = "vpod"
FOREIGN = "upod"


class Subnet(NamedTuple):
    """A range, and the host's address in it, where pods send what is for elsewhere."""

    range: str
    gateway: str

    @property
    def length(self) -> str:
        """The prefix length."""
        return self.range.partition("/")[2]


class Network(NamedTuple):
    """A network as it is on this host now; `loop6` stands for ::1 on the way to pods."""

    name: str
    bridge: str
    mtu: int
    ip4: Subnet | None = None
    ip6: Subnet | None = None
    loop6: str | None = None
    internal: bool = False


class Endpoint(NamedTuple):
    """An interface of a pod: `name` inside, `host` is its other end on the bridge. Addresses without prefix."""

    name: str
    host: str
    bridge: str
    mac: str
    mtu: int
    network: str | None = None
    ip4: str | None = None
    ip6: str | None = None
    length4: str = ""
    length6: str = ""
    gateway4: str | None = None
    gateway6: str | None = None


class Entry(NamedTuple):
    """A pod with a network of its own, as the host's registry and `run/network.json` have it."""

    uuid: str
    directory: str
    names: tuple[str, ...]
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[Port, ...] = ()
    joined: str | None = None

    @property
    def target(self) -> Endpoint | None:
        """The interface that published ports lead to."""
        return next((end for end in self.endpoints if end.network), None)


class Namespace(NamedTuple):
    """A network namespace that exists: by path, and by the process that keeps it (0 if the path alone does)."""

    path: str
    pid: int = 0
    start: int = 0


class Wiring(NamedTuple):
    """All that a start needs to know of the pod's network; `namespace` None: a new one."""

    entry: Entry
    namespace: Namespace | None = None
    sysctls: tuple[str, ...] = ()
    hosts: str = ""
    resolv: str = ""
    nft: str = ""
    repair: str = ""
    registered: str = ""


def entry_from(found: dict[str, Any]) -> Entry:
    """An entry as it was read from JSON."""
    return Entry(
        **{
            **found,
            "names": tuple(found["names"]),
            "endpoints": tuple(Endpoint(**end) for end in found["endpoints"]),
            "ports": tuple(Port(**port) for port in found["ports"]),
        }
    )


def entry_to(entry: Entry) -> dict[str, Any]:
    """An entry as JSON has it."""
    return {
        **entry._asdict(),
        "endpoints": [end._asdict() for end in entry.endpoints],
        "ports": [port._asdict() for port in entry.ports],
    }


def network_from(found: dict[str, Any]) -> Network:
    """A network as it was read from JSON."""
    ranges = {key: Subnet(**found[key]) if found[key] else None for key in ("ip4", "ip6")}
    return Network(**{**found, **ranges})


def network_to(network: Network) -> dict[str, Any]:
    """A network as JSON has it."""
    ranges = {
        key: value._asdict() if value else None
        for key, value in (("ip4", network.ip4), ("ip6", network.ip6))
    }
    return {**network._asdict(), **ranges}
