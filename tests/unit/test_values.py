"""PURE. Named tuples as the contract makes them are those of `typing` to whoever uses one."""

from __future__ import annotations

import copy
import pickle
import typing
from typing import Any, get_type_hints

import pytest

from stage1.contract.values import NamedTuple


class Ours(NamedTuple):
    """A value."""

    name: str
    size: int = 3
    more: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name."""
        return self.name.upper()


class Theirs(typing.NamedTuple):
    """A value."""

    name: str
    size: int = 3
    more: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name."""
        return self.name.upper()


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    (("a", 1), {}),
    (("a", 1, ("b",)), {}),
    ((), {"name": "a"}),
    (("a",), {"more": ("b",)}),
    ((), {"more": (), "size": 1, "name": "a"}),
]


@pytest.mark.parametrize(("values", "named"), CALLS)
def test_a_value_is_the_same_as_one_of_typing(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    ours, theirs = Ours(*values, **named), Theirs(*values, **named)
    assert ours == theirs
    assert hash(ours) == hash(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert ours._asdict() == theirs._asdict()
    assert (ours.name, ours.size, ours.more, ours.label) == (theirs.name, theirs.size, theirs.more, "A")
    assert ours._replace(size=9) == theirs._replace(size=9)
    assert type(ours._replace(size=9)) is Ours
    assert Ours._make(theirs) == ours


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}), (("a", 1, (), 4), {}), (("a",), {"name": "b"}), (("a",), {"colour": 1}), ((), {"size": 1}),
        (("a", 1, ()), {"more": ()}),
    ],
)  # fmt: skip
def test_what_typing_refuses_is_refused(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    for kind in (Ours, Theirs):
        with pytest.raises(TypeError, match=kind.__name__ if kind is Ours else None):
            kind(*values, **named)
    with pytest.raises(TypeError):
        Ours("a")._replace(colour=1)  # type: ignore[call-arg]


def test_a_class_says_of_itself_what_one_of_typing_says() -> None:
    assert Ours._fields == Theirs._fields == Ours.__match_args__
    assert Ours._field_defaults == Theirs._field_defaults
    assert get_type_hints(Ours) == get_type_hints(Theirs)
    assert issubclass(Ours, tuple)


def test_a_value_cannot_be_changed_and_can_be_copied() -> None:
    value = Ours("a")
    with pytest.raises(AttributeError):
        value.name = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        value.colour = "b"  # type: ignore[attr-defined]
    assert copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value
    match value:
        case Ours(name, size=3):
            assert name == "a"
        case _:
            pytest.fail("a value matches the pattern of its class")


def test_a_class_below_one_has_the_same_fields() -> None:
    class Below(Ours):
        pass

    assert Below("a") == Ours("a")
    assert Below("a").label == "A"
