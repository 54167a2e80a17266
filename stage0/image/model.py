"""PURE. What a stored image is, and its digested form on disk.

Text that came from outside and is not UTF-8 is kept by surrogateescape: `os.fsencode` gives its bytes back.
Named tuples, because `pod run` imports this: dataclasses take 10 ms.
"""

from __future__ import annotations

import json

from stage1.contract.errors import PodError
from stage1.contract.values import NamedTuple

TYPE_CHECKING = False  # that of `typing`, which `pod run` has no time to import
if TYPE_CHECKING:
    from typing import Any

DIGESTED_VERSION = 1


class ImageError(PodError):
    """An image, or a part of one, is malformed, damaged, or asks for something that is refused."""

    def within(self, what: str) -> ImageError:
        """The same error, saying in what it was found."""
        if self.message.startswith(what):
            return self
        return ImageError(f"{what}: {self.message}", hint=self.hint)


class ImageConfig(NamedTuple):
    """What the image says about how to run it; no default is filled in."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    workdir: str
    stop_signal: str
    volumes: tuple[str, ...]
    ports: tuple[str, ...]
    labels: dict[str, str]
    architecture: str
    os: str


class Image(NamedTuple):
    """A stored image: `layers` are diff ids, lowest first; `size` is that of its blobs."""

    name: str
    digest: str
    config_digest: str
    layers: tuple[str, ...]
    size: int
    created: str
    config: ImageConfig
    passwd: str
    group: str


def as_dict(image: Image) -> dict[str, Any]:
    """All of an image as plain values."""
    return image._asdict() | {"config": image.config._asdict()}


def to_json(image: Image) -> str:
    """Write the digested form; the name is not part of it, since an image may have several."""
    fields = as_dict(image)
    del fields["name"]
    return json.dumps({"version": DIGESTED_VERSION} | fields, separators=(",", ":"))


def from_json(text: str, name: str) -> Image:
    """Read what `to_json` wrote; this is our own file, so only its version is checked."""
    try:
        fields: dict[str, Any] = json.loads(text)
        if fields.pop("version") != DIGESTED_VERSION:
            raise ValueError("version")
        config = fields.pop("config")
        for key in ("entrypoint", "cmd", "env", "volumes", "ports"):
            config[key] = tuple(config[key])
        fields["layers"] = tuple(fields["layers"])
        return Image(name=name, config=ImageConfig(**config), **fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the stored description of image {name} cannot be read ({error})"
        raise ImageError(message, hint="import the image again") from None
