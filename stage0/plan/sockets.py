"""PURE. `--socket` and `--fd-store`: listening sockets of an app, and descriptors it keeps."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from stage0 import quantities
from stage0.plan import users
from stage0.request import AppRequest
from stage1.contract import Socket, SocketKind, UsageError
from stage1.contract.sockets import LARGEST_FD_STORE
from stage1.contract.text import NAME

_HINT = (
    "write [NAME=]ADDRESS[,OPTION…]: PORT, IP:PORT, /PATH or @NAME; activated, host, type=, mode=, owner="
)
_FLAGS = ("activated", "host")
_VALUES = ("type", "mode", "owner")
_OWN = ("/dev/", "/proc/", "/sys/")


def fd_store(wish: AppRequest, name: str) -> int:
    """`--fd-store`: 0 for an app that leaves nothing."""
    if wish.fd_store is None:
        return 0
    text = str(wish.fd_store)
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > LARGEST_FD_STORE:
        raise UsageError(f"--fd-store={text}: not a number from 0 to {LARGEST_FD_STORE}", hint="such as 16")
    if wish.init and int(text):
        raise UsageError(
            f"init app {name} is not restarted and can keep no descriptors", hint="leave out --fd-store"
        )
    return int(text)


def sockets(texts: Sequence[str], app: str, passwd: str, group: str) -> tuple[Socket, ...]:
    """Every `--socket` of an app, no two with one name; owners are those of its image."""
    sockets = tuple(_socket(text, index, passwd, group) for index, text in enumerate(texts))
    names = [socket.name for socket in sockets]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"app {app}: two sockets are called {name!r}", hint="write --socket NAME=ADDRESS"
            )
    for socket in sockets:
        _check_place(socket, app)
    return sockets


def _socket(text: str, index: int, passwd: str, group: str) -> Socket:
    """`[NAME=]ADDRESS[/udp][,OPTION…]`, the address as in systemd.socket(5)."""
    place, *words = text.split(",")
    name, equals, address = place.rpartition("=")
    listen = address.removesuffix("/udp")
    if (equals and not re.fullmatch(NAME, name)) or not _is_address(listen):
        raise UsageError(f"--socket={text}: not an address", hint=_HINT)
    options = _options(words, text)
    unix = listen.startswith(("/", "@"))
    if not listen.startswith("/") and ("mode" in options or "owner" in options):
        raise UsageError(f"--socket={text}: only a path has a mode and an owner", hint=_HINT)
    kind = _kind(options.get("type"), udp=listen != address, unix=unix, text=text)
    owner = users.resolve(options["owner"], None, passwd, group) if "owner" in options else None
    if owner and (owner.uid is None or owner.gid is None):
        raise UsageError(f"--socket={text}: the image has no such user or group", hint="use numbers")
    return Socket(
        name=name or f"s{index}",
        listen=listen,
        kind=kind,
        activated="activated" in options,
        from_host="host" in options,
        mode=_mode(options["mode"], text) if "mode" in options else None,
        uid=owner.uid if owner else None,
        gid=owner.gid if owner else None,
    )


def _is_address(listen: str) -> bool:
    """Printable ASCII without what a unit would expand; a path without a way back, a port that can be one."""
    if not re.fullmatch(r"[!-~]+", listen) or "%" in listen:
        return False
    if listen.startswith(("/", "@")):
        return len(listen) > 1 and ".." not in listen.split("/")
    port = listen.rpartition(":")[2]
    return bool(quantities.whole(port, 65535))


def _options(words: Sequence[str], text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key in found or (key not in _VALUES if equals else key not in _FLAGS) or (equals and not value):
            raise UsageError(f"--socket={text}: {word!r} is no option of a socket", hint=_HINT)
        found[key] = value
    return found


def _kind(word: str | None, *, udp: bool, unix: bool, text: str) -> SocketKind:
    if word is None:
        return SocketKind.DATAGRAM if udp else SocketKind.STREAM
    if word not in set(SocketKind) or (udp and word != SocketKind.DATAGRAM):
        raise UsageError(f"--socket={text}: no such type", hint="type=stream, datagram or seqpacket")
    if word == SocketKind.SEQPACKET and not unix:
        raise UsageError(f"--socket={text}: only /PATH and @NAME can be type=seqpacket", hint=_HINT)
    return SocketKind(word)


def _mode(digits: str, text: str) -> int:
    if not re.fullmatch(r"[0-7]{3,4}", digits):
        raise UsageError(
            f"--socket={text}: {digits!r} is no mode", hint="write octal digits, such as mode=0660"
        )
    return int(digits, 8)


def _check_place(socket: Socket, app: str) -> None:
    """What the app finds there is made when it starts: nobody else would find a socket in it."""
    path = posixpath.normpath(socket.listen)
    if not socket.from_host and path.startswith(_OWN):
        raise UsageError(
            f"app {app}: the socket {socket.listen} lies where only the app itself could find it",
            hint="put it into a volume, or below /run",
        )
