"""PURE. Listening sockets that are open before an app starts."""

from __future__ import annotations

from enum import StrEnum

from stage1.contract.values import NamedTuple

# Descriptors that an app may leave with the pod's systemd, which holds them open.
LARGEST_FD_STORE = 4096


class SocketKind(StrEnum):
    """What socket(2) calls the type."""

    STREAM = "stream"
    DATAGRAM = "datagram"
    SEQPACKET = "seqpacket"


class Socket(NamedTuple):
    """A listening socket the pod's systemd opens and hands to the app (sd_listen_fds(3)).

    `listen` as in systemd.socket(5); a path is the app's own, and lies in a volume or in the app's root. `activated`:
    the app is not started before something comes in. `from_host`: a unit of the host has opened it and passes it on
    to whatever starts the pod; a path is the host's then. `mode`, `uid` and `gid` are those of a path, None for 0666
    and root.
    """

    name: str
    listen: str
    kind: SocketKind = SocketKind.STREAM
    activated: bool = False
    from_host: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
