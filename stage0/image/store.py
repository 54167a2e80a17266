"""EFFECT. The store as readers see it: names to images, layers to directories. What writes is imported late.

`pod run` goes through here, so this module imports nothing that takes time. Readers take no lock: every file
is replaced as a whole by rename. What must not vanish between reading and use is kept by `Store.hold`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stage0.image.model import Image, ImageError, from_json
from stage0.image.names import DEFAULT_TAG, hex_prefix, is_digest, is_fetched, is_source, normalise
from stage0.image.shelves import InUse, Removal, StorePaths, locked, not_allowed, of_list, read_tags
from stage0.image.wish import ALWAYS, MISSING, NEVER, NEWER, Wish
from stage1.contract.errors import ConflictError, HostError, NotFoundError, UsageError

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from stage0.image.events import Listener
    from stage0.image.export import Destination
    from stage0.image.selection import Rules
    from stage0.image.sweep import Collected


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

    def obtain(self, ref: str, wish: Wish = Wish(), say: Listener | None = None) -> Image:  # noqa: B008
        """Give the image that `ref` means: found here, imported from a source, or pulled, as the wish has it.

        The time of its description becomes that of its last use, by which a collection goes.
        """
        image = self._obtained(ref, wish, say)
        with suppress(OSError):  # a collection may go by an older time, nothing else depends on it
            os.utime(self.paths.description(image.digest))
        return image

    def _obtained(self, ref: str, wish: Wish, say: Listener | None) -> Image:
        if is_source(ref) and not is_fetched(ref):
            return self.import_(ref, wish=wish)
        found = self._fitting(ref, wish) if wish.pull != ALWAYS else None
        if found is not None and wish.pull != NEWER:
            return found
        if wish.pull == NEVER or is_digest(ref):
            return self.get(ref)
        from stage0.image.fetch import fetch  # noqa: PLC0415 (not on the way to a stored image)

        try:
            return fetch(self.paths, ref, None, wish, say, found)
        except (HostError, NotFoundError) as error:
            if is_source(ref) or wish.pull != MISSING:
                raise
            raise type(error)(f"no image {ref!r} is here, and {error.message}", hint=error.hint) from None

    def import_(
        self,
        source: str,
        name: str | None = None,
        wish: Wish = Wish(),  # noqa: B008
        say: Listener | None = None,
    ) -> Image:
        """Bring an image of this host's disk into the store; several may do so at once."""
        from stage0.image.importer import import_image  # noqa: PLC0415 (not on the way to a stored image)

        return import_image(self.paths, source, name, wish.platform, say)

    def pull(self, source: str, name: str | None, wish: Wish, say: Listener) -> Image:
        """Bring an image from wherever a source or a name says into the store."""
        if is_source(source) and not is_fetched(source):
            return self.import_(source, name, wish, say)
        from stage0.image.fetch import fetch  # noqa: PLC0415 (not on the way to a stored image)

        return fetch(self.paths, source, name, wish, say, None)

    def _fitting(self, ref: str, wish: Wish) -> Image | None:
        """Find an image for the platform that is wanted; `docker://` says exactly which name is meant."""
        if is_source(ref):
            from stage0.image.reference import parse_reference  # noqa: PLC0415 (not for plain names)

            meant = parse_reference(ref)
            ref = f"{meant.name}@{meant.digest}" if meant.digest and meant.tag else meant.name
            if not meant.digest and ref not in read_tags(self.paths):
                return None
        try:
            image = self.get(ref)
        except NotFoundError:
            return None
        if wish.platform is None or not image.config.architecture:
            return image
        from stage0.image.platforms import parse_platform  # noqa: PLC0415 (rarely asked for)

        wanted = parse_platform(wish.platform)
        return image if wanted.suits(image.config.architecture, image.config.os) else None

    def remove(self, ref: str, in_use: InUse) -> Removal:
        """Take a name away (all names if `ref` is a digest), then delete what nothing refers to any more.

        `in_use` are the manifest digests that pods use; given as a function it is asked while nothing can change.
        """
        from stage0.image.sweep import remove_image  # noqa: PLC0415 (not on the way to a stored image)

        name, digest = self.resolve(ref)
        names = (name,) if name else tuple(self.tags_of(digest))
        return remove_image(self.paths, names, digest, in_use)

    def gc(self, in_use: InUse | None = None) -> int:
        """Remove what dead imports left and, if the digests in use are given, unreferenced content. Bytes freed."""
        from stage0.image.sweep import collect  # noqa: PLC0415 (not on the way to a stored image)

        return collect(self.paths, in_use)

    def collect(self, rules: Rules, in_use: InUse, *, dry_run: bool = False) -> Collected:
        """Remove images by rules, but none that pods use; ConflictError while an import is under way."""
        from stage0.image.sweep import collect_by  # noqa: PLC0415 (not on the way to a stored image)

        return collect_by(self.paths, rules, in_use, dry_run=dry_run)

    def collect_automatically(self, in_use: InUse) -> None:
        """Remove what the administrator's policy lets go by itself; while an import is under way, nothing."""
        from stage0.image.policy import read_policy  # noqa: PLC0415 (not on the way to a stored image)
        from stage0.image.selection import Rules  # noqa: PLC0415

        policy = read_policy(self.root).collection
        if policy.automatic:
            with suppress(ConflictError):
                self.collect(Rules(policy.older_than, None, policy.keep_size), in_use)

    def tag(self, ref: str, name: str) -> Image:
        """Give an image one more name, which may have meant another until now."""
        from stage0.image.tags import add_name  # noqa: PLC0415 (not on the way to a stored image)

        image, full = self.get(ref), normalise(name)
        add_name(self.paths, image.digest, full)
        return image._replace(name=full)

    def untag(self, name: str) -> str:
        """Take a name away, and nothing else; give the digest it meant."""
        from stage0.image.tags import take_name  # noqa: PLC0415 (not on the way to a stored image)

        return take_name(self.paths, name if name in read_tags(self.paths) else normalise(name))

    def export(self, ref: str, destination: str) -> tuple[Image, Destination]:
        """Write an image to a file or directory that other tools read."""
        from stage0.image.export import export_image, parse_destination  # noqa: PLC0415
        from stage0.image.tags import entry_of  # noqa: PLC0415 (not on the way to a stored image)

        with self.hold():
            image = self.get(ref)
            place = parse_destination(destination, min(self.tags_of(image.digest), default=""))
            export_image(self.paths, entry_of(self.paths, image.digest), place)
        return image, place

    def digests(self) -> list[str]:
        """Give every image that has a name or a description."""
        described = {f"sha256:{stem}" for stem in _described(self.paths.digested)}
        return sorted(described | set(read_tags(self.paths).values()))

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
        if ref in tags:
            return ref, tags[ref]
        head, at, digest = ref.rpartition("@")
        if at and is_digest(digest):
            digest = of_list(self.paths, digest) or digest
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
            with open(f"{self.root}/digested/{digest[7:]}.json", encoding="ascii") as stream:  # noqa: PTH123
                return from_json(stream.read(), name)  # of 500 images each path object counts
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise ImageError(
                f"the stored description of {name} is damaged", hint="import it again"
            ) from None
        except PermissionError:
            raise not_allowed(self.root) from None


def _described(directory: Path) -> list[str]:
    """List the hexadecimal digests of all images that have a description."""
    return [path.stem for path in directory.glob("*.json")]


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
    return NotFoundError(f"no image {ref!r}", hint=known + "bring one with `pod image pull`")
