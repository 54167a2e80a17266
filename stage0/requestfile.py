"""EFFECT. `-f FILE`: a pod's manifest in TOML, JSON or YAML, one schema for the three."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from stage0 import requestcache
from stage0.request import PodRequest
from stage1.contract import PodError, UsageError
from stage1.contract.codec import validate

ENDINGS = (".toml", ".yaml", ".yml", ".json")
_HINT = "the keys are the options of `pod run` with _ for -; apps are a list called app"


def read(name: str, cache: Path | None = None) -> PodRequest:
    """The request in a file; UsageError with the path of every bad or unknown key.

    `cache`: a directory in which it is kept for the next time.
    """
    if name != "-":
        name = str(found_file(name))
    data, kind = _bytes(name), Path(name).suffix
    text = data.decode(errors="surrogateescape")
    if cache is not None and (known := requestcache.recall(cache, kind, text)):
        return known
    document = _parse(name, data)
    if not isinstance(document, dict):
        raise UsageError(f"{name}: not a table of keys", hint=_HINT)
    request = validate(PodRequest, document, where=name, hint=_HINT)
    if cache is not None:
        requestcache.keep(cache, kind, text, request)
    return request


def found_file(name: str) -> Path:
    """The file itself, or the one with an ending behind the name: `/etc/pod/pods/web` may be a web.toml."""
    path = Path(name)
    if path.suffix or path.exists():
        return path
    return next(
        (found for ending in ENDINGS if (found := path.with_name(path.name + ending)).exists()), path
    )


def _bytes(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{name}: {error.strerror}", hint="name a TOML, JSON or YAML file, or - for stdin"
        ) from None


def _parse(name: str, data: bytes) -> Any:  # noqa: ANN401
    """By the file's ending; without one (stdin) JSON, then TOML, then YAML, the strictest first."""
    endings = {".json": [_json], ".toml": [_toml], ".yaml": [_yaml], ".yml": [_yaml]}
    readers = endings.get(Path(name).suffix, [_json, _toml, _yaml])
    errors = []
    for reader in readers:
        try:
            return reader(data.decode())
        except (ValueError, RecursionError) as error:
            errors.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
    raise UsageError(f"{name}: cannot be read: {errors[0]}", hint="it must be TOML, JSON or YAML in UTF-8")


def _json(text: str) -> Any:  # noqa: ANN401
    return json.loads(text)


def _toml(text: str) -> Any:  # noqa: ANN401
    import tomllib  # noqa: PLC0415

    return tomllib.loads(text)


def _yaml(text: str) -> Any:  # noqa: ANN401
    try:
        import yaml  # noqa: PLC0415
    except ImportError:
        raise PodError("PyYAML is not installed", hint="install it, or write the manifest in TOML") from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, LookupError, AttributeError, TypeError) as error:
        # PyYAML's own constructors stumble over tags on the wrong values, such as !!int ""
        raise ValueError(" ".join(f"not YAML: {error}".split())) from None
