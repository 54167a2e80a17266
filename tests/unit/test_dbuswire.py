"""PURE. D-Bus's wire format: what goes out comes in again, and damage is one kind of error."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stage1.running import dbuswire
from stage1.running.dbuswire import Variant

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
BODIES = st.one_of(
    st.tuples(st.just("ss"), st.tuples(TEXT, TEXT)),
    st.tuples(st.just("ayu"), st.tuples(st.lists(st.integers(0, 255)), st.integers(0, 2**32 - 1))),
    st.tuples(
        st.just("sba(st)"),
        st.tuples(TEXT, st.booleans(), st.lists(st.tuples(TEXT, st.integers(0, 2**64 - 1)))),
    ),
    st.tuples(st.just("a{sx}"), st.tuples(st.lists(st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1))))),
    st.tuples(st.just(""), st.just(())),
)


@given(BODIES, st.integers(1, 2**32 - 1))
def test_what_goes_out_comes_in_again(body: tuple[str, tuple[Any, ...]], serial: int) -> None:
    signature, values = body
    data = dbuswire.method_call(serial, "/a/b", "c.d", "E", signature, values)
    assert dbuswire.size_of(data[: dbuswire.PRELUDE]) == len(data)
    message = dbuswire.parse(data)
    assert (message.kind, message.path, message.member) == (dbuswire.CALL, "/a/b", "E")
    assert message.body == values


def test_variants_carry_their_type() -> None:
    data = dbuswire.method_call(
        1, "/", "a.b", "C", "a(sv)", ([("x", Variant("t", 5)), ("y", Variant("as", ["z"]))],)
    )
    assert dbuswire.parse(data).body == ([("x", 5), ("y", ["z"])],)


@given(BODIES, st.data())
def test_a_damaged_message_is_an_error_and_nothing_else(body: tuple[str, Any], data: st.DataObject) -> None:
    whole = bytearray(dbuswire.method_call(7, "/a", "b.c", "D", body[0], body[1]))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(dbuswire.PRELUDE, len(whole)))])
    try:
        dbuswire.size_of(cut[: dbuswire.PRELUDE])
        dbuswire.parse(cut)
    except ValueError:
        pass


@given(st.binary(min_size=16, max_size=200))
def test_any_bytes_are_an_error_or_a_message(data: bytes) -> None:
    try:
        dbuswire.parse(data)
    except ValueError:
        pass


def test_big_endian_is_refused() -> None:
    with pytest.raises(ValueError, match="little endian"):
        dbuswire.size_of(struct.pack(">BBBBIII", ord("B"), 1, 0, 1, 0, 1, 0))
