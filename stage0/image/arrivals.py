"""EFFECT. Blobs as skopeo brings them: each is handed out when it is whole, the last one while it still comes.

skopeo writes each blob to a file `oci-put-blob…` of its layout and renames it to its digest when it is verified
and on disk. It does not say which file is which blob. Where only one is outstanding there is no doubt, and it is read
while it grows; so the largest of several layers, or the only one, is unpacked while it is fetched.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from stage0.command import Running
from stage0.image.events import Fetching, Listener
from stage0.image.manifests import Descriptor
from stage0.image.partial import Partial
from stage0.image.streams import CHUNK
from stage0.image.watch import CREATED, GONE, MODIFIED, MOVED_TO, Watch
from stage1.contract.errors import PodError

_STAGED = "oci-put-blob"
_BEAT = 0.2  # seconds between two looks at sizes
_PATIENCE = 0.2  # seconds until a reader looks whether it shall stop


class LostError(PodError):
    """A blob does not come to its end, now; why, skopeo tells."""


class Arrivals:
    """What one `skopeo copy` brings into `partial`, with its layout at `layout`."""

    def __init__(
        self,
        partial: Partial,
        layout: Path,
        wanted: Sequence[Descriptor],
        say: Listener,
        stop: threading.Event,
    ) -> None:
        """Watch before skopeo starts."""
        self._stop = stop
        self._partial, self._layout, self._say = partial, layout, say
        self._outstanding = {layer.digest: layer for layer in wanted}
        self._watch = Watch([partial.blobs, layout], MOVED_TO | CREATED)
        self._told: dict[str, int] = {}
        self._guessed: dict[str, Path] = {}

    def close(self) -> None:
        """Watch no longer."""
        self._watch.close()

    def each(self, copying: Running) -> Iterator[tuple[Descriptor, Path | None]]:
        """Every wanted blob, once, until skopeo has ended; with the file it grows in if it is not whole yet."""
        while self._outstanding:
            over = copying.ended
            for digest in [each for each in self._outstanding if self._partial.blob(each).exists()]:
                layer = self._outstanding.pop(digest)
                self._tell(layer, layer.size)
                yield layer, None
            growing = self._growing()
            if len(self._outstanding) == 1 and len(growing) == 1:
                ((_, layer),) = self._outstanding.items()
                self._outstanding.clear()
                yield layer, growing[0]
            elif over:
                return
            self._measure(growing)
            if self._outstanding and not over:
                self._watch.wait(_BEAT, copying.fd)

    def follow(self, layer: Descriptor, path: Path) -> Iterator[bytes]:
        """Read a file that grows until it has got its name; LostError if it never gets it."""
        watch = Watch([path], MODIFIED | GONE)
        try:
            with self._opened(layer, path) as stream:
                done, whole = 0, False
                while not whole:
                    whole = not path.exists()
                    while chunk := stream.read(CHUNK):
                        done += len(chunk)
                        self._tell(layer, done)
                        yield chunk
                    if self._stop.is_set():
                        raise LostError(f"the pull of {layer.digest} was interrupted")
                    if not whole:
                        watch.wait(_PATIENCE)
                if not self._is_named(layer, os.fstat(stream.fileno())):
                    raise LostError(f"{layer.digest} did not come to its end")
        finally:
            watch.close()

    def _opened(self, layer: Descriptor, path: Path) -> BinaryIO:
        """Open a growing file, or what it has become since."""
        for place in (path, self._partial.blob(layer.digest)):
            with suppress(FileNotFoundError):
                return place.open("rb", buffering=0)
        raise LostError(f"{layer.digest} did not come to its end")

    def _is_named(self, layer: Descriptor, read: os.stat_result) -> bool:
        try:
            named = self._partial.blob(layer.digest).stat()
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (read.st_dev, read.st_ino)

    def _growing(self) -> list[Path]:
        with os.scandir(self._layout) as entries:
            return [Path(entry.path) for entry in entries if entry.name.startswith(_STAGED)]

    def _measure(self, growing: list[Path]) -> None:
        """Tell how much of each outstanding layer is there, as far as that can be guessed: this is only shown.

        A file is taken for the first layer that is long enough and that no other file is taken for.
        """
        guesses: dict[str, Path] = {}
        for path in growing:
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            taken = guesses.keys() | {key for key in self._guessed if self._guessed[key] != path}
            fitting = [
                one for one in self._outstanding.values() if one.size >= size and one.digest not in taken
            ]
            before = next((key for key, value in self._guessed.items() if value == path), "")
            layer = next((one for one in fitting if one.digest == before), next(iter(fitting), None))
            if layer:
                guesses[layer.digest] = path
                self._tell(layer, size)
        self._guessed = guesses

    def _tell(self, layer: Descriptor, done: int) -> None:
        if done > self._told.get(layer.digest, -1):
            self._told[layer.digest] = done
            self._say(Fetching(layer.digest, done, layer.size))
