"""EFFECT. Who asks a pod's monitor, with a socket in place of the monitor's."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from stage1.contract import PodDir
from stage1.running.control import ask


def test_who_asks_waits_where_others_stand_in_a_queue(tmp_path: Path) -> None:
    directory = PodDir(tmp_path)
    directory.run.mkdir()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as before,
    ):
        listener.bind(str(directory.control))
        listener.listen(0)
        before.connect(str(directory.control))  # there is no place for a second one

        def answer() -> None:
            time.sleep(0.2)
            listener.accept()[0].close()
            client, _ = listener.accept()
            with client:
                assert client.recv(100) == b"close\0web\0"
                client.send(b"ok\0well\0")

        monitor = threading.Thread(target=answer, daemon=True)
        monitor.start()
        assert ask(directory, "close", "web") == "well"
        monitor.join()
