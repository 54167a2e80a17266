"""PURE. What a host's facts mean for pods with a network of their own, for `pod doctor`."""

from __future__ import annotations

import json
from typing import Any

from stage0.doctor.finding import Finding, Level, install
from stage1.contract.values import NamedTuple

# The bridge of the default network; `told` is about that one.
_BRIDGE = "pod0"


class NetworkFacts(NamedTuple):
    """A host as it was found; None: could not be found out."""

    nft: str | None  # what `nft -j list ruleset` printed
    said: str  # what it said where it failed
    bridge: str | None  # what was said to a bridge with a packet filter, "" for yes
    bridged6: bool  # br_netfilter shows bridged IPv6 packets to the packet filter
    ipv6: bool
    clashes: tuple[str, ...] = ()  # ranges of networks that are routed elsewhere as well


def judge(facts: NetworkFacts) -> tuple[Finding, ...]:
    """The packet filter, bridges, what other firewalls do with forwarded packets, and ::1."""
    return (_filter(facts), _bridges(facts), _forwarding(facts), _ranges(facts), _loopback(facts))


def _filter(facts: NetworkFacts) -> Finding:
    if facts.nft is not None:
        return Finding("packet filter", Level.OK, "nft works")
    return Finding(
        "packet filter",
        Level.MISSING,
        f"nft does not work: {facts.said}",
        (
            *install("nftables", "nftables", "nftables", "nftables"),
            "or run pods with --net=host or --net=none",
        ),
    )


def _bridges(facts: NetworkFacts) -> Finding:
    if facts.bridge is None:
        return Finding("bridges", Level.WARN, "could not be tried", ("run this as root",))
    if not facts.bridge:
        return Finding("bridges", Level.OK, "can be made, with a packet filter")
    return Finding(
        "bridges",
        Level.MISSING,
        f"a bridge with a packet filter cannot be made: {facts.bridge}",
        (
            "load the modules bridge, veth, nf_tables and nft_meta_bridge",
            "or run pods with --net=host or --net=none",
        ),
    )


class Firewall(NamedTuple):
    """Somebody's chain that keeps forwarded packets from passing; `told`: its table knows a bridge of ours."""

    chain: str
    told: bool


def firewalls(text: str) -> list[Firewall]:
    """Chains of others that drop forwarded packets: by policy (Docker, ufw), or by the last rule (firewalld)."""
    try:
        items = [item for item in json.loads(text)["nftables"] if "metainfo" not in item]
        chains = [item["chain"] for item in items if "chain" in item]
        rules = [item["rule"] for item in items if "rule" in item]
        return [
            Firewall(" ".join(_place(chain)), told=any(_names_pods(rule, chain) for rule in rules))
            for chain in chains
            if chain.get("hook") == "forward" and chain["table"] != "unitpod" and _drops(chain, rules)
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _place(chain: dict[str, Any]) -> tuple[str, str, str]:
    return chain["family"], chain["table"], chain["name"]


def _drops(chain: dict[str, Any], rules: list[dict[str, Any]]) -> bool:
    """By its policy, or by a last rule without a condition."""
    own = [rule["expr"] for rule in rules if (rule["family"], rule["table"], rule["chain"]) == _place(chain)]
    last = {word for part in own[-1] for word in part} if own else set()
    unconditional = last <= {"counter", "log", "drop", "reject"}
    return chain.get("policy") == "drop" or (unconditional and bool({"drop", "reject"} & last))


def _names_pods(rule: dict[str, Any], chain: dict[str, Any]) -> bool:
    """An administrator has written a rule about the bridge of a network."""
    return (rule["family"], rule["table"]) == _place(chain)[:2] and any(
        part.get("match", {}).get("right") == _BRIDGE for part in rule["expr"]
    )


def _forwarding(facts: NetworkFacts) -> Finding:
    found = firewalls(facts.nft or "")
    strange = [one.chain for one in found if not one.told]
    if not found:
        return Finding("forwarding", Level.OK, "no firewall drops what pods send and get by default")
    if not strange:
        return Finding("forwarding", Level.OK, f"chain {found[0].chain} has rules for pods")
    return Finding(
        "forwarding",
        Level.WARN,
        f"a firewall drops forwarded packets: chain {', chain '.join(strange)}",
        (
            "let those of pods pass, both ways; the same for the bridges of further networks:",
            "Docker: iptables -I DOCKER-USER -i pod0 -j ACCEPT; iptables -I DOCKER-USER -o pod0 -j ACCEPT",
            "ufw: ufw route allow in on pod0; ufw route allow out on pod0",
            "firewalld: firewall-cmd --permanent --zone=trusted --add-interface=pod0; firewall-cmd --reload",
        ),
    )


def _ranges(facts: NetworkFacts) -> Finding:
    if not facts.clashes:
        return Finding("ranges", Level.OK, "nobody else has those of networks of pods")
    return Finding(
        "ranges",
        Level.WARN,
        "; ".join(facts.clashes),
        ("choose another: pod network rm NAME, then pod network create --ipv4 RANGE --ipv6 RANGE NAME",),
    )


def _loopback(facts: NetworkFacts) -> Finding:
    if not facts.ipv6:
        return Finding("published on ::1", Level.WARN, "this host has no IPv6")
    if not facts.bridged6:
        return Finding("published on ::1", Level.OK, "leads to pods")
    return Finding(
        "published on ::1",
        Level.WARN,
        "is refused, since br_netfilter translates bridged packets; 127.0.0.1 works",
        ("where nothing needs that: sysctl net.bridge.bridge-nf-call-ip6tables=0, then pod network reload",),
    )
