"""EFFECT. Asking a running pod's monitor at `run/control`: one packet each way (native/monitor/control)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

from stage1.contract import ConflictError, HostError, PodDir

_ANSWER_MAX = 65536
_PATIENCE = 30


def ask(directory: PodDir, *words: str, descriptors: Sequence[int] = ()) -> str:
    """What the monitor answers, often nothing; HostError with its sentence if it refuses.

    ConflictError if no monitor listens: the pod has ended, or was started by an older one.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as client:
        # As long as it has no timeout of Python's, connect(2) waits where there is a queue.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _PATIENCE, 0))
        try:
            _connect(client, directory)
            client.settimeout(_PATIENCE)
            packet = b"".join(os.fsencode(word) + b"\0" for word in words)
            socket.send_fds(client, [packet], list(descriptors))
            status, *rest = client.recv(_ANSWER_MAX).removesuffix(b"\0").split(b"\0")
        except OSError as error:
            raise ConflictError(
                f"the monitor of pod {directory.uuid} does not answer: {error.strerror or error}",
                hint="has the pod ended? see `pod status`",
            ) from None
    answer = os.fsdecode(rest[0]) if rest else ""
    if status != b"ok":
        raise HostError(
            answer or f"the monitor of pod {directory.uuid} hung up",
            hint="has the pod ended? see `pod status`",
        )
    return answer


def _connect(client: socket.socket, directory: PodDir) -> None:
    """A socket's address is short and the directory's path need not be: the way through a descriptor always fits."""
    place = os.open(directory.run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        client.connect(f"/proc/self/fd/{place}/{directory.control.name}")
    finally:
        os.close(place)
