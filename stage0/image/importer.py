"""EFFECT. Import an image: stage everything as locked scratch, commit it at once, then let a name mean it.

An import that is killed has changed nothing a reader sees. Several at once do not wait for each other: the same
blob or layer is staged by each, and whoever renames second finds it there.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from stage0.image import manifests
from stage0.image.index import prepare_layout, set_tag
from stage0.image.model import Image, ImageError, to_json
from stage0.image.names import Source, default_name, normalise, parse_source
from stage0.image.pack import pack_directory
from stage0.image.places import ArchivePlace, DirectoryPlace, open_file
from stage0.image.scratch import Batch, Scratch
from stage0.image.sources import Draft, LayerSource, read_docker, read_oci
from stage0.image.store import StorePaths, locked
from stage0.image.streams import (
    BZIP2,
    GZIP,
    PLAIN,
    XZ,
    ZSTD,
    Tally,
    compression_of,
    decompressed,
    digest_of,
    read_chunks,
    tallied,
)
from stage0.image.tree import MergedTree
from stage0.image.unpack import Unpacked, unpack

_LAYER_TYPES = {
    GZIP: manifests.OCI_LAYER + "+gzip",
    ZSTD: manifests.OCI_LAYER + "+zstd",
    PLAIN: manifests.OCI_LAYER,
}
_MAX_DATABASE = 1 << 20
_HINT = "the image is damaged; fetch or build it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedLayer:
    """A layer that is unpacked, at `path` for now, and its blob."""

    diff_id: str
    digest: str
    size: int
    media_type: str
    path: Path


@dataclass(slots=True)
class Stage:
    """One import under way."""

    paths: StorePaths
    batch: Batch
    done: dict[str, StagedLayer] = field(default_factory=dict)


def import_image(paths: StorePaths, text: str, name: str | None) -> Image:
    """Import from a source; the name is checked before any work is done."""
    source = parse_source(text)
    wanted = normalise(name) if name else ""
    prepare_layout(paths)
    with ExitStack() as stack:
        stack.enter_context(locked(paths.content_lock, fcntl.LOCK_SH))
        batch = stack.enter_context(Batch())
        stage = Stage(paths, batch)
        draft = _open(source, paths, stack)
        final_name = wanted or default_name(source.transport, source.place, draft.reference)
        image, media_type, size = _stage_image(stage, draft, final_name)
        batch.commit()
        set_tag(paths, final_name, media_type, image.digest, size)
    return image


def _open(source: Source, paths: StorePaths, stack: ExitStack) -> Draft:
    match source.transport:
        case "oci":
            return read_oci(DirectoryPlace(Path(source.place)), source)
        case "oci-archive":
            return read_oci(
                stack.enter_context(closing(ArchivePlace(source.place, source.text, paths.images))), source
            )
        case "docker-archive":
            place = stack.enter_context(closing(ArchivePlace(source.place, source.text, paths.images)))
            return read_docker(place, source)
        case "tar":
            layer = LayerSource(
                open=lambda: read_chunks(open_file(source.place, source.text)), what=source.text
            )
        case _:
            layer = LayerSource(open=lambda: pack_directory(Path(source.place)), what=source.text)
    return Draft(reference="", manifest=b"", config=b"", layers=(layer,))


def _stage_image(stage: Stage, draft: Draft, name: str) -> tuple[Image, str, int]:
    layers = [_stage_layer(stage, layer) for layer in draft.layers]
    config_bytes = draft.config or _compose_config(layers)
    manifest_bytes = draft.manifest or _compose_manifest(config_bytes, layers)
    digest = digest_of(manifest_bytes)
    manifest = manifests.parse_manifest(manifest_bytes, name)
    config = manifests.parse_config(config_bytes, name)
    tree = MergedTree([layer.path for layer in layers])
    image = Image(
        name=name,
        digest=digest,
        config_digest=manifest.config.digest,
        layers=tuple(layer.diff_id for layer in layers),
        size=len(manifest_bytes) + len(config_bytes) + sum(layer.size for layer in layers),
        created=config.created,
        config=config.config,
        passwd=_database(tree, "/etc/passwd"),
        group=_database(tree, "/etc/group"),
    )
    stage.batch.write_file(stage.paths.images, config_bytes, stage.paths.blob(image.config_digest))
    stage.batch.write_file(stage.paths.images, manifest_bytes, stage.paths.blob(digest))
    stage.batch.write_file(
        stage.paths.digested, to_json(image).encode("ascii"), stage.paths.description(digest)
    )
    document = manifests.parse_object(manifest_bytes, name)
    return image, str(document.get("mediaType") or manifests.OCI_MANIFEST), len(manifest_bytes)


def _database(tree: MergedTree, path: str) -> str:
    """Read the text of a user database; one that is too long is cut after a whole line."""
    data = tree.read(path, _MAX_DATABASE) or b""
    if len(data) == _MAX_DATABASE:
        data = data[: data.rfind(b"\n") + 1]
    return os.fsdecode(data)


def _stage_layer(stage: Stage, layer: LayerSource) -> StagedLayer:
    known = stage.done.get(layer.diff_id) or _stored_layer(stage.paths, layer)
    staged = known or _unpack_layer(stage, layer)
    stage.done[staged.diff_id] = staged
    return staged


def _stored_layer(paths: StorePaths, layer: LayerSource) -> StagedLayer | None:
    """Find a layer whose blob and tree are both in the store already: it needs nothing."""
    if not layer.digest or not layer.diff_id or not paths.layer(layer.diff_id).is_dir():
        return None
    try:
        size = paths.blob(layer.digest).stat().st_size
    except FileNotFoundError:
        return None
    if size != layer.size:
        return None
    return StagedLayer(diff_id=layer.diff_id, digest=layer.digest, size=size, media_type="",
                       path=paths.layer(layer.diff_id))  # fmt: skip


def _unpack_layer(stage: Stage, layer: LayerSource) -> StagedLayer:
    """Copy, verify, decompress and unpack in one pass; what differs from its promise is refused."""
    blob, tree = stage.batch.new_file(stage.paths.images), stage.batch.new_directory(stage.paths.layers)
    tree.path.chmod(0o755)
    whole, plain = Tally(), Tally()
    with os.fdopen(os.dup(blob.fd), "wb") as sink:
        source = layer.open()
        first = next(source, b"")
        kind = compression_of(first)
        chunks: Iterator[bytes] = chain((first,), source)
        if kind in (XZ, BZIP2):
            chunks, kind = decompressed(chunks, kind, layer.what), PLAIN
        if kind is PLAIN:
            result = unpack(tree.path, tallied(_bounded(chunks, layer), plain, sink))
            whole = plain
        else:
            copied = tallied(_bounded(chunks, layer), whole, sink)
            result = unpack(tree.path, tallied(decompressed(copied, kind, layer.what), plain))
    _verify(layer, whole, plain, result)
    blob.final = stage.paths.blob(whole.digest)
    return _settle(stage, tree, result, plain.digest, StagedLayer(
        diff_id=plain.digest, digest=whole.digest, size=whole.size, media_type=_LAYER_TYPES[kind], path=tree.path
    ))  # fmt: skip


def _settle(stage: Stage, tree: Scratch, result: Unpacked, diff_id: str, staged: StagedLayer) -> StagedLayer:
    if result.implied:
        listing = json.dumps(result.implied).encode("ascii")
        stage.batch.write_file(stage.paths.layers, listing, stage.paths.implied(diff_id))
    tree.final = stage.paths.layer(diff_id)
    return staged


def _bounded(chunks: Iterable[bytes], layer: LayerSource) -> Iterator[bytes]:
    """Stop as soon as there is more than the manifest says."""
    left = layer.size
    for chunk in chunks:
        left -= len(chunk)
        if layer.size >= 0 and left < 0:
            raise ImageError(f"{layer.what} is longer than its {layer.size} bytes", hint=_HINT)
        yield chunk


def _verify(layer: LayerSource, whole: Tally, plain: Tally, result: Unpacked) -> None:
    if layer.size >= 0 and whole.size != layer.size:
        raise ImageError(f"{layer.what} has {whole.size} bytes in place of {layer.size}", hint=_HINT)
    if layer.digest and whole.digest != layer.digest:
        raise ImageError(f"{layer.what} does not have its digest but {whole.digest}", hint=_HINT)
    if layer.diff_id and plain.digest != layer.diff_id:
        raise ImageError(f"{layer.what} unpacks to {plain.digest} in place of {layer.diff_id}", hint=_HINT)
    if not layer.diff_id and not result.complete:
        raise ImageError(
            f"{layer.what} lacks the end of the archive", hint="it was cut short; make it again"
        )


def _compose_config(layers: list[StagedLayer]) -> bytes:
    """Describe an image made of a bare tree; without a date, so that the same tree is the same image."""
    document = {
        "architecture": manifests.host_architecture(),
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _compose_manifest(config: bytes, layers: list[StagedLayer]) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": manifests.OCI_MANIFEST,
        "config": {"mediaType": manifests.OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in layers
        ],
    }  # fmt: skip
    return json.dumps(document, separators=(",", ":")).encode("ascii")
