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
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial as bound
from pathlib import Path
from typing import NamedTuple

from stage0.command import CommandError, Running
from stage0.image import manifests
from stage0.image.arrivals import Arrivals, LostError
from stage0.image.assemble import assemble
from stage0.image.events import Done, Listener, Resolved, Unpacked, Unpacking, Waiting
from stage0.image.index import IndexEntry, prepare_layout, set_tag
from stage0.image.layers import Stage, StagedLayer, stage_layer
from stage0.image.manifests import Config, Descriptor, Manifest
from stage0.image.model import Image, ImageError, from_json
from stage0.image.partial import Partial
from stage0.image.reference import Reference
from stage0.image.scratch import Batch
from stage0.image.shelves import StorePaths, locked
from stage0.image.skopeo import Skopeo
from stage0.image.sources import LayerSource, check_counts
from stage0.image.streams import digest_of, read_chunks
from stage1.contract.errors import NotFoundError, PodError

_HINT = "the registry or a mirror on the way is damaged or lies; nothing was kept"


class Found(NamedTuple):
    """An image of a registry, before anything of it but its manifest is here."""

    reference: Reference
    document: bytes
    manifest: Manifest
    digest: str
    list_digest: str

    @property
    def entry(self) -> IndexEntry:
        """What the store's index will say of it."""
        return IndexEntry(self.manifest.media_type, self.digest, len(self.document), self.list_digest)


def find(skopeo: Skopeo, reference: Reference) -> Found:
    """Ask the registry what a name means now, and of several platforms take the one that is wanted."""
    what = skopeo.what
    document = skopeo.manifest(reference.address)
    digest, list_digest = digest_of(document), ""
    if reference.digest not in ("", digest):
        raise ImageError(f"cannot pull {what}: the registry sent {digest}", hint=_HINT)
    if "manifests" in manifests.parse_object(document, what):
        list_digest = digest
        entry = manifests.choose_platform(manifests.parse_index(document, what), skopeo.platform, what)
        digest = entry.digest
        document = skopeo.manifest(reference.at(digest).address)
        if digest_of(document) != digest:
            raise ImageError(
                f"cannot pull {what}: the registry sent another manifest than {digest}", hint=_HINT
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
        work = _Work(paths, skopeo, found, partial, say, threading.Event())
        try:
            image = work.known(name, wanted) or work.fetch(name, list(wanted.values()), stack)
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


@dataclass(frozen=True, slots=True)
class _Work:
    """One pull under way."""

    paths: StorePaths
    skopeo: Skopeo
    found: Found
    partial: Partial
    say: Listener
    stop: threading.Event

    def known(self, name: str, wanted: dict[str, Descriptor]) -> Image | None:
        """The image if all of it is in the store; whether it may be used, the signature policy says all the same."""
        try:
            image = from_json(self.paths.description(self.found.digest).read_text("ascii"), name)
        except (FileNotFoundError, UnicodeDecodeError, PodError):
            return None
        blobs = [image.config_digest, *(layer.digest for layer in self.found.manifest.layers)]
        trees_there = all(self.paths.layer(layer).is_dir() for layer in image.layers)
        if wanted or not trees_there or not all(self.paths.blob(digest).exists() for digest in blobs):
            return None
        with Batch() as batch, closing(self._copy(batch)) as copying:
            self._finish(copying)
        return image

    def fetch(self, name: str, wanted: list[Descriptor], stack: ExitStack) -> Image:
        """Fetch, verify and unpack; all at once it is in the store, without a name yet."""
        batch = stack.enter_context(Batch())
        layout = batch.new_directory(self.partial.root).path
        arrivals = stack.enter_context(closing(Arrivals(self.partial, layout, wanted, self.say, self.stop)))
        config = stack.enter_context(closing(self.skopeo.start_config(self._exact_address())))
        copying = stack.enter_context(closing(self._copy(batch, layout)))
        config_bytes, parsed = self._config(config)
        stage = Stage(self.paths, batch)
        staged = self._stage_all(stage, parsed, arrivals, copying, {one.digest for one in wanted})
        layers = [staged[layer.digest] for layer in self.found.manifest.layers]
        image, _ = assemble(stage, layers, self.found.document, config_bytes, name)
        batch.commit()
        return image

    def _exact_address(self) -> str:
        return self.found.reference.at(self.found.digest).address

    def _copy(self, batch: Batch, layout: Path | None = None) -> Running:
        """Copy under the name the user gave: signatures are for names, not only for digests."""
        place = layout or batch.new_directory(self.partial.root).path
        exact = self.found.manifest.media_type == manifests.OCI_MANIFEST
        address = self.found.reference.address
        return self.skopeo.start_copy(address, place, self.partial.root, exact=exact)

    def _finish(self, running: Running) -> None:
        running.wait()
        try:
            running.check()
        except CommandError as error:
            raise self.skopeo.explained(error) from None

    def _config(self, running: Running) -> tuple[bytes, Config]:
        self._finish(running)
        data, wanted, what = running.output, self.found.manifest.config, f"{self.skopeo.what}: config"
        if digest_of(data) != wanted.digest:
            raise ImageError(f"{what} does not have its digest {wanted.digest}", hint=_HINT)
        parsed = manifests.parse_config(data, what)
        check_counts(parsed, len(self.found.manifest.layers), self.skopeo.what)
        offered = {"architecture": parsed.config.architecture, "os": parsed.config.os}
        if parsed.config.architecture and self.skopeo.platform.rank(offered) is None:
            raise ImageError(
                f"cannot pull {self.skopeo.what}: it is for linux/{parsed.config.architecture}, "
                f"not for {self.skopeo.platform.text}",
                hint=f"if that is what you want: --platform linux/{parsed.config.architecture}",
            )
        return data, parsed

    def _stage_all(
        self, stage: Stage, config: Config, arrivals: Arrivals, copying: Running, wanted: set[str]
    ) -> dict[str, StagedLayer]:
        """Unpack in threads, which wait for the disk and for children most of the time, while this one watches."""
        ids = {layer.digest: diff_id for layer, diff_id in self._layers(config)}
        futures: dict[str, Future[StagedLayer]] = {}
        with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:

            def begin(layer: Descriptor, chunks: Callable[[], Iterator[bytes]] | None = None) -> None:
                futures[layer.digest] = pool.submit(
                    self._stage_one, stage, self._source(layer, ids[layer.digest], chunks)
                )

            try:
                for layer, _ in self._layers(config):
                    if layer.digest not in wanted and layer.digest not in futures:
                        begin(layer)
                for layer, path in arrivals.each(copying):
                    begin(layer, bound(arrivals.follow, layer, path) if path else None)
                    _raise_first(futures)
                self._finish(copying)
                for layer, _ in self._layers(config):
                    if layer.digest not in futures or isinstance(
                        futures[layer.digest].exception(), LostError
                    ):
                        self._must_be_here(layer)
                        begin(layer)
            except BaseException:
                self.stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return {digest: future.result() for digest, future in futures.items()}

    def _layers(self, config: Config) -> Iterator[tuple[Descriptor, str]]:
        return zip(self.found.manifest.layers, config.diff_ids, strict=True)

    def _must_be_here(self, layer: Descriptor) -> None:
        if not self.partial.has(layer.digest):
            raise NotFoundError(
                f"cannot pull {self.skopeo.what}: layer {layer.digest} did not come, the image has just changed",
                hint="try again",
            )

    def _source(
        self, layer: Descriptor, diff_id: str, chunks: Callable[[], Iterator[bytes]] | None
    ) -> LayerSource:
        blob = self.partial.blob(layer.digest)
        come = chunks or (lambda: read_chunks(blob.open("rb", buffering=0)))
        return LayerSource(
            chunks=lambda: self._told(layer, come()), what=f"{self.skopeo.what}: layer {layer.digest[:19]}",
            digest=layer.digest, size=layer.size, diff_id=diff_id, blob=blob,
        )  # fmt: skip

    def _stage_one(self, stage: Stage, source: LayerSource) -> StagedLayer:
        staged = stage_layer(stage, source)
        self.say(Unpacked(source.digest))
        return staged

    def _told(self, layer: Descriptor, chunks: Iterator[bytes]) -> Iterator[bytes]:
        done = 0
        for chunk in chunks:
            if self.stop.is_set():
                raise LostError(f"the pull of {layer.digest} was interrupted")
            yield chunk
            done += len(chunk)
            self.say(Unpacking(layer.digest, done, layer.size))


def _raise_first(futures: dict[str, Future[StagedLayer]]) -> None:
    """End at once when a layer has turned out bad; one that was lost may come again."""
    for future in futures.values():
        if future.done() and not isinstance(future.exception(), LostError):
            future.result()
