"""EFFECT. `python -m stage0.schema`: writes `docs/manifest.schema.json`, the JSON Schema of what `-f FILE` takes."""

from __future__ import annotations

from pathlib import Path

from stage0.request import PodRequest
from stage1.contract.schema import schema_of

PLACE = Path(__file__).parent.parent / "docs" / "manifest.schema.json"


def text() -> str:
    """What the file should hold."""
    return schema_of(PodRequest, "A pod as a user asks for it: the manifest of `pod run -f FILE`")


if __name__ == "__main__":
    PLACE.write_text(text())
