"""EFFECT. Where a running pod is reached: its addresses and published ports, as stage1 keeps them in a file."""

from __future__ import annotations

import json
from typing import Any

from stage0.pods import lifecycle

_SHOWN = ("name", "network", "bridge", "ip4", "ip6", "mac", "mtu")


def reach(pod: lifecycle.Pod) -> dict[str, Any] | None:
    """Interfaces and ports; None of a pod that does not run or has no network of its own."""
    if pod.word != "running":
        return None
    try:
        found = json.loads((pod.directory.network / "network.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    interfaces = [{key: end[key] for key in _SHOWN} for end in found["endpoints"]]
    return {"joined": found["joined"], "interfaces": interfaces, "ports": found["ports"]}


def ports(pod: lifecycle.Pod) -> list[dict[str, Any]]:
    """Published ports."""
    found = reach(pod)
    return found["ports"] if found else []


def port_word(port: dict[str, Any]) -> str:
    """`*:8080->80/tcp`, for a column."""
    return f"{place(port['address'], port['host'])}->{port['pod']}/{port['protocol']}"


def sentences(found: dict[str, Any] | None) -> list[str]:
    """A line an interface, and one for all ports."""
    lines = []
    for end in found["interfaces"] if found else ():
        addresses = [address for address in (end["ip4"], end["ip6"]) if address]
        lines.append(
            f"network  {end['network'] or end['bridge']}: {end['name']} {', '.join(addresses) or '-'}"
        )
    if found and found["ports"]:
        lines.append(f"ports    {', '.join(map(_port, found['ports']))}")
    return lines


def _port(port: dict[str, Any]) -> str:
    return f"{place(port['address'], port['host'])} to {port['pod']}/{port['protocol']}"


def place(address: str, port: int) -> str:
    """Where on the host a port is, as `--publish` has it; `*` for all addresses."""
    return f"{f'[{address}]' if ':' in address else address or '*'}:{port}"
