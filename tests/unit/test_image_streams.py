"""Compressed streams come out whole and in small pieces, or are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from stage0.image import ImageError
from stage0.image.streams import CHUNK, Tally, compression_of, decompressed, digest_of, read_chunks, tallied

WRITERS = {
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "plain": bytes,
}
compressed = pytest.mark.parametrize("kind", sorted(set(WRITERS) - {"plain"}))


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(
    st.sampled_from(sorted(WRITERS)),
    st.binary(min_size=1, max_size=3000),
    st.integers(1, 700),
    st.integers(1, 3),
)
def test_what_was_compressed_comes_back_however_it_is_cut_into_pieces(kind, data, size, members):
    packed = WRITERS[kind](data) * members
    assert b"".join(decompressed(iter(pieces_of(packed, size)), kind, "it")) == data * members


@compressed
def test_the_kind_is_recognised_by_its_first_bytes(kind):
    assert compression_of(WRITERS[kind](b"data")) == kind
    assert compression_of(b"etc/\0\0\0") == "plain"
    assert compression_of(b"") == "plain"


@compressed
def test_a_bomb_comes_out_in_small_pieces(kind):
    packed = WRITERS[kind](bytes(64 << 20))
    sizes = [len(piece) for piece in decompressed(read_chunks(io.BytesIO(packed)), kind, "it")]
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= CHUNK


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_a_cut_stream_is_refused(kind):
    packed = WRITERS[kind](os.urandom(5000))
    with pytest.raises(ImageError, match="cannot be decompressed"):
        list(decompressed(iter([packed[:-9]]), kind, "it"))


@compressed
def test_a_damaged_stream_is_refused(kind):
    packed = bytearray(WRITERS[kind](os.urandom(5000)))
    packed[4:60] = b"\xaa" * 56
    with pytest.raises(ImageError, match="it cannot be decompressed"):
        list(decompressed(iter([bytes(packed)]), kind, "it"))


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_zeros_after_the_end_are_padding(kind):
    assert b"".join(decompressed(iter([WRITERS[kind](b"data"), bytes(600)]), kind, "it")) == b"data"


@given(st.sampled_from(sorted(WRITERS)), st.binary(max_size=200))
def test_noise_is_refused_and_never_crashes(kind, data):
    try:
        b"".join(decompressed(iter([data]), kind, "it"))
    except ImageError as error:
        assert error.hint


def test_a_tally_counts_hashes_and_copies():
    tally, sink = Tally(), io.BytesIO()
    assert b"".join(tallied([b"a", b"bc"], tally, sink)) == b"abc"
    assert (tally.size, tally.digest, sink.getvalue()) == (3, digest_of(b"abc"), b"abc")
