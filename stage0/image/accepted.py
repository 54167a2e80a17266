"""EFFECT. Whether the image skopeo has copied, and with it accepted, is the one whose manifest was read before.

A registry can show one manifest and hand out another one a moment later: because a tag has moved, or to have a
signature that is good for one image open the way for another. So what skopeo wrote must be the image that was found:
the same manifest; or, where a manifest of Docker's format was converted, the same layers, and the same config in all
that we use.
"""

from __future__ import annotations

from pathlib import Path

from stage0.image import manifests
from stage0.image.found import Found
from stage0.image.model import ImageError
from stage0.image.partial import Partial


def confirm(what: str, found: Found, partial: Partial, layout: Path, config: bytes) -> None:
    """Refuse an image that is not the one skopeo accepted; `config` is that of the image that was found."""
    entries = manifests.parse_index((layout / "index.json").read_bytes(), f"{what}: copied index")
    if [entry.digest for entry in entries] == [found.digest]:
        return
    if (
        found.keeps_format
        or len(entries) != 1
        or not _is_converted(found, partial, entries[0].digest, config)
    ):
        raise ImageError(
            f"cannot pull {what}: the registry shows one image and hands out another",
            hint="the tag may just have moved: try again; nothing was kept",
        )


def _is_converted(found: Found, partial: Partial, digest: str, config: bytes) -> bool:
    copied = manifests.parse_manifest(partial.blob(digest).read_bytes(), "copied manifest")
    layers = [layer.digest for layer in copied.layers]
    if layers != [layer.digest for layer in found.manifest.layers]:
        return False
    mine = manifests.parse_config(config, "config")
    theirs = manifests.parse_config(partial.blob(copied.config.digest).read_bytes(), "copied config")
    return (mine.diff_ids, mine.config) == (theirs.diff_ids, theirs.config)
