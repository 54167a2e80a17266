"""PURE. The pod's network: whose it is, its interfaces, and published ports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stage0.plan.ports import published
from stage0.request import PodRequest
from stage1.contract import DEFAULT_NETWORK, Interface, NetworkMode, Port, UsageError
from stage1.contract.values import NamedTuple

NETWORK = r"[a-z0-9][a-z0-9-]{0,30}"
_DEVICE = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}"
_MAC = r"[0-9a-f]{2}(:[0-9a-f]{2}){5}"
_SYSCTL = r"net\.[a-zA-Z0-9_./-]+=[ -~]*"
_KEYS = ("name", "ip", "ip6", "mac", "mtu", "gateway", "gateway6")
# Words of --net with a meaning of their own; no network can have such a name.
RESERVED = frozenset({*(mode.value for mode in NetworkMode), "bridge", "all"})
_MODES = "host, none, private, pod:POD, ns:PATH, bridge:NAME, or a network of `pod network ls`"


class PodNetwork(NamedTuple):
    """The parts of a manifest that say what network a pod has."""

    mode: NetworkMode
    of: str | None = None
    interfaces: tuple[Interface, ...] = ()
    published: tuple[Port, ...] = ()
    sysctls: tuple[str, ...] = ()


def plan(request: PodRequest, names: Sequence[str]) -> PodNetwork:
    """Everything a request says about the network; UsageError where its parts exclude each other."""
    wishes = (request.net,) if isinstance(request.net, str) else request.net
    mode, of = _mode(wishes)
    own = mode is NetworkMode.PRIVATE
    interfaces = tuple(_first(_named(map(_interface, wishes)), request)) if own else ()
    ports = published(request, names)
    _check_own(mode, request, ports)
    if ports and not any(interface.network for interface in interfaces):
        raise UsageError(
            "--publish needs a network of `pod`",
            hint="on a bridge of the host the pod's own address is reached",
        )
    sysctls = tuple(_sysctl(text) for text in request.sysctl)
    return PodNetwork(mode, of, interfaces, ports, sysctls)


def _mode(wishes: Sequence[str]) -> tuple[NetworkMode, str | None]:
    for text in wishes:
        word, _, rest = text.partition(":")
        if word not in {"host", "none", "pod", "ns"}:
            continue
        if len(wishes) > 1:
            raise UsageError(f"--net={text} stands alone", hint="leave out the other --net")
        if bool(rest) != (word in {"pod", "ns"}) or (word == "ns" and not rest.startswith("/")):
            raise UsageError(f"--net={text}: no such network", hint=f"write {_MODES}")
        return NetworkMode(word), rest or None
    return NetworkMode.PRIVATE, None


def _check_own(mode: NetworkMode, request: PodRequest, ports: Sequence[Port]) -> None:
    """Addresses and ports belong to a network that the pod does not share."""
    given = {"--ip": request.ip, "--ip6": request.ip6, "--mac": request.mac, "--sysctl": request.sysctl}
    found = [name for name, value in given.items() if value] + (["--publish"] if ports else [])
    if mode is NetworkMode.NONE and found == ["--sysctl"]:
        found = []
    if mode is not NetworkMode.PRIVATE and found:
        raise UsageError(
            f"{found[0]} has no meaning with --net={mode.value}",
            hint="use it with --net=private or a network by name",
        )


def _interface(text: str) -> Interface:
    """`NETWORK[:KEY=VALUE,…]` or `bridge:NAME[:KEY=VALUE,…]`."""
    word, _, rest = text.partition(":")
    bridge = None
    if word == "bridge":
        bridge, _, rest = rest.partition(":")
    keys = _keys(text, rest)
    name = DEFAULT_NETWORK if word == NetworkMode.PRIVATE else word
    if (bridge is None and not re.fullmatch(NETWORK, name)) or (
        bridge is not None and not re.fullmatch(_DEVICE, bridge)
    ):
        raise UsageError(f"--net={text}: no such network", hint=f"write {_MODES}")
    return Interface(
        name=device(keys.get("name", "")),
        network=None if bridge else name,
        bridge=bridge,
        ip4=address(keys.get("ip"), 4, prefix=bridge is not None),
        ip6=address(keys.get("ip6"), 6, prefix=bridge is not None),
        gateway4=address(keys.get("gateway"), 4),
        gateway6=address(keys.get("gateway6"), 6),
        mac=mac(keys.get("mac")),
        mtu=mtu(keys.get("mtu")),
    )


def _keys(text: str, rest: str) -> dict[str, str]:
    keys = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if key not in _KEYS or not equals or not value or key in keys:
            raise UsageError(
                f"--net={text}: {part!r} is not KEY=VALUE, once", hint=f"the keys are {', '.join(_KEYS)}"
            )
        keys[key] = value
    return keys


def _named(interfaces: Iterator[Interface]) -> Iterator[Interface]:
    """eth0, eth1, … for those without a name; no two the same, no network twice."""
    seen: set[str] = set()
    for number, interface in enumerate(interfaces):
        named = interface._replace(name=interface.name or f"eth{number}")
        for key in (named.name, f"on {named.network or named.bridge}"):
            if key in seen:
                raise UsageError(
                    f"--net: two interfaces are {key}", hint="leave one out, or name it otherwise"
                )
            seen.add(key)
        yield named


def _first(interfaces: Iterator[Interface], request: PodRequest) -> Iterator[Interface]:
    """`--ip`, `--ip6` and `--mac` belong to the first interface."""
    for number, interface in enumerate(interfaces):
        if number:
            yield interface
            continue
        prefix = interface.bridge is not None
        yield interface._replace(
            ip4=address(request.ip, 4, prefix=prefix) or interface.ip4,
            ip6=address(request.ip6, 6, prefix=prefix) or interface.ip6,
            mac=mac(request.mac) or interface.mac,
        )


def device(name: str) -> str:
    """The name of an interface, or nothing."""
    if name and (not re.fullmatch(_DEVICE, name) or name == "lo"):
        raise UsageError(f"{name!r} is no name for an interface", hint="up to 15 letters, digits, . _ and -")
    return name


def mac(text: str | None) -> str | None:
    """A hardware address of one interface: not one of a group."""
    if text is not None and (not re.fullmatch(_MAC, text.lower()) or int(text[1], 16) & 1):
        raise UsageError(f"{text!r} is no hardware address", hint="write it as 02:00:00:00:00:01")
    return text.lower() if text else None


def mtu(text: str | None) -> int | None:
    """Bytes a packet may have; IPv6 needs 1280."""
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{3,5}", text) or not 576 <= int(text) <= 65535:
        raise UsageError(f"mtu {text!r} is not from 576 to 65535", hint="1500 is usual")
    return int(text)


def address(text: str | None, version: int, *, prefix: bool = False) -> str | None:
    """An address in its usual spelling; with a prefix length where no network of ours says it."""
    if text is None:
        return None
    import ipaddress  # noqa: PLC0415  2 ms, and few pods ask for an address

    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        found = None
    if (
        found is None
        or found.version != version
        or ("/" in text) != prefix
        or getattr(found, "scope_id", None)
    ):
        wanted = f"IPv{version} address" + (" with a prefix length" if prefix else "")
        raise UsageError(f"{text!r} is no {wanted}", hint=_example(version, prefix=prefix))
    return str(found if prefix else found.ip)


def _example(version: int, *, prefix: bool) -> str:
    return f"write it as {'192.0.2.7' if version == 4 else '2001:db8::7'}{'/24' * prefix}"


def _sysctl(text: str) -> str:
    if not re.fullmatch(_SYSCTL, text) or ".." in text:
        raise UsageError(
            f"--sysctl={text}: only net.* belongs to a network namespace",
            hint="write --sysctl net.NAME=VALUE",
        )
    return text
