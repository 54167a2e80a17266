"""EFFECT. Import an image: stage everything as locked scratch, commit it at once, then let a name mean it.

An import that is killed has changed nothing a reader sees. Several at once do not wait for each other: each
stages the same blob or layer, and whoever renames second finds it there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from stage0.image.assemble import assemble
from stage0.image.crew import stage_layers
from stage0.image.events import Done, Listener, Note, Resolved, Unpacked, Unpacking, nobody
from stage0.image.index import prepare_layout, set_tag
from stage0.image.layers import Stage
from stage0.image.model import Image
from stage0.image.names import Source, default_name, normalise, parse_source
from stage0.image.pack import pack_directory
from stage0.image.places import ArchivePlace, DirectoryPlace, open_file
from stage0.image.platforms import Platform, host_platform, parse_platform
from stage0.image.scratch import Batch
from stage0.image.shelves import StorePaths, locked
from stage0.image.sources import Draft, LayerSource, is_copied, read_copied, read_docker, read_oci
from stage0.image.streams import digest_of, read_chunks
from stage1.contract.errors import NotFoundError


def import_image(
    paths: StorePaths, text: str, name: str | None, platform: str | None, listener: Listener | None
) -> Image:
    """Import from a source; name and platform are checked before any work is done."""
    say = listener or nobody
    wanted_platform = parse_platform(platform) if platform else host_platform()
    source = parse_source(text, os.path.lexists)
    wanted = normalise(name) if name else ""
    prepare_layout(paths)
    with ExitStack() as stack:
        stack.enter_context(locked(paths.content_lock, fcntl.LOCK_SH))
        batch = stack.enter_context(Batch())
        stage = Stage(paths, batch)
        draft = _open(source, paths, stack, wanted_platform)
        final_name = wanted or default_name(source.transport, source.place, draft.reference)
        sources = tuple(_told(layer, say) for layer in draft.layers)
        digest = digest_of(draft.manifest) if draft.manifest else ""
        say(
            Resolved(final_name, digest, tuple((_key(layer), layer.size) for layer in sources), (), "unpack")
        )
        layers = stage_layers(stage, sources)
        for layer in sources:
            say(Unpacked(_key(layer)))
        image, entry = assemble(stage, layers, draft.manifest, draft.config, final_name)
        batch.commit()
        set_tag(paths, final_name, entry)
    if not wanted_platform.suits(image.config.architecture, image.config.os):
        its = f"{image.config.os}/{image.config.architecture}"
        say(
            Note(f"{final_name} is for {its}, not for {wanted_platform.text}: its programs may not run here")
        )
    say(Done(final_name, image.digest))
    return image


def _key(layer: LayerSource) -> str:
    """What events call a layer: its digest, as far as it is known beforehand."""
    return layer.digest or layer.diff_id or layer.what


def _told(layer: LayerSource, say: Listener) -> LayerSource:
    def chunks() -> Iterator[bytes]:
        done = 0
        for chunk in layer.chunks():
            yield chunk
            done += len(chunk)
            say(Unpacking(_key(layer), done, layer.size))

    return replace(layer, chunks=chunks)


def _open(source: Source, paths: StorePaths, stack: ExitStack, wanted: Platform) -> Draft:
    match source.transport:
        case "oci":
            return read_oci(_directory(source), source, wanted)
        case "oci-archive":
            place = stack.enter_context(closing(ArchivePlace(source.place, source.text, paths.images)))
            return read_oci(place, source, wanted)
        case "docker-archive":
            place = stack.enter_context(closing(ArchivePlace(source.place, source.text, paths.images)))
            return read_docker(place, source)
        case "tar":
            return _bare(source, lambda: read_chunks(open_file(source.place, source.text)))
        case _ if is_copied(Path(source.place)):
            return read_copied(DirectoryPlace(Path(source.place)), source, wanted)
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
