"""EFFECT. Check stored images against their digests: blobs are hashed, layers unpacked anew beside what is there.

What differs can be repaired from the blobs: the fresh tree takes the place of the wrong one in one step. A blob that
is wrong cannot be repaired from here; it must be brought again.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stage0.image import manifests
from stage0.image.assemble import assemble
from stage0.image.compare import differences
from stage0.image.layers import Stage, StagedLayer
from stage0.image.manifests import Descriptor
from stage0.image.model import ImageError
from stage0.image.policy import Limits
from stage0.image.scratch import Batch, Scratch, sync_directory, sync_file_system
from stage0.image.shelves import StorePaths, locked
from stage0.image.streams import Tally, compression_of, decompressed, digest_of, read_chunks, tallied
from stage0.image.unpack import unpack
from stage1.contract.errors import HostError
from stage1.contract.values import NamedTuple

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_SHOWN = 5
_ANY = Limits(
    1 << 62, 1 << 62, 4096, 1 << 62, 1 << 62
)  # what is in the store was within the limits when it came
BLOB, LAYER, DESCRIPTION = "blob", "layer", "description"


class Fault(NamedTuple):
    """Something in the store that is not what its name says: kind, digest or diff id, and what is wrong."""

    kind: str
    which: str
    problem: str
    repaired: bool = False


class Verdict(NamedTuple):
    """What was found out about one image."""

    digest: str
    names: tuple[str, ...]
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class Verification:
    """One run over several images: what they share is checked once. Layers of `busy` images are not replaced."""

    paths: StorePaths
    repair: bool
    busy: frozenset[str]
    good: set[tuple[str, str]] = field(default_factory=set)


def verify(run: Verification, digest: str, names: tuple[str, ...]) -> Verdict:
    """Check one image; nothing of the store is deleted meanwhile."""
    with locked(run.paths.content_lock, fcntl.LOCK_SH), Batch() as batch:
        try:
            faults = list(_faults(run, batch, digest))
        except ImageError as error:
            faults = [Fault(BLOB, digest, error.message)]
    return Verdict(digest, names, tuple(faults))


def _faults(run: Verification, batch: Batch, digest: str) -> Iterator[Fault]:
    data = _document(run, digest)
    manifest = manifests.parse_manifest(data, digest)
    config_data = _document(run, manifest.config.digest)
    config = manifests.parse_config(config_data, manifest.config.digest)
    stage = Stage(run.paths, batch, limits=_ANY)
    staged = []
    for blob, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
        layer, fault = _layer(run, batch, blob, diff_id, digest in run.busy)
        if fault:
            yield fault
        if layer is None:
            return
        staged.append(layer)
    before = len(batch.items)
    assemble(stage, staged, data, config_data, "")
    for item in batch.items[before:]:
        yield from _made(run, item, digest in run.busy)


def _document(run: Verification, digest: str) -> bytes:
    """Read a manifest or config and check it."""
    try:
        data = run.paths.blob(digest).read_bytes()
    except OSError as error:
        raise ImageError(f"{digest}: {error.strerror}", hint="import or pull the image again") from None
    if digest_of(data) != digest:
        raise ImageError(f"{digest} does not have its digest", hint="import or pull the image again")
    return data


def _layer(
    run: Verification, batch: Batch, blob: Descriptor, diff_id: str, busy: bool
) -> tuple[StagedLayer | None, Fault | None]:
    """Check one layer; give it as it ought to be, unless its blob is wrong."""
    stored = run.paths.layer(diff_id)
    if (blob.digest, diff_id) in run.good:
        implied = json.loads(_read(run.paths.implied(diff_id)) or b"[]")
        return _staged(blob, diff_id, stored, implied), None
    tree, plain = batch.new_directory(run.paths.layers), Tally()
    try:
        implied = unpack(tree.path, _hashed(run, blob, plain), _ANY).implied
    except ImageError as error:
        return None, Fault(BLOB, blob.digest, error.message)
    if plain.digest != diff_id:
        return None, Fault(BLOB, blob.digest, f"unpacks to {plain.digest} in place of {diff_id}")
    fault = _compared(run, tree.path, stored, diff_id, busy) or _listed(run, batch, implied, diff_id)
    if fault is not None and not fault.repaired:
        return _staged(blob, diff_id, tree.path, implied), fault
    run.good.add((blob.digest, diff_id))
    return _staged(blob, diff_id, stored, implied), fault


def _staged(blob: Descriptor, diff_id: str, path: Path, implied: Iterable[str]) -> StagedLayer:
    return StagedLayer(
        diff_id=diff_id, digest=blob.digest, size=blob.size, media_type="", path=path, implied=frozenset(implied)
    )  # fmt: skip


def _listed(run: Verification, batch: Batch, implied: tuple[str, ...], diff_id: str) -> Fault | None:
    """Check the list of directories that a layer only implies."""
    listing = json.dumps(sorted(implied)).encode("ascii") if implied else b""
    if listing == _read(run.paths.implied(diff_id)):
        return None
    if run.repair:
        _put_file(batch, run.paths.layers, listing, run.paths.implied(diff_id))
    return Fault(LAYER, diff_id, "its list of implied directories is wrong", run.repair)


def _hashed(run: Verification, blob: Descriptor, plain: Tally) -> Iterator[bytes]:
    """Read a layer's blob, hash it on the way, and decompress it; at the end it must have been the right one."""
    path, whole = run.paths.blob(blob.digest), Tally()
    try:
        kind = compression_of(_start(path))
        chunks = tallied(read_chunks(path.open("rb", buffering=0)), whole)
    except OSError as error:
        raise ImageError(f"{error.strerror}", hint="") from None
    yield from tallied(decompressed(chunks, kind, blob.digest), plain)
    for _ in chunks:
        pass
    if whole.digest != blob.digest:
        raise ImageError(f"has the digest {whole.digest}", hint="")


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(8)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _compared(run: Verification, fresh: Path, stored: Path, diff_id: str, busy: bool) -> Fault | None:
    """Compare an unpacked layer with a fresh one, which takes its place if it is wrong and may be replaced."""
    if stored.is_dir():
        found = list(differences(os.fspath(fresh), os.fspath(stored)))
        if not found:
            return None
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        problem = f"{'; '.join(found[:_SHOWN])}{more}"
    else:
        problem = "is not unpacked"
    if run.repair and busy:
        return Fault(LAYER, diff_id, f"{problem} (not repaired: a running pod uses it)")
    if run.repair:
        _put_tree(fresh, stored)
    return Fault(LAYER, diff_id, problem, run.repair)


def _made(run: Verification, item: Scratch, busy: bool) -> Iterator[Fault]:
    """Compare what was made of the layers anew, the description and a last layer, with what is stored."""
    if item.final is None or item.final.parent == run.paths.blobs:
        return
    if item.path.is_dir():
        fault = _compared(run, item.path, item.final, item.final.name.replace("-", ":"), busy)
        if fault:
            yield fault
    elif item.final.parent == run.paths.digested and _read(item.final) != item.path.read_bytes():
        if run.repair:
            sync_file_system_of(item.path)
            item.path.rename(item.final)
            sync_directory(item.final.parent)
        yield Fault(DESCRIPTION, f"sha256:{item.final.stem}", "does not say what the blobs say", run.repair)


def _put_file(batch: Batch, parent: Path, data: bytes, final: Path) -> None:
    if not data:
        final.unlink(missing_ok=True)
        return
    batch.write_file(parent, data, final)
    item = batch.items[-1]
    sync_file_system_of(item.path)
    item.path.rename(final)
    item.final = None
    sync_directory(parent)


def _put_tree(fresh: Path, stored: Path) -> None:
    """Let a fresh tree take the place of a wrong one in one step; what was there becomes scratch."""
    sync_file_system_of(fresh)
    if stored.exists():
        result = ctypes.CDLL(None, use_errno=True).renameat2(
            _AT_FDCWD, os.fsencode(fresh), _AT_FDCWD, os.fsencode(stored), _RENAME_EXCHANGE
        )
        if result < 0:
            raise HostError(
                f"cannot replace {stored}: {os.strerror(ctypes.get_errno())}",
                hint="remove the image and bring it again",
            )
    else:
        fresh.rename(stored)
    sync_directory(stored.parent)


def sync_file_system_of(path: Path) -> None:
    """Write the file system of a path to disk."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        sync_file_system(fd)
    finally:
        os.close(fd)
