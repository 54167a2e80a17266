"""PURE. Keys that detach, in whatever pieces they come; and the last lines of a log that may have been rotated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage0.pods import logfiles
from stage0.running.detachkeys import DetachKeys

BYTES = st.lists(st.sampled_from([1, 2, 3]), max_size=20).map(bytes)


@given(st.lists(BYTES, max_size=6), st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=4))
def test_pieces_do_not_matter(pieces: list[bytes], sequence: list[int]) -> None:
    keys = DetachKeys(sequence)
    passed, found = b"", False
    for piece in pieces:
        some, found = keys.typed(piece)
        passed += some
        if found:
            break
    whole = b"".join(pieces)
    place = whole.find(bytes(sequence))
    assert found == (place >= 0)
    if found:
        assert passed == whole[:place]
    else:  # what is held back may still become the keys
        assert whole.startswith(passed)
        assert bytes(sequence).startswith(whole[len(passed) :])


def test_without_keys_nothing_detaches_and_nothing_is_held_back() -> None:
    assert DetachKeys(()).typed(b"\x10\x11") == (b"\x10\x11", False)


def entry(number: int) -> bytes:
    return b"2026-01-31T12:00:00.000000000Z stdout F line %d\n" % number


@pytest.mark.parametrize("count", [0, 1, 3, 5000, 20000])
def test_the_last_lines_are_those_before_a_size(tmp_path: Path, count: int) -> None:
    path = tmp_path / "web.log"
    lines = [entry(number) for number in range(9000)]
    path.write_bytes(b"".join(lines))
    size = sum(map(len, lines[:8000]))
    found = logfiles.last(path, size, path.stat().st_ino, count)
    assert [line.text for line in found] == [b"line %d" % number for number in range(8000)][
        max(0, 8000 - count) :
    ]


def test_the_last_lines_are_found_across_a_rotation(tmp_path: Path) -> None:
    path, older = tmp_path / "web.log", tmp_path / "web.log.1"
    older.write_bytes(entry(1) + entry(2))
    path.write_bytes(entry(3) + entry(4))
    inode = path.stat().st_ino
    assert [line.text for line in logfiles.last(path, 2 * len(entry(1)), inode, 3)] == [
        b"line 2", b"line 3", b"line 4",
    ]  # fmt: skip
    path.rename(older)  # it was rotated between the answer and the look
    path.write_bytes(entry(5))
    assert [line.text for line in logfiles.last(path, len(entry(1)), inode, 3)] == [b"line 3"]
    assert logfiles.last(tmp_path / "none.log", 9, 1, 3) == []
