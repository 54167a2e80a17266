"""PURE. A parsed JSON document as a named tuple of the contract, checked field by field without pydantic.

Importing pydantic and making models of these types costs more than a whole `pod app add`. What is read here nearly
always is what we wrote; so this takes a document only if each of its values is exactly of the kind its field says,
and anything else is left to pydantic, which tells what is wrong with it, or knows how to read it all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from stage1.contract.text import Text, text
from stage1.contract.values import hints

Value = TypeVar("Value")
Reader = Callable[[Any], Any]


class UnfitError(ValueError):
    """The document is not plainly what its type says."""


def read(kind: type[Value], document: object) -> Value:
    """The named tuple that a document says; UnfitError if it might be anything else."""
    try:
        found: Value = _reader(kind)(document)  # type: ignore[arg-type]  # a class is hashable
    except (ValueError, OverflowError, RecursionError):
        raise UnfitError from None
    return found


@cache
def _reader(hint: Any) -> Reader:  # noqa: ANN401  what annotations hold
    """What makes a value of this kind from what JSON has for it."""
    if hint is Text:
        return _text
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is None:
        return _enum(hint) if issubclass(hint, Enum) else _tuple_of_fields(hint)
    if origin is tuple and inner[1:] == (...,):
        return _list(_reader(inner[0]))
    if origin is dict:
        return _table(_reader(inner[0]), _reader(inner[1]))
    if origin in {Union, UnionType} and len(inner) == 2 and inner[1] is type(None):
        return _optional(_reader(inner[0]))
    if origin is Literal:
        return _literal(inner)
    raise UnfitError


def _tuple_of_fields(kind: Any) -> Reader:  # noqa: ANN401
    readers = {name: _reader(hint) for name, hint in hints(kind).items()}
    defaults: dict[str, object] = kind._field_defaults

    def read_fields(found: object) -> object:
        if type(found) is not dict or not found.keys() <= readers.keys():
            raise UnfitError
        values = []
        for name, reader in readers.items():
            if name in found:
                values.append(reader(found[name]))
            elif name in defaults:
                values.append(defaults[name])
            else:
                raise UnfitError
        return kind(*values)

    return read_fields


def _exactly(kind: type) -> Reader:
    def read_one(found: object) -> object:
        if type(found) is not kind:  # true is no number here, nor 1.0 an integer
            raise UnfitError
        return found

    return read_one


def _string(found: object) -> str:
    if type(found) is not str:
        raise UnfitError
    found.encode()  # UnicodeEncodeError, a ValueError: half a character
    return found


def _float(found: object) -> float:
    if type(found) is not int and type(found) is not float:
        raise UnfitError
    return float(found)


def _text(found: object) -> str:
    if type(found) is str and found.isascii() and "\0" not in found:
        return found
    return text(found)


_PLAIN: dict[Any, Reader] = {str: _string, int: _exactly(int), bool: _exactly(bool), float: _float}


def _enum(kind: type[Enum]) -> Reader:
    members = {member.value: member for member in kind}

    def read_member(found: object) -> object:
        if type(found) is not str or found not in members:
            raise UnfitError
        return members[found]

    return read_member


def _list(inner: Reader) -> Reader:
    def read_list(found: object) -> object:
        if type(found) is not list:
            raise UnfitError
        return tuple([inner(item) for item in found])

    return read_list


def _table(keys: Reader, values: Reader) -> Reader:
    def read_table(found: object) -> object:
        if type(found) is not dict:
            raise UnfitError
        return {keys(key): values(value) for key, value in found.items()}

    return read_table


def _optional(inner: Reader) -> Reader:
    return lambda found: None if found is None else inner(found)


def _literal(allowed: tuple[object, ...]) -> Reader:
    def read_literal(found: object) -> object:
        if not any(type(found) is type(one) and found == one for one in allowed):
            raise UnfitError
        return found

    return read_literal
