"""PURE. OCI and Docker JSON from outside: index, manifest, config. Wrong shapes raise ImageError."""

from __future__ import annotations

import json
from typing import Any

from stage0.image.model import ImageConfig, ImageError
from stage0.image.names import is_digest
from stage0.image.platforms import Platform
from stage1.contract.values import NamedTuple

MAX_JSON = 8 << 20
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)
CONFIG_TYPES = (OCI_CONFIG, DOCKER_CONFIG)

_HINT = "the image is damaged or was made by a faulty tool; fetch or build it again"


class Descriptor(NamedTuple):
    """What a document says about a blob it refers to."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str]
    platform: dict[str, str]


class Manifest(NamedTuple):
    """An image manifest."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Config(NamedTuple):
    """An image config: what `ImageConfig` keeps, and what only an import needs."""

    diff_ids: tuple[str, ...]
    created: str
    config: ImageConfig


def parse_json(data: bytes, what: str) -> object:
    """Read JSON; bytes that are not UTF-8 become surrogate escapes."""
    if len(data) > MAX_JSON:
        raise ImageError(f"{what} is larger than {MAX_JSON} bytes", hint=_HINT)
    try:
        return json.loads(data.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{what} is not JSON ({error})", hint=_HINT) from None


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Read a JSON object."""
    value = parse_json(data, what)
    if not isinstance(value, dict):
        raise ImageError(f"{what} is not a JSON object", hint=_HINT)
    return value


def parse_index(data: bytes, what: str) -> list[Descriptor]:
    """Read an image index."""
    entries = _list(parse_object(data, what), "manifests", what)
    return [parse_descriptor(entry, f"{what}: manifests[{number}]") for number, entry in enumerate(entries)]


def parse_manifest(data: bytes, what: str) -> Manifest:
    """Read an image manifest and refuse artifacts that are no images."""
    document = parse_object(data, what)
    if document.get("schemaVersion") == 1:
        raise ImageError(
            f"{what} is of the old schema 1", hint="push or save the image again with a current tool"
        )
    config = parse_descriptor(document.get("config"), f"{what}: config")
    if config.media_type not in CONFIG_TYPES:
        raise ImageError(
            f"{what} is not a container image but {config.media_type!r}", hint="choose an image"
        )
    layers = _list(document, "layers", what)
    docker = document.get("mediaType") == DOCKER_MANIFEST
    return Manifest(
        media_type=DOCKER_MANIFEST if docker else OCI_MANIFEST,
        config=config,
        layers=tuple(
            parse_descriptor(entry, f"{what}: layers[{number}]") for number, entry in enumerate(layers)
        ),
    )


def parse_descriptor(value: object, what: str) -> Descriptor:
    """Read a descriptor; only sha256 digests are known."""
    if not isinstance(value, dict):
        raise ImageError(f"{what} is not an object", hint=_HINT)
    digest, size = value.get("digest"), value.get("size")
    if not isinstance(digest, str) or not is_digest(digest):
        raise ImageError(f"{what}: digest is not sha256:HEX", hint=_HINT)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ImageError(f"{what}: size is not a number of bytes", hint=_HINT)
    return Descriptor(
        media_type=_text(value, "mediaType", what),
        digest=digest,
        size=size,
        annotations=_text_map(value, "annotations", what),
        platform={key: text for key, text in _map(value, "platform", what).items() if isinstance(text, str)},
    )


def parse_config(data: bytes, what: str) -> Config:
    """Read an image config."""
    document = parse_object(data, what)
    root = _map(document, "rootfs", what)
    diff_ids = _texts(root, "diff_ids", f"{what}: rootfs")
    for diff_id in diff_ids:
        if not is_digest(diff_id):
            raise ImageError(f"{what}: diff id {diff_id!r} is not sha256:HEX", hint=_HINT)
    return Config(
        diff_ids=diff_ids, created=_text(document, "created", what), config=_image_config(document, what)
    )


def _image_config(document: dict[str, Any], what: str) -> ImageConfig:
    config, where = _map(document, "config", what), f"{what}: config"
    return ImageConfig(
        entrypoint=_texts(config, "Entrypoint", where),
        cmd=_texts(config, "Cmd", where),
        env=_environment(config, where),
        user=_text(config, "User", where),
        workdir=_text(config, "WorkingDir", where),
        stop_signal=_text(config, "StopSignal", where),
        volumes=_keys(config, "Volumes", where),
        ports=_keys(config, "ExposedPorts", where),
        labels=_text_map(config, "Labels", where),
        architecture=_text(document, "architecture", what),
        os=_text(document, "os", what) or "linux",
    )


def choose_platform(entries: list[Descriptor], wanted: Platform, what: str) -> Descriptor:
    """Choose the entry that fits best; a single entry without a platform is taken as it is."""
    fitting = [(rank, at) for at, entry in enumerate(entries)
               if entry.platform and (rank := wanted.rank(entry.platform)) is not None]  # fmt: skip
    if fitting:
        return entries[min(fitting)[1]]
    plain = [entry for entry in entries if not entry.platform]
    if len(plain) == 1:
        return plain[0]
    offered = sorted({_platform_text(entry.platform) for entry in entries} - {"unknown/unknown"})
    raise ImageError(
        f"{what} has nothing for {wanted.text}", hint=f"it offers {', '.join(offered) or 'nothing'}"
    )


def _platform_text(offered: dict[str, str]) -> str:
    parts = (offered.get("os", "linux"), offered.get("architecture", "?"), offered.get("variant", ""))
    return "/".join(part for part in parts if part)


def _wrong(what: str, key: str, wanted: str) -> ImageError:
    return ImageError(f"{what}: {key} is not {wanted}", hint=_HINT)


def _list(document: dict[str, Any], key: str, what: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise _wrong(what, key, "a list")
    return value


def _map(document: dict[str, Any], key: str, what: str) -> dict[str, Any]:
    value = document.get(key)
    if value is not None and not isinstance(value, dict):
        raise _wrong(what, key, "an object")
    return value or {}


def _checked(text: object, what: str, key: str) -> str:
    """Accept text that can become bytes again, without NUL: JSON allows both NUL and lone surrogates."""
    if not isinstance(text, str) or "\0" in text:
        raise _wrong(what, key, "text")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _wrong(what, key, "text") from None
    return text


def _text(document: dict[str, Any], key: str, what: str) -> str:
    value = document.get(key)
    return "" if value is None else _checked(value, what, key)


def _texts(document: dict[str, Any], key: str, what: str) -> tuple[str, ...]:
    """Read a list of words; Docker of old wrote a single word plainly."""
    value = document.get(key)
    if value is None:
        return ()
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list):
        raise _wrong(what, key, "a list of words")
    return tuple(_checked(word, what, key) for word in words)


def _text_map(document: dict[str, Any], key: str, what: str) -> dict[str, str]:
    return {
        _checked(name, what, key): _checked(text, what, key)
        for name, text in _map(document, key, what).items()
    }


def _keys(document: dict[str, Any], key: str, what: str) -> tuple[str, ...]:
    """Read the keys of a map of empty objects; some builders write a list."""
    value = document.get(key)
    names = value if isinstance(value, list) else list(_map(document, key, what))
    return tuple(_checked(name, what, key) for name in names)


def _environment(config: dict[str, Any], what: str) -> tuple[str, ...]:
    words = _texts(config, "Env", what)
    if any("=" not in word or word.startswith("=") for word in words):
        raise _wrong(what, "Env", "a list of NAME=VALUE")
    return words
