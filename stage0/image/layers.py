"""EFFECT. Stage the layers of one import: blob copied and verified, tree unpacked, both still scratch.

Two things an overlay cannot say are settled here. A directory that a layer only implies by what lies in it would
hide the owner and mode the layer below gave it; a last layer of nothing but such directories gives them back. And
a root that a layer declares opaque is opaque to an overlay only if the layers below it are left out.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any

from stage0.image import manifests
from stage0.image.model import ImageError
from stage0.image.pack import pack_described
from stage0.image.policy import Limits, over, read_policy
from stage0.image.scratch import Batch, Scratch
from stage0.image.shelves import StorePaths
from stage0.image.sources import LayerSource
from stage0.image.streams import BZIP2, GZIP, PLAIN, XZ, ZSTD, Tally, compression_of, decompressed, tallied
from stage0.image.tree import MergedTree, is_opaque
from stage0.image.unpack import Start, Unpacked, fork_child, unpack
from stage1.contract.errors import PodError

_TYPES = {
    GZIP: manifests.OCI_LAYER + "+gzip",
    ZSTD: manifests.OCI_LAYER + "+zstd",
    PLAIN: manifests.OCI_LAYER,
}
_FREE_OF_RATIO = 1 << 30
_HINT = "the image is damaged; fetch or build it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedLayer:
    """A layer that is unpacked, at `path` for now, and its blob ("" if it needs none)."""

    diff_id: str
    digest: str
    size: int
    media_type: str
    path: Path
    implied: frozenset[str]


@dataclass(slots=True)
class Stage:
    """One import under way; `unpacked` counts the bytes of all its layers, `members` their names.

    `stopped` ends it all. `start` makes the unpacking processes; where several threads stage layers,
    `crew.foreman_of` sets it.
    """

    paths: StorePaths
    batch: Batch
    done: dict[str, StagedLayer] = field(default_factory=dict)
    limits: Limits | None = None
    stopped: bool = False
    start: Start = fork_child
    unpacked: int = 0
    members: int = 0
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Without other limits those of the administrator count."""
        self.limits = self.limits or read_policy(self.paths.root).limits

    @property
    def allowed(self) -> Limits:
        """The limits of this import."""
        return self.limits or Limits()


class StoppedError(PodError):
    """Another layer failed, or the user has had enough."""


def check_count(stage: Stage, count: int) -> None:
    """Refuse an image of more layers than an overlay can have."""
    if count > stage.allowed.layers:
        raise over("layers", stage.allowed.layers, f"an image of {count} layers")


def stage_layer(stage: Stage, layer: LayerSource) -> StagedLayer:
    """Stage a layer unless blob and tree are in the store, or came earlier in this image."""
    try:
        staged = stage.done.get(layer.diff_id) or _stored(stage.paths, layer) or _copy(stage, layer)
    except ImageError as error:
        raise error.within(layer.what) from None
    stage.done[staged.diff_id] = staged
    return staged


def _stored(paths: StorePaths, layer: LayerSource) -> StagedLayer | None:
    """Find a layer whose blob and tree are both in the store already."""
    path = paths.layer(layer.diff_id)
    if not layer.digest or not layer.diff_id or not path.is_dir():
        return None
    try:
        size = paths.blob(layer.digest).stat().st_size
    except FileNotFoundError:
        return None
    if size != layer.size:
        return None
    return _known(paths, layer.diff_id, digest=layer.digest, size=size, media_type="")


def _known(paths: StorePaths, diff_id: str, *, digest: str, size: int, media_type: str) -> StagedLayer:
    """Describe a layer whose tree is in the store."""
    implied = _read_implied(paths.implied(diff_id))
    return StagedLayer(
        diff_id=diff_id,
        digest=digest,
        size=size,
        media_type=media_type,
        path=paths.layer(diff_id),
        implied=implied,
    )


def _read_implied(path: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return frozenset()


def _copy(stage: Stage, layer: LayerSource) -> StagedLayer:
    """Copy, verify, decompress and unpack in one pass; what differs from its promise is refused."""
    blob = None if layer.blob else stage.batch.new_file(stage.paths.images)
    whole, plain = Tally(), Tally()
    with blob.path.open("xb") if blob else nullcontext() as sink, _opened(layer) as source:
        first = next(source, b"")
        kind = compression_of(first)
        chunks: Iterator[bytes] = chain((first,), source)
        if kind in (XZ, BZIP2):  # no layer may be compressed so: the blob becomes plain
            chunks, kind = decompressed(chunks, kind, layer.what), PLAIN
        stored = tallied(_bounded(stage, chunks, layer), whole, sink)
        poured = tallied(decompressed(stored, kind, layer.what), plain)
        tree = None if _is_known(stage, layer) else stage.batch.new_directory(stage.paths.layers)
        result = _pour(stage, tree, _counted(stage, poured, whole))
    _verify(layer, whole, plain)
    _place_blob(stage, layer, blob, whole.digest)
    facts: dict[str, Any] = {"digest": whole.digest, "size": whole.size, "media_type": _TYPES[kind]}
    if tree is None or result is None:
        return _known(stage.paths, plain.digest, **facts)
    if not layer.diff_id and not result.complete:
        raise ImageError(
            f"{layer.what} lacks the end of the archive", hint="it was cut short; make it again"
        )
    _settle(stage, tree, result, plain.digest)
    return StagedLayer(diff_id=plain.digest, path=tree.path, implied=frozenset(result.implied), **facts)


def _place_blob(stage: Stage, layer: LayerSource, copied: Scratch | None, digest: str) -> None:
    """Say where the batch shall put the blob: our copy, or the file it was read from."""
    if copied is not None:
        copied.final = stage.paths.blob(digest)
    elif layer.blob is not None:
        stage.batch.adopt(layer.blob, stage.paths.blob(digest))


@contextmanager
def _opened(layer: LayerSource) -> Iterator[Iterator[bytes]]:
    """Give a layer's stream and close it at once when it is no longer read, however that came."""
    chunks = layer.chunks()
    try:
        yield chunks
    finally:
        if isinstance(chunks, Generator):
            chunks.close()


def _is_known(stage: Stage, layer: LayerSource) -> bool:
    return bool(layer.diff_id) and stage.paths.layer(layer.diff_id).is_dir()


def _pour(stage: Stage, tree: Scratch | None, chunks: Iterator[bytes]) -> Unpacked | None:
    """Unpack a stream into a scratch directory, or only read it if its tree is known."""
    if tree is not None:
        result = unpack(tree.path, chunks, stage.allowed, stage.start)
        with stage.lock:
            stage.members += result.members
        if stage.members > stage.allowed.files:
            raise over("files", stage.allowed.files, f"an image of {stage.members} files and directories")
        return result
    for _ in chunks:
        pass
    return None


def _settle(stage: Stage, tree: Scratch, result: Unpacked, diff_id: str) -> None:
    """Say where the batch shall put the tree; the list of what it implies goes first."""
    if result.implied:
        listing = json.dumps(sorted(result.implied)).encode("ascii")
        stage.batch.write_file(stage.paths.layers, listing, stage.paths.implied(diff_id))
        stage.batch.move_last(tree)
    tree.final = stage.paths.layer(diff_id)


def _bounded(stage: Stage, chunks: Iterator[bytes], layer: LayerSource) -> Iterator[bytes]:
    """Stop as soon as there is more than the manifest says, or as soon as nobody needs it any more."""
    done = 0
    for chunk in chunks:
        done += len(chunk)
        if 0 <= layer.size < done:
            raise ImageError(f"{layer.what} is longer than its {layer.size} bytes", hint=_HINT)
        if stage.stopped:
            raise StoppedError(f"{layer.what} is not needed any more")
        yield chunk


def _counted(stage: Stage, chunks: Iterator[bytes], whole: Tally) -> Iterator[bytes]:
    """Stop a stream that becomes too long, by itself or for what it was made of, before more of it is written."""
    limits, size = stage.allowed, 0
    for chunk in chunks:
        size += len(chunk)
        with stage.lock:
            stage.unpacked += len(chunk)
        if stage.unpacked > limits.size:
            raise over("size", limits.size, f"an image of more than {limits.size} bytes")
        if size > _FREE_OF_RATIO and size > limits.ratio * whole.size:
            raise over("ratio", limits.ratio, f"{size} bytes come out of {whole.size} compressed ones")
        yield chunk


def _verify(layer: LayerSource, whole: Tally, plain: Tally) -> None:
    if layer.size >= 0 and whole.size != layer.size:
        raise ImageError(f"{layer.what} has {whole.size} bytes in place of {layer.size}", hint=_HINT)
    if layer.digest and whole.digest != layer.digest:
        raise ImageError(f"{layer.what} does not have its digest but {whole.digest}", hint=_HINT)
    if layer.diff_id and plain.digest != layer.diff_id:
        raise ImageError(f"{layer.what} unpacks to {plain.digest} in place of {layer.diff_id}", hint=_HINT)


def effective_layers(stage: Stage, layers: list[StagedLayer]) -> list[StagedLayer]:
    """Give the layers an overlay needs to show the image, at least one."""
    opaque = [number for number, layer in enumerate(layers) if is_opaque(os.fspath(layer.path))]
    shown = _topmost_only(layers[max(opaque, default=0) :])
    if not shown:
        return [_stage_described(stage, [])]
    entries = list(_lost_attributes(shown)) if len(shown) > 1 else []
    return [*shown, _stage_described(stage, entries)] if entries else shown


def _topmost_only(layers: list[StagedLayer]) -> list[StagedLayer]:
    """Leave out a layer that comes again above: it says the same there, and overlayfs takes none twice."""
    last = {layer.diff_id: number for number, layer in enumerate(layers)}
    return [layer for number, layer in enumerate(layers) if last[layer.diff_id] == number]


def _lost_attributes(layers: list[StagedLayer]) -> Iterator[tuple[str, os.stat_result, str]]:
    """Find directories whose topmost layer only implies them though one below describes them.

    Gives each with its path, status and the directory to take attributes from; parents come first.
    """
    tree = MergedTree([layer.path for layer in layers])
    by_root = {os.fspath(layer.path): layer.implied for layer in layers}
    wanted = {path for layer in layers for path in layer.implied}
    found = {path: origin for path in wanted if (origin := _origin(tree, by_root, path)) is not None}
    lost = {path for path, (origin, topmost) in found.items() if origin != topmost}
    parents = {path[:at] for path in lost for at in range(len(path)) if path[at] == "/"}
    for path in sorted({""} | lost | parents) if lost else ():
        origin = _origin(tree, by_root, path)
        if origin is not None:
            yield path, os.lstat(origin[0]), origin[0]


def _origin(tree: MergedTree, by_root: dict[str, frozenset[str]], path: str) -> tuple[str, str] | None:
    """Give the topmost directory that describes a path, and the topmost of all; None if it is no directory."""
    entry = tree.lookup_plain(path)
    if entry is None or not stat.S_ISDIR(entry.status.st_mode):
        return None
    described = [real for real in entry.merged if path not in by_root[_root_of(real, path)]]
    return (described or entry.merged)[0], entry.merged[0]


def _root_of(real: str, path: str) -> str:
    return real[: -len(path) - 1] if path else real


def _stage_described(stage: Stage, entries: list[tuple[str, os.stat_result, str]]) -> StagedLayer:
    """Make a layer of nothing but described directories; no entry makes an empty one."""
    tally = Tally()
    tree = stage.batch.new_directory(stage.paths.layers)
    unpack(tree.path, tallied(pack_described(entries), tally), stage.allowed)
    tree.final = stage.paths.layer(tally.digest)
    return StagedLayer(
        diff_id=tally.digest, digest="", size=0, media_type="", path=tree.path, implied=frozenset()
    )
