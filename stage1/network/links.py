"""EFFECT. pyroute2's door: bridges, their addresses, and the host's routes.

Importing pyroute2 costs 200 ms and more, so nothing here is on the way of a start but that of the first pod on a
network after a boot: the interfaces of a pod are made by the monitor.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from stage1.contract import HostError
from stage1.network.model import Network

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

    from pyroute2 import IPRoute

_SYS = Path("/proc/sys/net")
_STATIC, _OF_BRIDGE = 0x40, 0x04  # NUD_NOARP, NTF_MASTER of <linux/neighbour.h>
_NO_ADDRESS, _DEPRECATED = (
    0x02,
    0,
)  # IFA_F_NODAD; a preferred lifetime of 0: no packet starts with it unasked


@contextlib.contextmanager
def _netlink(what: str) -> Iterator[IPRoute]:
    try:
        from pyroute2 import IPRoute  # noqa: PLC0415  see the docstring
    except ImportError:
        raise HostError("pyroute2 is not installed", hint="pip install pyroute2") from None
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    try:
        with IPRoute() as netlink:
            yield netlink
    except NetlinkError as error:
        hint = "the kernel has no bridges: load the module `bridge`"
        if error.code not in {errno.EOPNOTSUPP, errno.ENODEV}:
            hint = "`ip -d link` and `ip address` show what is there"
        raise HostError(f"cannot {what}: {error}", hint=hint) from None


def make_bridge(network: Network) -> None:
    """The network's bridge, up and with the host's addresses; one that is there already is taken over."""
    with _netlink(f"make the bridge {network.bridge}") as netlink:
        found = netlink.link_lookup(ifname=network.bridge)
        if not found:
            # 0: no protocol between bridges; a bridge of pods has no other to form a loop with
            netlink.link("add", ifname=network.bridge, kind="bridge", br_stp_state=0, mtu=network.mtu)
            found = netlink.link_lookup(ifname=network.bridge)
        index = found[0]
        _addresses(netlink, index, network)
        netlink.link("set", index=index, state="up", mtu=network.mtu)
    _settings(network)


def _addresses(netlink: Any, index: int, network: Network) -> None:  # noqa: ANN401  IPRoute's methods are untyped
    for subnet in (network.ip4, network.ip6):
        if subnet:
            flags = {"flags": _NO_ADDRESS} if ":" in subnet.gateway else {}
            netlink.addr(
                "replace", index=index, address=subnet.gateway, prefixlen=int(subnet.length), **flags
            )
    if network.ip6 and network.loop6:
        netlink.addr(
            "replace",
            index=index,
            address=network.loop6,
            prefixlen=int(network.ip6.length),
            flags=_NO_ADDRESS,
            preferred_lft=_DEPRECATED,
            valid_lft=0xFFFFFFFF,
        )


def _settings(network: Network) -> None:
    """Forwarding. A host that forwards IPv6 stops heeding router advertisements unless it is told to go on."""
    if network.ip4:
        _set("ipv4/ip_forward", "1")
        _set(f"ipv4/conf/{network.bridge}/route_localnet", "1")
    if network.ip6:
        for place in (_SYS / "ipv6/conf").iterdir():
            with contextlib.suppress(OSError):
                if (place / "accept_ra").read_text().strip() == "1" and place.name != network.bridge:
                    (place / "accept_ra").write_text("2")
        _set(f"ipv6/conf/{network.bridge}/accept_ra", "0")
        _set("ipv6/conf/all/forwarding", "1")


def _set(name: str, value: str) -> None:
    path = _SYS / name
    if path.read_text().strip() == value:
        return
    try:
        path.write_text(value)
    except OSError as error:
        raise HostError(
            f"cannot set {path}: {error.strerror}", hint="set it for this host, or use --net=host"
        ) from None


def attach(bridge: str, ends: list[tuple[str, str]]) -> None:
    """Put interfaces of pods, each with its hardware address, back on their bridge: as the monitor does."""
    with _netlink(f"use the bridge {bridge}") as netlink:
        master = netlink.link_lookup(ifname=bridge)[0]
        for name, mac in ends:
            for index in netlink.link_lookup(ifname=name):
                netlink.link("set", index=index, master=master, state="up")
                netlink.brport("set", index=index, mode=1, learning=0)
                netlink.fdb("replace", ifindex=index, lladdr=mac, state=_STATIC, flags=_OF_BRIDGE)


def is_bridge(name: str) -> bool:
    """True if the interface of this name is one."""
    with _netlink(f"look at {name}") as netlink:
        return bool(netlink.link_lookup(ifname=name, kind="bridge"))


def remove_bridge(name: str) -> None:
    """Take a bridge away."""
    with _netlink(f"remove the bridge {name}") as netlink:
        for index in netlink.link_lookup(ifname=name):
            netlink.link("del", index=index)


def routed() -> list[tuple[str, str]]:
    """Ranges that this host has routes to, each with its interface; default routes are none."""
    found = []
    with _netlink("read the routes") as netlink:
        names = {link["index"]: link.get("ifname") for link in netlink.get_links()}
        for route in netlink.get_routes():
            target, length = route.get("dst"), route["dst_len"]
            if target and length and not target.startswith(("ff", "fe80:", "127.")) and target != "::1":
                found.append((f"{target}/{length}", str(names.get(route.get("oif"), "?"))))
    return found


def usual_mtu() -> int:
    """The MTU of the interface with the default route, 1500 without one."""
    with _netlink("read the default route") as netlink:
        for route in netlink.get_default_routes():
            for link in netlink.get_links(route.get("oif")):
                return max(1280, min(int(link.get("mtu")), 65535))
    return 1500
