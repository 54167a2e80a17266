"""PURE. What is known of an image of a registry before it is fetched."""

from __future__ import annotations

from stage0.image.index import IndexEntry
from stage0.image.manifests import OCI_MANIFEST, Manifest
from stage0.image.reference import Reference
from stage1.contract.values import NamedTuple

HINT = "the registry or a mirror on the way is damaged or lies; nothing was kept"


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

    @property
    def exact(self) -> str:
        """Its address by digest, where nothing can change any more."""
        return self.reference.at(self.digest).address

    @property
    def keeps_format(self) -> bool:
        """True if its manifest can stand in an OCI layout as it is, which skopeo then must not change."""
        return self.manifest.media_type == OCI_MANIFEST
