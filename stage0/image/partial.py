"""EFFECT. Blobs of pulls under way: whole ones only, kept until an image needs them or a day has gone.

`images/partial/` is what skopeo takes for a shared blob directory. Blobs that the store has are linked into it, so
that skopeo does not fetch them; what it fetches appears there by rename when it is whole, verified and on disk.
Whoever fetches a blob holds its claim: two pulls never fetch the same one, the second waits and finds it.

| path below `images/partial/` | what |
|---|---|
| `.lock` | flock(2): shared by every pull, exclusive to tidy up |
| `claims/HEX` | flock(2), exclusive, by whoever fetches that blob |
| `sha256/HEX` | a whole blob |
| `tmp-…` | the layout skopeo writes to; locked scratch |
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from stage0.image.scratch import sweep_scratch
from stage0.image.shelves import StorePaths, locked

KEPT_SECONDS = 24 * 3600


class Partial:
    """The area of pulls of one store; use it within `entered`."""

    def __init__(self, paths: StorePaths) -> None:
        """Nothing is made yet."""
        self.root = paths.images / "partial"
        self.blobs = self.root / "sha256"
        self._claims = self.root / "claims"
        self._store = paths

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Keep the area from being tidied up; tidy it up on leaving if nobody else is in it."""
        for directory in (self.root, self.blobs, self._claims):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with locked(self.root / ".lock", fcntl.LOCK_SH):
                yield
        finally:
            tidy(self._store)

    def blob(self, digest: str) -> Path:
        """Where a blob appears when it is whole."""
        return self.blobs / digest.removeprefix("sha256:")

    def stored(self, digest: str) -> bool:
        """True if the store has this blob; what is only whole here, another pull may be about to move there."""
        return self._store.blob(digest).exists()

    def has(self, digest: str) -> bool:
        """True if skopeo would not fetch this blob: it came earlier, or the store has it, which is linked then."""
        place = self.blob(digest)
        with suppress(FileNotFoundError, FileExistsError):
            os.link(self._store.blob(digest), place)
        return place.exists()

    def claim(self, digests: list[str], stack: ExitStack, waiting: Callable[[str], None]) -> None:
        """Take the right to fetch blobs, all in one order, so that no two pulls wait for each other."""
        for digest in sorted(digests):
            path = self._claims / digest.removeprefix("sha256:")
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting(digest)
                fcntl.flock(fd, fcntl.LOCK_EX)

    def drop(self, digests: list[str]) -> None:
        """Keep nothing of these; the caller has claimed them."""
        for digest in digests:
            self.blob(digest).unlink(missing_ok=True)


def tidy(paths: StorePaths, older: float = KEPT_SECONDS) -> int:
    """Remove what no pull will need, unless one is under way; give the bytes freed.

    That is what the store has itself (a second link), documents, which are asked for anew each time, what is `older`
    than so many seconds, and abandoned scratch.
    """
    partial = Partial(paths)
    if not partial.root.is_dir():
        return 0
    try:
        with locked(partial.root / ".lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _tidy(partial, time.time() - older)
    except BlockingIOError:
        return 0


def _tidy(partial: Partial, limit: float) -> int:
    freed = sweep_scratch(partial.root)
    for path in partial.blobs.iterdir():
        status = path.stat()
        if status.st_nlink > 1 or status.st_mtime < limit or _is_document(path):
            path.unlink()
            freed += status.st_blocks * 512 if status.st_nlink == 1 else 0
    for path in partial._claims.iterdir():
        path.unlink()
    return freed


def _is_document(path: Path) -> bool:
    with path.open("rb", buffering=0) as stream:
        return stream.read(1) == b"{"
