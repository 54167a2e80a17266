"""PURE. Who a pod says it is, and how names of hosts are looked up in it."""

from __future__ import annotations

from enum import StrEnum

from stage1.contract.values import NamedTuple

LOCAL_TIME = "local"


class Provider(StrEnum):
    """Whose file the apps see: the host's as it is at the start, one made for the pod, an empty one, the image's."""

    HOST = "host"
    POD = "pod"
    NONE = "none"
    IMAGE = "image"


class HostEntry(NamedTuple):
    """A line of /etc/hosts."""

    address: str
    names: tuple[str, ...]


class Names(NamedTuple):
    """/etc/hosts and /etc/resolv.conf; `servers`, `search` and `options` stand in place of the host's."""

    hosts: Provider = Provider.HOST
    entries: tuple[HostEntry, ...] = ()
    dns: Provider = Provider.HOST
    servers: tuple[str, ...] = ()
    search: tuple[str, ...] | None = None
    options: tuple[str, ...] | None = None


class Identity(NamedTuple):
    """/etc/machine-id and /etc/localtime.

    `machine_id` None: the image's own. `timezone`: a name of the host's time zones, `local` for the host's own, None
    for the image's.
    """

    machine_id: str | None = None
    timezone: str | None = None
