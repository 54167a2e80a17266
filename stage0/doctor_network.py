"""PURE. What a host's facts mean for pods with a network of their own, for `pod doctor`."""

from __future__ import annotations

import json

from stage0.doctor import Finding, Level, install
from stage1.contract.values import NamedTuple


class NetworkFacts(NamedTuple):
    """A host as it was found; None: could not be found out."""

    nft: str | None  # what `nft -j list chains` printed
    said: str  # what it said where it failed
    bridge: str | None  # what was said to a bridge with a packet filter, "" for yes
    bridged6: bool  # br_netfilter shows bridged IPv6 packets to the packet filter
    ipv6: bool


def judge(facts: NetworkFacts) -> tuple[Finding, ...]:
    """The packet filter, bridges, what other firewalls do with forwarded packets, and ::1."""
    return (_filter(facts), _bridges(facts), _forwarding(facts), _loopback(facts))


def _filter(facts: NetworkFacts) -> Finding:
    if facts.nft is not None:
        return Finding("packet filter", Level.OK, "nft works")
    return Finding(
        "packet filter",
        Level.MISSING,
        f"nft does not work: {facts.said}",
        (*install("nftables", "nftables", "nftables"), "or run pods with --net=host or --net=none"),
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


def dropping(text: str) -> list[str]:
    """Chains of others that drop forwarded packets unless told otherwise, by name."""
    try:
        chains = [item["chain"] for item in json.loads(text)["nftables"] if "chain" in item]
        return [
            f"{chain['family']} {chain['table']} {chain['name']}"
            for chain in chains
            if chain.get("hook") == "forward"
            and chain.get("policy") == "drop"
            and chain["table"] != "unitpod"
        ]
    except (ValueError, KeyError, TypeError):
        return []


def _forwarding(facts: NetworkFacts) -> Finding:
    found = dropping(facts.nft or "")
    if not found:
        return Finding("forwarding", Level.OK, "no firewall drops what pods send and get by default")
    return Finding(
        "forwarding",
        Level.WARN,
        f"a firewall drops forwarded packets: chain {', chain '.join(found)}",
        (
            "let those of pods pass, both ways:",
            "Docker: iptables -I DOCKER-USER -i pod0 -j ACCEPT; iptables -I DOCKER-USER -o pod0 -j ACCEPT",
            "ufw: ufw route allow in on pod0; ufw route allow out on pod0",
            "firewalld: firewall-cmd --permanent --zone=trusted --add-interface=pod0; firewall-cmd --reload",
        ),
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
