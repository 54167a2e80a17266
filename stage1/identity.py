"""PURE. Files of /etc that a pod gives its apps: hosts, resolv.conf, hostname, machine-id, localtime.

They are one layer of the apps' overlays, above the images' layers: no mount for each file and app, an app may replace
them (a file that is a mount point cannot be renamed over), links and directories of an image at their places do no
harm, and an image needs no /etc. What an app itself wrote there lies above, and a volume above all.
"""

from __future__ import annotations

from collections.abc import Iterator

from stage1.contract import HostEntry, Names, PodManifest, Provider
from stage1.contract.values import NamedTuple

_LOCALHOST = (
    HostEntry("127.0.0.1", ("localhost",)),
    HostEntry("::1", ("localhost", "ip6-localhost", "ip6-loopback")),
)
# An address of its own for the pod's name, as Debian has it: a server bound to it is not bound to localhost.
_OWN_ADDRESS = "127.0.1.1"


class HostFiles(NamedTuple):
    """What the host's files said when the pod was started; `resolv` as it can be used in the pod's network."""

    hosts: str = ""
    resolv: str = ""
    zone: bytes = b""
    zone_name: str = ""


def files(pod: PodManifest, host: HostFiles, *, living: bool) -> dict[str, bytes]:
    """Name below /etc to content; `living`: hosts is a file of the pod's network, that changes while the pod runs."""
    texts = {"hostname": f"{pod.hostname}\n"}
    if pod.names.hosts is not Provider.IMAGE and not living:
        texts["hosts"] = hosts(pod, host.hosts)
    if pod.names.dns is not Provider.IMAGE:
        texts["resolv.conf"] = resolv_conf(pod.names, host.resolv)
    if pod.identity.machine_id is not None:
        texts["machine-id"] = f"{pod.identity.machine_id}\n"
    if pod.identity.timezone is not None and host.zone_name:
        texts["timezone"] = f"{host.zone_name}\n"
    found = {name: text.encode(errors="surrogateescape") for name, text in texts.items()}
    if pod.identity.timezone is not None:
        found["localtime"] = host.zone
    return found


def entry_lines(names: Names) -> str:
    """Entries that were asked for: they come first, since the first line with a name decides."""
    return "".join(_line(entry) for entry in names.entries)


def hosts(pod: PodManifest, host: str) -> str:
    """/etc/hosts of a pod in the host's network, or in none."""
    lines = [entry_lines(pod.names)]
    if pod.names.hosts is Provider.NONE:
        return lines[0]
    if pod.names.hosts is Provider.HOST:
        lines.append(host if host.endswith("\n") or not host else f"{host}\n")
    else:
        lines += map(_line, _LOCALHOST)
    if pod.hostname not in _names_in("".join(lines)):
        lines.append(_line(HostEntry(_OWN_ADDRESS, (pod.hostname, *_short(pod.hostname)))))
    return "".join(lines)


def _line(entry: HostEntry) -> str:
    return f"{entry.address}\t{' '.join(entry.names)}\n"


def _short(name: str) -> tuple[str, ...]:
    return (name.partition(".")[0],) if "." in name else ()


def _names_in(text: str) -> set[str]:
    return {name for line in text.splitlines() for name in line.partition("#")[0].split()[1:]}


def resolv_conf(names: Names, host: str) -> str:
    """/etc/resolv.conf: the host's, with what was asked for in place of its lines."""
    if names.dns is Provider.NONE:
        return ""
    if names.dns is Provider.HOST and names.search is None and names.options is None:
        return host
    return "".join(f"{line}\n" for line in _resolv_lines(names, host if names.dns is Provider.HOST else ""))


def _resolv_lines(names: Names, host: str) -> Iterator[str]:
    """Domains and options of the host belong to the host's servers."""
    search = _words(host, "search") or _words(host, "domain") if names.search is None else names.search
    options = _words(host, "options") if names.options is None else names.options
    yield from (f"nameserver {server}" for server in names.servers or _words(host, "nameserver"))
    if search:
        yield f"search {' '.join(search)}"
    if options:
        yield f"options {' '.join(options)}"


def _words(text: str, keyword: str) -> list[str]:
    """What stands behind a keyword; of several `search` lines the last counts (resolv.conf(5))."""
    found = [line.split()[1:] for line in text.splitlines() if line.split()[:1] == [keyword]]
    if keyword == "nameserver":
        return [words[0] for words in found if words]
    return found[-1] if found else []
