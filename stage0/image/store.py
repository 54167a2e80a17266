"""EFFECT. The store as readers see it: names to images, layers to directories. What writes is imported late.

`pod run` goes through here, so this module imports nothing that takes time. Readers take no lock: every file
is replaced as a whole by rename. What must not vanish between reading and use is kept by `Store.hold`.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from stage0.image.model import Image, ImageError, from_json
from stage0.image.names import DEFAULT_TAG, hex_prefix, is_digest, is_source, normalise
from stage1.contract.errors import ConflictError, HostError, NotFoundError, UsageError

IMPLIED = ".implied"
REF_NAME = "org.opencontainers.image.ref.name"
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


class Store:
    """Images of one data root."""

    def __init__(self, root: Path) -> None:
        """Nothing is read yet, and nothing made."""
        self.root = root
        self.paths = StorePaths(root)

    def layer_path(self, diff_id: str) -> Path:
        """Where a layer is unpacked, ready as an overlay lower."""
        return self.paths.layer(diff_id)

    def images(self) -> list[Image]:
        """All images that have a name, one entry for each name, sorted by name."""
        tags = read_tags(self.paths)
        return [image for name in sorted(tags) if (image := self._load(tags[name], name)) is not None]

    def get(self, ref: str) -> Image:
        """Find an image by NAME, NAME:TAG, NAME@DIGEST, a whole digest, or four or more digits of one."""
        name, digest = self.resolve(ref)
        image = self._load(digest, name or min(self.tags_of(digest), default=digest[:19]))
        if image is None:
            raise NotFoundError(
                f"image {ref!r} is not complete in this store", hint=_import_hint(self.paths, name)
            )
        return image

    def obtain(self, ref: str) -> Image:
        """Import `ref` if it is a source (`oci:…`, `dir:…`), otherwise find it."""
        return self.import_(ref) if is_source(ref) else self.get(ref)

    def import_(self, source: str, name: str | None = None) -> Image:
        """Bring an image of this host's disk into the store; several may do so at once."""
        from stage0.image.importer import import_image  # noqa: PLC0415 (not on the way to a stored image)

        return import_image(self.paths, source, name)

    def remove(self, ref: str, in_use: InUse) -> Removal:
        """Take a name away (all names if `ref` is a digest), then delete what nothing refers to any more.

        `in_use` are the manifest digests that pods use; given as a function it is asked while nothing can change.
        """
        from stage0.image.sweep import remove_image  # noqa: PLC0415 (not on the way to a stored image)

        return remove_image(self, ref, in_use)

    def gc(self, in_use: InUse | None = None) -> int:
        """Remove what dead imports left and, if the digests in use are given, unreferenced content. Bytes freed."""
        from stage0.image.sweep import collect  # noqa: PLC0415 (not on the way to a stored image)

        return collect(self.paths, in_use)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep content from being deleted: hold it from `get` until the pod that uses the image is on disk."""
        with locked(self.paths.content_lock, fcntl.LOCK_SH):
            yield

    def tags_of(self, digest: str) -> list[str]:
        """Give the names of an image."""
        return sorted(name for name, target in read_tags(self.paths).items() if target == digest)

    def resolve(self, ref: str) -> tuple[str, str]:
        """Give the name ("" if found by digest) and the manifest digest that `ref` means."""
        tags = read_tags(self.paths)
        head, at, digest = ref.rpartition("@")
        if at and is_digest(digest):
            found = _by_name(head, tags)
            return (found[0] if found and found[1] == digest else ""), digest
        by_name = _by_name(ref, tags)
        if by_name:
            return by_name
        prefix = hex_prefix(ref)
        matches = [stem for stem in _described(self.paths.digested) if prefix and stem.startswith(prefix)]
        if len(matches) > 1:
            raise ConflictError(f"{ref!r} is the start of {len(matches)} images", hint="give more digits")
        if not matches:
            raise _not_found(ref, tags)
        return "", f"sha256:{matches[0]}"

    def _load(self, digest: str, name: str) -> Image | None:
        try:
            return from_json(self.paths.description(digest).read_text("ascii"), name)
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise ImageError(
                f"the stored description of {name} is damaged", hint="import it again"
            ) from None
        except PermissionError:
            raise _not_allowed(self.root) from None


def read_index(paths: StorePaths) -> dict[str, Any]:
    """Read `index.json`; an absent one is an empty one."""
    try:
        index = json.loads(paths.index.read_bytes())
    except FileNotFoundError:
        return {"schemaVersion": 2, "manifests": []}
    except PermissionError:
        raise _not_allowed(paths.root) from None
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
    annotations = entry.get("annotations") if isinstance(entry, dict) else None
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else ""


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


def _described(directory: Path) -> list[str]:
    """List the hexadecimal digests of all images that have a description."""
    return [path.stem for path in directory.glob("*.json")]


def _not_allowed(root: Path) -> HostError:
    return HostError(
        f"{root} may not be read by this user", hint="run as root, or choose a root of yours with --dir"
    )


def _by_name(ref: str, tags: dict[str, str]) -> tuple[str, str] | None:
    """Find a name as it is, or the only one that ends with it: `nginx` finds `example.org/nginx`."""
    for exact in (ref, f"{ref}:{DEFAULT_TAG}"):
        if exact in tags:
            return exact, tags[exact]
    try:
        name = normalise(ref)
    except UsageError:
        return None
    longer = sorted(tag for tag in tags if tag.endswith("/" + name))
    if len(longer) > 1:
        raise ConflictError(f"{ref!r} may mean {' or '.join(longer[:5])}", hint="give the whole name")
    return (longer[0], tags[longer[0]]) if longer else None


def _import_hint(paths: StorePaths, name: str) -> str:
    return (
        f"run 'pod image import oci:{paths.images}:{name}'"
        if name
        else "import it again with 'pod image import'"
    )


def _not_found(ref: str, tags: dict[str, str]) -> NotFoundError:
    there = sorted(tags)
    known = (
        f"here: {', '.join(there[:8])}{' …' if len(there) > 8 else ''}; " if there else "no image is here; "
    )
    return NotFoundError(
        f"no image {ref!r}", hint=known + "bring one with 'pod image import oci:DIR' (or tar:, dir:)"
    )
