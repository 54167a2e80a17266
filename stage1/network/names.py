"""PURE. The hosts file and the resolver's configuration of a pod.

Names of pods are kept in hosts files: every resolver reads them, also that of a static program; no server has to
run, and nothing listens. The price: who is on a network is written into the files of all others when it comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stage1.network.model import Entry

_MARK = "# pods of the same network; kept current by pod\n"


def own_lines(entry: Entry, hostname: str, apps: Sequence[str]) -> str:
    """What does not change while the pod runs: itself. Its apps are where it is, on every address of its own."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    names = [hostname, *(name for name in entry.names if name != hostname and name not in apps)]
    for end in entry.endpoints[:1]:
        lines += [f"{address} {' '.join(names)}" for address in (end.ip4, end.ip6) if address]
    rest = [name for name in apps if name not in names]
    lines += [f"127.0.0.1 {' '.join(rest)}"] if rest else []
    return "\n".join(lines) + "\n"


def with_peers(text: str, entry: Entry, peers: Sequence[Entry]) -> str:
    """A hosts file with the names of all pods it shares a network with; the older ones first."""
    own = text.partition(_MARK)[0]
    lines = [line for peer in peers if peer.uuid != entry.uuid for line in _peer(entry, peer)]
    return own + _MARK + "".join(f"{line}\n" for line in lines)


def _peer(entry: Entry, peer: Entry) -> Iterator[str]:
    if peer.joined or not peer.names:
        return
    networks = {end.network or end.bridge for end in entry.endpoints}
    for end in peer.endpoints:
        if (end.network or end.bridge) in networks:
            for address in (end.ip4, end.ip6):
                if address:
                    yield f"{address} {' '.join(peer.names)}"


def resolver(host: str, upstream: str) -> str:
    """A pod's resolv.conf from the host's: a server on the host's loopback is none for a pod.

    `upstream` is what systemd-resolved asks, for a host where its stub is all that resolv.conf names.
    """
    found = _reachable(host)
    if not any(line.startswith("nameserver") for line in found):
        servers = [line for line in _reachable(upstream) if line.startswith("nameserver")]
        found = [*servers, *found]
    return "".join(f"{line}\n" for line in found)


def _reachable(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and (len(words) < 2 or words[1].startswith("127.") or words[1] == "::1"):
            continue
        lines.append(" ".join(words))
    return lines
