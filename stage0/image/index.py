"""EFFECT. Change `index.json` of the store: under its lock, and replaced as a whole."""

from __future__ import annotations

import fcntl
import json
from typing import Any

from stage0.image.manifests import OCI_INDEX
from stage0.image.scratch import replace_file
from stage0.image.shelves import LIST_DIGEST, REF_NAME, StorePaths, locked, read_index, tag_of
from stage1.contract.values import NamedTuple

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


def prepare_layout(paths: StorePaths) -> None:
    """Make the directories of an empty store and mark it as an OCI layout."""
    for directory in (paths.images, paths.blobs, paths.layers, paths.digested):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (paths.images / "oci-layout").exists():
        with locked(paths.index_lock, fcntl.LOCK_EX):
            replace_file(paths.images / "oci-layout", _LAYOUT)


class IndexEntry(NamedTuple):
    """What `index.json` says of an image; `list_digest` is that of the index for several platforms it came from."""

    media_type: str
    digest: str
    size: int
    list_digest: str = ""

    def document(self, name: str) -> dict[str, Any]:
        """As OCI has it."""
        annotations = {REF_NAME: name} | ({LIST_DIGEST: self.list_digest} if self.list_digest else {})
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
            "annotations": annotations,
        }


def set_tag(paths: StorePaths, name: str, entry: IndexEntry) -> None:
    """Let a name mean this manifest, whatever it meant before; nothing is written if it means it already."""
    document = entry.document(name)
    with locked(paths.index_lock, fcntl.LOCK_EX):
        index = read_index(paths)
        if document in index["manifests"]:
            return
        kept = [other for other in index["manifests"] if tag_of(other) != name]
        _write(paths, index | {"manifests": [*kept, document]})


def drop_tags(paths: StorePaths, names: frozenset[str]) -> None:
    """Take names away."""
    with locked(paths.index_lock, fcntl.LOCK_EX):
        index = read_index(paths)
        kept = [entry for entry in index["manifests"] if tag_of(entry) not in names]
        _write(paths, index | {"manifests": kept})


def _write(paths: StorePaths, index: dict[str, Any]) -> None:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX} | index
    replace_file(paths.index, json.dumps(document, separators=(",", ":")).encode("ascii"))
