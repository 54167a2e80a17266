"""EFFECT. Which ports of this host are free: asked by binding them, the kernel's own way to tell.

`_socket` is the C half of the module `socket`, whose other half costs 10 ms to import and is not needed.
"""

from __future__ import annotations

import _socket
import errno
from collections.abc import Collection, Sequence

from stage1.contract import ConflictError, HostError, Port
from stage1.network.model import Entry

_KINDS = {
    "tcp": (_socket.SOCK_STREAM, 0),
    "udp": (_socket.SOCK_DGRAM, 0),
    "sctp": (_socket.SOCK_STREAM, getattr(_socket, "IPPROTO_SCTP", 132)),
}
_TRIES = 200


def resolve(ports: Sequence[Port], living: Sequence[Entry]) -> tuple[Port, ...]:
    """The same ports with a number each; ConflictError if a pod or a socket of the host has one already."""
    taken = {(port.protocol, port.host, port.address): entry for entry in living for port in entry.ports}
    wanted = {(port.protocol, port.host) for port in ports if port.host}
    found = []
    for port in ports:
        if port.host:
            _check_pods(port, taken)
            probe(port)
            found.append(port)
        else:
            used = {(protocol, host) for protocol, host, _ in taken} | wanted
            found.append(_any(port, used))
            wanted.add((port.protocol, found[-1].host))
    return tuple(found)


def _check_pods(port: Port, taken: dict[tuple[str, int, str], Entry]) -> None:
    for (protocol, host, address), entry in taken.items():
        if (protocol, host) == (port.protocol, port.host) and _overlap(address, port.address):
            raise ConflictError(
                f"port {shown(port)} is published by pod {entry.names[0] if entry.names else entry.uuid}",
                hint="choose another, or stop that pod",
            )


def _overlap(one: str, other: str) -> bool:
    kinds = {"6" if ":" in text else "4" for text in (one, other) if text}
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104
    return one == other or "" in {one, other} or (len(kinds) == 1 and bool({one, other} & everywhere))


def _any(port: Port, used: Collection[tuple[str, int]]) -> Port:
    for _ in range(_TRIES):
        host = probe(port)
        if (port.protocol, host) not in used:
            return port._replace(host=host)
    raise ConflictError(f"no {port.protocol} port is free", hint="stop what uses them, or name one")


def probe(port: Port) -> int:
    """Bind the port and let it go; the number the kernel gave."""
    kind, protocol = _KINDS[port.protocol]
    try:
        return _bind(port, kind, protocol)
    except OSError as error:
        if error.errno in {errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT} and port.host:
            return port.host  # without SCTP in this kernel no socket of the host has the port
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(
                f"port {shown(port)} is in use on this host",
                hint=f"`ss -nlp 'sport = {port.host}'` says by whom; choose another",
            ) from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise ConflictError(
                f"{port.address} is no address of this host", hint="`ip address` shows those it has"
            ) from None
        raise HostError(f"cannot use port {shown(port)}: {error.strerror}", hint="choose another") from None


def _bind(port: Port, kind: int, protocol: int) -> int:
    six = ":" in port.address or (not port.address and _has_ipv6())
    family = _socket.AF_INET6 if six else _socket.AF_INET
    probe = _socket.socket(family, kind, protocol)
    try:
        if six:
            probe.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, int(bool(port.address)))
        if kind == _socket.SOCK_STREAM:  # connections that are over do not count
            probe.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        probe.bind((port.address or ("::" if six else "0.0.0.0"), port.host))  # noqa: S104
        host: int = probe.getsockname()[1]
        return host
    finally:
        probe.close()


def _has_ipv6() -> bool:
    try:
        _socket.socket(_socket.AF_INET6, _socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def shown(port: Port) -> str:
    """`127.0.0.1:8080/tcp`."""
    where = f"[{port.address}]:" if ":" in port.address else f"{port.address}:" if port.address else ""
    return f"{where}{port.host}/{port.protocol}"
