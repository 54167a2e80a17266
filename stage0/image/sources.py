"""EFFECT. Read images where they lie: an OCI layout as directory or archive, a Docker archive.

Each gives a `Draft`: documents already checked against their digests, and layers that can be opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from stage0.image import manifests
from stage0.image.manifests import INDEX_TYPES, MAX_JSON, Config, Descriptor
from stage0.image.model import ImageError
from stage0.image.names import Source, is_digest
from stage0.image.platforms import Platform
from stage0.image.shelves import REF_NAME
from stage0.image.streams import digest_of, read_chunks

_MAX_INDEX_DEPTH = 4
_COPIED = b"Directory Transport Version: "
_HEX = re.compile(r"[0-9a-f]{64}")
_HINT = "the image is damaged or incomplete; fetch or build it again"


class Place(Protocol):
    """Files by name: a directory, or an archive."""

    def open(self, name: str) -> BinaryIO:
        """Open a file or raise FileNotFoundError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSource:
    """A layer's stream and what is known of it beforehand; "" and -1 stand for unknown.

    `blob` is where its bytes lie when they have been read: a file the store may take. Without it they are copied.
    """

    chunks: Callable[[], Iterator[bytes]]
    what: str
    digest: str = ""
    size: int = -1
    diff_id: str = ""
    blob: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An image about to be imported; an empty manifest or config is composed once the layers are known."""

    reference: str
    manifest: bytes
    config: bytes
    layers: tuple[LayerSource, ...]


def read_oci(place: Place, source: Source, wanted: Platform) -> Draft:
    """Choose an image of an OCI layout by its reference name, digest, or because it is the only one."""
    chosen = _choose(place, source, wanted)
    manifest_bytes = _descend(place, chosen, wanted, source.text)
    reference = chosen.annotations.get(REF_NAME, "")
    return _draft(place, manifest_bytes, source, reference)


def is_copied(directory: Path) -> bool:
    """Say whether a directory is what `skopeo copy … dir:` and `pod image export … dir:` write, not a root."""
    try:
        with (directory / "version").open("rb") as stream:
            return stream.read(len(_COPIED)) == _COPIED and (directory / "manifest.json").is_file()
    except OSError:
        return False


def read_copied(place: Place, source: Source, wanted: Platform) -> Draft:
    """Read such a directory: documents and blobs by their digits, side by side."""
    flat = _Flat(place)
    manifest_bytes = _read(place, "manifest.json", source.text, "it has no manifest.json")
    if "manifests" in manifests.parse_object(manifest_bytes, source.text):
        entries = manifests.parse_index(manifest_bytes, source.text)
        chosen = manifests.choose_platform(entries, wanted, source.text)
        manifest_bytes = _descend(flat, chosen, wanted, source.text)
    return _draft(flat, manifest_bytes, source, "")


class _Flat:
    """Blobs of a layout that lie without directories; manifests end in `.manifest.json`."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def open(self, name: str) -> BinaryIO:
        """Open a blob by its name in a layout."""
        digits = name.rpartition("/")[2]
        try:
            return self._place.open(digits)
        except FileNotFoundError:
            return self._place.open(f"{digits}.manifest.json")


def _draft(place: Place, manifest_bytes: bytes, source: Source, reference: str) -> Draft:
    """Read what a manifest refers to."""
    what = f"{source.text}: manifest"
    manifest = manifests.parse_manifest(manifest_bytes, what)
    config_bytes = read_verified(place, manifest.config, f"{source.text}: config")
    config = manifests.parse_config(config_bytes, f"{source.text}: config")
    check_counts(config, len(manifest.layers), source.text)
    layers = tuple(
        LayerSource(
            chunks=_opener(place, blob_name(layer.digest), f"{source.text}: layer {layer.digest}"),
            what=f"{source.text}: layer {layer.digest[:19]}",
            digest=layer.digest,
            size=layer.size,
            diff_id=diff_id,
        )
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    )
    return Draft(reference=reference, manifest=manifest_bytes, config=config_bytes, layers=layers)


def _choose(place: Place, source: Source, wanted_platform: Platform) -> Descriptor:
    index = _read(place, "index.json", source.text, "it has no index.json: is it an OCI layout?")
    entries = manifests.parse_index(index, f"{source.text}: index.json")
    wanted = source.reference
    if is_digest(wanted):
        fitting = [entry for entry in entries if entry.digest == wanted]
    elif wanted:
        fitting = [entry for entry in entries if entry.annotations.get(REF_NAME) == wanted]
    else:
        fitting = entries
    if len(fitting) == 1:
        return fitting[0]
    if fitting and (wanted or len({entry.annotations.get(REF_NAME) for entry in fitting}) == 1):
        return manifests.choose_platform(fitting, wanted_platform, source.text)
    names = sorted({entry.annotations.get(REF_NAME) or entry.digest for entry in entries})
    problem = f"no image {wanted!r} in" if wanted else f"{len(names)} images in"
    place_text = f"{source.transport}:{source.place}"
    hint = f"choose one: {place_text}:{{{','.join(names[:10])}}}" if names else "it holds no image at all"
    raise ImageError(f"{problem} {place_text}", hint=hint)


def _descend(place: Place, descriptor: Descriptor, wanted: Platform, what: str) -> bytes:
    """Follow indexes down to the manifest for a platform."""
    for _ in range(_MAX_INDEX_DEPTH):
        data = read_verified(place, descriptor, what)
        document = manifests.parse_object(data, what)
        if descriptor.media_type not in INDEX_TYPES and "manifests" not in document:
            return data
        entries = manifests.parse_index(data, what)
        descriptor = manifests.choose_platform(entries, wanted, what)
    raise ImageError(f"{what}: indexes are nested too deep", hint=_HINT)


def check_counts(config: Config, layers: int, what: str) -> None:
    """Refuse a config that does not describe the manifest's layers."""
    if len(config.diff_ids) != layers:
        raise ImageError(f"{what}: {layers} layers but {len(config.diff_ids)} diff ids", hint=_HINT)
    if config.config.os != "linux":
        raise ImageError(f"{what} is for {config.config.os}, not for Linux", hint="choose a Linux image")


def blob_name(digest: str) -> str:
    """Name a blob of a layout."""
    return f"blobs/{digest.replace(':', '/')}"


def read_verified(place: Place, descriptor: Descriptor, what: str) -> bytes:
    """Read a small blob and check it against its descriptor."""
    data = _read(place, blob_name(descriptor.digest), what, f"blob {descriptor.digest} is missing")
    if len(data) != descriptor.size or digest_of(data) != descriptor.digest:
        raise ImageError(f"{what}: blob {descriptor.digest} does not have that digest", hint=_HINT)
    return data


def _read(place: Place, name: str, what: str, missing: str) -> bytes:
    try:
        with place.open(name) as stream:
            data = stream.read(MAX_JSON + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(f"{what}: {missing}", hint=_HINT) from None
    if len(data) > MAX_JSON:
        raise ImageError(f"{what}: {name} is larger than {MAX_JSON} bytes", hint=_HINT)
    return data


def _opener(place: Place, name: str, what: str) -> Callable[[], Iterator[bytes]]:
    def opened() -> Iterator[bytes]:
        try:
            return read_chunks(place.open(name))
        except (FileNotFoundError, NotADirectoryError):
            raise ImageError(f"{what} is missing", hint=_HINT) from None

    return opened


def read_docker(place: Place, source: Source) -> Draft:
    """Choose an image of a `docker save` archive; its layers are named by path, not by digest."""
    text = _read(place, "manifest.json", source.text, "it has no manifest.json: was it made by docker save?")
    entry = _choose_saved(manifests.parse_json(text, f"{source.text}: manifest.json"), source)
    config_name, paths, tags = _saved_entry(entry, source.text)
    config_bytes = _read(place, config_name, source.text, f"{config_name} is missing")
    digest = config_name.removesuffix(".json").rpartition("/")[2]
    if _HEX.fullmatch(digest) and digest_of(config_bytes) != f"sha256:{digest}":
        raise ImageError(f"{source.text}: the config does not have the digest of its name", hint=_HINT)
    config = manifests.parse_config(config_bytes, f"{source.text}: config")
    check_counts(config, len(paths), source.text)
    layers = tuple(
        LayerSource(
            chunks=_opener(place, path, f"{source.text}: {path}"),
            what=f"{source.text}: {path}",
            diff_id=diff_id,
        )
        for path, diff_id in zip(paths, config.diff_ids, strict=True)
    )
    reference = source.reference or (tags[0] if tags else "")
    return Draft(reference=reference, manifest=b"", config=config_bytes, layers=layers)


def _choose_saved(entries: object, source: Source) -> dict[str, object]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ImageError(f"{source.text}: manifest.json is not a list of images", hint=_HINT)
    fitting = [entry for entry in entries if not source.reference or _is_tagged(entry, source.reference)]
    if len(fitting) == 1:
        return dict(fitting[0])
    tags = sorted({tag for entry in entries for tag in _words(entry, "RepoTags")})
    problem = f"no image {source.reference!r} in" if source.reference else f"{len(entries)} images in"
    hint = f"it holds: {', '.join(tags[:10]) or 'no tags'}"
    raise ImageError(f"{problem} docker-archive:{source.place}", hint=hint)


def _is_tagged(entry: dict[str, object], wanted: str) -> bool:
    """Say whether an image is called so; `docker save` adds a registry and podman `localhost`."""
    endings = (f"/{wanted}", f"/{wanted}:latest")
    return any(f"/{tag}".endswith(endings) for tag in _words(entry, "RepoTags"))


def _words(entry: dict[str, object], key: str) -> list[str]:
    value = entry.get(key)
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _saved_entry(entry: dict[str, object], what: str) -> tuple[str, list[str], list[str]]:
    config, layers = entry.get("Config"), entry.get("Layers")
    paths = _words(entry, "Layers")
    if not isinstance(config, str) or not isinstance(layers, list) or len(paths) != len(layers):
        raise ImageError(f"{what}: manifest.json lacks Config or Layers", hint=_HINT)
    return config, paths, _words(entry, "RepoTags")
