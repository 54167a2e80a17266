"""EFFECT. Take names away and delete what nothing refers to.

Content is deleted only under the content lock held exclusively: imports and `Store.hold` hold it shared. While
one does, names go at once and the content stays for the next sweep. Lock order: content, then index.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterable
from pathlib import Path

from stage0.image.index import drop_tags
from stage0.image.inventory import follow, inventory, layers_of, roots_of, sizes
from stage0.image.partial import tidy
from stage0.image.scratch import PREFIX, discard, sweep_scratch
from stage0.image.selection import Choice, Rules, select
from stage0.image.shelves import IMPLIED, InUse, Removal, StorePaths, locked
from stage1.contract.errors import ConflictError
from stage1.contract.values import NamedTuple


class Collected(NamedTuple):
    """What a collection removed, or would remove."""

    images: tuple[Choice, ...]
    freed: int


def remove_image(paths: StorePaths, names: tuple[str, ...], digest: str, in_use: InUse) -> Removal:
    """Drop names of an image, then sweep."""
    drop_tags(paths, frozenset(names))
    return Removal(names, digest, collect(paths, in_use))


def collect(paths: StorePaths, in_use: InUse | None) -> int:
    """Remove abandoned scratch; if the digests in use are known, also what neither they nor a name needs."""
    freed = _sweep_scratch(paths)
    if in_use is None or not paths.images.is_dir():
        return freed
    try:
        with locked(paths.content_lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return freed + _sweep_content(paths, _asked(in_use))
    except BlockingIOError:
        return freed


def collect_by(paths: StorePaths, rules: Rules, in_use: InUse, *, dry_run: bool) -> Collected:
    """Remove images by rules, names and all; ConflictError while an import or the start of a pod is under way."""
    freed = 0 if dry_run else _sweep_scratch(paths)
    if not paths.images.is_dir():
        return Collected((), freed)
    try:
        with locked(paths.content_lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _collect_by(paths, rules, _asked(in_use), freed, dry_run=dry_run)
    except BlockingIOError:
        raise ConflictError(
            "an image is being brought here, or a pod is being made of one", hint="try again in a moment"
        ) from None


def _collect_by(
    paths: StorePaths, rules: Rules, in_use: frozenset[str], freed: int, *, dry_run: bool
) -> Collected:
    images = inventory(paths)
    weights = sizes(paths, images) if dry_run or rules.keep_size else {}
    chosen = select(images, in_use, weights, time.time(), rules)
    if dry_run:
        return Collected(tuple(chosen), sum(choice.freed for choice in chosen))
    doomed = {choice.digest for choice in chosen}
    names = frozenset(name for choice in chosen for name in choice.names)
    if names:
        drop_tags(paths, names)
    kept = {image.digest for image in images if image.digest not in doomed}
    return Collected(tuple(chosen), freed + _sweep_content(paths, in_use | kept))


def _asked(in_use: InUse) -> frozenset[str]:
    return in_use() if callable(in_use) else in_use


def _sweep_scratch(paths: StorePaths) -> int:
    places = (paths.images, paths.layers, paths.digested)
    return sum(sweep_scratch(directory) for directory in places) + tidy(paths)


def _sweep_content(paths: StorePaths, needed: Iterable[str]) -> int:
    """Delete all content but that of the index and of these images."""
    blobs = set[str]()
    for digest in {*roots_of(paths), *needed}:
        follow(paths, digest, blobs)
    described = [paths.description(digest) for digest in blobs]
    layers = {diff_id for path in described for diff_id in layers_of(path)}
    return (
        _remove_others(paths.digested, {path.name for path in described})
        + _remove_others(paths.blobs, {paths.blob(digest).name for digest in blobs})
        + _remove_others(paths.layers, {paths.layer(layer).name for layer in layers})
    )


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
