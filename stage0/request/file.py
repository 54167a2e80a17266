"""EFFECT. `-f FILE`: a pod's manifest in TOML, JSON or YAML, one schema for the three."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from stage0.request import AppRequest, PodRequest
from stage0.request import cache as requestcache
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
    if not request.app and not request.empty:
        raise UsageError(f"{name}: app: a pod needs an app", hint="name one, or write empty = true")
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
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table; the last of two keys would silently win."""
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"key {twice[0]!r} stands twice in one table")
    return dict(pairs)


def _toml(text: str) -> Any:  # noqa: ANN401
    import tomllib  # noqa: PLC0415

    return tomllib.loads(text)


def _yaml(text: str) -> Any:  # noqa: ANN401
    try:
        import yaml  # noqa: PLC0415
    except ImportError:
        raise PodError("PyYAML is not installed", hint="install it, or write the manifest in TOML") from None
    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506  a kind of SafeLoader
    except (yaml.YAMLError, LookupError, AttributeError, TypeError) as error:
        # PyYAML's own constructors stumble over tags on the wrong values, such as !!int ""
        said = " ".join(f"not YAML: {error}".split())
        raise ValueError(said.replace('in "<unicode string>", ', "at ")) from None


def _loader() -> Any:  # noqa: ANN401  a class of PyYAML, imported late
    import yaml  # noqa: PLC0415

    class Once(yaml.SafeLoader):
        """As YAML demands and PyYAML does not: no key twice in one table."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: ANN401
            seen: set[str] = set()
            for key, _ in getattr(node, "value", ()):
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} stands twice in one table", key.start_mark
                    )
                seen |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
            return super().construct_mapping(node, deep=deep)

    return Once


def in_words_of_a_file(error: UsageError, name: str) -> UsageError:
    """The same complaint about the file: where the command line says `--stop-time`, it says `stop_time`."""
    known = {*PodRequest._fields, *AppRequest._fields}

    def key(found: re.Match[str]) -> str:
        word = found[1].replace("-", "_")
        return word if word in known else found[0]

    message, hint = (re.sub(r"--([a-z][a-z0-9-]*)", key, text) for text in (error.message, error.hint))
    return UsageError(f"{name}: {message}", hint=hint)
