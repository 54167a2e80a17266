"""EFFECT. A conversation with the systemd inside a running pod, on its private socket.

That systemd answers only peers of its own PID namespace (its check of SO_PEERCRED finds no pid for others), so a child
joins the pod's user and PID namespaces and connects; the connected socket is ours as well, since it was made before
the fork. Nothing that lies in the pod is executed, and its paths are opened component by component without following
links: a pod cannot lead us to another systemd, such as the host's. The peer must be the pid 1 of that namespace.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import struct
from types import TracebackType
from typing import Any

from stage1.contract import ConflictError, HostError, PodError
from stage1.running import dbuswire
from stage1.running.dbuswire import Message

_MANAGER = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_CLONE_NEWUSER, _CLONE_NEWPID = 0x10000000, 0x20000000
_PATIENCE = 30.0
_JOB_REMOVED = b"\0JobRemoved\0"
_LIBC = ctypes.CDLL(None, use_errno=True)


class PidOneError(PodError):
    """The pod's systemd refused or failed to do something."""


class PidOne:
    """The pod's systemd, spoken to for the length of a `with`."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._serial = 0
        self._child = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._signals: list[Message] = []
        self._unread = b""

    def __enter__(self) -> PidOne:
        try:
            self._connect()
        except OSError as error:
            self.__exit__(None, None, None)
            raise ConflictError(
                f"the pod's systemd does not answer: {error.strerror or error}",
                hint="it may be starting or ending",
            ) from None
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._socket.close()
        if self._child:
            os.close(self._release)
            os.waitpid(self._child, 0)
            self._child = 0

    def _connect(self) -> None:
        """The child stays until we are done: the peer that PID 1 saw must not be a number of somebody else's."""
        target = _open_socket(self._leader)
        try:
            ready, tell = os.pipe()
            keep, self._release = os.pipe()
            self._child = os.fork()
            if self._child == 0:
                os.close(self._release)  # its closing, when we are done, ends the child
                _connect_inside(self._leader, self._socket, target, tell, keep)
            os.close(tell)
            os.close(keep)
            with os.fdopen(ready, "rb") as answer:
                if (said := answer.read(4)) != b"\0\0\0\0":
                    code = struct.unpack("i", said)[0] if len(said) == 4 else 0
                    raise OSError(code, os.strerror(code) if code else "it went away")
        finally:
            os.close(target)
        self._socket.settimeout(_PATIENCE)
        self._authenticate()

    def _authenticate(self) -> None:
        """SASL's EXTERNAL as uid 0 of the pod, for which the kernel vouches (D-Bus Specification)."""
        self._socket.sendall(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):
            if not (more := self._socket.recv(1)):
                raise OSError(0, "it hung up")
            answer += more
        if not answer.startswith(b"OK"):
            raise OSError(0, f"it said {answer.strip().decode(errors='replace')}")

    def call(self, member: str, signature: str = "", *body: Any) -> tuple[Any, ...]:  # noqa: ANN401
        """Call a method of org.freedesktop.systemd1.Manager; PidOneError with its sentence if it fails."""
        return self._call(_MANAGER[0], _MANAGER[1], member, signature, *body)

    def property(self, unit_path: str, interface: str, name: str) -> Any:  # noqa: ANN401
        """One property of a unit that GetUnit or LoadUnit named."""
        return self._call(unit_path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name)[0]

    def _call(self, path: str, interface: str, member: str, signature: str, *body: Any) -> tuple[Any, ...]:  # noqa: ANN401
        self._serial += 1
        self._socket.sendall(dbuswire.method_call(self._serial, path, interface, member, signature, body))
        while True:
            message = self._receive()
            if message.reply_to == self._serial and message.kind == dbuswire.REPLY:
                return message.body
            if message.reply_to == self._serial and message.kind == dbuswire.ERROR:
                raise PidOneError(
                    _sentence(message, member),
                    hint="see `pod status`",
                )
            self._note(message)

    def job(self, member: str, unit: str) -> str:
        """StartUnit, StopUnit or RestartUnit; how it went: `done`, `failed`, `canceled`, `timeout`, `dependency`."""
        (path,) = self.call(member, "ss", unit, "replace")
        self._socket.settimeout(None)  # a job takes as long as the app's own limits allow
        try:
            while True:
                for message in self._signals:
                    if message.member == "JobRemoved" and message.body[1] == path:
                        return str(message.body[3])
                self._signals.clear()
                self._note(self._receive())
        finally:
            self._socket.settimeout(_PATIENCE)

    def settle(self, units: list[str]) -> None:
        """Wait until none of these units has a job left: a job on one unit brings others with it."""
        for unit in units:
            (path,) = self.call("LoadUnit", "s", unit)
            while self.property(path, "org.freedesktop.systemd1.Unit", "Job")[0] != 0:
                self._signals.clear()
                self._socket.settimeout(None)
                self._note(self._receive())
                self._socket.settimeout(_PATIENCE)

    def _note(self, message: Message) -> None:
        if message.kind == dbuswire.SIGNAL:
            self._signals.append(message)

    def _receive(self) -> Message:
        """The next reply or end of a job: on this socket PID 1 tells all that happens to any unit."""
        try:
            while dbuswire.is_signal(data := self._next()) and _JOB_REMOVED not in data:
                pass
            return dbuswire.parse(data)
        except TimeoutError:
            raise HostError(
                "the pod's systemd does not answer", hint="is the pod paused? see `pod status`"
            ) from None
        except (OSError, ValueError) as error:
            raise ConflictError(
                f"the pod's systemd broke off: {error}", hint="the pod may have ended"
            ) from None

    def _next(self) -> bytes:
        self._await(dbuswire.PRELUDE)
        size = dbuswire.size_of(self._unread[: dbuswire.PRELUDE])
        self._await(size)
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def _await(self, size: int) -> None:
        while len(self._unread) < size:
            if not (more := self._socket.recv(65536)):
                raise OSError("it hung up")
            self._unread += more


def _sentence(message: Message, member: str) -> str:
    text = message.body[0] if message.body and isinstance(message.body[0], str) else message.error
    return f"the pod's systemd: {text or f'{member} failed'}"


def _open_socket(leader: int) -> int:
    """The private socket itself (O_PATH), reached without following a link of the pod's."""
    how = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
    place = os.open(f"/proc/{leader}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in ("run", "systemd", "private"):
        inner = os.open(name, how, dir_fd=place)
        os.close(place)
        place = inner
    if not stat.S_ISSOCK(os.fstat(place).st_mode):
        os.close(place)
        raise OSError(0, "its private socket is not a socket")
    return place


def _connect_inside(leader: int, client: socket.socket, target: int, tell: int, keep: int) -> None:
    """In the child: join, fork (a PID namespace begins with the next child), connect, tell, wait. Never returns."""
    code = 5  # EIO, for whatever has no number
    try:
        for name, kind in (("user", _CLONE_NEWUSER), ("pid", _CLONE_NEWPID)):
            _join(leader, name, kind)
        if (inner := os.fork()) != 0:
            os._exit(os.waitpid(inner, 0)[1] and 1)
        client.connect(f"/proc/self/fd/{target}")
        if struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0] != 1:
            raise OSError(111, "not the pod's first process")
        code = 0
    except OSError as error:
        code = error.errno or code
    finally:
        os.write(tell, struct.pack("i", code))
        os.close(tell)
        os.read(keep, 1)
        os._exit(0)


def _join(leader: int, name: str, kind: int) -> None:
    """setns(2), and root of a user namespace that is not ours; joining one's own user namespace is an error."""
    theirs, ours = f"/proc/{leader}/ns/{name}", f"/proc/self/ns/{name}"
    if os.path.samestat(os.stat(theirs), os.stat(ours)):  # noqa: PTH116  a magic link of /proc
        return
    descriptor = os.open(theirs, os.O_RDONLY | os.O_CLOEXEC)
    if _LIBC.setns(descriptor, kind) < 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(descriptor)
    if kind == _CLONE_NEWUSER:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
