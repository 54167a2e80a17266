"""EFFECT. What an interface of a pod can be on: a network of ours, or a bridge of the host's administrator.

Each is a small class behind one interface, as drivers are. What comes of it is an `Endpoint`: the monitor makes it.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from stage1.contract import ConflictError, Interface, NotFoundError
from stage1.contract.values import NamedTuple
from stage1.network import ranges
from stage1.network.model import FOREIGN, GUARDED, Endpoint, Network
from stage1.network.registry import is_interface

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Attachment(Protocol):
    """Something that interfaces of pods can be on."""

    @property
    def bridge(self) -> str:
        """The interface of the host that everybody on it meets at."""

    def endpoint(self, interface: Interface, taken: Collection[str]) -> Endpoint:
        """The interface as it will be; ConflictError if it wants an address that another pod there has."""


class OnNetwork(NamedTuple):
    """A network of ours: its addresses, its rules, its way out. `last` is the address it gave last."""

    network: Network
    last: str

    @property
    def bridge(self) -> str:
        """See `Attachment`."""
        return self.network.bridge

    def endpoint(self, interface: Interface, taken: Collection[str]) -> Endpoint:
        """See `Attachment`."""
        network = self.network
        ip4, ip6 = self._addresses(interface, taken)
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

    def _addresses(self, interface: Interface, taken: Collection[str]) -> tuple[str | None, str | None]:
        """Those that were asked for, if they can be given, and the next ones free for the rest."""
        network, ip4, ip6 = self.network, interface.ip4, interface.ip6
        if ip4:
            ip4 = ranges.check_wish(ip4, network.ip4, network.name, taken)
        if ip6:
            ip6 = ranges.check_wish(ip6, network.ip6, network.name, taken)
        want4, want6 = network.ip4 if not ip4 else None, network.ip6 if not ip6 else None
        if want4 or want6:
            new4, new6 = ranges.choose(want4, want6, taken, self.last)
            ip4, ip6 = ip4 or new4, ip6 or new6
        return ip4, ip6


class OnBridge(NamedTuple):
    """A bridge that is not ours: no address but those named, no rules."""

    bridge: str

    def endpoint(self, interface: Interface, taken: Collection[str]) -> Endpoint:
        """See `Attachment`."""
        if not is_interface(self.bridge):
            raise NotFoundError(f"no bridge {self.bridge}", hint="`ip link` shows those of this host")
        ip4, _, length4 = (interface.ip4 or "").partition("/")
        ip6, _, length6 = (interface.ip6 or "").partition("/")
        for address in {ip4, ip6}.intersection(taken):
            raise ConflictError(
                f"address {address} on {self.bridge} is another pod's", hint="choose another"
            )
        return Endpoint(
            name=interface.name,
            host=FOREIGN + os.urandom(4).hex(),
            bridge=self.bridge,
            mac=interface.mac or hardware_address(None),
            mtu=interface.mtu or _mtu(self.bridge),
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
