"""Blobs of pulls under way: found, claimed, followed while they grow, tidied up."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack

import pytest

from stage0.command import CommandError, Running
from stage0.image import events
from stage0.image.arrivals import Arrivals, LostError
from stage0.image.manifests import Descriptor
from stage0.image.partial import Partial, tidy
from stage0.image.shelves import StorePaths
from stage1.contract.errors import HostError

ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")


@pytest.fixture
def partial(tmp_path):
    paths = StorePaths(tmp_path)
    paths.blobs.mkdir(parents=True)
    made = Partial(paths)
    with made.entered():
        yield made


def layer(digest, size=9):
    return Descriptor(media_type="", digest=digest, size=size, annotations={}, platform={})


def test_what_the_store_has_is_linked_and_what_is_nowhere_is_not(partial, tmp_path):
    blob = StorePaths(tmp_path).blob(ONE)
    blob.write_bytes(b"x")
    assert (partial.stored(ONE), partial.has(ONE), partial.has(ONE), partial.has(TWO)) == (
        True,
        True,
        True,
        False,
    )
    assert partial.blob(ONE).samefile(blob)


def test_tidying_keeps_young_blobs_only_and_nothing_while_somebody_pulls(tmp_path):
    paths = StorePaths(tmp_path)
    paths.blobs.mkdir(parents=True)
    paths.blob(ONE).write_bytes(b"stored")
    partial = Partial(paths)
    with partial.entered():
        partial.has(ONE)
        partial.blob(TWO).write_bytes(b"young")
        partial.blob(THREE).write_bytes(b"old")
        os.utime(partial.blob(THREE), (0, 0))
        (partial.blobs / "document").write_bytes(b'{"a": 1}')
        (partial.root / "tmp-dead").mkdir()
        assert tidy(paths) == 0
        assert len(list(partial.blobs.iterdir())) == 4
    assert list(partial.blobs.iterdir()) == [partial.blob(TWO)]
    assert not (partial.root / "tmp-dead").exists()
    assert tidy(paths, older=-1) > 0
    assert list(partial.blobs.iterdir()) == []


def test_a_claim_is_waited_for(partial):
    waited = []
    first = ExitStack()
    partial.claim([TWO, ONE], first, waited.append)
    release = threading.Timer(0.05, first.close)
    release.start()
    with ExitStack() as second:
        partial.claim([ONE, TWO, THREE], second, waited.append)
    release.join()
    assert waited[0] == ONE, "claims are taken in one order"


def test_a_blob_is_followed_while_it_grows(partial, tmp_path):
    growing = tmp_path / "oci-put-blob1"
    growing.write_bytes(b"abc")
    told = []
    arrivals = Arrivals(partial, tmp_path, [layer(ONE)], told.append, threading.Event())
    chunks = arrivals.follow(layer(ONE), growing)
    assert next(chunks) == b"abc"
    with growing.open("ab") as stream:
        stream.write(b"def")
    assert next(chunks) == b"def"
    with growing.open("ab") as stream:
        stream.write(b"ghi")
    growing.rename(partial.blob(ONE))
    assert b"".join(chunks) == b"ghi"
    assert told[-1] == events.Fetching(ONE, 9, 9)
    arrivals.close()


def test_a_blob_that_vanishes_is_lost_and_not_taken_for_whole(partial, tmp_path):
    growing = tmp_path / "oci-put-blob1"
    growing.write_bytes(b"abc")
    arrivals = Arrivals(partial, tmp_path, [layer(ONE)], events.nobody, threading.Event())
    chunks = arrivals.follow(layer(ONE), growing)
    assert next(chunks) == b"abc"
    growing.unlink()
    partial.blob(ONE).write_bytes(b"another")
    with pytest.raises(LostError):
        next(chunks)
    with pytest.raises(LostError):
        next(arrivals.follow(layer(TWO), growing))
    arrivals.close()


def test_a_reader_stops_when_it_shall(partial, tmp_path):
    growing, stop = tmp_path / "oci-put-blob1", threading.Event()
    growing.write_bytes(b"abc")
    arrivals = Arrivals(partial, tmp_path, [layer(ONE)], events.nobody, stop)
    chunks = arrivals.follow(layer(ONE), growing)
    next(chunks)
    stop.set()
    with pytest.raises(LostError):
        next(chunks)
    arrivals.close()


def test_blobs_are_handed_out_when_they_are_whole_and_the_last_one_before(partial, tmp_path):
    layout = tmp_path / "layout"
    layout.mkdir()
    wanted = [layer(ONE), layer(TWO, 3), layer(THREE)]
    told = []
    arrivals = Arrivals(partial, layout, wanted, told.append, threading.Event())
    copying = Running(["sleep", "1000"])
    each = arrivals.each(copying)
    for number in (1, 3):
        (layout / f"oci-put-blob{number}").write_bytes(b"12345")
    partial.blob(TWO).write_bytes(b"two")
    assert next(each) == (layer(TWO, 3), None)
    (layout / "oci-put-blob1").rename(partial.blob(ONE))
    assert next(each) == (layer(ONE), None)
    assert next(each) == (layer(THREE), layout / "oci-put-blob3")
    assert list(each) == []
    assert events.Fetching(TWO, 3, 3) in told
    copying.close()
    arrivals.close()


def test_the_end_of_the_copy_ends_the_waiting(partial, tmp_path):
    arrivals = Arrivals(partial, tmp_path, [layer(ONE), layer(TWO)], events.nobody, threading.Event())
    copying = Running(["true"])
    assert list(arrivals.each(copying)) == []
    copying.close()
    arrivals.close()


def test_a_program_beside_us_tells_its_output_and_its_failure_and_ends_with_us():
    running = Running(["sh", "-c", "echo out; echo err >&2; exit 3"])
    running.wait()
    assert running.output == b"out\n"
    with pytest.raises(CommandError, match="status 3") as raised:
        running.check()
    assert raised.value.hint == "err"
    running.close()
    start = time.monotonic()
    asleep = Running(["sleep", "1000"])
    assert not asleep.ended
    asleep.close()
    assert time.monotonic() - start < 500
    with pytest.raises(HostError, match="cannot run nosuchprogram"):
        Running(["nosuchprogram"])


def test_events_are_lines_of_json():
    resolved = events.Resolved("web:1", ONE, ((TWO, 5), (THREE, 6)), (THREE,))
    assert '"layers": [{"digest": "' + TWO + '", "size": 5, "present": false}' in events.as_json(resolved)
    assert events.as_json(events.Note("x")) == '{"event": "note", "text": "x"}\n'
