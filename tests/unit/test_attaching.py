"""EFFECT. The client's side of `pod attach`, with a socket in place of the monitor's."""

from __future__ import annotations

import socket

import pytest

from stage0.pods.watching import Watch
from stage0.running.attaching import Attachment, Streams
from stage0.running.detachkeys import DetachKeys


def test_what_the_monitor_sent_is_shown_although_it_ended_without_reading_our_last_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    client, monitor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with client, Watch() as watch:
        monitor.send(b"oout\n")
        monitor.send(b"eerr\n")
        client.send(b"f")
        monitor.close()
        attachment = Attachment(client, Streams(False, False, DetachKeys(())), watch)
        assert attachment.run(lambda: False) == "gone"
    assert capfd.readouterr() == ("out\n", "err\n")
