"""EFFECT. Take names away and delete what nothing refers to.

Content is deleted only under the content lock held exclusively: imports and `Store.hold` hold it shared. While
one does, names go at once and the content stays for the next sweep. Lock order: content, then index.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from stage0.image import manifests
from stage0.image.index import drop_tags
from stage0.image.model import ImageError, from_json
from stage0.image.names import is_digest
from stage0.image.scratch import PREFIX, discard, sweep_scratch
from stage0.image.shelves import IMPLIED, InUse, Removal, StorePaths, locked, read_index


def remove_image(paths: StorePaths, names: tuple[str, ...], digest: str, in_use: InUse) -> Removal:
    """Drop names of an image, then sweep."""
    drop_tags(paths, frozenset(names))
    return Removal(names, digest, collect(paths, in_use))


def collect(paths: StorePaths, in_use: InUse | None) -> int:
    """Remove abandoned scratch; if the digests in use are known, also what neither they nor a name needs."""
    freed = sum(sweep_scratch(directory) for directory in (paths.images, paths.layers, paths.digested))
    if in_use is None or not paths.images.is_dir():
        return freed
    try:
        with locked(paths.content_lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return freed + _sweep_content(paths, in_use() if callable(in_use) else in_use)
    except BlockingIOError:
        return freed


def _sweep_content(paths: StorePaths, in_use: frozenset[str]) -> int:
    entries = read_index(paths)["manifests"]
    roots = {entry.get("digest") for entry in entries if isinstance(entry, dict)} | in_use
    blobs = set[str]()
    for digest in roots:
        _follow(paths, digest, blobs)
    described = [paths.description(digest) for digest in blobs]
    layers = {diff_id for path in described for diff_id in _layers_of(path)}
    return (
        _remove_others(paths.digested, {path.name for path in described})
        + _remove_others(paths.blobs, {paths.blob(digest).name for digest in blobs})
        + _remove_others(paths.layers, {paths.layer(layer).name for layer in layers})
    )


def _follow(paths: StorePaths, digest: object, blobs: set[str]) -> None:
    """Collect the blobs of a manifest or index; what is missing or no JSON refers to nothing."""
    if not isinstance(digest, str) or not is_digest(digest) or digest in blobs:
        return
    blobs.add(digest)
    try:
        document = manifests.parse_object(_start(paths.blob(digest)), digest)
    except (FileNotFoundError, ImageError):
        return
    children = [*_listed(document, "manifests"), *_listed(document, "layers"), document.get("config")]
    named = [child.get("digest") for child in children if isinstance(child, dict)]
    if "manifests" in document:
        for child in named:
            _follow(paths, child, blobs)
    blobs.update(child for child in named if isinstance(child, str) and is_digest(child))


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(manifests.MAX_JSON + 1)


def _listed(document: dict[str, object], key: str) -> list[object]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _layers_of(description: Path) -> list[str]:
    try:
        return list(from_json(description.read_text("ascii"), description.stem).layers)
    except FileNotFoundError:
        return []


def _remove_others(directory: Path, kept: set[str]) -> int:
    """Remove every name but these and scratch; give the bytes of the files among them."""
    try:
        paths = list(directory.iterdir())
    except FileNotFoundError:  # the first import is just about to make it
        return 0
    doomed = [
        path
        for path in paths
        if path.name.removesuffix(IMPLIED) not in kept and not path.name.startswith(PREFIX)
    ]
    return sum(discard(path) for path in sorted(doomed))
