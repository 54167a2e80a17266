"""PURE. Named tuples whose classes are cheap to make: `pod run` imports a hundred, once a fifth of its Python.

To whoever uses one, and to a type checker, it is `typing.NamedTuple`. The difference is in the making: `typing`
compiles the text of each annotation, `collections` that of a `__new__` for each class. Here an annotation is text
until somebody asks for it, and all have one `__new__`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # that of `typing`, which `pod exec` has no time to import
if TYPE_CHECKING:
    from typing import Any
    from typing import NamedTuple as NamedTuple

    Hints = dict[str, Any]
else:
    from _collections import _tuplegetter  # what collections.namedtuple() makes its fields of

    class _Maker(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if bases[0] is not tuple and not hasattr(bases[0], "_fields"):
                fields = tuple(body.get("__annotations__", ()))
                body["_field_defaults"] = {field: body[field] for field in fields if field in body}
                body |= {field: _tuplegetter(index, None) for index, field in enumerate(fields)}
                body |= {"_fields": fields, "__match_args__": fields}
            return super().__new__(cls, name, bases, body | {"__slots__": ()})

        @property
        def __signature__(cls) -> object:
            from inspect import Parameter, Signature  # noqa: PLC0415  for help() and for tests

            kind, defaults = Parameter.POSITIONAL_OR_KEYWORD, cls._field_defaults
            return Signature(
                [Parameter(name, kind, default=defaults.get(name, Parameter.empty)) for name in cls._fields]
            )

    class NamedTuple(tuple, metaclass=_Maker):
        """What all of them have in common."""

        def __new__(cls, *values: object, **named: object) -> NamedTuple:
            """A value; TypeError if fields are missing, or given that there are not."""
            if named or len(values) != len(cls._fields):
                values += cls._rest(len(values), named)
            return tuple.__new__(cls, values)

        @classmethod
        def _rest(cls, given: int, named: dict[str, object]) -> tuple[object, ...]:
            """The values of all fields after so many, by their names or defaults."""
            rest = cls._fields[given:]
            found = cls._field_defaults | named
            if given > len(cls._fields):
                raise TypeError(f"{cls.__name__}() has {len(cls._fields)} fields and not {given}")
            if wrong := [name for name in named if name not in rest]:
                raise TypeError(f"{cls.__name__}() has no field {', '.join(wrong)}, or has it twice")
            if missing := [name for name in rest if name not in found]:
                raise TypeError(f"{cls.__name__}() lacks {', '.join(missing)}")
            return tuple(found[name] for name in rest)

        @classmethod
        def _make(cls, values: tuple[object, ...]) -> NamedTuple:
            return cls(*values)

        def _replace(self, **named: object) -> NamedTuple:
            return type(self)(**{**self._asdict(), **named})

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            shown = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({shown})"

        def __getnewargs__(self) -> tuple[object, ...]:
            return tuple(self)


def hints(kind: object) -> Hints:
    """What the annotations of a kind of value mean; modules of values do not import `typing` for `Literal`."""
    from typing import Literal, get_type_hints  # noqa: PLC0415

    return get_type_hints(kind, localns={"Literal": Literal})
