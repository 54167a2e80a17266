"""PURE. What may be written: names, which hold little, and text, which holds any bytes but NUL.

Text is surrogateescape in Python, and `{"base64": …}` in JSON where it is not UTF-8.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Parts of unit names, paths and lines: no dot at the start, no slash, nothing a unit would have to escape.
NAME = r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}"
# Also with dots: of credentials, and of volumes within a pod.
FILE_NAME = r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}"
# A pod is a machine by its name, and systemd-nspawn takes host names only.
POD_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"


# JSON can write these; only U+DC80 to U+DCFF stand for bytes
_LONE_SURROGATE = r"[\ud800-\udc7f\udd00-\udfff]"

if TYPE_CHECKING:
    Text = str
else:

    class Text(str):
        """A string in an annotation, of which pydantic asks what it may hold; values are plain strings."""

        __slots__ = ()

        @classmethod
        def __get_pydantic_core_schema__(cls, source: object, handler: Callable[[object], Any]) -> Any:  # noqa: ANN401
            """Nothing of pydantic is imported before it looks."""
            return text_schema()


def text_schema() -> Any:  # noqa: ANN401
    """Validation of `manifest.Text`: a string without NUL, or `{"base64": …}` for other bytes."""
    from pydantic_core import core_schema  # noqa: PLC0415

    return core_schema.no_info_plain_validator_function(
        text,
        json_schema_input_schema=core_schema.union_schema(
            [
                core_schema.str_schema(),
                core_schema.typed_dict_schema(
                    {"base64": core_schema.typed_dict_field(core_schema.str_schema())},
                    extra_behavior="forbid",
                ),
            ]
        ),
    )


def text(value: object) -> str:
    """The string that a value of JSON stands for; ValueError for anything else."""
    if isinstance(value, dict) and list(value) == ["base64"] and isinstance(value["base64"], str):
        import base64  # noqa: PLC0415

        value = base64.b64decode(value["base64"], validate=True).decode(errors="surrogateescape")
    if not isinstance(value, str):
        quoted = isinstance(value, int | float)
        # pydantic turns only ValueError into a complaint
        raise ValueError(
            "should be text: put it in quotes"
            if quoted
            else "should be text, or base64 in a table of that name"
        )
    if re.search(_LONE_SURROGATE, value):
        raise ValueError("holds half a character, which no bytes stand for")
    if "\0" in value:
        raise ValueError("holds a NUL byte, which no argument, name or path can")
    return value
