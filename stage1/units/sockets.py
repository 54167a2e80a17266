"""PURE. Listening sockets the pod opens for an app."""

from __future__ import annotations

from typing import NamedTuple

from stage1.contract import App, Socket
from stage1.quoting import Escaped, rest_of_line
from stage1.units.names import service_name


class SocketUnit(NamedTuple):
    """The context of app.socket."""

    name: Escaped
    app: Escaped
    service: Escaped
    listen: Escaped
    datagram: bool


def socket_unit(app: App, socket: Socket) -> SocketUnit:
    """Every value of app.socket."""
    return SocketUnit(
        name=Escaped(socket.name),
        app=Escaped(app.name),
        service=Escaped(service_name(app.name)),
        listen=rest_of_line(socket.listen),
        datagram=socket.datagram,
    )
