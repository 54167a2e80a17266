"""PURE. Names of images and of the places they are imported from.

A stored image has a name `REPOSITORY:TAG`; a missing tag means `latest`.
A source is `TRANSPORT:PLACE[:REFERENCE]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from stage1.contract.errors import UsageError
from stage1.contract.values import NamedTuple

TRANSPORTS = ("oci", "oci-archive", "docker-archive", "dir", "tar")
FETCHED = ("docker-daemon", "containers-storage")  # by skopeo, as docker:// is
DEFAULT_TAG = "latest"
MAX_NAME = 255
MIN_PREFIX = 4

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
REPOSITORY = rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*"  # texts: finding a stored image must not compile them
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_VERSION = r"latest|v?[0-9][A-Za-z0-9_.-]*"
_HEX_DIGITS = "0123456789abcdef"
_WHOLE = 64
_NAME_HINT = (
    "a name is [HOST[:PORT]/]PATH[:TAG] in lower case, such as nginx:1.27 or example.org/team/app:v2"
)


class Source(NamedTuple):
    """Where an image comes from: transport, path, and which of several images ("" if not said)."""

    transport: str
    place: str
    reference: str

    @property
    def text(self) -> str:
        """The source as the user would type it."""
        return ":".join(part for part in (self.transport, self.place, self.reference) if part)


def is_source(text: str) -> bool:
    """Say whether `text` starts with the name of a transport."""
    transport, colon, _ = text.partition(":")
    return bool(colon) and (transport in TRANSPORTS or is_fetched(text))


def is_fetched(text: str) -> bool:
    """Say whether `text` is a source that skopeo reads for us; `docker:1` alone is an image of that name."""
    return text.startswith("docker://") or (text.partition(":")[0] in FETCHED and ":" in text)


def parse_source(text: str, exists: Callable[[str], bool] = bool) -> Source:
    """Split `TRANSPORT:PLACE[:REFERENCE]`; for `dir` and `tar` all after the first colon is the path.

    A colon may be part of the path: the first one after which `exists` knows the path before it is the separator.
    """
    transport, colon, rest = text.partition(":")
    if transport not in TRANSPORTS or not colon:
        message = f"{text!r} is not an image source"
        kinds = ", ".join(f"{kind}:PATH" for kind in TRANSPORTS)
        raise UsageError(message, hint=f"write one of {kinds}; for registries: pod image pull")
    if not rest.partition(":")[0] or "\0" in rest:
        message = f"{text!r} names no path"
        raise UsageError(message, hint=f"write {transport}:PATH")
    splits = [(rest, "")] if transport in ("dir", "tar") else _splits(rest)
    place, reference = next((split for split in splits if exists(split[0])), splits[0])
    return Source(transport=transport, place=place, reference=reference)


def _splits(text: str) -> list[tuple[str, str]]:
    """Every way to take one colon as the separator, from the left, and last the way without one."""
    colons = [index for index, char in enumerate(text) if char == ":"]
    return [*((text[:index], text[index + 1 :]) for index in colons), (text, "")]


def is_digest(text: str) -> bool:
    """Say whether `text` is a whole `sha256:HEX` digest."""
    return text.startswith("sha256:") and len(hex_prefix(text) or "") == _WHOLE


def hex_prefix(text: str) -> str | None:
    """Give the hexadecimal digits of a digest or of the start of one, or None if it cannot be one."""
    digits = text.removeprefix("sha256:")
    if MIN_PREFIX <= len(digits) <= _WHOLE and not digits.strip(_HEX_DIGITS):
        return digits
    return None


def split_name(name: str) -> tuple[str, str]:
    """Split a name into repository and tag; the colon of a port is no tag."""
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, ""
    return head, tag


def normalise(name: str) -> str:
    """Give the full form `REPOSITORY:TAG` of a name, or refuse it."""
    repository, tag = split_name(name)
    tag = tag or DEFAULT_TAG
    if name.endswith(":") or not re.fullmatch(REPOSITORY, repository) or not re.fullmatch(TAG, tag):
        message = f"{name!r} is not a valid image name"
        raise UsageError(message, hint=_NAME_HINT)
    if is_digest(f"{repository}:{tag}") or repository in (*TRANSPORTS, *FETCHED):
        message = (
            f"the image name {name!r} would be read as a {'digest' if repository == 'sha256' else 'source'}"
        )
        raise UsageError(message, hint="choose another name with --name")
    if len(repository) > MAX_NAME:
        message = f"the image name is longer than {MAX_NAME} characters: {name[:40]}…"
        raise UsageError(message, hint=_NAME_HINT)
    return f"{repository}:{tag}"


def name_from_path(path: str) -> str:
    """Make a name of the last part of a path: `/srv/My App.tar.gz` gives `my-app`."""
    last = path.rstrip("/").rpartition("/")[2].lower()
    last = re.sub(r"(\.(oci|tar|tgz|txz|tzst|gz|xz|zst|bz2|tbz2))+$", "", last)
    return re.sub(r"[^a-z0-9]+", "-", last).strip("-")


def default_name(transport: str, place: str, reference: str) -> str:
    """Name an image nobody named: by its reference, or by its path, to which a mere version is the tag."""
    from_path = name_from_path(place)
    named = reference.partition("@")[0]
    if not named or is_digest(reference):
        chosen = from_path
    elif from_path and re.fullmatch(_VERSION, named):
        chosen = f"{from_path}:{named}"
    else:
        chosen = named
    if not chosen:
        message = f"{transport}:{place} gives no name for the image"
        raise UsageError(message, hint="add --name NAME[:TAG]")
    return normalise(chosen)
