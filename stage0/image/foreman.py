"""EFFECT. The process that forks the unpacking children of an import whose layers are fed by several threads.

It is forked before the first of those threads begins, and never has one itself: a child that runs Python after a fork
must not find a lock that some thread held. It also is the parent whose death the children do not survive.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import NoReturn

from stage0.image.policy import Limits
from stage0.image.unpack import Child, make_pipes, run_child
from stage0.privileges import close_all_but, die_with_parent
from stage1.contract.errors import HostError

_LONGEST = 1 << 16  # a path and a few numbers


class Foreman:
    """Forks children on request, from any thread."""

    def __init__(self) -> None:
        """Fork the foreman; call it where no thread but this one runs."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._socket.close()
            _serve(theirs, parent)
        theirs.close()

    def start(self, directory: Path, limits: Limits) -> Child:
        """Have a child forked; it begins as soon as data comes."""
        data, report, child_data, child_report = make_pipes()
        request = json.dumps([os.fspath(directory), *limits]).encode("ascii")
        try:
            socket.send_fds(self._socket, [request], [child_data, child_report])
        except OSError as error:
            os.close(data)
            os.close(report)
            raise HostError(
                f"cannot start an unpacking process: {error.strerror}",
                hint="look for an out-of-memory kill in the kernel's log",
            ) from None
        finally:
            os.close(child_data)
            os.close(child_report)
        return Child(data, report, 0)

    def close(self) -> None:
        """Let the foreman go and wait for it."""
        self._socket.close()
        os.waitpid(self._pid, 0)


def _serve(requests: socket.socket, parent: int) -> NoReturn:
    """Be the foreman: never return into the parent's code."""
    try:
        die_with_parent(parent)
        close_all_but((requests.fileno(),))  # what the parent holds locked or open shall end with the parent
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, and ends the input of all
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        me = os.getpid()
        while True:
            text, fds, _, _ = socket.recv_fds(requests, _LONGEST, 2)
            if not text:
                break
            if os.fork() == 0:
                requests.close()
                directory, *limits = json.loads(text)
                run_child(Path(directory), Limits(*limits), fds[0], fds[1], me)
            for fd in fds:
                os.close(fd)
    finally:
        os._exit(0)
