"""EFFECT. Fetch, verify and unpack an image of a registry, all at once.

skopeo copies in a process of its own, this thread watches what arrives, and a few others unpack it. The copy is made
under the name the user gave, not under the digest: signatures are for names.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial as bound

from stage0.command import Running
from stage0.image import manifests
from stage0.image.accepted import confirm
from stage0.image.arrivals import Arrivals, LostError
from stage0.image.assemble import assemble
from stage0.image.crew import foreman_of
from stage0.image.events import Listener, Unpacked, Unpacking
from stage0.image.found import HINT, Found
from stage0.image.layers import Stage, StagedLayer, check_count, stage_layer
from stage0.image.manifests import Config, Descriptor
from stage0.image.model import Image, ImageError
from stage0.image.partial import Partial
from stage0.image.scratch import Batch
from stage0.image.shelves import StorePaths
from stage0.image.skopeo import Skopeo
from stage0.image.sources import LayerSource, check_counts
from stage0.image.streams import digest_of, read_chunks
from stage1.contract.errors import NotFoundError

Chunks = Callable[[], Iterator[bytes]]


class Download:
    """One image under way."""

    def __init__(
        self, paths: StorePaths, skopeo: Skopeo, partial: Partial, found: Found, say: Listener
    ) -> None:
        """Nothing is fetched yet."""
        self._paths, self._skopeo, self._partial, self._found, self._say = paths, skopeo, partial, found, say
        self._stop = threading.Event()
        self._diff_ids: dict[str, str] = {}
        self._futures: dict[str, Future[StagedLayer]] = {}

    def run(self, name: str, wanted: list[Descriptor]) -> Image:
        """All of it; at the end it is in the store, without a name yet."""
        with ExitStack() as stack:
            batch = stack.enter_context(Batch())
            layout = batch.new_directory(self._partial.root).path
            arrivals = stack.enter_context(
                closing(Arrivals(self._partial, layout, wanted, self._say, self._stop))
            )
            config = stack.enter_context(closing(self._skopeo.start_config(self._found.exact)))
            copying = self._skopeo.start_copy(
                self._found.reference.address, layout, self._partial.root, exact=self._found.keeps_format
            )
            stack.enter_context(closing(copying))
            config_bytes, parsed = self._config(config)
            layers = self._found.manifest.layers
            self._diff_ids = {
                layer.digest: diff_id for layer, diff_id in zip(layers, parsed.diff_ids, strict=True)
            }
            stage = Stage(self._paths, batch)
            check_count(stage, len(layers))
            stack.enter_context(foreman_of(stage))
            self._stage_all(stage, arrivals, copying, {one.digest for one in wanted})
            confirm(self._skopeo.what, self._found, self._partial, layout, config_bytes)
            staged = [self._futures[layer.digest].result() for layer in layers]
            image, _ = assemble(stage, staged, self._found.document, config_bytes, name)
            batch.commit()
        return image

    def _config(self, running: Running) -> tuple[bytes, Config]:
        self._skopeo.finish(running)
        data, what, platform = running.output, self._skopeo.what, self._skopeo.platform
        if digest_of(data) != self._found.manifest.config.digest:
            raise ImageError(f"cannot pull {what}: its config does not have its digest", hint=HINT)
        parsed = manifests.parse_config(data, f"{what}: config")
        check_counts(parsed, len(self._found.manifest.layers), what)
        if not platform.suits(parsed.config.architecture, parsed.config.os):
            raise ImageError(
                f"cannot pull {what}: it is for linux/{parsed.config.architecture}, not for {platform.text}",
                hint=f"if that is what you want: --platform linux/{parsed.config.architecture}",
            )
        return data, parsed

    def _stage_all(self, stage: Stage, arrivals: Arrivals, copying: Running, wanted: set[str]) -> None:
        """Unpack in threads, which wait for the disk and for children most of the time, while this one watches."""
        layers = {layer.digest: layer for layer in self._found.manifest.layers}
        with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
            begin = bound(self._begin, pool, stage)
            try:
                for digest in layers.keys() - wanted:
                    begin(layers[digest])
                for layer, path in arrivals.each(copying):
                    begin(layer, bound(arrivals.follow, layer, path) if path else None)
                    self._raise_first()
                self._skopeo.finish(copying)
                for digest, layer in layers.items():
                    future = self._futures.get(digest)
                    if future is None or isinstance(future.exception(), LostError):
                        self._must_be_here(layer)
                        begin(layer)
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _begin(
        self, pool: ThreadPoolExecutor, stage: Stage, layer: Descriptor, chunks: Chunks | None = None
    ) -> None:
        blob = self._partial.blob(layer.digest)
        come = chunks or (lambda: read_chunks(blob.open("rb", buffering=0)))
        source = LayerSource(
            chunks=lambda: self._told(layer, come()), what=f"{self._skopeo.what}: layer {layer.digest[:19]}",
            digest=layer.digest, size=layer.size, diff_id=self._diff_ids[layer.digest], blob=blob,
        )  # fmt: skip
        self._futures[layer.digest] = pool.submit(self._stage_one, stage, source)

    def _stage_one(self, stage: Stage, source: LayerSource) -> StagedLayer:
        staged = stage_layer(stage, source)
        self._say(Unpacked(source.digest))
        return staged

    def _told(self, layer: Descriptor, chunks: Iterator[bytes]) -> Iterator[bytes]:
        done = 0
        for chunk in chunks:
            if self._stop.is_set():
                raise LostError(f"the pull of {layer.digest} was interrupted")
            yield chunk
            done += len(chunk)
            self._say(Unpacking(layer.digest, done, layer.size))

    def _must_be_here(self, layer: Descriptor) -> None:
        if not self._partial.has(layer.digest):
            raise NotFoundError(
                f"cannot pull {self._skopeo.what}: layer {layer.digest} did not come, the image has just changed",
                hint="try again",
            )

    def _raise_first(self) -> None:
        """End at once when a layer has turned out bad; one that was lost may come again."""
        for future in self._futures.values():
            if future.done() and not isinstance(future.exception(), LostError):
                future.result()
