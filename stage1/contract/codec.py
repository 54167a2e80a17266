"""PURE. `pod.json` to and from bytes: writing needs only the standard library, reading validates with pydantic."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from stage1.contract.errors import UsageError
from stage1.contract.manifest import PodManifest

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError


def plain(value: object) -> Any:  # noqa: ANN401  JSON has no narrower type
    """Turn a manifest value into what `json` writes; text that is not UTF-8 becomes `{"base64": …}`."""
    if isinstance(value, str):
        return _plain_text(value)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
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


def encode(manifest: PodManifest) -> bytes:
    """The text of `pod.json`."""
    return json.dumps(plain(manifest), indent=1, ensure_ascii=False).encode() + b"\n"


def decode(data: bytes, *, where: str) -> PodManifest:
    """Read a `pod.json`; UsageError with the path of every bad field."""
    found: PodManifest = validate(adapter(PodManifest), data, where=where)
    return found


@cache
def adapter(kind: type) -> TypeAdapter[Any]:
    """The pydantic validator of a contract type: unknown keys are errors."""
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415  costs 50 ms, see the docstring of manifest

    _forbid_unknown(kind, ConfigDict(extra="forbid"), set())
    return TypeAdapter(kind)


def _forbid_unknown(kind: Any, config: Any, seen: set[Any]) -> None:  # noqa: ANN401
    """Give every dataclass reachable from `kind` the same strictness; pydantic does not pass it down."""
    import typing  # noqa: PLC0415

    if is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        kind.__pydantic_config__ = config  # type: ignore[union-attr]
        for hint in typing.get_type_hints(kind).values():
            _forbid_unknown(hint, config, seen)
    for inner in typing.get_args(kind):
        _forbid_unknown(inner, config, seen)


def validate(validator: TypeAdapter[Any], data: bytes, *, where: str) -> Any:  # noqa: ANN401
    """Parse JSON and validate it, with every complaint in one UsageError."""
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        return validator.validate_python(json.loads(data))
    except ValidationError as error:
        raise UsageError(
            f"{where}: {complaints(error)}", hint="see the manifest's schema in the manual"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{where}: not JSON: {error}", hint="the file is damaged; remove the pod or restore it"
        ) from None


def complaints(error: ValidationError) -> str:
    """Each bad field by its path, in one line."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'document'}: {item['msg'].lower()}"
        for item in error.errors()
    )


def text_schema() -> Any:  # noqa: ANN401
    """Validation of `manifest.Text`: a string without NUL, or `{"base64": …}` for other bytes."""
    from pydantic_core import core_schema  # noqa: PLC0415

    return core_schema.no_info_plain_validator_function(
        _text,
        json_schema_input_schema=core_schema.union_schema(
            [
                core_schema.str_schema(),
                core_schema.typed_dict_schema(
                    {"base64": core_schema.typed_dict_field(core_schema.str_schema())}
                ),
            ]
        ),
    )


def _text(value: object) -> str:
    if isinstance(value, dict) and list(value) == ["base64"] and isinstance(value["base64"], str):
        import base64  # noqa: PLC0415

        value = base64.b64decode(value["base64"], validate=True).decode(errors="surrogateescape")
    if not isinstance(value, str):
        raise ValueError(
            "should be text, or base64 in a table of that name"
        )  # pydantic turns only ValueError into a complaint
    if "\0" in value:
        raise ValueError("holds a NUL byte, which no argument, name or path can")
    return value
