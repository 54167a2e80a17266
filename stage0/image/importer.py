"""EFFECT. Import an image: stage everything as locked scratch, commit it at once, then let a name mean it.

An import that is killed has changed nothing a reader sees. Several at once do not wait for each other: each
stages the same blob or layer, and whoever renames second finds it there.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from stage0.image import manifests
from stage0.image.index import prepare_layout, set_tag
from stage0.image.layers import Stage, StagedLayer, effective_layers, stage_layer
from stage0.image.model import Image, to_json
from stage0.image.names import Source, default_name, normalise, parse_source
from stage0.image.pack import pack_directory
from stage0.image.places import ArchivePlace, DirectoryPlace, open_file
from stage0.image.scratch import Batch
from stage0.image.shelves import StorePaths, locked
from stage0.image.sources import Draft, LayerSource, read_docker, read_oci
from stage0.image.streams import digest_of, read_chunks
from stage0.image.tree import MergedTree
from stage1.contract.errors import NotFoundError

_MAX_DATABASE = 1 << 20


def import_image(paths: StorePaths, text: str, name: str | None) -> Image:
    """Import from a source; the name is checked before any work is done."""
    source = parse_source(text, os.path.lexists)
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
            return read_oci(_directory(source), source)
        case "oci-archive":
            place = stack.enter_context(closing(ArchivePlace(source.place, source.text, paths.images)))
            return read_oci(place, source)
        case "docker-archive":
            place = stack.enter_context(closing(ArchivePlace(source.place, source.text, paths.images)))
            return read_docker(place, source)
        case "tar":
            return _bare(source, lambda: read_chunks(open_file(source.place, source.text)))
        case _:
            return _bare(source, lambda: pack_directory(Path(source.place)))


def _directory(source: Source) -> DirectoryPlace:
    if not Path(source.place).is_dir():
        raise NotFoundError(f"{source.text}: there is no directory {source.place}", hint="check the path")
    return DirectoryPlace(Path(source.place))


def _bare(source: Source, chunks: Callable[[], Iterator[bytes]]) -> Draft:
    """A tree without documents: one layer, of which nothing is known beforehand."""
    return Draft(
        reference="", manifest=b"", config=b"", layers=(LayerSource(chunks=chunks, what=source.text),)
    )


def _stage_image(stage: Stage, draft: Draft, name: str) -> tuple[Image, str, int]:
    layers = [stage_layer(stage, layer) for layer in draft.layers]
    shown = effective_layers(stage, layers)
    config_bytes = draft.config or _compose_config(layers)
    manifest_bytes = draft.manifest or _compose_manifest(config_bytes, layers)
    digest = digest_of(manifest_bytes)
    manifest = manifests.parse_manifest(manifest_bytes, name)
    config = manifests.parse_config(config_bytes, name)
    tree = MergedTree([layer.path for layer in shown])
    image = Image(
        name=name,
        digest=digest,
        config_digest=manifest.config.digest,
        layers=tuple(layer.diff_id for layer in shown),
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
    return image, manifest.media_type, len(manifest_bytes)


def _database(tree: MergedTree, path: str) -> str:
    """Read the text of a user database; one that is too long is cut after a whole line."""
    data = tree.read(path, _MAX_DATABASE) or b""
    if len(data) == _MAX_DATABASE:
        data = data[: data.rfind(b"\n") + 1]
    return os.fsdecode(data)


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
