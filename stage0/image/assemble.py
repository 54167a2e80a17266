"""EFFECT. Staged layers and their documents become an image: its blobs and its digested form join the batch."""

from __future__ import annotations

import json
import os

from stage0.image import manifests
from stage0.image.index import IndexEntry
from stage0.image.layers import Stage, StagedLayer, effective_layers
from stage0.image.model import Image, to_json
from stage0.image.platforms import host_platform
from stage0.image.streams import digest_of
from stage0.image.tree import MergedTree

_MAX_DATABASE = 1 << 20


def assemble(
    stage: Stage, layers: list[StagedLayer], manifest_bytes: bytes, config_bytes: bytes, name: str
) -> tuple[Image, IndexEntry]:
    """Stage an image's documents; those that are empty are composed from the layers."""
    shown = effective_layers(stage, layers)
    config_bytes = config_bytes or _compose_config(layers)
    manifest_bytes = manifest_bytes or _compose_manifest(config_bytes, layers)
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
    return image, IndexEntry(manifest.media_type, digest, len(manifest_bytes))


def _database(tree: MergedTree, path: str) -> str:
    """Read the text of a user database; one that is too long is cut after a whole line."""
    data = tree.read(path, _MAX_DATABASE) or b""
    if len(data) == _MAX_DATABASE:
        data = data[: data.rfind(b"\n") + 1]
    return os.fsdecode(data)


def _compose_config(layers: list[StagedLayer]) -> bytes:
    """Describe an image made of a bare tree; without a date, so that the same tree is the same image."""
    document = {
        "architecture": host_platform().architecture,
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
