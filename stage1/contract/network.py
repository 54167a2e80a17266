"""PURE. What network a pod sees, and which of its ports others reach."""

from __future__ import annotations

from enum import StrEnum

from stage1.contract.values import NamedTuple

DEFAULT_NETWORK = "default"


class NetworkMode(StrEnum):
    """Whose network a pod sees: the host's, none, its own, another pod's, or that of a namespace by path."""

    HOST = "host"
    NONE = "none"
    PRIVATE = "private"
    POD = "pod"
    NAMESPACE = "ns"


class Interface(NamedTuple):
    """One interface of a pod: on a network by name, or on a bridge of the host that is not ours.

    Addresses None: the next free ones of the network. On a foreign bridge they come with a prefix length, and
    `gateway4` and `gateway6` say where the rest of the world is.
    """

    name: str
    network: str | None = None
    bridge: str | None = None
    ip4: str | None = None
    ip6: str | None = None
    gateway4: str | None = None
    gateway6: str | None = None
    mac: str | None = None
    mtu: int | None = None


class Port(NamedTuple):
    """A port of the host that leads to one of the pod; `host` 0: any free one; no `address`: all of the host's."""

    pod: int
    host: int = 0
    address: str = ""
    protocol: str = "tcp"
    app: str | None = None
