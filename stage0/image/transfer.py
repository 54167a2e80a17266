"""EFFECT. Take images out of other stores of this host: of a Docker daemon, of podman, buildah and CRI-O.

skopeo writes the image to a layout, layers uncompressed as they lie there, and what it wrote is imported with its
blobs moved in place of copied. The manifest is made on the way, so its digest is not that of a registry.
"""

from __future__ import annotations

import fcntl
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from stage0.image import manifests
from stage0.image.assemble import assemble
from stage0.image.events import Done, Listener, Resolved, Unpacked
from stage0.image.index import prepare_layout, set_tag
from stage0.image.layers import Stage, stage_layer
from stage0.image.model import Image
from stage0.image.names import Source, normalise
from stage0.image.partial import Partial
from stage0.image.scratch import Batch
from stage0.image.shelves import StorePaths, locked
from stage0.image.skopeo import TAG, Skopeo
from stage0.image.sources import Draft, read_oci
from stage0.image.streams import digest_of
from stage1.contract.errors import UsageError

_STORAGE = "containers-storage"


def transfer(paths: StorePaths, skopeo: Skopeo, text: str, name: str, say: Listener) -> Image:
    """Bring an image of another store into this one."""
    final_name = name or name_of(text)
    prepare_layout(paths)
    partial = Partial(paths)
    with ExitStack() as stack:
        stack.enter_context(locked(paths.content_lock, fcntl.LOCK_SH))
        stack.enter_context(partial.entered())
        batch = stack.enter_context(Batch())
        if text.startswith(_STORAGE):
            _link_known(skopeo, partial, text)
        layout = batch.new_directory(partial.root).path
        copying = stack.enter_context(closing(skopeo.start_copy(text, layout, partial.root, exact=False)))
        skopeo.finish(copying)
        draft = _read(skopeo, layout, partial)
        sizes = tuple((layer.digest, layer.size) for layer in draft.layers)
        say(Resolved(final_name, digest_of(draft.manifest), sizes, (), "unpack"))
        stage = Stage(paths, batch)
        layers = []
        for layer in draft.layers:
            layers.append(stage_layer(stage, replace(layer, blob=partial.blob(layer.digest))))
            say(Unpacked(layer.digest))
        image, entry = assemble(stage, layers, draft.manifest, draft.config, final_name)
        batch.commit()
        set_tag(paths, final_name, entry)
    say(Done(final_name, image.digest))
    return image


def name_of(text: str) -> str:
    """`containers-storage:[overlay@/a+/b]localhost/web:1@ID` and `docker-daemon:web:1` say what they are called."""
    transport, _, place = text.partition(":")
    if place.startswith("["):
        place = place.partition("]")[2]
    place = place.partition("@")[0]
    try:
        return normalise(place)
    except UsageError:
        raise UsageError(
            f"{transport}:{place} gives no name for the image", hint="add --name NAME[:TAG]"
        ) from None


def _link_known(skopeo: Skopeo, partial: Partial, text: str) -> None:
    """Spare skopeo the layers that are here: this store lists them by diff id, which is what it will ask for."""
    with closing(skopeo.start_config(text)) as running:
        skopeo.finish(running)
        config = manifests.parse_config(running.output, f"{text}: config")
    for diff_id in config.diff_ids:
        partial.has(diff_id)


class _Split:
    """A layout whose blobs lie elsewhere."""

    def __init__(self, layout: Path, blobs: Path) -> None:
        self._layout, self._blobs = layout, blobs

    def open(self, name: str) -> BinaryIO:
        """Open a file."""
        folder, _, rest = name.partition("/")
        place = self._blobs / rest if folder == "blobs" else self._layout / name
        return place.open("rb", buffering=0)


def _read(skopeo: Skopeo, layout: Path, partial: Partial) -> Draft:
    place = _Split(layout, partial.root)
    return read_oci(place, Source("oci", str(layout), TAG), skopeo.platform)
