"""EFFECT. Write a stored image to a file or directory that other tools read, through skopeo.

skopeo gets both places as descriptors, since it takes a colon in a path for a separator. What it writes has another
name until it is whole: the destination appears at once or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stage0.command import CommandError, run
from stage0.image.index import IndexEntry
from stage0.image.model import ImageError
from stage0.image.names import MAX_NAME
from stage0.image.scratch import PREFIX, Batch, remove, sync_file_system
from stage0.image.shelves import StorePaths
from stage1.contract.errors import ConflictError, NotFoundError, UsageError
from stage1.contract.values import NamedTuple

FILES = ("oci-archive", "docker-archive")
DIRECTORIES = ("oci", "dir")
TRANSPORTS = (*FILES, *DIRECTORIES)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Destination(NamedTuple):
    """Where an image shall go: the form, the path, and what it is called there."""

    transport: str
    path: Path
    reference: str


def parse_destination(text: str, name: str) -> Destination:
    """Read `TRANSPORT:PATH[:NAME]`; without NAME the image keeps its own, `dir` has none."""
    transport, colon, rest = text.partition(":")
    if transport not in TRANSPORTS or not colon or not rest:
        raise UsageError(
            f"{text!r} is no destination",
            hint="write " + ", ".join(f"{each}:PATH" for each in TRANSPORTS),
        )
    path, _, reference = (rest, "", "") if transport == "dir" else rest.partition(":")
    if not path or len(reference) > MAX_NAME:
        raise UsageError(f"{text!r} names no path", hint=f"write {transport}:PATH:NAME")
    return Destination(transport, Path(path).absolute(), reference or name)


def export_image(paths: StorePaths, entry: IndexEntry, destination: Destination) -> None:
    """Write one image; an OCI layout that is there already gets it added."""
    parent = destination.path.parent
    if not parent.is_dir():
        raise NotFoundError(f"there is no directory {parent}", hint="make it first")
    adding = destination.transport == "oci" and (destination.path / "index.json").is_file()
    if os.path.lexists(destination.path) and not adding:
        raise ConflictError(f"{destination.path} exists already", hint="remove it, or choose another name")
    with Batch() as batch, _opened(_layout(paths, batch, entry)) as source, _opened(parent) as target:
        if adding:
            _copy(source, target, destination, destination.path.name)
        else:
            _copy_anew(source, target, destination)


def _layout(paths: StorePaths, batch: Batch, entry: IndexEntry) -> Path:
    """Make a layout of this one image, whose blobs are the store's own."""
    layout = batch.new_directory(paths.images).path
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', "ascii")
    (layout / "blobs").symlink_to(paths.images / "blobs")
    index = {"schemaVersion": 2, "manifests": [entry.document("image")]}
    (layout / "index.json").write_text(json.dumps(index), "ascii")
    return layout


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, _DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def _copy_anew(source: int, target: int, destination: Destination) -> None:
    """Write beside the destination, bring it to disk, then give it its name."""
    scratch = f".{PREFIX}{os.urandom(8).hex()}"
    place = destination.path.with_name(scratch)
    try:
        _copy(source, target, destination, scratch)
        sync_file_system(target)
        os.rename(scratch, destination.path.name, src_dir_fd=target, dst_dir_fd=target)
        os.fsync(target)
    finally:
        remove(place)


def _copy(source: int, target: int, destination: Destination, name: str) -> None:
    there = f"{destination.transport}:/proc/self/fd/{target}/{name}"
    if destination.transport != "dir" and destination.reference:
        there += f":{destination.reference}"
    words = ["skopeo", "--insecure-policy", "copy", "--quiet", f"oci:/proc/self/fd/{source}:image", there]
    try:
        run(words, pass_fds=(source, target))
    except CommandError as error:
        raise ImageError(
            f"cannot write {destination.transport}:{destination.path}: {error.message}",
            hint=error.hint,
        ) from None
