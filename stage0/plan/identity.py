"""PURE. Who the pod says it is, and how its apps look up names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from stage0.request import AppRequest, PodRequest
from stage1.contract import HostEntry, Identity, Names, NetworkMode, Provider, UsageError

_NAME = r"[a-zA-Z0-9_](?:[a-zA-Z0-9._-]{0,251}[a-zA-Z0-9_])?\.?"
_ZONE = r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*"
_OPTION = r"[!-~]+"
_PROVIDERS = {provider.value for provider in Provider}
NO_DOMAIN = "."


def identity(request: PodRequest, uuid: str) -> Identity:
    """A machine id of the pod's own: two pods of an image that holds one are not the same machine."""
    return Identity(machine_id=_machine_id(request.machine_id, uuid), timezone=_zone(request.timezone))


def _machine_id(text: str | None, uuid: str) -> str | None:
    if text == Provider.IMAGE:
        return None
    plain = (uuid if text is None else text).replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{32}", plain) or plain == "0" * 32:
        raise UsageError(f"--machine-id={text}: not a machine id", hint="write 32 hex digits, or image")
    return plain


def _zone(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(_ZONE, text):
        raise UsageError(
            f"--timezone={text}: not a time zone", hint="write a name such as Europe/Berlin, or local"
        )
    return text


def names(request: PodRequest, network: NetworkMode) -> Names:
    """/etc/hosts and /etc/resolv.conf; a pod without a network knows itself, and nobody to ask."""
    inside = network is NetworkMode.NONE
    hosts = _provider(request.hosts, "--hosts") if request.hosts is not None else None
    hosts = hosts or (Provider.HOST if network is NetworkMode.HOST else Provider.POD)
    entries = tuple(_entry(text) for text in request.add_host)
    if entries and hosts is Provider.IMAGE:
        raise UsageError("--add-host and --hosts=image exclude each other", hint="leave out one of them")
    dns, servers = _dns(request.dns, Provider.IMAGE if inside else Provider.HOST)
    found = Names(
        hosts=hosts,
        entries=entries,
        dns=dns,
        servers=servers,
        search=tuple(_search(request.dns_search)) if request.dns_search else None,
        options=tuple(_option(text) for text in request.dns_option) if request.dns_option else None,
    )
    if dns in {Provider.IMAGE, Provider.NONE} and (found.search or found.options):
        raise UsageError(
            f"--dns-search and --dns-option have no meaning with --dns={dns.value}",
            hint="name a server: --dns IP",
        )
    return found


def _provider(text: str, option: str) -> Provider:
    if text not in _PROVIDERS:
        raise UsageError(f"{option}={text}: unknown", hint="host, pod, image or none")
    return Provider(text)


def _dns(texts: Sequence[str], default: Provider) -> tuple[Provider, tuple[str, ...]]:
    words = [word for text in texts for word in text.split(",")]
    if not words:
        return default, ()
    if len(words) == 1 and words[0] in _PROVIDERS - {Provider.POD}:
        return Provider(words[0]), ()
    return Provider.POD, tuple(dict.fromkeys(address(word, "--dns") for word in words))


def address(text: str, option: str) -> str:
    """An IP address; one of IPv6 may have a zone."""
    import ipaddress  # noqa: PLC0415  4 ms, and most pods name none

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(f"{option}={text}: not an IP address", hint=f"write {option} 192.0.2.1") from None


def _entry(text: str) -> HostEntry:
    """`NAME[;NAME…]:IP`; an address in brackets is the same without."""
    hosts, colon, where = text.partition(":")
    found = tuple(hosts.split(";"))
    if not colon or any(not re.fullmatch(_NAME, name) for name in found):
        raise UsageError(f"--add-host={text}: not a host", hint="write NAME:IP, or NAME;OTHER:IP")
    bare = where[1:-1] if where.startswith("[") and where.endswith("]") else where
    return HostEntry(address=address(bare, "--add-host"), names=found)


def _search(texts: Sequence[str]) -> Iterator[str]:
    """`.` alone takes the host's away."""
    for text in texts:
        if text == NO_DOMAIN:
            continue
        if not re.fullmatch(_NAME, text):
            raise UsageError(f"--dns-search={text}: not a domain", hint="write a name, or . for none")
        yield text


def _option(text: str) -> str:
    if not re.fullmatch(_OPTION, text):
        raise UsageError(f"--dns-option={text}: not an option", hint="see resolv.conf(5), such as ndots:2")
    return text


def path_users(request: PodRequest) -> tuple[tuple[int, str], ...]:
    """Paths that stand for their owners (`--user=/srv/app`), with the index of their app."""
    return tuple(
        (index, text)
        for index, wish in enumerate(request.app)
        for text in (wish.user, wish.group)
        if text is not None and text.startswith("/")
    )


def with_owner(
    wish: AppRequest, index: int, owners: Mapping[tuple[int, str], tuple[int, int]]
) -> AppRequest:
    """The same wish with numbers in place of paths: a user is a path's owner and group, a group the latter."""
    found = {text: owners.get((index, text)) for at, text in path_users(PodRequest(app=(wish,)))}
    if not found:
        return wish
    for text, owner in found.items():
        if owner is None:
            raise UsageError(
                f"image {wish.image} has no {text}, whose owner was asked for", hint="see --user and --group"
            )
    user, group = (found.get(text or "") for text in (wish.user, wish.group))
    return wish._replace(
        user=f"{user[0]}:{user[1]}" if user else wish.user, group=str(group[1]) if group else wish.group
    )
