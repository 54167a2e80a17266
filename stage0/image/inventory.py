"""EFFECT. What the store holds, read from the disk each time: no count and no list of it is kept anywhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from stage0.image import manifests
from stage0.image.model import ImageError, from_json
from stage0.image.names import is_digest
from stage0.image.selection import Item, Stored
from stage0.image.shelves import StorePaths, read_index, read_tags

_SECTOR = 512


def inventory(paths: StorePaths) -> list[Stored]:
    """Every image that has a name or a description, the longest unused first."""
    tags = read_tags(paths)
    described = {f"sha256:{path.stem}" for path in paths.digested.glob("*.json")}
    found = [stored(paths, digest, tags) for digest in described | set(tags.values()) if is_digest(digest)]
    return sorted(found, key=lambda image: (image.used, image.digest))


def stored(paths: StorePaths, digest: str, tags: dict[str, str]) -> Stored:
    """Describe one image; what is missing of it is simply not there."""
    blobs = set[str]()
    follow(paths, digest, blobs)
    return Stored(
        digest=digest,
        names=tuple(sorted(name for name, target in tags.items() if target == digest)),
        used=last_use(paths, digest),
        blobs=frozenset(blobs),
        layers=frozenset(layers_of(paths.description(digest))),
    )


def last_use(paths: StorePaths, digest: str) -> float:
    """When an image came or was last taken for a pod: the time of its description in seconds, 0 without one."""
    try:
        return paths.description(digest).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def roots_of(paths: StorePaths) -> set[str]:
    """Every digest that the index names, images of other tools among them."""
    entries = read_index(paths)["manifests"]
    digests = {entry.get("digest") for entry in entries if isinstance(entry, dict)}
    return {digest for digest in digests if isinstance(digest, str)}


def follow(paths: StorePaths, digest: str, blobs: set[str]) -> None:
    """Collect the blobs of a manifest or index; what is missing or no JSON refers to nothing."""
    if not is_digest(digest) or digest in blobs:
        return
    blobs.add(digest)
    try:
        document = manifests.parse_object(_start(paths.blob(digest)), digest)
    except (FileNotFoundError, ImageError):
        return
    children = [*_listed(document, "manifests"), *_listed(document, "layers"), document.get("config")]
    named = [child.get("digest") for child in children if isinstance(child, dict)]
    digests = [child for child in named if isinstance(child, str) and is_digest(child)]
    if "manifests" in document:
        for child in digests:
            follow(paths, child, blobs)
    blobs.update(digests)


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(manifests.MAX_JSON + 1)


def _listed(document: dict[str, object], key: str) -> list[object]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def layers_of(description: Path) -> list[str]:
    """Diff ids of the layers that a description names; one that cannot be read names none."""
    try:
        return list(from_json(description.read_text("ascii"), description.stem).layers)
    except (FileNotFoundError, UnicodeDecodeError, ImageError):
        return []


def sizes(paths: StorePaths, images: list[Stored]) -> dict[Item, int]:
    """Bytes on disk of every blob and every unpacked layer of some images."""
    items = {item for image in images for item in image.items}
    return {
        item: size_of(paths.blob(item[1]) if item[0] == "blob" else paths.layer(item[1])) for item in items
    }


def size_of(path: Path) -> int:
    """Bytes that a file or a tree takes on disk; a file with several names counts once."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    total, seen = status.st_blocks, set[int]()
    pending = [os.fspath(path)] if stat.S_ISDIR(status.st_mode) else []
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
                    if found.st_ino in seen:
                        continue
                    seen.add(found.st_ino)
                total += found.st_blocks
                if stat.S_ISDIR(found.st_mode):
                    pending.append(entry.path)
    return total * _SECTOR
