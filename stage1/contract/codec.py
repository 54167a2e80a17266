"""PURE. `pod.json` to and from bytes, checked when it is read: by `reading`, or by pydantic what that refuses."""

from __future__ import annotations

import json
from collections.abc import Hashable
from enum import Enum
from functools import cache
from types import GenericAlias, UnionType

from stage1.contract.errors import UsageError
from stage1.contract.manifest import PodManifest
from stage1.contract.values import hints

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from pydantic import BaseModel, ValidationError

    Value = TypeVar("Value")

_HINT = "stage1/contract/README.md and pod.schema.json say what may stand there"


def plain(value: object) -> Any:  # noqa: ANN401  JSON has no narrower type
    """Turn a manifest value into what `json` writes; text that is not UTF-8 becomes `{"base64": …}`."""
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _plain_text(text: str) -> Any:  # noqa: ANN401
    if isinstance(text, Enum):
        return text.value
    try:
        text.encode()
    except UnicodeEncodeError:
        import base64  # noqa: PLC0415  rare

        return {"base64": base64.b64encode(text.encode(errors="surrogateescape")).decode("ascii")}
    return text


def encode(manifest: PodManifest, *, indent: int | None = 1) -> bytes:
    """The text of `pod.json`; without an indent in one line, which is written four times as fast."""
    text = json.dumps(plain(manifest), indent=indent, ensure_ascii=False)
    # a label's name cannot be a table: its bytes that are not UTF-8 are written as JSON's own \udcXX
    return text.encode(errors="backslashreplace") + b"\n"


def decode(data: bytes, *, where: str) -> PodManifest:
    """Read a `pod.json` and check all that must be true of it; UsageError with the path of every bad field."""
    from stage1.contract.rules import broken  # noqa: PLC0415  writing needs none of them

    pod = parse(data, where=where)
    if complaint := "; ".join(broken(pod)):
        raise UsageError(f"{where}: {complaint}", hint=_HINT)
    return pod


def parse(data: bytes, *, where: str) -> PodManifest:
    """Read a `pod.json` as its schema has it."""
    try:
        document = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{where}: not JSON: {error}", hint="the file is damaged; remove the pod or restore it"
        ) from None
    from stage1.contract.reading import UnfitError, read  # noqa: PLC0415  writing needs none of it

    try:
        return read(PodManifest, document)
    except UnfitError:
        return validate(PodManifest, document, where=where, hint=_HINT)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON's")


def validate(kind: type[Value], document: object, *, where: str, hint: str) -> Value:
    """Check a parsed document against a type of named tuples and make that value of it."""
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        return build(kind, model(kind).model_validate(document))  # type: ignore[arg-type]  # a class is hashable
    except ValidationError as error:
        raise UsageError(f"{where}: {complaints(error)}", hint=hint) from None


@cache
def model(kind: Hashable) -> type[BaseModel]:
    """The pydantic model with the fields of a named tuple, nested ones too: unknown keys are errors."""
    from pydantic import ConfigDict, create_model  # noqa: PLC0415  costs 50 ms, see the docstring of manifest

    found = hints(kind)
    defaults: dict[str, object] = getattr(kind, "_field_defaults", {})
    fields = {name: (_modelled(hint), defaults.get(name, ...)) for name, hint in found.items()}
    name = str(getattr(kind, "__name__", kind))
    return create_model(name, __config__=ConfigDict(extra="forbid"), __doc__=kind.__doc__, **fields)  # type: ignore[call-overload, no-any-return]


def _modelled(hint: Any) -> Any:  # noqa: ANN401
    """The same annotation with every named tuple in it replaced by its model."""
    if hasattr(hint, "_field_defaults"):
        return model(hint)
    if isinstance(hint, GenericAlias) and hint.__origin__ is tuple:
        return tuple[*(_modelled(inner) for inner in hint.__args__)]  # type: ignore[misc]
    if optional := _optional(hint):
        return model(optional) | None
    return hint


def _optional(hint: Any) -> Any:  # noqa: ANN401
    """The named tuple in `Named | None`, else None."""
    if not isinstance(hint, UnionType):
        return None
    return next((inner for inner in hint.__args__ if hasattr(inner, "_field_defaults")), None)


def build(kind: type[Value], found: object) -> Value:
    """A validated model as the named tuple it was made from."""
    return kind(**{name: _built(hint, getattr(found, name)) for name, hint in hints(kind).items()})


def _built(hint: Any, value: Any) -> Any:  # noqa: ANN401
    if (optional := _optional(hint)) and value is not None:
        hint = optional
    if hasattr(hint, "_field_defaults"):
        return value if isinstance(value, tuple) else build(hint, value)
    if isinstance(hint, GenericAlias) and hint.__origin__ is tuple:
        return tuple(_built(hint.__args__[0], item) for item in value)
    return value


# pydantic's kinds of errors in the words of who writes a document: it knows no tuples, models and inputs.
_WORDS = {
    "extra_forbidden": "there is no such key",
    "missing": "is missing",
    "tuple_type": "should be a list",
    "string_type": "should be text",
    "int_type": "should be a number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "dict_type": "should be a table",
    "model_type": "should be a table",
    "model_attributes_type": "should be a table",
}


def complaints(error: ValidationError) -> str:
    """Each bad field by its path, in one line whatever its keys are."""
    found: dict[str, list[str]] = {}
    for item in error.errors():
        words = _WORDS.get(item["type"], item["msg"].lower().removeprefix("value error, "))
        said = found.setdefault(_path(item["loc"], item["type"]), [])
        said += [words] if words not in said else []
    # where a value may be of several kinds, what is wrong in it says more than that it is not of the other kind
    deepest = [path for path in found if not any(other.startswith(f"{path}.") for other in found)]
    return "; ".join(
        f"{_shown(path)}: {_shown(' or '.join(found[path]).replace(' or should be', ' or'))}"
        for path in deepest
    )


def _path(parts: tuple[int | str, ...], kind: str) -> str:
    """Without pydantic's names for the branches of a union."""
    if kind.endswith(("_type", "_parsing")) and parts and parts[-1] in {"str", "int", "float"}:
        parts = parts[:-1]
    kept = [str(part) for part in parts if not str(part).startswith(("dict[", "tuple[", "function-plain["))]
    return ".".join(kept) or "document"


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
