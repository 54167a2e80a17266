"""EFFECT. Where the store keeps what, its locks, and its index as readers see it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stage0.image.model import ImageError
from stage0.image.names import is_digest
from stage1.contract.errors import HostError
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

IMPLIED = ".implied"
REF_NAME = "org.opencontainers.image.ref.name"
LIST_DIGEST = "unitpod.list-digest"
InUse = frozenset[str] | Callable[[], frozenset[str]]


class StorePaths:
    """Every path of the store below the data root."""

    def __init__(self, root: Path) -> None:
        """Nothing is looked at."""
        self.root = root

    @property
    def images(self) -> Path:
        """The OCI image layout."""
        return self.root / "images"

    @property
    def index(self) -> Path:
        """Names of the layout."""
        return self.images / "index.json"

    @property
    def blobs(self) -> Path:
        """Blobs by digest."""
        return self.images / "blobs" / "sha256"

    @property
    def layers(self) -> Path:
        """Unpacked layers by diff id, and `tmp-` directories of imports under way."""
        return self.root / "layers"

    @property
    def digested(self) -> Path:
        """What `pod run` needs, by manifest digest."""
        return self.root / "digested"

    @property
    def index_lock(self) -> Path:
        """Held exclusively to change `index.json`."""
        return self.images / ".index-lock"

    @property
    def content_lock(self) -> Path:
        """Held shared by whoever relies on blobs and layers, exclusively to delete them."""
        return self.images / ".content-lock"

    def blob(self, digest: str) -> Path:
        """Give the place of a blob."""
        return self.blobs / digest.removeprefix("sha256:")

    def layer(self, diff_id: str) -> Path:
        """Give the place of an unpacked layer."""
        return self.layers / diff_id.replace(":", "-")

    def implied(self, diff_id: str) -> Path:
        """Give the place of the list of directories that a layer implies but does not describe."""
        return self.layers / (diff_id.replace(":", "-") + IMPLIED)

    def description(self, digest: str) -> Path:
        """Give the place of an image's digested form."""
        return self.digested / (digest.removeprefix("sha256:") + ".json")


class Removal(NamedTuple):
    """What `Store.remove` did: content that pods still use is not freed."""

    names: tuple[str, ...]
    digest: str
    freed: int


def read_index(paths: StorePaths) -> dict[str, Any]:
    """Read `index.json`; an absent one is an empty one."""
    try:
        index = json.loads(paths.index.read_bytes())
    except FileNotFoundError:
        return {"schemaVersion": 2, "manifests": []}
    except PermissionError:
        raise not_allowed(paths.root) from None
    except ValueError as error:
        raise ImageError(
            f"{paths.index} is damaged ({error})", hint="move it away and import again"
        ) from None
    if not isinstance(index, dict) or not isinstance(index.get("manifests"), list):
        raise ImageError(f"{paths.index} is not an OCI image index", hint="move it away and import again")
    return index


def read_tags(paths: StorePaths) -> dict[str, str]:
    """Map names to manifest digests; entries of other tools that are no images of ours are passed over."""
    tags = {}
    for entry in read_index(paths)["manifests"]:
        name, digest = tag_of(entry), entry.get("digest") if isinstance(entry, dict) else None
        if name and isinstance(digest, str) and is_digest(digest):
            tags[name] = digest
    return tags


def tag_of(entry: object) -> str:
    """Give the name an entry of an index carries, or ""."""
    return _annotation(entry, REF_NAME)


def of_list(paths: StorePaths, digest: str) -> str:
    """Give the digest of the stored image that came from an index for several platforms, or ""."""
    for entry in read_index(paths)["manifests"]:
        if _annotation(entry, LIST_DIGEST) == digest and is_digest(str(entry.get("digest"))):
            return str(entry["digest"])
    return ""


def _annotation(entry: object, key: str) -> str:
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    value = annotations.get(key) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


@contextmanager
def locked(path: Path, operation: int) -> Iterator[None]:
    """Hold flock(2) of a lock file of the store; lock order: content, then index."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, operation)
        yield
    finally:
        os.close(fd)


def not_allowed(root: Path) -> HostError:
    """Say that this user may not read the store."""
    return HostError(
        f"{root} may not be read by this user", hint="run as root, or choose a root of yours with --dir"
    )
