"""PURE. `--publish`: ports of the host that lead to the pod's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stage0.request import PodRequest
from stage1.contract import Port, UsageError

_SHAPE = (
    r"(?:(?P<address>\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}):)?"
    r"(?:(?P<host>[0-9-]*):)?(?P<pod>[0-9]+(?:-[0-9]+)?)(?:/(?P<protocol>[a-z]+))?"
)
_PROTOCOLS = ("tcp", "udp", "sctp")
MOST_PORTS = 2048


def published(request: PodRequest, names: Sequence[str]) -> tuple[Port, ...]:
    """Every port of the pod and of its apps; UsageError if two want one of the host's."""
    ports = [port for text in request.publish for port in parse(text)]
    for wish, name in zip(request.app, names, strict=True):
        ports += [port._replace(app=name) for text in wish.publish for port in parse(text)]
    if len(ports) > MOST_PORTS:
        raise UsageError(f"--publish: {len(ports)} ports are too many", hint=f"at most {MOST_PORTS} a pod")
    _check_distinct(ports)
    return tuple(ports)


def parse(text: str, option: str = "--publish=") -> Iterator[Port]:
    """`[IP:][HOST:]PORT[/PROTOCOL]`, each port of a range by itself; `option` is what the text followed."""
    whole = f"{option}{text}"
    found = re.fullmatch(_SHAPE, text)
    if not found or (found["protocol"] or "tcp") not in _PROTOCOLS:
        raise UsageError(f"{whole}: not a port", hint="write [IP:][HOST:]PORT[/tcp|udp|sctp], IPv6 as [::1]")
    inside = _range(found["pod"], whole)
    outside = _range(found["host"], whole) if found["host"] else (0,) * len(inside)
    if len(outside) != len(inside):
        raise UsageError(f"{whole}: ranges of different length", hint="make both the same length")
    where = _address(found["address"], whole)
    for host, pod in zip(outside, inside, strict=True):
        yield Port(pod=pod, host=host, address=where, protocol=found["protocol"] or "tcp")


def parse_place(text: str) -> Port:
    """`[IP:]HOST[/PROTOCOL]`: a port of the host, as `pod port ls` shows it."""
    found = re.fullmatch(_SHAPE, text.removeprefix("*:"))
    if not found or found["host"] is not None or "-" in found["pod"]:
        raise UsageError(f"{text}: not a port of the host", hint="write [IP:]HOST[/tcp|udp|sctp]")
    port = next(parse(text.removeprefix("*:"), ""))
    return port._replace(pod=0, host=port.pod)


def _range(text: str, whole: str) -> Sequence[int]:
    first, dash, last = text.partition("-")
    ends = [int(number) if number.isdigit() and len(number) < 6 else 0 for number in (first, last or first)]
    if not 1 <= ends[0] <= ends[1] <= 65535 or (dash and not last):
        raise UsageError(f"{whole}: {text!r} is no port", hint="ports are 1 to 65535, ranges A-B")
    return range(ends[0], ends[1] + 1)


def _address(text: str | None, whole: str) -> str:
    """The address in its usual spelling; all of the host's are the same as none."""
    if not text:
        return ""
    import ipaddress  # noqa: PLC0415  2 ms, and few ports name an address

    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        raise UsageError(f"{whole}: {text} is no address", hint="IPv6 is written [::1]") from None
    return str(found)


def _check_distinct(ports: Sequence[Port]) -> None:
    seen: dict[tuple[str, int], set[str]] = {}
    for port in ports:
        if port.host == 0:
            continue
        taken = seen.setdefault((port.protocol, port.host), set())
        if any(overlap(port.address, other) for other in taken):
            raise UsageError(f"--publish: {port.host}/{port.protocol} is published twice", hint="keep one")
        taken.add(port.address)


def overlap(one: str, other: str) -> bool:
    """Two places of one port number: the empty one is every address, 0.0.0.0 and :: those of their kind."""
    kinds = {"" if not text else "6" if ":" in text else "4" for text in (one, other)}
    return one == other or "" in kinds or (len(kinds) == 1 and ({one, other} & {"0.0.0.0", "::"} != set()))  # noqa: S104
