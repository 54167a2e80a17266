"""EFFECT. Pull an image through skopeo: fetch only blobs that are nowhere here, unpack each while others still come.

The manifest is read first, byte for byte, so that what is stored has the digest the registry knows it by. Then skopeo
copies the image, and with it applies the signature policy and verifies each blob; what it writes about the image is
thrown away. Nothing a reader sees changes before the end. A pull that is interrupted leaves whole blobs in `partial`,
where the next one finds them.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import ExitStack, closing

from stage0.image import manifests
from stage0.image.accepted import confirm
from stage0.image.events import Done, Listener, Resolved, Waiting
from stage0.image.found import HINT, Found
from stage0.image.index import prepare_layout, set_tag
from stage0.image.manifests import Descriptor
from stage0.image.model import Image, ImageError, from_json
from stage0.image.partial import Partial
from stage0.image.reference import Reference
from stage0.image.scratch import Batch
from stage0.image.shelves import StorePaths, locked
from stage0.image.skopeo import Skopeo
from stage0.image.streams import digest_of
from stage1.contract.errors import PodError


def find(skopeo: Skopeo, reference: Reference) -> Found:
    """Ask the registry what a name means now, and of several platforms take the one that is wanted."""
    what = skopeo.what
    document = skopeo.manifest(reference.address)
    digest, list_digest = digest_of(document), ""
    if reference.digest not in ("", digest):
        raise ImageError(f"cannot pull {what}: the registry sent {digest}", hint=HINT)
    if "manifests" in manifests.parse_object(document, what):
        list_digest = digest
        entry = manifests.choose_platform(manifests.parse_index(document, what), skopeo.platform, what)
        digest = entry.digest
        document = skopeo.manifest(reference.at(digest).address)
        if digest_of(document) != digest:
            raise ImageError(
                f"cannot pull {what}: the registry sent another manifest than {digest}", hint=HINT
            )
    return Found(reference, document, manifests.parse_manifest(document, what), digest, list_digest)


def pull(paths: StorePaths, skopeo: Skopeo, found: Found, name: str, say: Listener) -> Image:
    """Bring an image that was found into the store under a name."""
    prepare_layout(paths)
    partial = Partial(paths)
    with ExitStack() as stack:
        stack.enter_context(locked(paths.content_lock, fcntl.LOCK_SH))
        stack.enter_context(partial.entered())
        layers = {layer.digest: layer for layer in found.manifest.layers}
        wanted = _claimed(partial, layers, stack, say)
        present = tuple(digest for digest in layers if digest not in wanted)
        sizes = tuple((layer.digest, layer.size) for layer in layers.values())
        say(Resolved(name, found.digest, sizes, present))
        try:
            image = None if wanted else _known(paths, skopeo, partial, found, name)
            if image is None:
                from stage0.image.download import Download  # noqa: PLC0415 (not for an image that is here)

                image = Download(paths, skopeo, partial, found, say).run(name, list(wanted.values()))
        except (PodError, OSError) as error:
            if _is_full(error):
                partial.drop(list(wanted))
            raise
        set_tag(paths, name, found.entry)
    say(Done(name, found.digest))
    return image


def _claimed(
    partial: Partial, layers: dict[str, Descriptor], stack: ExitStack, say: Listener
) -> dict[str, Descriptor]:
    """The layers that are nowhere here, once nobody else fetches any of them."""
    missing = [digest for digest in layers if not partial.stored(digest)]
    partial.claim(missing, stack, lambda digest: say(Waiting(digest)))
    return {digest: layer for digest, layer in layers.items() if not partial.has(digest)}


def _is_full(error: BaseException) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT)
    if isinstance(error, OSError):
        return error.errno in full
    return isinstance(error, PodError) and any(
        os.strerror(number) in error.message + error.hint or "no room" in error.message for number in full
    )


def _known(paths: StorePaths, skopeo: Skopeo, partial: Partial, found: Found, name: str) -> Image | None:
    """The image if all of it is in the store; whether it may be used, the signature policy says all the same."""
    try:
        image = from_json(paths.description(found.digest).read_text("ascii"), name)
    except (FileNotFoundError, UnicodeDecodeError, PodError):
        return None
    blobs = [image.config_digest, *(layer.digest for layer in found.manifest.layers)]
    trees_there = all(paths.layer(layer).is_dir() for layer in image.layers)
    if not trees_there or not all(paths.blob(digest).exists() for digest in blobs):
        return None
    with Batch() as batch:
        layout = batch.new_directory(partial.root).path
        copying = skopeo.start_copy(found.reference.address, layout, partial.root, exact=found.keeps_format)
        with closing(copying):
            skopeo.finish(copying)
        confirm(skopeo.what, found, partial, layout, paths.blob(image.config_digest).read_bytes())
    return image
