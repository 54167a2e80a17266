"""PURE. Listening sockets the pod opens for an app."""

from __future__ import annotations

import posixpath

from stage1.contract import App, Socket
from stage1.contract.paths import APP_ROOTS
from stage1.contract.values import NamedTuple
from stage1.quoting import Escaped, rest_of_line
from stage1.units.names import service_name


class SocketUnit(NamedTuple):
    """The context of app.socket."""

    name: Escaped
    app: Escaped
    service: Escaped
    listen: Escaped
    kind: Escaped
    path: bool
    from_host: bool
    mode: Escaped
    user: Escaped
    group: Escaped


def socket_unit(app: App, socket: Socket) -> SocketUnit:
    """Every value of app.socket."""
    return SocketUnit(
        name=Escaped(socket.name),
        app=Escaped(app.name),
        service=Escaped(service_name(app.name)),
        listen=rest_of_line(place(app, socket)),
        kind=Escaped(socket.kind.value),
        path=socket.listen.startswith("/") and not socket.from_host,
        from_host=socket.from_host,
        mode=Escaped("" if socket.mode is None else f"0{socket.mode:o}"),
        user=Escaped("" if socket.uid is None else str(socket.uid)),
        group=Escaped("" if socket.gid is None else str(socket.gid)),
    )


def place(app: App, socket: Socket) -> str:
    """The address for the pod's systemd: a path of the app lies in the app's root, with all that is mounted there."""
    if not socket.listen.startswith("/") or socket.from_host:
        return socket.listen
    return f"{APP_ROOTS}/{app.name}/rootfs{posixpath.normpath(socket.listen)}"
