"""What an image is: names, the store, unpacked layers. Knows nothing about pods."""

from stage0.image.model import Image, ImageConfig, ImageError
from stage0.image.store import Store
from stage0.image.tree import Entry, MergedTree

__all__ = ["Entry", "Image", "ImageConfig", "ImageError", "MergedTree", "Store"]
