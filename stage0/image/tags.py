"""EFFECT. Names of stored images: give one more, take one away. Nothing else is touched."""

from __future__ import annotations

import fcntl
import json

from stage0.image.index import IndexEntry, drop_tags, set_tag
from stage0.image.manifests import OCI_MANIFEST
from stage0.image.shelves import StorePaths, locked, read_index, read_tags
from stage1.contract.errors import NotFoundError


def add_name(paths: StorePaths, digest: str, name: str) -> None:
    """Let a name mean an image that is here; its content cannot go meanwhile."""
    with locked(paths.content_lock, fcntl.LOCK_SH):
        set_tag(paths, name, entry_of(paths, digest))


def take_name(paths: StorePaths, name: str) -> str:
    """Take a name away and give the digest it meant; the content stays until a collection."""
    digest = read_tags(paths).get(name)
    if digest is None:
        raise NotFoundError(f"no image is called {name!r}", hint="`pod image ls` lists the names")
    drop_tags(paths, frozenset({name}))
    return digest


def entry_of(paths: StorePaths, digest: str) -> IndexEntry:
    """Describe an image as another name of it does, or as its manifest does."""
    for entry in read_index(paths)["manifests"]:
        if isinstance(entry, dict) and entry.get("digest") == digest:
            return IndexEntry(
                str(entry.get("mediaType") or OCI_MANIFEST), digest, int(entry.get("size") or 0)
            )
    try:
        data = paths.blob(digest).read_bytes()
        document = json.loads(data)
    except (FileNotFoundError, ValueError):
        raise NotFoundError(
            f"the manifest of {digest[:19]} is not whole", hint="run `pod image verify`"
        ) from None
    media_type = document.get("mediaType") if isinstance(document, dict) else None
    return IndexEntry(media_type if isinstance(media_type, str) else OCI_MANIFEST, digest, len(data))
