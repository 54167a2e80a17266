"""EFFECT. `python -m stage1.contract.schema`: writes `pod.schema.json`, the JSON Schema of `pod.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stage1.contract.codec import model
from stage1.contract.manifest import PodManifest

PLACE = Path(__file__).with_name("pod.schema.json")


def schema_of(kind: type, title: str) -> str:
    """The schema of what may be written: defaults may be left out, unknown keys may not be there."""
    found = model(kind).model_json_schema(mode="validation")
    for part in (found, *found.get("$defs", {}).values()):
        for value in part.get("properties", {}).values():
            _name_defaults(value, found.get("$defs", {}))
    return json.dumps(found | {"title": title}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _name_defaults(value: dict[str, Any], parts: dict[str, Any]) -> None:
    """The default of a named tuple as the table it is in a file, not as the list it is for Python."""
    if "$ref" in value and isinstance(value.get("default"), list | tuple):
        value["default"] = _named(value["$ref"], value["default"], parts)


def _named(reference: str, values: Sequence[Any], parts: dict[str, Any]) -> dict[str, Any]:
    properties = parts[reference.rpartition("/")[2]]["properties"]
    found = dict(zip(properties, values, strict=True))
    for name, rule in properties.items():
        if "$ref" in rule and isinstance(found[name], list | tuple):
            found[name] = _named(rule["$ref"], found[name], parts)
    return found


def text() -> str:
    """What the file should hold."""
    return schema_of(PodManifest, "A pod, complete: pod.json of a pod directory, version 1")


if __name__ == "__main__":
    PLACE.write_text(text())
