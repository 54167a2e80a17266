"""EFFECT. Manifests that were read and checked before: at the boot of a host many units read theirs at once.

Importing pydantic and making models of a request's types costs more than all else that `pod run` does before
systemd-nspawn (0.25 s of processor time). What a file says depends on its text alone, so the request it was found to
be is kept under the text, and read back with the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

from stage0 import request as types
from stage0.request import AppRequest, PodRequest
from stage1.contract import codec

# Where it is said what a manifest may be.
_RULES = (types.__file__, codec.__file__, str(Path(__file__).with_name("file.py")))


def directory(cache: Path) -> Path:
    """Where the entries lie, each a file."""
    return cache / "requests"


def recall(cache: Path, kind: str, text: str) -> PodRequest | None:
    """The request of a text that was kept; `kind` is the file's ending, which says how to read it.

    The entry's time is that of its last use, by which `pod gc` judges it.
    """
    key = _key(kind, text)
    entry = _entry(cache, key)
    try:
        found = json.loads(entry.read_bytes())
        if found["key"] != key:
            return None
        with contextlib.suppress(OSError):
            os.utime(entry)
        apps = tuple(AppRequest(**_tuples(app)) for app in found["request"].pop("app"))
        return PodRequest(app=apps, **_tuples(found["request"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(cache: Path, kind: str, text: str, request: PodRequest) -> None:
    """Keep it; a data root that cannot be written is found out elsewhere."""
    key = _key(kind, text)
    plain = {**request._asdict(), "app": [app._asdict() for app in request.app]}
    entry = _entry(cache, key)
    temporary = entry.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"key": key, "request": plain}))
        temporary.replace(entry)


def _key(kind: str, text: str) -> str:
    """Everything the request depends on: the text, and what is a good one in this version of ours."""
    stamps = (Path(module).stat() for module in _RULES)
    words = " ".join(f"{stamp.st_ino} {stamp.st_mtime_ns} {stamp.st_size}" for stamp in stamps)
    return f"{words} {kind}\n{text}"


def _entry(cache: Path, key: str) -> Path:
    """Short, since an entry holds its whole key."""
    return directory(cache) / f"{zlib.crc32(key.encode(errors='surrogateescape')):08x}.json"


def _tuples(given: dict[str, Any]) -> dict[str, Any]:
    return {name: _tuple(value) for name, value in given.items()}


def _tuple(value: Any) -> Any:  # noqa: ANN401  whatever JSON has
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
