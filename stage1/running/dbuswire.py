"""PURE. The part of D-Bus's wire format that a conversation with one systemd needs.

Little endian; method calls out, replies, errors and signals in (D-Bus Specification, "Message Protocol"). A pod's PID
1 is spoken to on its private socket, which is no bus: there is no Hello, no name, no daemon. Libraries for buses begin
with Hello, and are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from stage1.contract.values import NamedTuple

CALL, REPLY, ERROR, SIGNAL = 1, 2, 3, 4
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _SIGNATURE = 1, 2, 3, 4, 5, 8
_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
_ALIGNMENT = {
    "y": 1, "b": 4, "n": 2, "q": 2, "i": 4, "u": 4, "x": 8, "t": 8, "d": 8, "s": 4, "o": 4, "g": 1, "v": 1, "a": 4,
    "(": 8, "{": 8,
}  # fmt: skip
PRELUDE = 16


class Message(NamedTuple):
    """A message that came in; fields it does not have are None."""

    kind: int
    reply_to: int | None
    path: str | None
    member: str | None
    error: str | None
    body: tuple[Any, ...]


class Variant(NamedTuple):
    """A value with the type it travels as."""

    signature: str
    value: Any


def method_call(
    serial: int, path: str, interface: str, member: str, signature: str = "", body: Sequence[Any] = ()
) -> bytes:
    """A whole message that asks for a reply."""
    fields = [
        (_PATH, Variant("o", path)),
        (_INTERFACE, Variant("s", interface)),
        (_MEMBER, Variant("s", member)),
        *([(_SIGNATURE, Variant("g", signature))] if signature else []),
    ]
    content = bytearray()
    for part, value in zip(types(signature), body, strict=True):
        _put(content, part, value)
    head = bytearray(struct.pack("<BBBBII", ord("l"), CALL, 0, 1, len(content), serial))
    _put(head, "a(yv)", fields)
    _pad(head, 8)
    return bytes(head + content)


def size_of(prelude: bytes) -> int:
    """How long the message is that begins with these 16 bytes; ValueError for what is no message of ours."""
    endian, _, _, version, body, _, fields = struct.unpack("<BBBBIII", prelude)
    if endian != ord("l") or version != 1:
        raise ValueError("not a D-Bus message in little endian")
    return PRELUDE + int(fields) + -int(fields) % 8 + int(body)


def is_signal(data: bytes) -> bool:
    """Whether a whole message is one; most of them are not worth parsing."""
    return data[1] == SIGNAL


def parse(data: bytes) -> Message:
    """A whole message; ValueError if it is damaged."""
    try:
        return _parse(data)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"damaged D-Bus message: {error}") from None


def _parse(data: bytes) -> Message:
    fields, position = _get(data, 12, "a(yv)")
    found = dict(fields)
    position += -position % 8
    body = []
    for part in types(found.get(_SIGNATURE, "")):
        value, position = _get(data, position, part)
        body.append(value)
    return Message(
        kind=data[1],
        reply_to=found.get(_REPLY_SERIAL),
        path=found.get(_PATH),
        member=found.get(_MEMBER),
        error=found.get(_ERROR_NAME),
        body=tuple(body),
    )


def types(signature: str) -> Iterator[str]:
    """The complete types of a signature, one after the other."""
    start = 0
    while start < len(signature):
        end = _end_of_type(signature, start)
        yield signature[start:end]
        start = end


def _end_of_type(signature: str, start: int) -> int:
    first = signature[start]
    if first == "a":
        return _end_of_type(signature, start + 1)
    if first in "({":
        return _closing(signature, start) + 1
    if first not in _ALIGNMENT:
        raise KeyError(first)
    return start + 1


def _closing(signature: str, start: int) -> int:
    depth = 0
    for index in range(start, len(signature)):
        depth += (signature[index] in "({") - (signature[index] in ")}")
        if depth == 0:
            return index
    raise KeyError(signature)


def _pad(out: bytearray, alignment: int) -> None:
    out += bytes(-len(out) % alignment)


def _put(out: bytearray, signature: str, value: Any) -> None:  # noqa: ANN401
    first = signature[0]
    _pad(out, _ALIGNMENT[first])
    if first in _FIXED:
        out += struct.pack("<" + _FIXED[first], value)
    elif first in "so":
        text = value.encode()
        out += struct.pack("<I", len(text)) + text + b"\0"
    elif first == "g":
        out += bytes([len(value)]) + value.encode() + b"\0"
    elif first == "v":
        _put(out, "g", value.signature)
        _put(out, value.signature, value.value)
    elif first == "a":
        _put_array(out, signature[1:], value)
    else:
        for part, item in zip(types(signature[1:-1]), value, strict=True):
            _put(out, part, item)


def _put_array(out: bytearray, signature: str, items: Sequence[Any]) -> None:
    place = len(out)
    out += bytes(4)
    _pad(out, _ALIGNMENT[signature[0]])
    start = len(out)
    for item in items:
        _put(out, signature, item)
    struct.pack_into("<I", out, place, len(out) - start)


def _get(data: bytes, position: int, signature: str) -> tuple[Any, int]:
    first = signature[0]
    position += -position % _ALIGNMENT[first]
    if first in _FIXED:
        found = struct.unpack_from("<" + _FIXED[first], data, position)[0]
        return (bool(found) if first == "b" else found), position + struct.calcsize(_FIXED[first])
    if first in "so":
        (size,) = struct.unpack_from("<I", data, position)
        return _text(data, position + 4, size)
    if first == "g":
        return _text(data, position + 1, data[position])
    if first == "v":
        inner, position = _get(data, position, "g")
        return _get(data, position, next(types(inner)))
    if first == "a":
        return _get_array(data, position, signature[1:])
    return _get_struct(data, position, signature)


def _text(data: bytes, start: int, size: int) -> tuple[str, int]:
    if start + size >= len(data):
        raise IndexError("text beyond the end")
    return data[start : start + size].decode(), start + size + 1


def _get_array(data: bytes, position: int, signature: str) -> tuple[list[Any], int]:
    (size,) = struct.unpack_from("<I", data, position)
    position += 4
    position += -position % _ALIGNMENT[signature[0]]
    end = position + size
    if end > len(data):
        raise IndexError("array beyond the end")
    items = []
    while position < end:
        item, position = _get(data, position, signature)
        items.append(item)
    return items, position


def _get_struct(data: bytes, position: int, signature: str) -> tuple[tuple[Any, ...], int]:
    items = []
    for part in types(signature[1:-1]):
        item, position = _get(data, position, part)
        items.append(item)
    return tuple(items), position
